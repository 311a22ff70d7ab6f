"""`sarkmock proxy`: real traffic judged as it passes, and what another version would have answered."""
