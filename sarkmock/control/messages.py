"""Messages of the control plane: a request as handlers see it, answers that are not JSON, errors, time stamps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class ControlRequest:
    """A request to the control plane: what it was addressed to, and, checked by the document, the path's and
    the query's parameters and the body."""

    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    origin: str = ""


@dataclass(frozen=True)
class Text:
    """An answer that is not JSON."""

    content: str
    media_type: str


Path = tuple[str | int, ...]


class ControlError(Exception):
    """A refusal: its status, one sentence, and where in the body if that is known (keys and indexes, or the line)."""

    def __init__(self, status: int, error: str, *, path: Path = (), line: int | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.path, self.line = status, error, path, line

    def content(self) -> dict[str, Any]:
        content = {"error": self.error, "place": place_of(self.path), "line": self.line}
        return {name: value for name, value in content.items() if value}


def place_of(path: Path) -> str:
    return ".".join(map(str, path))


def instant(second: float) -> str:
    """An epoch second with milliseconds, in UTC."""
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="milliseconds")
