"""A proxy before a real SARK: forwards byte for byte, and passes each exchange on to listeners."""
