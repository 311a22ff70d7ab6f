"""The keyword x-pattern of response schemas: a pattern that may name path parameters of the request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

PathParameters = Callable[[], Mapping[str, str]]
NAME_IN_BRACES = re.compile(r"\{([A-Za-z_]\w*)\}")
_parameters: ContextVar[PathParameters] = ContextVar("_parameters", default=dict)


class PathPattern:
    """A keyword for jsonschema_rs. A text is not compared if a parameter that the pattern names is not known."""

    def __init__(self, schema: Any, pattern: str, place: list[Any]) -> None:
        self._pattern = pattern
        self._names = NAME_IN_BRACES.findall(pattern)

    def validate(self, text: Any) -> None:
        values = _parameters.get()()
        if isinstance(text, str) and values.keys() >= set(self._names):
            pattern = NAME_IN_BRACES.sub(lambda name: re.escape(values[name[1]]), self._pattern)
            if re.search(pattern, text) is None:
                raise ValueError(f"{text!r} does not match {pattern!r}")


@contextmanager
def parameters_are(parameters: PathParameters) -> Iterator[None]:
    """Set the path parameters for the block; they are computed when a pattern needs them."""
    token = _parameters.set(parameters)
    try:
        yield
    finally:
        _parameters.reset(token)
