"""Statements of the documentation, and decisions where it is silent, each verified by requests to an engine."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sarkmock.http.engine import Engine
from sarkmock.pbx.state import State
from sarkmock.spec import loading, yaml12
from tests import steps

FILES = [Path(__file__).parent / "cases" / f"{name}.yaml" for name in ("behaviours", "silences")]
CASES = [case for file in FILES for case in yaml12.read(file)]


@cache
def engine(profile: str) -> Engine:
    return Engine(loading.load(profile), State(now=1_700_000_000))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case(case: dict[str, Any]) -> None:
    assert case["steps"]
    steps.run(case["steps"], engine(case.get("profile", "documented")))
