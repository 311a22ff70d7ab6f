"""What a rule is made of and what it makes: a test of one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Tables(Protocol):
    """What ``exists`` asks of the database."""

    def columns(self, table: str) -> Sequence[str]: ...

    def count(self, table: str, column: str, value: Any) -> int: ...

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a field as the document writes it: ``exists:cluster,pkey`` on ``cluster``."""

    name: str
    parameters: tuple[str, ...]
    field: str
    numeric: bool  # the field has a numeric rule, so sizes are values and not lengths


Test = Callable[[Any, Tables], bool]
Maker = Callable[[Rule], Test]
