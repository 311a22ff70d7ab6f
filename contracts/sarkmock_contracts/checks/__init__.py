"""The checks: each sends requests and reports problems."""
