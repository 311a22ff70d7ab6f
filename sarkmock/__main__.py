"""`python -m sarkmock`."""

from sarkmock.cli import main

main()
