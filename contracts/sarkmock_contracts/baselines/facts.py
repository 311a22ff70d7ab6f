"""One observation, and how lines of a recording hold it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

BOX = "*"  # what is said of the box and of no operation
NOT_SENT: Mapping[str, Any] = {"absent": True}  # stands for a variable that is left out
_UNSET = object()


@dataclass(frozen=True)
class Fact:
    """What was seen: of an operation, a kind of fact, its subject, and what it is.

    ``by`` tells where it was seen, ``sent`` is the value of a variable, ``says`` are the messages that came with it.
    """

    op: str
    fact: str
    of: str
    is_: Any
    by: str = ""
    sent: Any = _UNSET
    says: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes two facts speak of the same."""
        return self.op, self.fact, self.of, self.by, "" if self.sent is _UNSET else canonical_json(self.sent)

    @property
    def has_value(self) -> bool:
        return self.sent is not _UNSET

    def line(self) -> dict[str, Any]:
        """As a line of a recording."""
        found: dict[str, Any] = {"op": self.op, "fact": self.fact, "of": self.of}
        if self.by:
            found["by"] = self.by
        if self.has_value:
            found["sent"] = self.sent
        found["is"] = self.is_
        if self.says:
            found["says"] = list(self.says)
        return found


def of_line(line: Mapping[str, Any]) -> Fact:
    """The fact that a line holds."""
    return Fact(line["op"], line["fact"], line["of"], line["is"], line.get("by", ""), line.get("sent", _UNSET),
                tuple(line.get("says", ())))


def canonical_json(value: Any) -> str:
    """JSON text that tells true from 1 and 1 from 1.0."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


class Facts:
    """Facts by their keys; of two that speak of the same, the first counts."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self.by_key: dict[tuple[str, ...], Fact] = {}
        for fact in facts:
            self.by_key.setdefault(fact.key, fact)

    def __iter__(self) -> Any:
        return iter(self.by_key.values())

    def __len__(self) -> int:
        return len(self.by_key)

    def get(self, op: str, fact: str, of: str = "", by: str = "") -> Any:
        """What a fact without a value says; None if there is no such fact."""
        found = self.by_key.get((op, fact, of, by, ""))
        return found.is_ if found else None

    def of(self, op: str, fact: str) -> list[Fact]:
        """All facts of a kind of an operation."""
        return [one for one in self.by_key.values() if (one.op, one.fact) == (op, fact)]
