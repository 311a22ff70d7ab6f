"""Turning a recording into a profile that reproduces the recorded box and passes `check`."""

from __future__ import annotations

import random
from itertools import cycle
from pathlib import Path

import pytest
import yaml
from sarkmock_contracts.baselines.catalogue import catalogue
from sarkmock_contracts.baselines.facts import NOT_SENT, Baseline, Fact, write_baseline
from sarkmock_contracts.baselines.observer import DEPTHS, recorded_value, values_for
from sarkmock_contracts.baselines.profile import (
    OWN_DEVIATION,
    actions_of,
    choose_deviations,
    document_of,
    profile_from,
    profile_lines,
    recording_of,
    write_profile,
)
from sarkmock_contracts.baselines.synthesize import infer_rules
from sarkmock_contracts.errors import Unfit
from sarkmock_contracts.spec.boundary_values import split

from sarkmock import Engine, State
from sarkmock.suite_api import Validator, deviations_of, load
from tests import replay
from tests.fidelity import FILES
from tests.mutations import NoTables, draw, laravel, mutated, record
from tests.serving import mistake, sarkmock, serving

ALL = ("read", "write", "operational")


def box(facts, allowed=ALL, only=None):
    metadata = {"recorded": "2026-01-01T00:00:00Z", "seconds": 1, "requests": 1, "milliseconds": {}}
    return Baseline("https://pbx.example/api", "usual", allowed, only, facts, recorded=metadata, name="box.sark")


def box_like(document, allowed=ALL, only=None):
    recording = box(None, allowed, only)
    recording.facts = recording_of(document, recording)
    return recording


def agreement(profile):
    """The number of exchanges that a mock of the profile reproduces, and the number of all exchanges."""
    engine = Engine(load(profile), State())
    answers = [difference for file in FILES for _, difference in replay.answers(replay.read(file), engine)]
    return answers.count(None), len(answers)


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [("read",), ALL], ids=len)
def test_profile_of_shipped_mock_reproduces_every_exchange(allowed, tmp_path):
    profile = profile_from(box_like(load("shipped"), allowed))
    assert profile.left == []
    write_profile(profile, tmp_path / "box.yaml")
    reproduced, total = agreement(str(tmp_path / "box.yaml"))
    assert (reproduced, total) == (total, 468)
    assert {item.id for item in deviations_of(str(tmp_path / "box.yaml"))} == {
        OWN_DEVIATION, *(item.id for item in deviations_of("shipped"))}


def test_profile_of_documented_mock_has_no_deviation():
    profile = profile_from(box_like(load(), only="Tenants"))
    assert list(profile.overlay["x-deviations"]) == [OWN_DEVIATION]
    assert profile.left == []
    assert next(profile_lines(profile)) == "nearest to documented: 0 of its deviations, 0 of the box's own"


@pytest.mark.slow
@pytest.mark.parametrize(("section", "about"), [("Trunks", "trunk"), ("Tenants", "tenant"), ("Queues", "queue")])
@pytest.mark.parametrize("seed", range(2))
def test_deviations_of_mixed_box_are_recognised(section, about, seed):
    """The profile has the deviations that the box shows and none that it contradicts."""
    rng = random.Random(seed)
    ids = [item.id for item in deviations_of("shipped") if item.id.startswith((about, "debug-pages"))]
    some = [name for name in ids if rng.random() < 0.5 or name == "debug-pages"]
    profile = choose_deviations(box_like(document_of(actions_of("shipped", some)), only=section))
    assert profile.comparison.differences == []


@pytest.mark.parametrize(("profile", "section", "seed"), [
    ("documented", "Agents", 1), ("shipped", "Queues", 2), ("documented", "Routes", 3), ("shipped", "Tenants", 4)])
def test_unknown_box_becomes_profile_with_its_deviations(profile, section, seed, tmp_path):
    mutations = draw(profile, section, random.Random(seed), 3)
    facts = record(mutated(profile, mutations), section)
    profile = profile_from(box(facts, only=section))
    assert [str(item) for item in profile.left] == []
    own = [name for name in profile.overlay["x-deviations"] if name.startswith("box-") and name != OWN_DEVIATION]
    assert bool(own) is bool(frozenset().union(*(item.expected for item in mutations)))
    write_profile(profile, tmp_path / "box.yaml")
    assert load(str(tmp_path / "box.yaml"))["info"]["title"].endswith("https://pbx.example/api")


