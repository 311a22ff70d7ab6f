"""All checks of the suite in run order: those that find most per request come first.

A check is one entry here and one function. A case is the function with one subject. Besides what a check tests itself,
every exchange that it causes is judged by the document (judge/judge.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sarkmock.suite_api import Operation

from ..run import Run
from ..run_options import RunOptions
from ..safety.routing import HAZARDS
from ..spec.boundary_values import number_of_values
from ..spec.operation_data import Resource, resources
from . import (
    authentication,
    boundaries,
    boundary_sweep,
    protocol,
    row_lifecycle,
    scenarios,
    smoke,
    stateful,
    undocumented,
    version_operations,
)

Subject = Operation | Resource | scenarios.Scenario | None


@dataclass(frozen=True)
class Cost:
    """The measured number of requests of a case.

    It is a fixed number ``each``, plus ``rule`` for every rule list, plus ``value`` for every boundary value of the
    field with most of them, plus ``foreign`` for every early packet of foreign values. ``examples`` are the random
    examples of a full and a quick run; --max-examples replaces them. ``at_a_box`` is the measured factor at a box: the
    gate reads before it lets a write pass and withholds others, and updates need rows that the run creates.
    ``only_reads`` is the factor if all writes are withheld, where it differs.
    """

    each: float
    rule: float = 0
    value: float = 0
    foreign: float = 0
    examples: tuple[int, int] = (1, 1)
    at_a_box: float = 1
    only_reads: float | None = None

    def of(self, case: Case, options: RunOptions) -> float:
        operation = case.operation
        rules = operation.rules.values() if operation is not None else ()
        foreign = boundary_sweep.early_packets(operation) if operation is not None else 0
        requests = (self.each + self.rule * len(rules) + self.value * max(map(number_of_values, rules), default=0)
                    + self.foreign * foreign)
        if options.url:
            writes = options.caution.permissions.writes
            requests *= self.at_a_box if writes or self.only_reads is None else self.only_reads
        return requests if self.examples == (1, 1) else requests * options.examples(*self.examples) / self.examples[0]


@dataclass(frozen=True)
class Check:
    """One check.

    ``subjects`` returns what it is applied to (``once``: a single case), ``finds`` are the types of findings that it
    reports itself, ``needs`` is the hazard that must be allowed. With several ``parts``, part 1 of every subject runs
    before part 2 of any, so that a budget cut anywhere leaves all of them tested about equally. ``--only`` skips
    checks of the ``whole`` API, and ``--quick`` skips those that are not ``quick``.
    """

    name: str
    title: str
    run: Callable[..., None]
    subjects: Callable[[Run], Sequence[Subject]]
    finds: tuple[str, ...] = ()
    needs: str = "read"
    whole: bool = False
    quick: bool = True
    parts: int = 1
    cost: Cost = Cost(1)
    gain: Callable[[Operation], int] = lambda _: 0  # operations that gain most come first; else the least hazardous

    def is_wanted(self, run: Run) -> bool:
        options = run.options
        return not (self.whole and options.only is not None) and (self.quick or not options.quick)

    @property
    def is_of_version(self) -> bool:
        """Whether it is also applied to operations that only the target's version has; not if it is random."""
        return not self.whole and self.quick and self.cost.examples == (1, 1)

    def is_allowed(self, run: Run) -> bool:
        return run.gate is None or self.needs in run.gate.permissions.hazards

    def lacks_permission(self, run: Run) -> bool:
        """Whether the check is skipped only because a permission is missing."""
        return self.is_wanted(run) and not self.is_allowed(run) and bool(self.subjects(run))

    def cases(self, run: Run) -> list[Case]:
        """Return its cases in a run, the least hazardous first."""
        if not self.is_wanted(run) or not self.is_allowed(run):
            return []
        subjects = self.subjects(run)
        return sorted((Case(self, subject, part) for part in range(self.parts) for subject in subjects), key=Case.rank)


