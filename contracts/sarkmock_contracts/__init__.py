"""The contract suite: judges a target by the document. Of sarkmock it uses the public names only."""
