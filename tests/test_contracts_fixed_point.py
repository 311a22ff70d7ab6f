"""Each profile conforms to itself, and the shipped one differs from the page exactly by the listed deviations."""

from __future__ import annotations

import pytest
from sarkmock_contracts.judge import attribution as known
from sarkmock_contracts.spec.contract import Contract

from sarkmock import State
from sarkmock.suite_api import deviations, load
from tests.contract_runs import NOW, run, suite_of

pytestmark = pytest.mark.slow


def box_with_an_ivr() -> State:
    """The shipped product cannot create an IVR, so a box that has one is needed to meet its other deviations."""
    state = State(now=NOW)
    state.tables.insert("ivrmenu", {"pkey": "zzmenu", "cluster": "default", "timeout": "operator"})
    return state


def test_documented_conforms_to_itself() -> None:
    assert [str(finding) for finding in run(suite_of("documented", "documented")).findings] == []


def test_shipped_conforms_to_itself() -> None:
    assert [str(finding) for finding in run(suite_of("shipped", "shipped", box_with_an_ivr())).findings] == []


def test_shipped_differs_from_the_page_exactly_by_the_listed_deviations() -> None:
    suite = run(suite_of("documented", "shipped", box_with_an_ivr()))
    assert [str(judged.finding) for judged in suite.outcome().of("new")] == []
    met = {one.deviation.id for one in suite.outcome().deviations("known")}
    shipped = Contract(load("shipped"))
    assert [one.id for one in deviations("shipped")
            if one.id not in met and not one.unseen and not known.out_of_sight(suite.contract, shipped, one)] == []
