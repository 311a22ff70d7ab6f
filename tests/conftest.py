"""Fixtures for all tests: engines of two profiles."""

import gc
import os
import signal
from pathlib import Path

import pytest

# The caches of this checkout, separate from those of other checkouts.
CACHE = Path(__file__).parents[1] / "build" / "cache"
os.environ.update(XDG_CACHE_HOME=str(CACHE), HYPOTHESIS_STORAGE_DIRECTORY=str(CACHE / "hypothesis"))
pytest_plugins = ["pytester"]
os.fsync = lambda _: None  # only a power failure shows the difference, and the ledger waits for the disk at every write
# A shell starts background jobs with SIGINT ignored, which processes that tests start would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def documented(request):
    """An engine of the documented profile, made by the module's `engine_of` if it has one."""
    return made_by(request.module, "documented")


@pytest.fixture
def shipped(request):
    """An engine of the shipped profile."""
    return made_by(request.module, "shipped")


def made_by(module, profile):
    from tests import engines  # late, because imports are tested

    return getattr(module, "engine_of", engines.engine_of)(profile)


def pytest_collection_finish():
    """What is loaded stays, and garbage collections would take a sixth of the time."""
    gc.freeze()
    gc.set_threshold(50_000)
