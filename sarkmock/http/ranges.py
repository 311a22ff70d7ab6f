"""A part of a file, as Symfony's BinaryFileResponse cuts it. Knows no HTTP server."""

from __future__ import annotations

import re
from dataclasses import replace

from sarkmock.http.replies import Reply

INTEGER = re.compile(r"\s*[+-]?[0-9]{1,18}")


def part_of(reply: Reply, wanted: str) -> Reply:
    """What a Range header asks for: 206 with that part, 416, or the whole file where it asks for nothing sensible."""
    if not wanted.startswith("bytes=") or not isinstance(reply.body, bytes):
        return reply
    size = len(reply.body)
    first, _, last = wanted[6:].partition("-")
    end = integer(last) if last else size - 1
    start, end = (integer(first), end) if first else (size - end, size - 1)
    if "-" not in wanted[6:]:
        end = 0
    if start > end:
        return reply
    end = min(end, size - 1)
    if start < 0 or start > end:
        return replace(reply, status=416, headers={**reply.headers, "Content-Range": f"bytes */{size}"})
    if end - start >= size - 1:
        return reply
    headers = {**reply.headers, "Content-Range": f"bytes {start}-{end}/{size}"}
    return replace(reply, status=206, headers=headers, body=reply.body[start:end + 1])


def integer(text: str) -> int:
    """PHP's (int) of a text."""
    found = INTEGER.match(text)
    return int(found[0]) if found else 0
