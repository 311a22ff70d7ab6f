"""The values sent to each operation distinguish its rules from any single change of them."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from sarkmock_contracts.checks import cases
from sarkmock_contracts.checks.boundary_sweep import MOST_LISTED
from sarkmock_contracts.client.http import Exchange
from sarkmock_contracts.errors import NewFindings
from sarkmock_contracts.run import Run
from sarkmock_contracts.spec.boundary_values import bounds_of
from sarkmock_contracts.spec.contract import Contract, contract_of

from sarkmock.suite_api import PhpError, State, Validator, read_input
from tests.contract_runs import Recording
from tests.mutants.generated import RULE_KINDS, Mutation, every
from tests.mutants.hunting import options
from tests.mutants.invisible import ABSENT, signed_in, why_invisible

REQUESTS = 1200
COMMON = 3  # values of other lists that every list field has been sent
COUNT = int(os.environ.get("SARKMOCK_MUTANTS", "250"))  # of each profile
SEED = int(os.environ.get("SARKMOCK_SEED", "1"))
NOT_JUDGED = {404, 405}
Sent = dict[tuple[str, str], dict[str, Any]]  # by operation and variable, each value once


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_sent_values_distinguish_single_rule_changes(profile: str) -> None:
    """Within 1,200 requests.

    Sent later: values from other lists, unless they are common; days of a month, because there are many; values that
    crash PHP, because they are sent alone.
    """
    contract, rng = contract_of(profile), random.Random(f"plan {profile} {SEED}")
    sent, state = values_sent(profile)
    pool = [mutation for kind in sorted(RULE_KINDS) for mutation in every(profile).get(kind, ())
            if not is_sent_later(contract, mutation)]
    drawn = rng.sample(pool, min(COUNT, len(pool)))
    missed = [mutation for mutation in drawn if not is_distinguished(contract, mutation, sent, state)]
    assert [str(mutation) for mutation in missed if not why_invisible(contract, mutation)] == [], f"seed {SEED}"


def is_sent_later(contract: Contract, mutation: Mutation) -> bool:
    if any(bounds_of(contract.by_id[name].rules[mutation.variable]).fatal for name in mutation.operations):
        return True
    after, _, before = mutation.text.partition(" for ")
    gained = {*after[3:].split(",")} - {*before[3:].split(",")}
    return mutation.kind == "in" and (not gained <= {*contract.listed[:COMMON]} or before.count(",") >= MOST_LISTED)


@cache
def values_sent(profile: str) -> tuple[Sent, State]:
    """The values sent by the first requests of a run, and the state of the mock afterwards."""
    contract = contract_of(profile)
    box = signed_in(contract.document)
    recording = Recording(box)
    run = Run(contract, recording, options(profile, profile))
    for case in cases(run):
        if run.judge.requests < REQUESTS:
            with suppress(NewFindings), run.watch():
                case.run(run)
    sent: Sent = defaultdict(dict)
    for exchange in recording.exchanges[:REQUESTS]:
        for variable, value in values_of(contract, exchange):
            sent[variable].setdefault(f"{type(value)} {value!r}", value)
    return sent, box.state


def values_of(contract: Contract, exchange: Exchange) -> Iterator[tuple[tuple[str, str], Any]]:
    request, operation = exchange.request, contract.operation_of(exchange.request)
    if operation is not None and exchange.response.status not in NOT_JUDGED:
        given, _ = read_input(request.method, request.content_type, request.query, request.body)
        yield from (((operation.id, name), given.get(name, ABSENT)) for name in operation.rules)


def is_distinguished(contract: Contract, mutation: Mutation, sent: Sent, state: State) -> bool:
    """Whether the verdict of the changed rules on some value differs from that of the original rules."""
    variable, operations = mutation.variable, [contract.by_id[name] for name in sorted(mutation.operations)]
    after = Validator({variable: mutation.rules})
    before = Validator({variable: operations[0].rules[variable]})
    return any(verdict(before, variable, value, state) != verdict(after, variable, value, state)
               for operation in operations for value in sent[operation.id, variable].values())


def verdict(validator: Validator, name: str, value: Any, state: State) -> Any:
    try:
        return validator.errors({} if value is ABSENT else {name: value}, state.tables)
    except (PhpError, ValueError) as error:
        return str(error)
