"""The pytest side of a run: options, phases, console, xdist, exit code."""
