"""The error of a request to the control plane, as text and JSON."""

from __future__ import annotations

from typing import Any

Path = tuple[str | int, ...]


class Problem(Exception):
    """A refusal: its status, one sentence, and where in the body if that is known (keys and indexes, or the line)."""

    def __init__(self, status: int, error: str, *, path: Path = (), line: int | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.path, self.line = status, error, path, line

    def content(self) -> dict[str, Any]:
        content = {"error": self.error, "place": place_of(self.path), "line": self.line}
        return {name: value for name, value in content.items() if value}


def place_of(path: Path) -> str:
    return ".".join(map(str, path))
