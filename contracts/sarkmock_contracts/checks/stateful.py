"""Random sequences of writes and reads against a model of the rows. Values are compared, not only statuses.

The run compares what responses show (judge/rows.py). A difference becomes a finding and the sequence continues:
Hypothesis only chooses the steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, cast

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from sarkmock.suite_api import Operation

from ..client.http import Exchange, Request, fill_path
from ..errors import NoBounds, Unanswered, Unavailable, Withheld
from ..fixtures import Body
from ..judge.oracle import Problem
from ..judge.row_model import UNDOCUMENTED, RowModel
from ..run import Run
from ..spec.operation_data import Resource, key_text, recipe
from ..spec.operation_data import resources as all_resources
from .row_lifecycle import TENANT, check_duplicate_key

# A choice that does not depend on the target, so that Hypothesis sees the same choices for any responses.
STEP_SEED = st.integers(min_value=0, max_value=2**32)
STEPS = 20
EXAMPLES, EXAMPLES_TOGETHER = (10, 4), (20, 8)  # full run, quick run


class Sequences:
    """The steps of a sequence. A step does nothing if there is no row for it."""

    def __init__(self, run: Run, resources: Sequence[Resource]) -> None:
        self.run = run
        self.resources = resources
        self.rows: dict[tuple[str, str], RowModel] = {}
        self.gone: list[RowModel] = []
        self.over = False

    def report(self, operation: Operation, problem: Problem, *evidence: Exchange) -> None:
        self.run.report(operation.id, problem, *evidence)

    def send(self, request: Request) -> Exchange:
        return self.run.send(request)

    def path(self, operation: Operation, row: RowModel) -> str:
        return fill_path(operation.path, {operation.parameters[0]: row.key})

    def body(self, operation: Operation, rng: random.Random) -> Body:
        """Return a valid body: the required variables and a few others."""
        body = self.run.fixtures.minimal(operation)
        accepted = {name: self.run.fixtures.bounds(operation, name).accept for name in operation.rules}
        own = {TENANT, *self.run.fixtures.own_fields(operation)}
        others = [name for name, values in accepted.items() if values and name not in own]
        for name in rng.sample(others, min(len(others), rng.randint(0, 4))):
            body[name] = self.value(operation, name, rng)
        if TENANT in body and rng.random() < 0.5:
            body[TENANT] = self.tenant(rng) or body[TENANT]
        return body

    def value(self, operation: Operation, name: str, rng: random.Random) -> Any:
        return self.run.fixtures.value(operation, name, rng.choice(self.run.fixtures.bounds(operation, name).accept))

    def tenant(self, rng: random.Random) -> str | None:
        tenants = [row.key for row in self.rows.values() if row.resource.name == "tenants"]
        return rng.choice(tenants) if tenants else None

    def any_row(self, rng: random.Random) -> RowModel | None:
        return rng.choice(list(self.rows.values())) if self.rows else None

    # steps

    def take(self, step: str, rng: random.Random) -> None:
        """Run a step, unless the sequence is over: after a lost response the model no longer matches the target."""
        if self.over:
            return
        try:
            getattr(self, step)(rng)
        except Withheld:
            pass  # nothing was sent and nothing changed
        except Unanswered as reason:
            self.over = True
            self.run.gaps.unanswered.append(str(reason))

    def create(self, rng: random.Random) -> None:
        """Create a row, then read it."""
        resource = rng.choice(self.resources)
        operation = rng.choice(resource.creates)
        try:
            body = {**unknown_field(resource.show, operation), **self.body(operation, rng)}
            exchange = self.send(self.run.fixtures.request(operation, body))
        except (Unavailable, NoBounds):
            return
        key = key_text(exchange.response.fields.get(resource.key))
        row = self.run.rows.alive.get((resource.name, key)) if exchange.response.ok else None
        if row is not None:
            self.gone = [other for other in self.gone if other.key != key]  # timers get the highest number plus one
            self.rows[resource.name, key] = row
            self.look(row)

    def create_again(self, rng: random.Random) -> None:
        """A taken key must be rejected, and the row must not change."""
        row = self.any_row(rng)
        if row is None:
            return
        operation = self.run.contract.operation_of(row.history[0].request)
        if operation is None or row.resource.key not in operation.rules:
            return
        check_duplicate_key(self.run, row.resource, operation, row.history[0])
        self.look(row)

    def update(self, rng: random.Random) -> None:
        """Send some variables and unknown fields, another key among them; all other columns must keep their values."""
        row = self.any_row(rng)
        if row is None or row.resource.update is None:
            return
        operation = row.resource.update
        body = {**self.changes(operation, row.resource.creates[0], rng), **unknown_field(row.resource.show, operation)}
        self.send(self.run.fixtures.request(operation, body, {operation.parameters[0]: row.key}))
        self.look(row)

    def changes(self, operation: Operation, creator: Operation, rng: random.Random) -> Body:
        """Return values for some variables and the required ones, but not for those that identify the row."""
        assert operation.table is not None
        names = sorted(operation.rules.keys() - {operation.table.key, *recipe("made", creator.id)})
        chosen = {*rng.sample(names, min(len(names), rng.randint(1, 5))), *self.run.contract.required(operation)}
        accepted = {name: self.run.fixtures.bounds(operation, name).accept for name in sorted(chosen)}
        return {name: self.value(operation, name, rng) for name, values in accepted.items() if values}

    def delete(self, rng: random.Random) -> None:
        """Delete a row; it must fail if other rows depend on it. Tenants are preferred: only they have dependents."""
        tenant = self.tenant(rng) if rng.random() < 0.5 else None
        row = self.any_row(rng) if tenant is None else self.rows["tenants", tenant]
        if row is None or row.resource.delete is None:
            return
        operation = row.resource.delete
        exchange = self.send(Request("DELETE", self.path(operation, row)))
        dependents = self.dependents(row)
        if dependents:
            self.run.coverage.checked.add(operation.id)
        if exchange.response.ok:
            del self.rows[row.resource.name, row.key]
            self.gone.append(row)
        if dependents and exchange.response.ok:
            text = f"deleted although {dependents[0].resource.name}/{dependents[0].key} depends on it"
            evidence = (row.history[0], dependents[0].history[-1], exchange)
            self.report(operation, Problem("dependency", "", "ignored", text), *evidence)
        elif not dependents and exchange.response.status in (409, 422):
            text = f"nothing depends on {row.key!r}, but it cannot be deleted: {exchange.response.status}"
            self.report(operation, Problem("dependency", "", "invented", text), row.history[0], exchange)
        self.look(row)

    def dependents(self, row: RowModel) -> list[RowModel]:
        """Return the rows that belong to a tenant (sark-v6-api.txt line 685), if the document has that check."""
        if row.resource.delete is None or "tenant_is_unused" not in row.resource.delete.checks:
            return []
        return [other for other in self.rows.values() if other.holds(TENANT) == row.key]

    def read(self, rng: random.Random) -> None:
        """Read a row or a deleted row."""
        rows = [*self.rows.values(), *self.gone[-3:]]
        if rows:
            self.look(rng.choice(rows))

    def list(self, rng: random.Random) -> None:
        """Read a list. It must show every row as it is and no deleted one."""
        self.look_at_list(rng.choice(self.resources))

    def look_at_list(self, resource: Resource) -> None:
        if resource.list is not None:
            self.send(Request("GET", resource.list.path))

    def look(self, row: RowModel) -> None:
        """Read a row. The run compares its values; an existing row must be shown."""
        show = row.resource.show
        exchange = self.send(Request("GET", self.path(show, row)))
        if (row.resource.name, row.key) in self.rows and not exchange.response.ok and exchange.response.status != 404:
            text = f"{row.key!r} should exist: {exchange.response.status}"
            self.report(show, Problem("presence", "", "missing", text), *row.history, exchange)

    def finish(self) -> None:
        """Read the lists once more, and delete the rows, tenants after their dependents."""
        for resource in [] if self.over else self.resources:
            if sum(row.resource == resource for row in self.rows.values()) > 1:
                self.look_at_list(resource)
        rows = [] if self.over else self.rows.values()  # the run removes the rest
        for row in sorted(rows, key=lambda row: row.resource.name == "tenants"):
            if row.resource.delete is not None:
                self.send(Request("DELETE", self.path(row.resource.delete, row)))


def unknown_field(show: Operation, operation: Operation) -> Body:
    """Return unknown fields of an operation, columns among them. They must be ignored (sark-v6-api.txt line 100)."""
    return {name: UNDOCUMENTED for name in ("nosuchfield", *show.visible) if name not in operation.rules}


ACTIONS = ("create", "create", "create_again", "update", "update", "delete", "read", "list")


class Machine(RuleBasedStateMachine):
    """A sequence whose steps Hypothesis chooses."""

    def __init__(self, sequence: Sequences) -> None:
        super().__init__()
        self.sequence = sequence
        self.taken = 0

    def teardown(self) -> None:
        self.sequence.finish()


def _step(name: str) -> Callable[..., None]:
    def step(self: Any, seed: int) -> None:
        self.taken += 1  # Hypothesis repeats small numbers: no two steps may draw the same values
        self.sequence.take(name, random.Random(f"{seed} {self.taken}"))
    return step


for number, action in enumerate(ACTIONS):
    setattr(Machine, f"{action}_{number}", rule(seed=STEP_SEED)(_step(action)))


def run_sequences(run: Run, resources: Sequence[Resource], examples: int, steps: int) -> None:
    """Run sequences of random steps, the same for the same seed."""
    settings = hypothesis.settings(max_examples=examples, stateful_step_count=steps, database=None, deadline=None,
                                   suppress_health_check=list(hypothesis.HealthCheck),
                                   phases=[hypothesis.Phase.generate])

    @hypothesis.seed(run.options.random_seed)
    def machine() -> Machine:
        return Machine(Sequences(run, resources))

    run_state_machine_as_test(cast(Any, machine), settings=settings)  # documented to take any callable


def check_sequences(run: Run, resource: Resource) -> None:
    """Test one kind of row, with tenants for it."""
    tenants = [other for other in all_resources(run.contract) if other.name == "tenants"]
    chosen = {resource.name: resource, **{other.name: other for other in tenants}}
    run_sequences(run, list(chosen.values()), run.options.examples(*EXAMPLES), STEPS)


def check_all_sequences(run: Run) -> None:
    """Test all kinds of rows together, so that one can affect another."""
    run_sequences(run, all_resources(run.contract), run.options.examples(*EXAMPLES_TOGETHER), 3 * STEPS)
