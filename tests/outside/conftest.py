"""A file with the document of each profile and of the control plane."""

from __future__ import annotations

from pathlib import Path

import pytest

from sarkmock.control.bodies import control_document_yaml
from tests.outside.tools import PROFILES, written


@pytest.fixture(scope="session", params=PROFILES)
def document(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp(request.param)
    if request.param != "control":
        return written(request.param, folder)
    file = folder / "control.yaml"
    file.write_text(control_document_yaml(), encoding="utf-8")
    return file
