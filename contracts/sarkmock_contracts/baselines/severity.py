"""The kinds of differences, what each means for clients, and the comparison of fields and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .catalogue import WHOLE_BODY
from .facts import Fact, canonical_json
from .observer import (
    AS_SENT,
    DIFFERENT,
    HAS_CRASHED,
    ROW_ORDER,
    SHOWN_IN_LIST,
    TAKES_EFFECT,
    WAS_ACCEPTED,
    WAS_REJECTED,
)

BREAKING, RISKY, COMPATIBLE, INFORMATIVE = DIFFERENCE_LEVELS = ("breaking", "risky", "compatible", "informative")

# by kind: the level of severity for clients, and the reason
DIFFERENCE_KINDS: dict[str, tuple[str, str]] = {
    "operation removed": (BREAKING, "clients that call it get 404 or 405"),
    "operation moved": (BREAKING, "clients that call the old path get 404 or 405"),
    "operation added": (COMPATIBLE, "no client can have called it before"),
    "now crashes": (BREAKING, "a request that worked fails with a server error"),
    "no longer crashes": (COMPATIBLE, "a request that failed with a server error works"),
    "now rejected": (BREAKING, "a request that succeeded is rejected"),
    "no longer rejected": (RISKY, "a rejected request succeeds: clients that rely on the rejection are not protected"),
    "success status changed": (RISKY, "clients that compare the exact status take success for failure"),
    "rejection status changed": (RISKY, "clients that branch on the error status misclassify the error"),
    "crash status changed": (INFORMATIVE, "it fails either way"),
    "content type changed": (BREAKING, "clients that parse the response by its type cannot read it"),
    "header removed": (RISKY, "clients that read it get no value"),
    "header added": (COMPATIBLE, "clients that do not know it ignore it"),
    "header changed": (RISKY, "clients that compare the value read another one"),
    "field removed": (BREAKING, "clients that read it get no value"),
    "field added": (COMPATIBLE, "clients that do not know it ignore it"),
    "field type changed": (BREAKING, "clients that read it get a value of another type"),
    "field may be null": (RISKY, "clients that do not expect null may fail"),
    "field no longer null": (COMPATIBLE, "clients that handle null also handle a value"),
    "error form changed": (RISKY, "clients read the reason of an error from another place"),
    "new rows missing in list": (BREAKING, "clients that look for a new row in the list do not find it"),
    "new rows back in list": (COMPATIBLE, "the list shows new rows"),
    "list order changed": (RISKY, "clients that show the list as it comes, or pick a row by its place, get another"),
    "delete without effect": (BREAKING, "what clients delete stays"),
    "delete takes effect": (COMPATIBLE, "what clients delete is gone"),
    "default changed": (RISKY, "rows that clients create without the variable have another value"),
    "rule tightened": (BREAKING, "values that were accepted are rejected"),
    "rule loosened": (COMPATIBLE, "values that were rejected are accepted"),
    "rule changed": (BREAKING, "some values that were accepted are rejected, and the reverse"),
    "message changed": (RISKY, "clients that show or compare the message get another one"),
    "value now crashes": (BREAKING, "a value that was accepted fails with a server error"),
    "crash instead of rejection": (RISKY, "a value that was rejected with a message fails with a server error"),
    "value no longer crashes": (COMPATIBLE, "a value that failed with a server error is validated"),
    "variable ignored": (BREAKING, "the value that is sent is no longer stored"),
    "variable stored": (RISKY, "a value that was ignored is validated and stored"),
    "limit lowered": (RISKY, "clients that send as fast as before get 429"),
    "limit raised": (COMPATIBLE, "more requests are accepted"),
    "token needed": (BREAKING, "requests without a token are rejected with 401, 404 or 405"),
    "token no longer needed": (COMPATIBLE, "requests without a token are accepted"),
    "value changed": (RISKY, "clients that rely on the value get another one"),
    "server changed": (INFORMATIVE, "the server identifies itself differently"),
    "slower": (INFORMATIVE, "responses take longer; each side was timed once, so measure again to confirm"),
}

KNOWN_BY_VERSION = "not requested, known from the recognised versions"


@dataclass(frozen=True)
class Difference:
    """One difference: operation, kind and subject, before and after, with a few examples."""

    kind: str
    op: str
    of: str = ""
    before: Any = None
    after: Any = None
    examples: tuple[str, ...] = ()
    client: bool = field(default=False)  # whether it concerns what a client uses
    versions: str = ""  # the recognised versions, if these show it and no response does

    @property
    def level(self) -> str:
        return DIFFERENCE_KINDS[self.kind][0]

    @property
    def reason(self) -> str:
        reason = DIFFERENCE_KINDS[self.kind][1]
        return f"{reason}; {KNOWN_BY_VERSION}: {self.versions}" if self.versions else reason

    @property
    def id(self) -> str:
        """The id of the difference in reports."""
        return ":".join(part.replace(" ", "-") for part in (self.kind, self.op, self.of) if part)

    def for_client(self) -> Difference:
        return replace(self, client=True)


@dataclass(frozen=True)
class Unreached:
    """A fact that only one recording tested: it is unknown in the other."""

    op: str
    part: str
    before: str
    after: str


def at_least(level: str, wanted: str) -> bool:
    """Whether a level is as severe as the wanted one, or more. Never true for informative differences."""
    return level != INFORMATIVE and DIFFERENCE_LEVELS.index(level) <= DIFFERENCE_LEVELS.index(wanted)


def before_and_after(before: object, after: object) -> str:
    """Return a change as text; empty if both values are None."""
    return "" if before is None and after is None else f"{as_text(before)} -> {as_text(after)}"


def as_text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else "nothing" if value is None else str(value)


FormFacts = Mapping[tuple[str, str], Fact]
THE_ANSWER = "the response itself"
READ, UNKNOWN = STANDING = ("read", "unknown key")  # seen in existing rows, not in rows that the recording created
Form = dict[str, list[str]]


@dataclass(frozen=True)
class Unequal:
    """Variables with different values in the two rows, and whether the response only echoes what was sent."""

    names: frozenset[str] = frozenset()
    echo: bool = False

    def explains(self, difference: Difference) -> bool:
        """Whether the difference of a field may be caused by different input."""
        return difference.of in self.names and (self.echo or difference.kind not in ("field removed", "field added"))


def compare_fields(op: str, before: FormFacts, after: FormFacts,
                   unequal: Callable[[str], Unequal]) -> Iterator[Difference]:
    """Yield one difference per field, from the first place that shows it."""
    differences: dict[str, Difference] = {}
    earlier, later = types_by_place(before), types_by_place(after)
    absent = shows_nothing(earlier) or shows_nothing(later)
    for by in earlier:
        if by in later and not (absent and by == READ):
            for difference in compare_forms(op, earlier[by], later[by], own=by not in STANDING):
                if not unequal(by).explains(difference):
                    differences.setdefault(difference.of, difference)
    yield from differences.values()


def types_by_place(facts: FormFacts) -> dict[str, Form]:
    """Return the types of fields, by the place where they were seen."""
    result: dict[str, Form] = {}
    for (name, by), fact in facts.items():
        result.setdefault(by, {})[name] = fact.is_
    return result


def shows_nothing(forms: Mapping[str, Form]) -> bool:
    """Whether a read has the fields of the response to an unknown key: what was read may not be there."""
    return READ in forms and forms[READ] == forms.get(UNKNOWN)


def compare_forms(op: str, before: Form, after: Form, own: bool) -> Iterator[Difference]:
    """Yield fields that are gone, new, or of another type."""
    unknown = {name for name in before if empty_in_one(name, before, after)}
    for name in dict.fromkeys([*before, *after]):
        parent = parent_field(name)
        if name in unknown or parent in unknown:
            continue
        with_parent = parent in before and parent in after
        if parent and not with_parent:
            continue  # its parent is reported
        if name not in after or name not in before:
            if not name.endswith("[]") and (own or with_parent):  # an empty list is not a difference
                kind = "field removed" if name in before else "field added"
                yield Difference(kind, op, plain_field(name), before.get(name), after.get(name))
        elif before[name] != after[name]:
            yield from type_difference(op, name, before[name], after[name], own)


def empty_in_one(name: str, before: Form, after: Form) -> bool:
    """Whether a field is an object in one form, and in the other an empty list, as PHP writes an empty object."""
    item, members = ("[]", "") if name == WHOLE_BODY else (f"{name}[]", f"{name}.")
    return any(form.get(name) == ["list"] and item not in form and other.get(name) == ["object"]
               and any(field.startswith(members) and field != name for field in other)
               for form, other in ((before, after), (after, before)))


def type_difference(op: str, name: str, before: list[str], after: list[str], own: bool) -> Iterator[Difference]:
    """Yield a change of type. null counts only in rows that the recording created."""
    earlier, later = ([kind for kind in kinds if kind != "null"] for kinds in (before, after))
    if earlier and later and earlier != later:
        yield Difference("field type changed", op, plain_field(name), before, after)
    elif own and ("null" in after) != ("null" in before):
        kind = "field may be null" if "null" in after else "field no longer null"
        yield Difference(kind, op, plain_field(name), before, after)


def parent_field(name: str) -> str:
    """Return the parent of a field: an object, or the row of a list."""
    if name.endswith("[]"):
        return name[:-2] or WHOLE_BODY
    return name.rpartition(".")[0] or ("" if name == WHOLE_BODY else WHOLE_BODY)


def plain_field(name: str) -> str:
    """Return the name of a field for reports, without the marker of a list's row."""
    return name.removeprefix("[].") if name != WHOLE_BODY else THE_ANSWER