@dataclass(frozen=True)
class Case:
    """A check with one subject, or one part of it."""

    check: Check
    subject: Subject = None
    part: int = 0

    def __str__(self) -> str:
        subject = self.subject
        label = subject.id if isinstance(subject, Operation) else subject.name if subject is not None else ""
        part = f"/{self.part + 1}" if self.check.parts > 1 else ""
        return f"{self.check.name}:{label}{part}" if label else self.check.name

    @property
    def operation(self) -> Operation | None:
        return self.subject if isinstance(self.subject, Operation) else None

    @property
    def group(self) -> str:
        """The key of cases that must share a process or shard: those of an operation build on one another."""
        return self.operation.id if self.operation is not None else str(self)

    @property
    def operations(self) -> frozenset[str]:
        """The ids of the operations that it tests; none if it tests the whole API."""
        subject = self.subject
        if isinstance(subject, scenarios.Scenario):
            return frozenset(subject.operations)
        tested = (*subject.creates, subject.show, subject.list, subject.update, subject.delete) if isinstance(
            subject, Resource) else (subject,)
        return frozenset(operation.id for operation in tested if operation is not None)

    def rank(self) -> tuple[int, int, int, bool]:
        """Return a sort key: part, gain, hazard, and lists of rows before single rows, since they show the keys."""
        operation = self.operation
        if operation is None:
            return self.part, 0, 0, False
        needs_row = bool(operation.parameters) and operation.hazard == "read"
        return self.part, -self.check.gain(operation), HAZARDS.index(operation.hazard), needs_row

    def cost(self, options: RunOptions) -> float:
        """Return the estimated number of requests."""
        return self.check.cost.of(self, options)

    def run(self, run: Run) -> None:
        """Run the check; findings are stored in the run."""
        subject = () if self.subject is None else (self.subject,)
        self.check.run(run, *subject, *((self.part,) if self.check.parts > 1 else ()))


def cases(run: Run) -> list[Case]:
    """Return the cases of a run, or of its shard, in order."""
    result = [case for check in CHECKS for case in check.cases(run)]
    shard = run.options.shard
    if shard is None:
        return result
    shards = cases_of_shard(result, shard.of, run.options)
    return [case for case in result if shards[case.group] == shard.number]


def cases_of_shard(cases: Sequence[Case], number: int, options: RunOptions) -> dict[str, int]:
    """Assign each group of cases to a shard, so that all shards send about the same number of requests."""
    loads = dict.fromkeys(range(1, number + 1), 0)
    shards = {}
    for group, weight in weights_of(cases, options).most_common():
        shards[group] = min(loads, key=loads.__getitem__)
        loads[shards[group]] += weight
    return shards


def weights_of(cases: Iterable[Case], options: RunOptions) -> Counter[str]:
    """Return for each group of cases how much work it is, in requests."""
    weights: Counter[str] = Counter()
    for case in cases:
        weights[case.group] += 1 + round(case.cost(options))
    return weights


# subjects


def once(run: Run) -> list[Subject]:
    return [None]


def once_with_tokens(run: Run) -> list[Subject]:
    """One case if the document has operations that need a token, else none."""
    return once(run) if authentication.guarded_operations(run) else []


def operations(run: Run) -> list[Operation]:
    return [operation for operation in run.chosen() if run.permits(operation)]


def operations_with(condition: Callable[[Run, Operation], object]) -> Callable[[Run], list[Operation]]:
    return lambda run: [operation for operation in operations(run) if condition(run, operation)]


with_rules = operations_with(lambda _, operation: operation.rules)
rejecting_crashes = operations_with(lambda run, operation: operation.rules and run.contract.crashes_are_rejected)


def names_row(_: Run, operation: Operation) -> bool:
    """Whether the path of an operation names something that may be missing."""
    return bool(operation.parameters) and (
        "404" in operation.spec["responses"] or (operation.method == "GET" and operation.hazard == "read"))


def resources_of_run(run: Run) -> list[Resource]:
    allowed = operations(run)
    return [resource for resource in resources(run.contract) if resource.creates[0] in allowed]


