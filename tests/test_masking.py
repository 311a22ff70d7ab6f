"""Changes of rules that listed deviations also change: no such change is attributed to the deviation."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from functools import cache

import pytest
from sarkmock_contracts.checks import cases
from sarkmock_contracts.client.transports import SignedIn
from sarkmock_contracts.errors import NewFindings
from sarkmock_contracts.judge.findings import field_places, known_deviations
from sarkmock_contracts.run import Run
from sarkmock_contracts.spec.boundary_values import NOTHING, bounds_of, is_placeholder
from sarkmock_contracts.spec.contract import contract_of

from tests.mutants.generated import RULE_KINDS, Mutated, Mutation, every, mutation_named
from tests.mutants.hunting import Fate, fates, options
from tests.mutants.invisible import ABSENT, verdict, why_invisible

ROUNDS = int(os.environ.get("SARKMOCK_MASKINGS", "4"))
RULE_CHECKS = {"rules", "boundaries", "arrays"}
SEED = int(os.environ.get("SARKMOCK_SEED", "1"))
PAIRS = [("documented", "documented"), ("documented", "shipped"), ("documented", "L10"), ("shipped", "L10")]


@pytest.mark.parametrize(("profile", "text"), [
    ("documented", "required lost: routes.create outcome without required"),
    ("documented", "rule lost: extensions.create.unprovisioned provision without string"),
    ("documented", "rule lost: extensions.create.provisioned celltwin without in:ON,OFF"),
    ("L10", "regex: tenants.update localdplan regex:/_X+$/ for regex:/^_X+$/"),
])
def test_change_near_a_deviation_is_new(profile: str, text: str) -> None:
    mutation = mutation_named(profile, text)
    assert [fate.status for fate in judged("documented", profile, [mutation])] == ["found"]


def test_no_change_is_attributed_to_a_deviation() -> None:
    assert missed("documented", "documented", number=0, count=4) == [], f"seed {SEED}"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, ROUNDS))
@pytest.mark.parametrize(("judge", "profile"), PAIRS)
def test_no_change_of_any_version_is_attributed_to_a_deviation(judge: str, profile: str, number: int) -> None:
    assert missed(judge, profile, number, count=12) == [], f"seed {SEED}"


def missed(judge: str, profile: str, number: int, count: int) -> list[str]:
    """The drawn mutations that are not found. Attribution to a known deviation counts as not found.

    A mutation that another one hides, for example because no row can be created, is tried again alone.
    """
    group = drawn(judge, profile, random.Random(f"masking {judge} {profile} {SEED} {number}"), count)
    fates = [again for fate in judged(judge, profile, group)
             for again in (judged(judge, profile, [fate.mutation]) if fate.status == "missed" else [fate])]
    return [f"{fate.mutation}: {fate.status}" for fate in fates if fate.status != "found"]


def judged(judge: str, profile: str, group: list[Mutation]) -> list[Fate]:
    """Run the rule checks of the operations of mutations, and return the fates."""
    box = Mutated(profile, *group)
    run = Run(contract_of(judge), SignedIn(box, box.engine.state), options(judge, profile))
    operations = frozenset[str]().union(*(mutation.operations for mutation in group))
    for case in cases(run):
        if case.check.name in RULE_CHECKS and case.operation is not None and case.operation.id in operations:
            with suppress(NewFindings), run.watch():
                case.run(run)
    return fates(run, group)


def drawn(judge: str, profile: str, rng: random.Random, count: int) -> list[Mutation]:
    """Draw mutations of different operations: first a kind, then a mutation of the kind."""
    kinds = near_deviations(judge, profile)
    pools = {kind: rng.sample(mutations, len(mutations)) for kind, mutations in kinds.items()}
    group: list[Mutation] = []
    for _ in range(200):
        pool = pools[rng.choice(sorted(pools))]
        mutation = pool.pop() if pool else None
        if (mutation and len(group) < count and not any(mutation.operations & other.operations for other in group)
                and has_new_verdict(judge, profile, mutation)):
            group.append(mutation)
    return group


@cache
def near_deviations(judge: str, profile: str) -> dict[str, list[Mutation]]:
    """By kind the changes of rules of variables that a known deviation affects."""
    contract = contract_of(judge)
    known = known_deviations(judge, profile if profile != judge else None)

    @cache
    def affected(name: str, variable: str) -> bool:
        operation = contract.by_id.get(name)
        if operation is None or variable not in operation.rules:
            return False
        return any(deviation.touches({*field_places(contract, operation, variable)}) for deviation in known)

    return {kind: [mutation for mutation in every(profile)[kind]
                   if any(affected(name, mutation.variable) for name in mutation.operations)]
            for kind in sorted(RULE_KINDS & every(profile).keys())}


def has_new_verdict(judge: str, profile: str, mutation: Mutation) -> bool:
    """Whether some value has a verdict that neither the profile nor the judging document gives."""
    contract, variable = contract_of(profile), mutation.variable
    operation = contract.by_id[min(mutation.operations)]
    judged_operation = contract_of(judge).by_id[operation.id]
    if (judged_operation.method, judged_operation.path) != (operation.method, operation.path):
        return False  # the judging document has the operation at another path
    judging = judged_operation.rules[variable]
    if "exists" in mutation.text or why_invisible(contract, mutation):
        return False
    rules = judging, operation.rules[variable]
    values = [value for value in (*bounds_of(rules[1]).accept, *bounds_of(rules[1]).reject, *NOTHING, ABSENT)
              if not is_placeholder(value)]
    return any(verdict(variable, mutation.rules, value, there)
               not in [verdict(variable, listed, value, there) for listed in rules]
               for value in values for there in (True, False))