TRACE = " trace[]"  # the stack frames of a debug response


def compare_errors(op: str, before: FormFacts, after: FormFacts, same: set[str]) -> Iterator[Difference]:
    """Compare the fields of error responses with the same status."""
    for kind in sorted(same):
        earlier, later = ({of.removeprefix(f"{kind} "): fact.is_ for (of, _), fact in facts.items()
                           if of.startswith(f"{kind} ") and TRACE not in of} for facts in (before, after))
        if earlier and later and earlier != later:
            yield Difference("error form changed", op, kind, error_form(earlier, later), error_form(later, earlier))


def error_form(fields: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """Return the names of the fields of an error, with the types of those whose types differ in the other error."""
    return ", ".join(name if others.get(name, types) == types else f"{name} ({' or '.join(types)})"
                     for name, types in fields.items())


# What a sequence shows: the kinds of difference if it becomes true, and if it becomes false.
SEQUENCES = {SHOWN_IN_LIST: ("new rows back in list", "new rows missing in list"),
             TAKES_EFFECT: ("delete takes effect", "delete without effect")}

EXAMPLES = 3
# (verdict before, verdict after): kind of difference. Any verdict but accepted and crashed counts as a rejection.
TRANSITIONS = {
    (WAS_ACCEPTED, HAS_CRASHED): "value now crashes", (WAS_REJECTED, HAS_CRASHED): "crash instead of rejection",
    (HAS_CRASHED, WAS_ACCEPTED): "value no longer crashes", (HAS_CRASHED, WAS_REJECTED): "value no longer crashes",
    (WAS_ACCEPTED, WAS_REJECTED): "rule tightened", (WAS_REJECTED, WAS_ACCEPTED): "rule loosened",
    (WAS_REJECTED, WAS_REJECTED): "message changed",
}

# If a variable has differences of several kinds, the first in this order is reported.
ORDER = ("value now crashes", "rule changed", "rule tightened", "crash instead of rejection", "value no longer crashes",
         "rule loosened", "message changed")


def compare_rules(op: str, before: Sequence[Fact], after: Sequence[Fact]) -> Iterator[Difference]:
    """Yield one difference per variable with a value whose verdict or messages differ."""
    later = {fact.key: fact for fact in after}
    changed: dict[str, list[tuple[Fact, Fact]]] = {}
    for fact in before:
        now = later.get(fact.key)
        if now is not None and (fact.is_, fact.says) != (now.is_, now.says):
            changed.setdefault(fact.of, []).append((fact, now))
    for name, pairs in changed.items():
        yield rule_difference(op, name, pairs)


def rule_difference(op: str, name: str, pairs: list[tuple[Fact, Fact]]) -> Difference:
    kinds = {transition_kind(*pair) for pair in pairs}
    if {"rule tightened", "rule loosened"} <= kinds:
        kinds |= {"rule changed"}
    kinds -= {"rule tightened", "rule loosened"} if "rule changed" in kinds else set()
    kind = min(kinds, key=ORDER.index)
    examples = [pair for pair in pairs if kind in ("rule changed", transition_kind(*pair))]
    del examples[EXAMPLES:]
    before, after = ("; ".join(dict.fromkeys(map(verdict_words, facts))) for facts in zip(*examples, strict=True))
    return Difference(kind, op, name, before, after, tuple(
        f"{sent_text(old)} was {verdict_words(old)}; is {verdict_words(new)}" for old, new in examples))


def transition_kind(before: Fact, after: Fact) -> str:
    """Return the kind of difference between two verdicts on a value."""
    return TRANSITIONS[verdict_text(before), verdict_text(after)]


def verdict_text(fact: Fact) -> str:
    return str(fact.is_) if fact.is_ in (WAS_ACCEPTED, HAS_CRASHED) else WAS_REJECTED


def verdict_words(fact: Fact) -> str:
    """Return a verdict with its messages as text."""
    return f"{fact.is_}: {' '.join(fact.says)}" if fact.says else str(fact.is_)


def sent_text(fact: Fact) -> str:
    """Return a sent value as short text."""
    if isinstance(fact.sent, Mapping):
        return {"absent": "nothing", "live": "the key of a row", "file": "a file"}.get(next(iter(fact.sent), ""), "{}")
    text = canonical_json(fact.sent)
    return text if len(text) <= 40 else f"{text[:36]}...\""


def compare_sequences(op: str, before: FormFacts, after: FormFacts) -> Iterator[Difference]:
    """Compare whether lists show rows that were just created and in which order, and whether deletes take effect."""
    for key, fact in before.items():
        was, now = fact.is_, after[key].is_ if key in after else fact.is_
        if fact.of == ROW_ORDER:
            if not set(was) & set(now):
                yield Difference("list order changed", op, fact.by, was, now)
        elif was != now:
            gained, lost = SEQUENCES[fact.of]
            yield Difference(gained if now else lost, op, fact.by, was, now)


def compare_defaults(op: str, before: FormFacts, after: FormFacts, reported: Collection[str]) -> Iterator[Difference]:
    """Compare the values of columns that were not sent, except columns that another difference names."""
    for key, fact in before.items():
        if key in after and fact.is_ != after[key].is_ and fact.of not in reported:
            yield Difference("default changed", op, fact.of, fact.is_, after[key].is_)


def compare_stores(op: str, before: Mapping[tuple[str, str], Fact],
                   after: Mapping[tuple[str, str], Fact]) -> Iterator[Difference]:
    """Yield variables that are stored as sent in only one of the recordings."""
    reported = set()
    for key, fact in before.items():
        name = fact.of.rpartition(" in the ")[0]
        pair = (fact.is_, after[key].is_) if key in after else ("", "")
        if pair in ((AS_SENT, DIFFERENT), (DIFFERENT, AS_SENT)) and name not in reported:
            reported.add(name)
            kind = "variable ignored" if pair[0] == AS_SENT else "variable stored"
            yield Difference(kind, op, name, f"stored {pair[0]}", f"stored {pair[1]}")
