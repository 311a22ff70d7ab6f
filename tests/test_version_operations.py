"""Operations and variables that only the target's version has are tested by the document of that version."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sarkmock_contracts.checks import BY_NAME
from sarkmock_contracts.client.transports import SignedIn, embedded_mock
from sarkmock_contracts.judge.verdicts import causes
from sarkmock_contracts.reports.data import finding_data
from sarkmock_contracts.reports.merging import finding_of
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine
from sarkmock.suite_api import load_toggled
from tests.contract_runs import checked, suite_of
from tests.mutants.generated import Mutated, mutation_named
from tests.mutants.hunting import names, options


@pytest.mark.parametrize(("judge", "profile"), [
    ("documented", "shipped"),
    *(pytest.param(judge, profile, marks=pytest.mark.slow)
      for judge, profile in (("documented", "L11"), ("shipped", "L11"), ("L11", "documented")))])
def test_version_conforms_to_its_own_document(judge: str, profile: str) -> None:
    run = checked(suite_of(judge, profile), "version-operations")
    assert run.target.requests > 0
    assert [str(finding) for finding in run.findings] == []


def test_target_of_the_judging_version_has_no_other_operations() -> None:
    assert BY_NAME["version-operations"].cases(suite_of("documented", "documented")) == []


@pytest.mark.parametrize(("judge", "profile", "text"), [
    ("documented", "shipped", "neighbour: globals.update SPYPASS numeric for integer"),
    ("documented", "shipped", "stored: globals.update BLINDBUSY cut short"),
    ("documented", "shipped", "hidden column: globals.list PROXYIGNORE shown"),
    ("documented", "shipped", "rule lost: cosrules.update description without string"),
    ("documented", "shipped", "default: cosrules.create active null"),
    ("documented", "shipped", "list: cosrules.list without the last"),
    ("documented", "shipped", "exists: extensions.create.webrtc cluster exists:lineio,pkey for exists:cluster,pkey"),
    ("documented", "shipped", "required lost: astamis.originate caller without required"),
    ("shipped", "L11", "status: auth.whoami 201 for 200"),
])
def test_change_of_another_operation_is_one_new_finding(judge: str, profile: str, text: str) -> None:
    mutation = mutation_named(profile, text)
    box, section = Mutated(profile, mutation), contract_of(profile).by_id[min(mutation.operations)].section
    run = checked(Run(contract_of(judge), SignedIn(box, box.engine.state),
                      replace(options(judge, profile), only=section)), "rules", "version-operations")
    outcome = run.outcome()
    assert [judged for judged in outcome.of("new") if not names(judged.finding, mutation)] == []
    assert len(causes(outcome)) == 1
    (first, *_) = outcome.of("new")
    data = finding_data(run, first)
    assert (data["profile"], data["section"]) == (profile, section)
    again = finding_of(data, judge)
    assert (again.identity, again.profile) == (first.finding.identity, profile)


@pytest.mark.parametrize(("deviation", "section"), [
    ("extension-create-ignores-optional", "Extensions"), ("trunk-z-updater", "Trunks"),
    ("trunk-cluster-unchecked", "Trunks")])
def test_mended_deviation_of_a_shared_operation_is_no_finding(deviation: str, section: str) -> None:
    """The judging document, which is right there, judges what both documents have."""
    engine = Engine(load_toggled("shipped", deviation))
    run = Run(contract_of("documented"), embedded_mock(engine), RunOptions("documented", "shipped", only=section))
    checked(run, "rules", "version-operations")
    assert [str(finding) for finding in run.findings if finding.profile] == []


@pytest.mark.parametrize("name", ["boundary-sweep", "boundaries", "arrays", "fuzz"])
def test_values_are_not_tested_at_an_operation_that_does_not_exist(name: str) -> None:
    run = checked(suite_of("documented", "shipped", only="Globals"), "rules", "smoke")
    before = requests_of(run, "globals.update")
    assert 0 < before == requests_of(checked(run, name), "globals.update")


def requests_of(run: Run, operation: str) -> int:
    return sum(count for (name, _), count in run.coverage.statuses.items() if name == operation)
