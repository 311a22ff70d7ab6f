"""`sarkmock proxy`: judges real traffic, and compares it with the responses of another version."""
