"""All single changes of a Laravel rule list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

Rules = str | Sequence[str]
Change = tuple[str, str, Rules]  # the kind of the change, in words, and the rules afterwards

PLAIN = ("string", "integer", "numeric", "boolean", "alpha", "alpha_num", "alpha_dash", "email", "ip")
NEIGHBOURS = {"alpha": ("alpha_num",), "alpha_num": ("alpha", "alpha_dash"), "alpha_dash": ("alpha_num",),
              "integer": ("numeric",), "numeric": ("integer",), "string": ("alpha_dash",), "boolean": ("integer",),
              "email": ("string",), "ip": ("string",)}
BOUNDED = re.compile(r"(min|max|size|digits):(\d+)")
COUNT = re.compile(r"\{(\d+)(?=[,}])")


def changes(rules: Rules, listed: Sequence[str], references: Sequence[str]) -> Iterator[Change]:
    """Yield all changes. ``listed`` are the values of the document's `in` lists, ``references`` its `exists` rules."""
    own = rules.split("|") if isinstance(rules, str) else list(rules)

    def written(changed: list[str]) -> Rules:
        return "|".join(changed) if isinstance(rules, str) else changed

    def swapped(index: int, rule: str) -> Rules:
        return written([*own[:index], rule, *own[index + 1:]])

    for index, rule in enumerate(own):
        yield kind_of(rule, "lost"), f"without {rule}", written(own[:index] + own[index + 1:])
        for kind, other in variants(rule, listed, references):
            yield kind, f"{other} for {rule}", swapped(index, other)
    names = {rule.partition(":")[0] for rule in own}
    for rule in ("required", "nullable", *PLAIN):
        if rule not in names and "file" not in names:
            yield kind_of(rule, "gained"), f"with {rule}", written([*own, rule])


def kind_of(rule: str, change: str) -> str:
    return f"{rule} {change}" if rule in ("required", "nullable") else f"rule {change}"


def variants(rule: str, listed: Sequence[str], references: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Small changes of one rule."""
    yield from (("neighbour", other) for other in NEIGHBOURS.get(rule, ()))
    if BOUNDED.fullmatch(rule):
        name, _, bound = rule.partition(":")
        yield from (("bound", f"{name}:{int(bound) + step}") for step in (1, -1))
    elif rule.startswith("in:"):
        yield from (("in", f"in:{values}") for values in lists(rule[3:].split(","), listed))
    elif rule.startswith("exists:"):
        yield from (("exists", other) for other in references if other != rule)
    elif rule.startswith("regex:"):
        yield from (("regex", other) for other in patterns(rule))


def lists(values: list[str], listed: Sequence[str]) -> Iterator[str]:
    """Remove a value, or add one from another list."""
    if len(values) > 1:
        yield from (",".join(values[:index] + values[index + 1:]) for index in range(len(values)))
    yield from (",".join([*values, other]) for other in listed if other not in values)


def patterns(rule: str) -> Iterator[str]:
    """Change a count by one, or remove an anchor."""
    for match in COUNT.finditer(rule):
        yield from (f"{rule[:match.start(1)]}{int(match[1]) + step}{rule[match.end(1):]}" for step in (1, -1)
                    if int(match[1]) + step > 0)
    if rule.startswith("regex:/^"):
        yield "regex:/" + rule.removeprefix("regex:/^")
    if rule.endswith("$/"):
        yield rule.removesuffix("$/") + "/"


def document_lists(rules: Iterator[Any]) -> tuple[list[str], list[str]]:
    """The values of all `in` lists, and all `exists` rules without placeholders, of rule lists."""
    every = [rule for text in rules for rule in (text.split("|") if isinstance(text, str) else text)]
    values = {value for rule in every if rule.startswith("in:") for value in rule[3:].split(",")}
    return sorted(values), sorted({rule for rule in every if rule.startswith("exists:") and "{" not in rule})
