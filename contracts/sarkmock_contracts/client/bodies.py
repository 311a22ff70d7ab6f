"""A request from a method, a path and a body of values. Knows no operation."""

from __future__ import annotations

from typing import Any

from ..spec.sample_files import File, multipart
from .http import ACCEPT, Request, with_json


def request_for(method: str, path: str, body: dict[str, Any] | None) -> Request:
    """JSON, or a multipart form if there is a file among the values."""
    if body is None:
        return Request(method, path)
    if any(isinstance(value, File) for value in body.values()):
        content_type, data = multipart({name: _part(value) for name, value in body.items()})
        return Request(method, path, "", (ACCEPT, ("Content-Type", content_type)), data)
    return with_json(method, path, body)


def _part(value: Any) -> str | File:
    return value if isinstance(value, File) else str(value)
