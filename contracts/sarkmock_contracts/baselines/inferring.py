"""Infers the rule list that explains the recorded verdicts on a variable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sarkmock.suite_api import PhpError, Validator, laravel_messages

from ..judge.oracle import NoRows
from ..spec.boundary_values import as_received, split
from .catalogue import catalogue
from .facts import Fact
from .observer import WAS_ACCEPTED, WAS_REJECTED

RuleList = list[str]
EXISTING_KEY = "an existing key"
# Rules whose messages do not name their parameters, or that are inferred in another way.
UNNAMED = {"required", "exists", "in", "unique", "regex", "file", "mimes", "mimetypes", "uploaded"}


class _Rows(NoRows):
    """Stand-in tables in which only `EXISTING_KEY` exists."""

    def count(self, table: str, column: str, value: Any) -> int:
        return int(value == EXISTING_KEY)


def infer_rules(field: str, seen: Sequence[Fact], wording: str) -> RuleList | None:
    """Return a rule list that yields every recorded verdict and message in this wording; None if none does."""
    return next((rules for rules in candidate_rules(seen, wording) if explains(field, rules, seen, wording)), None)


def explains(field: str, rules: Sequence[str], seen: Sequence[Fact], wording: str) -> bool:
    try:
        validator = Validator({field: list(rules)}, wording)
        return all(verdict_of_rules(validator, field, fact) == (fact.is_, fact.says)
                   for fact in seen if is_constant(fact))
    except (PhpError, ValueError):
        return False


def verdict_of_rules(validator: Validator, field: str, fact: Fact) -> tuple[str, tuple[str, ...]]:
    sent = EXISTING_KEY if isinstance(fact.sent, Mapping) else as_received(fact.sent)
    data = {} if is_absent(fact) else {field: sent}
    messages = validator.errors(data, _Rows()).get(field)
    return (WAS_REJECTED, tuple(messages)) if messages else (WAS_ACCEPTED, ())


def is_absent(fact: Fact) -> bool:
    return isinstance(fact.sent, Mapping) and "absent" in fact.sent


def is_constant(fact: Fact) -> bool:
    """Whether a value can be judged without the box: not a file, a misspelled key or an array."""
    if isinstance(fact.sent, Mapping):
        return is_absent(fact) or (fact.sent.get("live") or [0, 0, 1])[2] == 0
    return not isinstance(fact.sent, list)


def candidate_rules(seen: Sequence[Fact], wording: str) -> Iterator[RuleList]:
    """Yield rule lists that the messages suggest, then every rule list of any document."""
    said = [message for fact in seen for message in fact.says]
    required = ["required"] if any("field is required" in message for message in said) else []
    nullable = [] if required else ["nullable"]
    suggested = list(dict.fromkeys(rule for message in said for rule in rules_behind(message, wording)))
    of_tables = [rules for rules in known_lists() if any("exists" in rule for rule in rules)]
    for middle in ([*suggested], *([*suggested, rule] for rule in (*in_rules(seen), *known_patterns()))):
        for order in (middle, middle[::-1]):
            yield [*required, *order, *nullable]
            yield [*required, *order]
    yield from known_lists()
    yield from ([*required, *rules] for rules in (*known_lists(), *of_tables))


def rules_behind(message: str, wording: str) -> Iterator[str]:
    """Yield the rules that produce a message."""
    for pattern, rule in message_patterns(wording):
        match = pattern.fullmatch(message)
        if match is not None:
            yield rule.format(*match.groups())


@cache
def message_patterns(wording: str) -> list[tuple[re.Pattern[str], str]]:
    """Return a pattern for each of Laravel's messages, with its rule. Size rules have a message per type of value."""
    texts = ((name, text) for name, entry in laravel_messages(wording).items() if name not in UNNAMED
             for text in ([entry] if isinstance(entry, str) else entry.values()))
    return [(re.compile(re.escape(text).replace(":attribute", ".+").replace(f":{name}", r"([\d.]+)")),
             f"{name}:{{}}" if f":{name}" in text else name) for name, text in texts]


def in_rules(seen: Iterable[Fact]) -> Iterator[str]:
    """Yield an `in` rule with the accepted values, if a message says that a selected value is invalid."""
    facts = list(seen)
    if any(re.search("selected .* is invalid", message) for fact in facts for message in fact.says):
        taken = [str(as_received(fact.sent)) for fact in facts if fact.is_ == WAS_ACCEPTED and fact.sent is not None
                 and not isinstance(fact.sent, (Mapping, list, bool))]
        if taken:
            yield "in:" + ",".join(dict.fromkeys(taken))


@cache
def known_patterns() -> tuple[str, ...]:
    """Return every `regex` rule of every document."""
    return tuple(dict.fromkeys(rule for rules in known_lists() for rule in rules if rule.startswith("regex:")))


@cache
def known_lists() -> tuple[RuleList, ...]:
    """Return every rule list of every document, except those with placeholders."""
    every = [split(rules) for entry in catalogue().values() for version in entry.versions.values()
             for rules in version.rules.values() if "{" not in str(rules)]
    return tuple({"|".join(rules): list(rules) for rules in every}.values())
