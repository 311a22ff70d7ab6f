"""Verdicts of the checker compared with those of Debian's Shorewall: `tox -e shorewall`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sarkmock import load_seed
from sarkmock.pbx.shorewall import first_mistake, lists
from tests.shorewall import cases, oracle
from tests.shorewall import words as generator
from tests.shorewall.lines import Writer

RULE_SETS = int(os.environ.get("SARKMOCK_RULE_SETS", "2000"))
SEED = int(os.environ.get("SARKMOCK_SEED", "1"))

INSTALLED = all(map(oracle.is_installed, (4, 6)))

pytestmark = pytest.mark.skipif(not INSTALLED, reason="needs Debian's packages shorewall and shorewall6")


def test_word_lists_match_installed_shorewall() -> None:
    assert lists.WORDS_FILE.read_text("utf-8") == generator.text()


@pytest.mark.parametrize("version", [4, 6])
def test_recorded_verdicts_match_installed_shorewall(version: int, tmp_path: Path) -> None:
    recorded = cases.read()[version]
    problems = oracle.verdicts([rules.split("\n") for rules in recorded], version, tmp_path)
    assert dict(zip(recorded, problems, strict=True)) == recorded


@pytest.mark.parametrize("version", [4, 6])
def test_generated_rules_have_the_same_verdict(version: int, tmp_path: Path) -> None:
    writer = Writer(SEED, version)
    rule_sets = [writer.rule_set() for _ in range(RULE_SETS)]
    problems = oracle.verdicts(rule_sets, version, tmp_path)
    different = []
    for rules, problem in zip(rule_sets, problems, strict=True):
        mistake = first_mistake(rules, oracle.SITES[version])
        if (mistake is None) != (problem is None) and not oracle.is_undecided(problem):
            different.append((rules, problem, mistake))
    assert different == [], f"seed {SEED}, version {version}"


@pytest.mark.parametrize("version", [4, 6])
def test_factory_configuration_is_valid(version: int, tmp_path: Path) -> None:
    folder = f"/etc/{oracle.PROGRAMS[version]}/"
    files = {path.removeprefix(folder): content for path, content in load_seed("factory").files.items()
             if path.startswith(folder)}
    assert oracle.verdict(files, version, tmp_path / "configuration") is None
