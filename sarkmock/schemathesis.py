"""Hooks for SCHEMATHESIS_HOOKS=sarkmock.schemathesis: those of the contract suite, found by entry point."""

from importlib.metadata import entry_points

for hooks in entry_points(group="sarkmock.schemathesis"):
    hooks.load()
