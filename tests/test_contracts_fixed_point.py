"""A profile judged by itself has no finding, and judged by another one exactly the differences of the two."""

from __future__ import annotations

import pytest
from sarkmock_contracts.client.http import with_json
from sarkmock_contracts.judge import attribution as known
from sarkmock_contracts.run import Run
from sarkmock_contracts.spec.contract import Contract

from sarkmock import State, profiles
from sarkmock.suite_api import deviations_of, load
from tests.contract_runs import NOW, checked, run, suite_of

PROFILES = list(profiles())
FAST = ("reads", "rules", "rows", "undocumented-paths", "undocumented-fields", "unknown-rows", "scenarios", "links",
        "smoke", "options", "unknown-paths", "run-state")  # what finds most in seconds; the rest runs with tox -e slow


def box_with_an_ivr() -> State:
    """The shipped product cannot create an IVR, so a box that has one is needed to meet its other deviations."""
    state = State(now=NOW)
    state.tables.insert("ivrmenu", {"pkey": "zzmenu", "cluster": "default", "timeout": "operator"})
    return state


def new(suite: Run) -> list[str]:
    return [str(judged.finding) for judged in suite.outcome().of("new")]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_conforms_to_itself(profile: str) -> None:
    suite = checked(suite_of(profile, profile), *FAST)
    assert [str(finding) for finding in suite.findings] == []


@pytest.mark.parametrize("target", [pytest.param(name, marks=pytest.mark.slow if name != "shipped" else ())
                                    for name in PROFILES if name != "documented"])
def test_the_documentation_finds_only_what_is_known(target: str) -> None:
    suite = checked(suite_of("documented", target), *FAST)
    assert new(suite) == []
    assert len(suite.outcome().deviations("known")) > 30


def test_published_versions_differ_by_what_is_known() -> None:
    """A call detail record holds the time, so that what an unknown path answers is compared by its kind alone."""
    suite = checked(suite_of("L10", "shipped"), "smoke", "undocumented-paths", "unknown-rows", "run-state")
    assert new(suite) == []
    assert "logs-cdrs-path" in {one.deviation.id for one in suite.outcome().deviations("known")}


def test_a_crash_speaks_for_no_rule() -> None:
    """Inbound routes of L11 crash on a destination; that refutes nothing of what explains their other answers."""
    suite = suite_of("documented", "L11")
    body = {"pkey": "02071000001", "cluster": "default", "carrier": "DiD", "tag": "a b", "openroute": 0}
    crash = suite.send(with_json("POST", "/inboundroutes", body))
    assert crash.response.status == 500
    assert not suite.judge.witnesses.contradicts(Contract(load("L11")), crash, "tag")


@pytest.mark.slow
@pytest.mark.parametrize("target", PROFILES)
@pytest.mark.parametrize("judge", PROFILES)
def test_every_profile_judged_by_every_profile(judge: str, target: str) -> None:
    """All checks; the findings are explained by deviations that one of the two has and the other has not."""
    suite = run(suite_of(judge, target))
    assert new(suite) == []
    names = {deviation.id for deviation in suite.judge.lists.known} | {target}
    assert {name for finding in suite.findings for name in finding.deviations} <= names
    if judge == target:
        assert len(suite.findings) == 0
    else:
        assert len(suite.findings) > 0


@pytest.mark.slow
def test_shipped_conforms_to_itself_with_an_ivr() -> None:
    assert [str(finding) for finding in run(suite_of("shipped", "shipped", box_with_an_ivr())).findings] == []


@pytest.mark.slow
def test_shipped_differs_from_the_documentation_by_all_listed_deviations() -> None:
    suite = run(suite_of("documented", "shipped", box_with_an_ivr()))
    assert new(suite) == []
    met = {one.deviation.id for one in suite.outcome().deviations("known")}
    shipped = Contract(load("shipped"))
    assert [one.id for one in deviations_of("shipped")
            if one.id not in met and not one.unseen and not known.out_of_sight(suite.contract, shipped, one)] == []
