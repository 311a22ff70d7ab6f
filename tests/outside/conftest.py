"""The document of each profile, in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.outside.tools import PROFILES, written


@pytest.fixture(scope="session", params=PROFILES)
def document(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(request.param, tmp_path_factory.mktemp(request.param))
