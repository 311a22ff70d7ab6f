"""Lists that show rows with other keys than their own: one finding, and the run knows the keys that the rows have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sarkmock_contracts.checks.smoke import check_links
from sarkmock_contracts.client.transports import SignedIn
from sarkmock_contracts.run import Run
from sarkmock_contracts.spec.contract import contract_of
from sarkmock_contracts.spec.operation_data import Resource, resources

from tests.mutants.generated import Mutated, Mutation, mutation_named, of_list
from tests.mutants.hunting import options

Rows = list[dict[str, Any]]
CHANGES: dict[str, Callable[[Rows, str], Rows]] = {
    "null": lambda rows, key: [{**row, key: None} for row in rows],
    "longer": lambda rows, key: [{**row, key: f"{row[key]}x"} for row in rows],
    "absent": lambda rows, key: [{name: value for name, value in row.items() if name != key} for row in rows],
    "that of the next row": lambda rows, key: [
        {**row, key: other[key]} for row, other in zip(rows, [*rows[1:], *rows[:1]], strict=True)]}


def new_findings(profile: str, resource: Resource, change: Callable[[Rows, str], Rows]) -> set[str]:
    """Create rows at a box of a profile with a changed list, and return the new findings when the list is read."""
    assert resource.list is not None
    assert resource.show.table is not None
    after = of_list(lambda rows: change(rows, resource.key))
    mutation = Mutation("list", "keys", frozenset({resource.list.id}), after=after)
    box = Mutated(profile, mutation)
    run = Run(contract_of("documented"), SignedIn(box, box.engine.state), options("documented", profile))
    made = [run.fixtures.make(resource.creates[0]).answer[resource.key] for _ in range(2)]
    run.get(resource.list.path)
    assert {*map(str, made)} <= {*run.live.keys(resource.show.table.name, resource.key)}
    return {str(finding.identity) for finding in run.findings if not finding.deviations}


LISTED = [resource for resource in resources(contract_of("documented")) if resource.list is not None]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("profile", "names"), [
    ("documented", [resource.name for resource in LISTED]), ("shipped", ["inboundroutes", "tenants", "trunks"])])
def test_a_wrong_key_in_a_list_is_one_finding(profile: str, names: list[str], change: str) -> None:
    """The run recognises rows, those of the box and its own, by their other columns."""
    found = {resource.name: new_findings(profile, resource, CHANGES[change])
             for resource in LISTED if resource.name in names}
    assert {name: findings for name, findings in found.items() if len(findings) != 1} == {}


def test_a_list_that_is_asked_for_while_it_is_judged_is_sent_once() -> None:
    """The judge asks for all lists where a column is not as predicted, the one that it judges included."""
    mutation = mutation_named("shipped", "type: extensions.list pkey a number")
    box = Mutated("shipped", mutation)
    run = Run(contract_of("documented"), SignedIn(box, box.engine.state), options("documented", "shipped"))
    run.live.rows("cluster")
    run.fixtures.make(run.contract.by_id["extensions.create.unprovisioned"])
    run.live.forget()
    assert run.live.know_all() is False
    assert run.live.know_all() is True


def test_a_row_created_under_another_key_has_the_key_that_was_sent() -> None:
    """The models know which rows exist, and no known deviation explains that the key of the response is missing."""
    box = Mutated("shipped", mutation_named("shipped", "link: agents.create pkey to another row"))
    run = Run(contract_of("documented"), SignedIn(box, box.engine.state), options("documented", "shipped"))
    check_links(run, run.contract.by_id["agents.create"])
    known, held = (state.tables.rows("agent") for state in (run.judge.attribution.replica.state, box.engine.state))
    assert [row["pkey"] for row in known] == [row["pkey"] for row in held]
    links = [finding.deviations for finding in run.findings if finding.identity.check == "link"]
    assert links == [()] * 3
