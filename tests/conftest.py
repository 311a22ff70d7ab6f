"""Fixtures of all tests: engines of two profiles."""

import os
import signal
from pathlib import Path

import pytest

# What runs of this checkout prepare is kept for its next ones, apart from other checkouts'.
CACHE = Path(__file__).parents[1] / "build" / "cache"
os.environ.update(XDG_CACHE_HOME=str(CACHE), HYPOTHESIS_STORAGE_DIRECTORY=str(CACHE / "hypothesis"))
pytest_plugins = ["pytester"]
# A shell starts background jobs with SIGINT ignored, and what tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def documented(request):
    """An engine of the documentation; by the module's `engine_of`, if it has one."""
    return made_by(request.module, "documented")


@pytest.fixture
def shipped(request):
    """An engine of the published product."""
    return made_by(request.module, "shipped")


def made_by(module, profile):
    from tests import engines  # not before a test asks for it: imports are tested

    return getattr(module, "engine_of", engines.engine_of)(profile)
