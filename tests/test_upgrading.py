"""docs/upgrading.md names every cause of every step between the published versions, and is what its script writes."""

from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path

import pytest

from sarkmock.suite_api import deviations_of, profiles

DOCS = Path(__file__).parent.parent / "docs"
SCRIPT = runpy.run_path(str(DOCS / "upgrading.py"))
PAGE = (DOCS / "upgrading.md").read_text(encoding="utf-8")
PUBLISHED = [name.replace("shipped", "2024-06") for name in profiles()[1:]]


def test_each_step_from_one_version_to_the_next_has_a_section() -> None:
    assert list(SCRIPT["STEPS"]) == list(pairwise(PUBLISHED))


@pytest.mark.parametrize(("before", "after"), SCRIPT["STEPS"])
def test_a_section_names_every_cause_and_its_prose(before: str, after: str) -> None:
    section = PAGE.partition(f"## From {before} to {after}\n")[2].partition("\n## ")[0]
    assert SCRIPT["STEPS"][before, after] in section
    old, new = ({one.id: one.summary for one in deviations_of(name)} for name in (before, after))
    causes = {text for name, text in (old | new).items() if (name in old) != (name in new)}
    listed = {line.partition(": ")[2] for line in section.splitlines() if line.startswith("- **")}
    assert listed == causes


@pytest.mark.slow
def test_the_page_is_what_the_script_writes() -> None:
    assert SCRIPT["page"]() == PAGE
