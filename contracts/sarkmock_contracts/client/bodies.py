"""A request from a method, a path and a body of values. Knows no operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .http import ACCEPT, Request, with_json

_BOUNDARY = "----------------------------sark"


@dataclass(frozen=True)
class UploadFile:
    """A file to upload."""

    name: str
    content: bytes
    content_type: str = "application/octet-stream"


def request_for(method: str, path: str, body: dict[str, Any] | None) -> Request:
    """JSON, or a multipart form if there is a file among the values."""
    if body is None:
        return Request(method, path)
    if any(isinstance(value, UploadFile) for value in body.values()):
        content_type, data = multipart({name: _field(value) for name, value in body.items()})
        return Request(method, path, "", (ACCEPT, ("Content-Type", content_type)), data)
    return with_json(method, path, body)


def _field(value: Any) -> str | UploadFile:
    return value if isinstance(value, UploadFile) else str(value)


def multipart(fields: dict[str, str | UploadFile]) -> tuple[str, bytes]:
    """Content type and body of a multipart form."""
    parts = [_part(name, value) for name, value in fields.items()]
    return f"multipart/form-data; boundary={_BOUNDARY}", b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()


def _part(name: str, value: str | UploadFile) -> bytes:
    if isinstance(value, str):
        return f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    head = (f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{value.name}"\r\n'
            f"Content-Type: {value.content_type}\r\n\r\n")
    return head.encode() + value.content + b"\r\n"
