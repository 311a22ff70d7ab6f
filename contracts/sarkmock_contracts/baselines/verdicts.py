"""What becomes of the variables that clients send: taken, refused with which message, fatal, stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .facts import Fact, canonical_json
from .observer import HAS_CRASHED, WAS_ACCEPTED
from .severity import Difference

EXAMPLES = 3
AS_SENT, DIFFERENT = "as sent", "different"
# (taken or crashed before, and after): what that is. Anything but these two is a refusal.
TRANSITIONS = {
    (WAS_ACCEPTED, HAS_CRASHED): "value newly crashes", ("refused", HAS_CRASHED): "crash instead of refusal",
    (HAS_CRASHED, WAS_ACCEPTED): "value no longer crashes", (HAS_CRASHED, "refused"): "value no longer crashes",
    (WAS_ACCEPTED, "refused"): "rule tightened", ("refused", WAS_ACCEPTED): "rule loosened",
    ("refused", "refused"): "message changed",
}

# If a variable shows several kinds, the first is reported.
ORDER = ("value newly crashes", "rule changed", "rule tightened", "crash instead of refusal", "value no longer crashes",
         "rule loosened", "message changed")


def compare_rules(op: str, before: Sequence[Fact], after: Sequence[Fact]) -> Iterator[Difference]:
    """One difference for each variable with a value that is judged differently."""
    later = {fact.key: fact for fact in after}
    changed: dict[str, list[tuple[Fact, Fact]]] = {}
    for fact in before:
        now = later.get(fact.key)
        if now is not None and (fact.is_, fact.says) != (now.is_, now.says):
            changed.setdefault(fact.of, []).append((fact, now))
    for name, pairs in changed.items():
        yield of_variable(op, name, pairs)


def of_variable(op: str, name: str, pairs: list[tuple[Fact, Fact]]) -> Difference:
    kinds = {TRANSITIONS[verdict_text(one), verdict_text(other)] for one, other in pairs}
    if {"rule tightened", "rule loosened"} <= kinds:
        kinds |= {"rule changed"}
    kinds -= {"rule tightened", "rule loosened"} if "rule changed" in kinds else set()
    kind = min(kinds, key=ORDER.index)
    telling = [(one, other) for one, other in pairs
               if kind in ("rule changed", TRANSITIONS[verdict_text(one), verdict_text(other)])]
    before, after = ("; ".join(dict.fromkeys(verdict_words(pair[side]) for pair in telling[:EXAMPLES]))
                     for side in (0, 1))
    return Difference(kind, op, name, before, after, tuple(example(*pair) for pair in telling[:EXAMPLES]))


def verdict_text(fact: Fact) -> str:
    return str(fact.is_) if fact.is_ in (WAS_ACCEPTED, HAS_CRASHED) else "refused"


def verdict_words(fact: Fact) -> str:
    """A verdict for people."""
    return f"{fact.is_}: {' '.join(fact.says)}" if fact.says else str(fact.is_)


def example(before: Fact, after: Fact) -> str:
    return f"{sent_text(before)} was {verdict_words(before)}; is {verdict_words(after)}"


def sent_text(fact: Fact) -> str:
    """A value for people."""
    if isinstance(fact.sent, Mapping):
        return {"absent": "nothing", "live": "the key of a row", "file": "a file"}.get(next(iter(fact.sent), ""), "{}")
    text = canonical_json(fact.sent)
    return text if len(text) <= 40 else f"{text[:36]}...\""


def compare_stores(op: str, before: Mapping[tuple[str, str], Fact],
                   after: Mapping[tuple[str, str], Fact]) -> Iterator[Difference]:
    """Variables that are stored in one recording alone."""
    told_of = set()
    for key, fact in before.items():
        name = fact.of.rpartition(" in the ")[0]
        pair = (fact.is_, after[key].is_) if key in after else ("", "")
        if pair in ((AS_SENT, DIFFERENT), (DIFFERENT, AS_SENT)) and name not in told_of:
            told_of.add(name)
            kind = "variable ignored" if pair[0] == AS_SENT else "variable stored"
            yield Difference(kind, op, name, f"stored {pair[0]}", f"stored {pair[1]}")