def runnable_scenarios(run: Run, listed: Sequence[scenarios.Scenario]) -> list[scenarios.Scenario]:
    """Return the scenarios whose operations exist and are permitted."""
    by_id, allowed = run.contract.by_id, {operation.id for operation in operations(run)}
    return [scenario for scenario in listed
            if allowed.issuperset(scenario.operations) and by_id.keys() >= set(scenario.operations)]


OF_TOKENS = Cost(150)  # every operation that needs a token is asked once


def run_version_operation(run: Run, operation: Operation) -> None:
    """Test an operation that only the target's version has, or the rules of its variables if only they are new."""
    is_shared = version_operations.variables_beyond(run, operation) is not None
    chosen = [case for case in cases(run.shared(version_operations.VersionRun))
              if operation.id in case.operations and case.check.is_of_version]
    if is_shared:
        chosen = [case for case in chosen if case.check.name in ("rules", "boundary-sweep")]
    version_operations.check_version_operation(run, operation, [case.run for case in chosen])


# slow libraries are imported only when needed


def run_fuzz(run: Run, operation: Operation) -> None:
    from .fuzz import Fuzzer, check_fuzzed

    if not (operation.rules and boundaries.is_silent(run, operation)):
        check_fuzzed(run, run.shared(Fuzzer), operation, run.options.examples(full=4, quick=0))
    smoke.start_pbx_again(run)


def run_openapi_core(run: Run, operation: Operation) -> None:
    from .openapi_core_check import check_openapi_core, openapi_core_of

    check_openapi_core(run, run.shared(openapi_core_of), operation)


