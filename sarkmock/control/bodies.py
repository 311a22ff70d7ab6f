"""Requests of the control plane as handlers see them: bodies in JSON or YAML, errors with the line of a mistake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from sarkmock.laravel.php.bodies import depth
from sarkmock.laravel.php.values import is_utf8
from sarkmock.spec import yaml12
from sarkmock.spec.yaml12 import FileError

JSON_MEDIA_TYPES = ("application/json",)
MOST_LEVELS = 100
MOST_BITS = 1000  # more than a float can stand for
LOOKED_THROUGH = 1 << 20
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


def read_body(body: bytes, media_type: str) -> Any:
    """The content of a body; Problem if it is of no known kind or cannot be read."""
    if media_type not in JSON_MEDIA_TYPES + YAML_TYPES:
        given = f"not {media_type}" if media_type else "and say so in Content-Type"
        raise ControlError(415, f"send {JSON_MEDIA_TYPES[0]} or {YAML_TYPES[0]}, {given}")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ControlError(400, f"the body is not UTF-8: byte {error.start} is {body[error.start]:#04x}") from None
    try:
        content = json_content(text) if media_type in JSON_MEDIA_TYPES else text_keys(read_yaml(text))
        deep = depth(content) > MOST_LEVELS
    except RecursionError:
        deep = True
    if deep:
        raise ControlError(400, f"the body is nested too deep, which is more than {MOST_LEVELS} levels")
    if not is_representable(content):
        raise ControlError(400, "the body contains NaN, Infinity, an out-of-range number, or text that is not UTF-8")
    return content


def json_content(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ControlError(400, f"the body is not JSON: line {error.lineno}, column {error.colno}: {error.msg}",
                      line=error.lineno) from None
    except ValueError:
        raise ControlError(400, "the body has an integer with thousands of digits") from None


def read_yaml(text: str) -> Any:
    try:
        return yaml12.parse(text, "body")
    except FileError as error:
        where = f"line {error.line}: " if error.line else ""
        raise ControlError(400, f"the body is not YAML: {where}{error.problem}", line=error.line) from None


def text_keys(value: Any) -> Any:
    """A YAML value as JSON has it: every key is text."""
    if isinstance(value, list):
        return [text_keys(item) for item in value]
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): text_keys(item) for key, item in value.items()}
    return value


def is_representable(value: Any) -> bool:
    """Whether all numbers are some, and all texts can be written as UTF-8 (JSON can escape half a character)."""
    if isinstance(value, int):
        return value.bit_length() < MOST_BITS
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, dict):
        return all(is_representable(key) and is_representable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(is_representable, value))
    return not isinstance(value, str) or value.isascii() or is_utf8(value)


def line_in_body(body: bytes, path: Path) -> int | None:
    """The line of a place in a body, if the body has several and is not too long to be read again."""
    if len(body) > LOOKED_THROUGH:
        return None
    return yaml12.line_in(body.decode(), path) if path and b"\n" in body.strip() else None


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
