"""Records how a box behaves, compares two recordings, and turns one into a profile. Judges nothing by the document."""
