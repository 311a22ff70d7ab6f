"""The contract suite: judges a target by the document. It uses only the public names of sarkmock."""
