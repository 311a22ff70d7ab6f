"""Compares two recordings by operation: the differences, and the parts that only one of them tested."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sarkmock.suite_api import profile_names

from ..spec.operation_data import columns_following
from .catalogue import catalogue, same_operation_elsewhere
from .facts import BOX, Baseline, Fact
from .observer import ABSENT_ROW, ANY_INPUT, NOT_ALLOWED, NOT_REACHED, NOT_TESTED, TESTED, THERE
from .severity import (
    DIFFERENCE_LEVELS,
    INFORMATIVE,
    READ,
    Difference,
    FormFacts,
    Unequal,
    Unreached,
    compare_defaults,
    compare_errors,
    compare_fields,
    compare_rules,
    compare_sequences,
    compare_stores,
    shows_nothing,
    types_by_place,
)

RULE_KINDS = {"rule tightened", "rule changed", "rule loosened"}
STOPPED = 503  # status of AMI functions while the PBX is not running
NOTHING_LISTED = 404  # their status for an empty list
EMPTY_FILE = "application/x-empty"  # the content type of an empty file of call records
SLOWER = 2.0  # factor by which a response takes longer
SLOW_MS = 50  # smaller slowdowns are not reported
TYPICAL_OPERATIONS = 10  # minimum of operations for judging the speed of a box
ByKind = dict[str, list[Fact]]


@dataclass
class Comparison:
    """The differences between two recordings, worst first."""

    before: Baseline
    after: Baseline
    differences: list[Difference] = field(default_factory=list)
    unreached: list[Unreached] = field(default_factory=list)

    @property
    def relevant(self) -> list[Difference]:
        """The differences that clients may notice."""
        return [difference for difference in self.differences if difference.level != INFORMATIVE]

    def of(self, level: str) -> list[Difference]:
        return [difference for difference in self.differences if difference.level == level]


class Side:
    """One recording, with its facts by operation and kind."""

    def __init__(self, baseline: Baseline) -> None:
        self.baseline = baseline
        self.by_op: dict[str, ByKind] = {}
        for fact in baseline.facts:
            self.by_op.setdefault(fact.op, {}).setdefault(fact.fact, []).append(fact)
        self.places: dict[str, str] = {}  # new names of moved operations

    def place(self, op: str) -> str:
        return self.places.get(op, op)

    def all(self, op: str, kind: str) -> list[Fact]:
        """Return the facts of one kind of an operation, even if it has moved."""
        return self.by_op.get(self.place(op), {}).get(kind, [])

    def facts(self, op: str, kind: str) -> dict[tuple[str, str], Fact]:
        """Return the same facts by subject and place."""
        return {(fact.of, fact.by): fact for fact in self.all(op, kind)}

    def reach(self, op: str) -> str | None:
        """Return "there", "absent" or "not reached"; None if the recording does not cover the operation."""
        fact = self.facts(op, "reach").get(("", ""))
        return fact.is_ if fact else None

    @property
    def version(self) -> str | None:
        """The recognised version; None if it is unknown, or only the nearest one is known."""
        fact = self.facts(BOX, "version").get(("", ""))
        return fact.is_ if fact and fact.is_ in profile_names() else None

    def reach_by_version(self, op: str) -> str | None:
        """Return the same as `reach`; of an operation that was not allowed, whether the version has it."""
        if self.reach(op) != NOT_REACHED or (NOT_ALLOWED, "") not in self.facts(op, "part"):
            return self.reach(op)
        return THERE if self.version in catalogue()[op].versions else ABSENT_ROW


class Sides(NamedTuple):
    """The two recordings of a comparison."""

    before: Side
    after: Side

    def all(self, op: str, kind: str) -> tuple[list[Fact], list[Fact]]:
        return self.before.all(op, kind), self.after.all(op, kind)

    def facts(self, op: str, kind: str) -> tuple[FormFacts, FormFacts]:
        return self.before.facts(op, kind), self.after.facts(op, kind)

    def reach(self, op: str) -> tuple[str | None, str | None]:
        return self.before.reach(op), self.after.reach(op)

    def reach_by_version(self, op: str) -> tuple[str | None, str | None]:
        """Return whether both have an operation, by what was recorded or, if both are known, by their versions."""
        known = self.before.version and self.after.version
        return (self.before.reach_by_version(op), self.after.reach_by_version(op)) if known else self.reach(op)

    def versions_deciding(self, *ops: str) -> str:
        """Return both versions as text if they decide where an operation is; empty if the recordings do."""
        decide = any(NOT_REACHED in self.reach(op) for op in ops)
        return f"{self.before.version} -> {self.after.version}" if decide else ""


def compare_baselines(before: Baseline, after: Baseline, factor: float = SLOWER) -> Comparison:
    """Compare two baselines. A fact that only one of them has is unknown in the other and not compared."""
    sides = Sides(Side(before), Side(after))
    result = Comparison(before, after)
    reaches = {op: sides.reach_by_version(op) for op in catalogue()}
    gone = [op for op, reach in reaches.items() if reach == (THERE, ABSENT_ROW)]
    new = [op for op, reach in reaches.items() if reach == (ABSENT_ROW, THERE)]
    differences = [*compare_box(sides), *compare_places(gone, new, sides)]
    sides.after.places = {difference.op: difference.after for difference in differences
                          if difference.kind == "operation moved"}
    for op in catalogue():
        if None in sides.reach(op) or sides.after.place(op) == op in [*gone, *new]:
            continue
        differences += compare_operation(op, sides)
        result.unreached += compare_parts(op, sides)
    crashing = {difference.op for difference in differences if difference.kind == "now crashes"}
    differences += [difference for difference in slower_operations(before, after, factor)
                    if difference.op == BOX or (sides.reach(difference.op) == (THERE, THERE)
                                                and difference.op not in crashing)]
    result.differences = sorted(differences, key=lambda difference: DIFFERENCE_LEVELS.index(difference.level))
    return result


def compare_box(sides: Sides) -> Iterator[Difference]:
    """Compare the facts about the box as a whole."""
    for (of, _), before, after in pairs_of_facts(sides, BOX, "limit"):
        if before != after:
            lowered = after is not None and (before is None or after < before)
            yield Difference("limit lowered" if lowered else "limit raised", BOX, of, before, after)
    for _, before, after in pairs_of_facts(sides, BOX, "token"):
        if before != after:
            yield Difference("token needed" if after else "token no longer needed", BOX)
    for (of, _), before, after in pairs_of_facts(sides, BOX, "header"):
        if before != after:
            yield Difference("server changed", BOX, of, before, after)


def compare_places(gone: list[str], new: list[str], sides: Sides) -> Iterator[Difference]:
    """Yield the operations that are gone, moved or new."""
    arrived = set()
    for op in gone:
        places = [place for place in same_operation_elsewhere(op) if place in new]
        arrived.update(places)
        versions = sides.versions_deciding(op, *places)
        if places:
            yield Difference("operation moved", op, "", op, places[0], versions=versions)
        else:
            yield Difference("operation removed", op, versions=versions)
    for op in new:
        if op not in arrived:
            yield Difference("operation added", op, versions=sides.versions_deciding(op))


def compare_operation(op: str, sides: Sides) -> Iterator[Difference]:
    """Compare an operation that both or neither have. Skip differences that another one explains."""
    stores = list(compare_stores(op, *sides.facts(op, "stores")))
    reported = {difference.of for difference in stores}
    rules = [difference for difference in compare_rules(op, *sides.all(op, "rule"))
             if difference.of not in reported]
    statuses = list(compare_statuses(op, sides, {difference.kind for difference in rules}))
    yield from statuses
    yield from compare_types(op, sides)
    yield from compare_headers(op, sides)
    fields = list(compare_fields(op, *sides.facts(op, "field"), lambda by: unequally_filled(op, by, sides)))
    yield from fields
    yield from compare_defaults(op, *sides.facts(op, "default"), {difference.of for difference in fields} | reported)
    yield from compare_errors(op, *sides.facts(op, "error"), same_statuses(op, sides))
    yield from compare_sequences(op, *sides.facts(op, "sequence"))
    yield from stores
    crashes = any("crashes" in difference.kind for difference in statuses)
    yield from (difference for difference in rules if not (crashes and "crash" in difference.kind))


def unequally_filled(op: str, by: str, sides: Sides) -> Unequal:
    """Return the variables that may have different values in the two rows, so that their fields cannot be compared."""
    makers = [name for name, entry in catalogue().items() if by in entry.ids]
    names: set[str] = set()
    for name in {*makers, op}:
        before, after = sides.facts(name, "stores")
        names |= sent_variables_of(before) ^ sent_variables_of(after)
        names |= {difference.of for difference in compare_stores(name, before, after)}
        names |= {difference.of for difference in compare_rules(name, *sides.all(name, "rule"))}
    ids = [operation for name in {*makers, op} for operation in catalogue()[name].ids]
    following = {column for operation in ids for column in columns_following(operation, names)}
    return Unequal(frozenset(names | following), echo=op in makers)


def sent_variables_of(stores: Iterable[tuple[str, str]]) -> set[str]:
    """Return the names of the variables that were sent."""
    return {of.rpartition(" in the ")[0] for of, _ in stores}


def pairs_of_facts(sides: Sides, op: str, kind: str) -> Iterator[tuple[tuple[str, str], Any, Any]]:
    """Yield key and both values of each fact that both recordings have."""
    after = sides.after.facts(op, kind)
    for key, fact in sides.before.facts(op, kind).items():
        if key in after:
            yield key, fact.is_, after[key].is_


def compare_statuses(op: str, sides: Sides, rules: set[str]) -> Iterator[Difference]:
    """Yield one difference per pair of statuses, over all requests. Skip rejections that rule differences explain."""
    changed: dict[tuple[str, str, str], list[str]] = {}
    for (of, _), before, after in pairs_of_facts(sides, op, "status"):
        if before == after or pbx_condition(op, of, before) or pbx_condition(op, of, after):
            continue
        if of == "nothing sent" and max(before, after) < 500:
            continue  # reported as rules of the variables
        if 422 in (before, after) and min(before, after) < 300 and rules & RULE_KINDS:
            continue
        kind = status_kind(before, after)
        change = ("", "") if "crashes" in kind else (before, after)
        changed.setdefault((kind, str(change[0]), str(change[1])), []).append(f"{of}: {before} -> {after}")
    always = ["crashes" if (ANY_INPUT, "") in side.facts(op, "status") else rules_part(op, side) for side in sides]
    if sorted(always) == ["crashes", TESTED]:
        kind = "now crashes" if always[1] == "crashes" else "no longer crashes"
        changed.setdefault((kind, "", ""), [f"{ANY_INPUT}: {always[0]} -> {always[1]}"])
    for (kind, *_), seen in changed.items():
        changes = list(dict.fromkeys(seen))
        kinds = ", ".join(dict.fromkeys(change.partition(":")[0] for change in changes))
        before, after = (", ".join(dict.fromkeys(change.partition(": ")[2].split(" -> ")[side] for change in changes))
                         for side in (0, 1))
        yield Difference(kind, op, kinds, before, after)


def rules_part(op: str, side: Side) -> str:
    fact = side.facts(op, "part").get(("rules", ""))
    return str(fact.is_) if fact else NOT_TESTED


def pbx_condition(op: str, of: str, status: int) -> str:
    """Return the condition of the PBX that explains a status independently of the version; empty if none does."""
    if status == STOPPED:
        return "the PBX was not running"
    is_list = of == "read" and op.startswith("GET /astamis/")
    return "the list was empty" if is_list and status == NOTHING_LISTED else ""


def same_statuses(op: str, sides: Sides) -> set[str]:
    """Return the kinds of requests that have the same status in both."""
    return {of for (of, _), before, after in pairs_of_facts(sides, op, "status") if before == after}


def status_kind(before: int, after: int) -> str:
    if before >= 500 and after >= 500:
        return "crash status changed"
    if after >= 500:
        return "now crashes"
    if before >= 500:
        return "no longer crashes"
    good = (before < 400, after < 400)
    return {(True, True): "success status changed", (True, False): "now rejected",
            (False, True): "no longer rejected", (False, False): "rejection status changed"}[good]


def compare_types(op: str, sides: Sides) -> Iterator[Difference]:
    """Yield one difference per pair of content types. Skip requests whose status differs as well."""
    same = same_statuses(op, sides)
    changed: dict[tuple[str, str], list[str]] = {}
    for (of, _), before, after in pairs_of_facts(sides, op, "type"):
        if before == after or EMPTY_FILE in (before, after):
            continue
        if of in same and of not in changed.setdefault((before, after), []):
            changed[before, after].append(of)
    for (before, after), kinds in changed.items():
        yield Difference("content type changed", op, ", ".join(kinds), before, after)


def compare_headers(op: str, sides: Sides) -> Iterator[Difference]:
    """Compare the headers of responses with the same status."""
    same = same_statuses(op, sides)
    before, after = (header_values(side.facts(op, "header"), same) for side in sides)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            kind = "header removed" if name not in after else "header added" if name not in before else "header changed"
            yield Difference(kind, op, name, before.get(name), after.get(name))


def header_values(facts: Mapping[tuple[str, str], Fact], kinds: set[str]) -> dict[str, str]:
    """Return values by header, of responses to these kinds of requests."""
    split = ((of.rpartition(" "), fact.is_) for (of, _), fact in facts.items())
    return {name: value for (kind, _, name), value in split if kind in kinds}


def compare_parts(op: str, sides: Sides) -> Iterator[Unreached]:
    """Yield the parts of an operation that only one recording tested, with the reason for the other."""
    reach = sides.reach(op)
    if "not reached" in reach and len(set(reach)) > 1:
        yield Unreached(op, "reach", str(reach[0]), str(reach[1]))
    for (of, _), status, now in pairs_of_facts(sides, op, "status"):
        moments = [pbx_condition(op, of, code) for code in (status, now)]
        if status != now and any(moments):
            words = [moment or f"returned {code}" for moment, code in zip(moments, (status, now), strict=True)]
            yield Unreached(op, of, *words)
    absent = [shows_nothing(types_by_place(side)) for side in sides.facts(op, "field")]
    if len(set(absent)) > 1:
        yield Unreached(op, READ, *("same as for an unknown key" if nothing else TESTED for nothing in absent))
    before, after = sides.facts(op, "part")
    for part in dict.fromkeys(part for part, _ in (*before, *after)):
        parts = [{by: fact.is_ for (of, by), fact in side.items() if of == part} for side in (before, after)]
        requested = [{by for by, is_ in side.items() if is_ == TESTED} for side in parts]
        if any(requested) and not requested[0] & requested[1]:
            words = ["tested" if ours else next(iter(side.values()), NOT_TESTED)
                     for ours, side in zip(requested, parts, strict=True)]
            yield Unreached(op, part, *(words if words[0] != words[1] else ("tested with other rows", "tested")))


def slower_operations(before: Baseline, after: Baseline, factor: float) -> Iterator[Difference]:
    """Yield operations that are slower by a factor; if the median is, the box and operations slower than that."""
    both = {op: (was, after.milliseconds.get(op, 0.0)) for op, was in before.milliseconds.items()}
    load = 1.0
    if len(both) >= TYPICAL_OPERATIONS:
        usual, now = (statistics.median(times) for times in zip(*both.values(), strict=True))
        if _is_slower(usual, now, factor):
            load = now / usual
            yield Difference("slower", BOX, "", f"{usual:g} ms", f"{now:g} ms")
    for op, (was, now) in both.items():
        if _is_slower(was * load, now, factor):
            yield Difference("slower", op, "", f"{was:g} ms", f"{now:g} ms")


def _is_slower(milliseconds: float, now: float, factor: float) -> bool:
    return now > milliseconds * factor and now - milliseconds > SLOW_MS
