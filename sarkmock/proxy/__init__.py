"""A proxy before a real SARK: passes requests on and answers back, byte for byte, and shows each exchange to others."""
