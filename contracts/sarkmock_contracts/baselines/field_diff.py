"""The fields of answers, before and after. Rows that were there before the recording may be others: they tell less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .facts import Fact
from .severity import Difference

FormFacts = Mapping[tuple[str, str], Fact]
WHOLE_BODY = "(body)"
STANDING = ("read", "unknown key")  # seen in what was there before, not in rows of the recording's own
Form = dict[str, list[str]]


@dataclass(frozen=True)
class Unequal:
    """Variables that were not given to both rows alike; whether the answer holds only what was sent."""

    names: frozenset[str] = frozenset()
    echo: bool = False

    def explains(self, difference: Difference) -> bool:
        """Whether a field looks different because it was filled differently."""
        return difference.of in self.names and (self.echo or difference.kind not in ("field gone", "field appeared"))


def compare_fields(op: str, before: FormFacts, after: FormFacts,
                   unequal: Callable[[str], Unequal]) -> Iterator[Difference]:
    """One difference for each field, wherever it was seen."""
    found: dict[str, Difference] = {}
    one, other = forms(before), forms(after)
    for by in one:
        if by in other:
            for difference in compare_forms(op, one[by], other[by], own=by not in STANDING):
                if not unequal(by).explains(difference):
                    found.setdefault(difference.of, difference)
    yield from found.values()


def forms(facts: FormFacts) -> dict[str, Form]:
    """Field -> types, by where they were seen."""
    found: dict[str, Form] = {}
    for (name, by), fact in facts.items():
        found.setdefault(by, {})[name] = fact.is_
    return found


def compare_forms(op: str, before: Form, after: Form, own: bool) -> Iterator[Difference]:
    """Fields that are gone, new, or of another type."""
    for name in dict.fromkeys([*before, *after]):
        if parent(name) and not (parent(name) in before and parent(name) in after):
            continue  # its parent is reported
        if name not in after or name not in before:
            if not is_row(name) and (own or has_rows(name, before, after)):
                yield gone_or_new(op, name, before, after)
        elif before[name] != after[name]:
            yield from retyped(op, name, before[name], after[name], own)


def gone_or_new(op: str, name: str, before: Form, after: Form) -> Difference:
    kind = "field gone" if name in before else "field appeared"
    return Difference(kind, op, plain_field(name), before.get(name), after.get(name))


def retyped(op: str, name: str, before: list[str], after: list[str], own: bool) -> Iterator[Difference]:
    """Another type; that null came or went says something of rows of our own alone."""
    one, other = ([kind for kind in kinds if kind != "null"] for kinds in (before, after))
    if one and other and one != other:
        yield Difference("field type changed", op, plain_field(name), before, after)
    elif own and ("null" in after) != ("null" in before):
        kind = "field may be null" if "null" in after else "field no longer null"
        yield Difference(kind, op, plain_field(name), before, after)


def parent(name: str) -> str:
    """What a field belongs to: an object, or the row of a list."""
    if name.endswith("[]"):
        return name[:-2] or WHOLE_BODY
    return name.rpartition(".")[0] or ("" if name == WHOLE_BODY else WHOLE_BODY)


def is_row(name: str) -> bool:
    """Whether it stands for the rows of a list: that there are none is no difference."""
    return name.endswith("[]")


def has_rows(name: str, before: Form, after: Form) -> bool:
    """Whether both show the row that the field belongs to."""
    return parent(name) in before and parent(name) in after


def plain_field(name: str) -> str:
    """A field as clients call it, without the row of a list."""
    return name.removeprefix("[].") if name != WHOLE_BODY else "the answer itself"


TRACE = " trace[]"  # the calls in a debug page


def compare_errors(op: str, before: FormFacts, after: FormFacts, same: set[str]) -> Iterator[Difference]:
    """The form of refusals, where the status is the same."""
    for kind in sorted(same):
        one, other = ({of.removeprefix(f"{kind} "): fact.is_ for (of, _), fact in facts.items()
                       if of.startswith(f"{kind} ") and TRACE not in of} for facts in (before, after))
        if one and other and one != other:
            yield Difference("error form changed", op, kind, ", ".join(one), ", ".join(other))