CHECKS = (
    Check("document", "the tables match the document", smoke.check_document, once, cost=Cost(0)),
    Check("reads", "all read operations", smoke.check_read,
          operations_with(lambda _, operation: operation.hazard == "read"), cost=Cost(0.75)),
    Check("replay", "stored requests of earlier findings", smoke.check_examples,
          operations_with(lambda run, _: run.options.example_database), cost=Cost(0)),
    Check("rules", "every rule, accepted and rejected", boundary_sweep.check_rules, with_rules, ("stored",),
          parts=boundary_sweep.RULE_PARTS, cost=Cost(1.3, at_a_box=1.1)),
    Check("undocumented-fields", "undocumented fields", undocumented.check_undocumented_fields, with_rules,
          ("stored",), cost=Cost(0.13)),
    Check("rows", "rows from creation to deletion", row_lifecycle.check_row_lifecycle, resources_of_run,
          ("stored", "default", "unrequested", "duplicate", "presence", "list", "unknown-field"), cost=Cost(11.5)),
    Check("smoke", "each operation once", smoke.check_answers,
          operations_with(lambda _, operation: operation.hazard != "disruptive"), ("answer",),
          cost=Cost(0.42, at_a_box=1.4)),
    Check("unknown-paths", "unknown paths", protocol.check_unknown_paths, once, ("unknown-path",),
          cost=Cost(8, at_a_box=0.5)),
    Check("framework", "behaviour of the framework", scenarios.check_scenario,
          lambda run: runnable_scenarios(run, protocol.FRAMEWORK),
          ("behaviour", "header"), cost=Cost(3)),
    Check("boundary-sweep", "all boundary values, many per request", boundary_sweep.check_edges, with_rules,
          parts=boundary_sweep.SWEEP_PARTS, cost=Cost(1.27, at_a_box=1.05)),
    Check("scenarios", "behaviour described in prose, few requests", scenarios.check_scenario,
          lambda run: runnable_scenarios(run, scenarios.SHORT_SCENARIOS),
          ("behaviour", "dependency", "unknown-field", "list"), cost=Cost(4.6)),
    Check("unknown-rows", "rows that do not exist", protocol.check_unknown_key, operations_with(names_row),
          ("unknown-key",), cost=Cost(0.35, at_a_box=2.2, only_reads=1.25)),
    Check("disruptive", "each operation that restores or stops something", smoke.check_answers,
          operations_with(lambda _, operation: operation.hazard == "disruptive"), ("answer",), "disruptive",
          cost=Cost(1.5)),
    Check("run-state", "stopping and starting the PBX", smoke.check_run_state, once, ("run-state",), "disruptive",
          whole=True, cost=Cost(45)),
    Check("foreign-values", "values from the lists of other fields", boundary_sweep.check_foreign_values,
          operations_with(lambda _, operation: boundary_sweep.early_packets(operation)), cost=Cost(1, foreign=1),
          gain=boundary_sweep.early_packets),
    Check("long-scenarios", "behaviour described in prose, more requests", scenarios.check_scenario,
          lambda run: runnable_scenarios(run, scenarios.LONG_SCENARIOS),
          ("behaviour", "dependency", "unknown-field", "list"), cost=Cost(13.5)),
    Check("undocumented-paths", "undocumented paths and methods", undocumented.check_undocumented_operations, once,
          ("unknown-path", "method"), whole=True, cost=Cost(32, at_a_box=0.4, only_reads=0.02)),
    Check("array-for-text", "an array in place of text", boundary_sweep.check_array_for_text, rejecting_crashes),
    Check("links", "links between operations", smoke.check_links,
          operations_with(lambda run, operation: run.contract.links_from(operation)), ("link", "presence"),
          cost=Cost(5.5)),
    Check("options", "OPTIONS of every path", protocol.check_options, operations_with(Run.is_first_of_path),
          ("options",)),
    Check("boundaries", "boundary values and how they are stored", boundary_sweep.check_boundaries, with_rules,
          ("stored",), cost=Cost(4, value=1.6)),
    Check("arrays", "arrays in place of text", boundaries.check_arrays, rejecting_crashes,
          cost=Cost(2.3, rule=2.94, at_a_box=1.5)),
    Check("protocol", "HEAD, 404, 405, forms", protocol.check_protocol, operations,
          ("head", "method", "unknown-field", "form", "query", "stored"),
          cost=Cost(6.4, rule=0.37, at_a_box=0.66, only_reads=0.35)),
    Check("no-token", "requests without a token", authentication.check_no_token, once_with_tokens,
          ("authentication",), cost=OF_TOKENS),
    Check("other-scheme", "requests with a scheme other than Bearer", authentication.check_other_scheme,
          once_with_tokens, ("authentication",), cost=OF_TOKENS),
    Check("token-in-query", "a token in the query string", authentication.check_token_in_query, once_with_tokens,
          ("authentication",), "write", cost=OF_TOKENS),
    Check("other-ability", "the token of a user without rights", authentication.check_ability, once_with_tokens,
          ("authentication",), "write", cost=OF_TOKENS),
    Check("revoked-token", "the token of a user who has logged out", authentication.check_revoked, once_with_tokens,
          ("authentication",), "write", cost=OF_TOKENS),
    Check("sequences", "sequences of writes against a model", stateful.check_sequences, resources_of_run,
          ("stored", "default", "unrequested", "duplicate", "dependency", "presence", "list"),
          cost=Cost(390, examples=stateful.EXAMPLES, at_a_box=0.82)),
    Check("sequences-together", "sequences of writes, all resources together", stateful.check_all_sequences, once,
          ("stored", "default", "unrequested", "duplicate", "dependency", "presence", "list"), "write", whole=True,
          cost=Cost(2100, examples=stateful.EXAMPLES_TOGETHER, at_a_box=0.85)),
    Check("fuzz", "Schemathesis: coverage and random cases", run_fuzz, operations, ("schemathesis",), quick=False,
          cost=Cost(17, rule=11.3, only_reads=0.76)),
    Check("version-operations", "what only the target's version has", run_version_operation,
          version_operations.version_operations, cost=Cost(8, value=1.6)),
    Check("openapi-core", "responses judged by openapi-core", run_openapi_core, operations,
          ("openapi-core",), quick=False, cost=Cost(0)),
)
BY_NAME = {check.name: check for check in CHECKS}


