"""A proxy in front of a real SARK: forwards messages unchanged, and passes each exchange to listeners."""
