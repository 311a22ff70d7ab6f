"""docs/upgrading.md lists every difference between consecutive versions, and is up to date with its script."""

from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path

import pytest

from sarkmock.suite_api import deviations_of, profile_names

DOCS = Path(__file__).parent.parent / "docs"
SCRIPT = runpy.run_path(str(DOCS / "upgrading.py"))
PAGE = (DOCS / "upgrading.md").read_text(encoding="utf-8")
PUBLISHED = [name.replace("shipped", "2024-06") for name in profile_names()[1:]]


def test_each_upgrade_has_a_section() -> None:
    assert list(SCRIPT["STEPS"]) == list(pairwise(PUBLISHED))


@pytest.mark.parametrize(("before", "after"), SCRIPT["STEPS"])
def test_section_lists_every_difference(before: str, after: str) -> None:
    section = PAGE.partition(f"## From {before} to {after}\n")[2].partition("\n## ")[0]
    assert SCRIPT["STEPS"][before, after] in section
    old, new = ({deviation.id: deviation.summary for deviation in deviations_of(name)} for name in (before, after))
    differences = {text for name, text in (old | new).items() if (name in old) != (name in new)}
    listed = {line.partition(": ")[2] for line in section.splitlines() if line.startswith("- **")}
    assert listed == differences


@pytest.mark.slow
def test_page_is_up_to_date() -> None:
    assert SCRIPT["page"]() == PAGE
