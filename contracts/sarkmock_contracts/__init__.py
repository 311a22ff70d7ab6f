"""The contract suite: judges a target by the document. Of sarkmock it knows the public names only."""