def test_inexpressible_difference_is_reported():
    facts = record(load(), "Tenants")
    for key, fact in list(facts.by_key.items()):
        if (fact.op, fact.fact, fact.of) == ("GET /tenants/{tenant}", "status", "unknown key"):
            facts.by_key[key] = Fact(fact.op, fact.fact, fact.of, 410, fact.by)
    profile = profile_from(box(facts, only="Tenants"))
    assert [item.kind for item in profile.left] == ["rejection status changed"]
    line = "missing from the profile: GET /tenants/{tenant}: rejection status changed unknown key"
    assert line in profile_lines(profile)


TABLES = ("exists", "file", "mime", "{")  # rules that need a box


def test_rules_are_inferred_from_verdicts():
    rules = [(known.name, field, rules) for known in catalogue().values() for item in known.versions.values()
             for field, rules in item.rules.items() if not any(word in str(rules) for word in TABLES)]
    cases = zip(rules[::7], cycle(("laravel-7", "laravel-10")))
    tried = [profile for case, wording in cases if (profile := inferred(*case, wording)) is not None]
    assert len(tried) > len(rules) // 14
    assert [case for case in tried if case] == []


def inferred(op, field, rules, wording):
    """An error text if the rules inferred from verdicts differ, "" if not, None if the rules crash PHP."""
    try:
        validator = Validator({field: rules}, wording)
        seen = []
        for value in (*values_for(catalogue()[op], field, DEPTHS["usual"]), NOT_SENT):
            messages = validator.errors({} if value is NOT_SENT else {field: laravel(value)}, NoTables()).get(field, [])
            seen.append(Fact(op, "rule", field, "rejected" if messages else "accepted", "", recorded_value(value),
                             tuple(messages)))
    except Exception:
        return None
    profile = infer_rules(field, seen, wording)
    is_right = profile is not None and ("required" in profile) is ("required" in split(rules))
    return "" if is_right else f"{op} {field}: {rules} is taken for {profile}"


def test_inconsistent_actions_are_rejected():
    with pytest.raises(Unfit, match="matches nothing"):
        document_of([{"target": "$.paths['/nosuch']", "remove": True}])
    with pytest.raises(Unfit, match="no value at #/components/schemas/NoSuch"):
        document_of([{"target": "$.components.schemas", "update": {"A": {"$ref": "#/components/schemas/NoSuch"}}}])


# the command


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    file = tmp_path_factory.mktemp("overlay") / "before.sark"
    write_baseline(box_like(load("shipped"), only="Agents"), file)
    return file


@pytest.mark.slow
def test_written_profile_passes_check(recording, tmp_path):
    file = tmp_path / "box.yaml"
    result = sarkmock("overlay", str(recording), "-o", str(file))
    assert result.returncode == 0, result
    assert "a mock of it differs from the recording in 0 of " in result.stdout
    content = yaml.safe_load(file.read_text())
    assert all(action["x-deviation"] in content["x-deviations"] for action in content["actions"])
    judged = sarkmock("check", "--profile", str(file), "--quick", "--only", "Agents")
    assert judged.returncode == 0, judged.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["box.yaml"]


@pytest.mark.slow
def test_box_in_use_becomes_profile(tmp_path):
    """Its lists contain other rows than those of a factory mock. This is reported, but not an error."""
    with serving("--http", "--profile", "shipped", "--seed", "demo") as box:
        recorded = sarkmock("baseline", box.url, "-o", str(tmp_path / "box.sark"))
    assert recorded.returncode == 0, recorded
    result = sarkmock("overlay", str(tmp_path / "box.sark"), "-o", str(tmp_path / "box.yaml"))
    assert (result.returncode, result.stdout.splitlines()[0]) == (
        0, f"nearest to shipped: {len(deviations_of('shipped'))} of its deviations, 0 of the box's own")


@pytest.mark.slow
def test_errors_are_one_line_and_write_nothing(recording, tmp_path):
    there = tmp_path / "there.yaml"
    there.write_text("mine")
    assert "already exists" in mistake("overlay", str(recording), "-o", str(there))
    assert there.read_text() == "mine"
    assert "must end in .yaml" in mistake("overlay", str(recording), "-o", str(tmp_path / "box"))
    assert "no such directory" in mistake("overlay", str(recording), "-o", str(tmp_path / "no" / "box.yaml"))
    assert "not a baseline" in mistake("overlay", str(there), "-o", str(tmp_path / "box.yaml"))
    assert [path.name for path in Path(tmp_path).iterdir()] == ["there.yaml"]
