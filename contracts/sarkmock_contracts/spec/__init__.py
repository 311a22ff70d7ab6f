"""What the suite reads from the document: the compiled contract and its test data."""
