"""multipart/form-data as PHP's main/rfc1867.c reads it, lenient and in its own ways. Knows no names of variables.

A delimiter is a whole line; what announces none is content. Whatever cannot be read is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sarkmock.laravel.php.values import from_bytes, to_bytes

BLANKS = b" \t\n\r\v\f"
_BOUNDARY = re.compile(r'boundary[^=]*=(?:"([^"]*)"|(?!")([^,;]*))', re.IGNORECASE)
# Words between semicolons; quotes of either kind hide one.
_WORDS = re.compile(rb'''(?:"(?:\\"|[^"])*"?|'(?:\\'|[^'])*'?|[^"';])+''')
MOST_UPLOADS = 20  # php.ini's max_file_uploads


@dataclass(frozen=True, slots=True)
class Part:
    """One part with a name; ``filename`` is None for a variable."""

    name: str
    filename: str | None
    content_type: str
    content: bytes


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a content type announces."""
    found = _BOUNDARY.search(content_type)
    return to_bytes(found[2] if found[1] is None else found[1]) if found else None


def parts(body: bytes, boundary: bytes) -> Iterator[Part]:
    """The parts in order; no upload that was cut off, none beyond the limit or after one whose name PHP refuses."""
    delimiter, position, uploads = b"--" + boundary, 0, MOST_UPLOADS
    while (start := _after_line(body, delimiter, position)) is not None:
        headers, start = _headers(body, start)
        end = body.find(b"\n" + delimiter, start)
        content = body[start:] if end < 0 else body[start:end].removesuffix(b"\r")
        position = len(body) if end < 0 else end + 1
        part = _part(headers, content)
        if part is None:
            continue
        if part.filename is None:
            yield part
        elif not _brackets_fit(part.name):
            uploads = 0
        elif uploads and end >= 0:
            uploads -= 1
            yield part


def _after_line(body: bytes, line: bytes, position: int) -> int | None:
    """Where the line after the next one of that content begins."""
    while (found := body.find(line, position)) >= 0:
        position = found + len(line)
        if (found == 0 or body[found - 1] == 0x0A) and body.startswith((b"\n", b"\r\n"), position):
            return body.index(b"\n", position) + 1
    return None


def _headers(body: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    """Header fields by their lower case names, and where the content begins."""
    fields: dict[bytes, list[bytes]] = {}
    last: list[bytes] = []
    while (end := body.find(b"\n", position)) >= 0:
        line, position = body[position:end].removesuffix(b"\r"), end + 1
        if not line:
            break
        name, colon, value = line.partition(b":")
        if line[:1] in BLANKS:
            last.append(line)
        elif colon:
            last = [value.lstrip(BLANKS)]
            fields.setdefault(name.lower(), last)
    else:
        position = len(body)
    return {name: b"".join(lines) for name, lines in fields.items()}, position


def _part(headers: dict[bytes, bytes], content: bytes) -> Part | None:
    words = dict(_parameters(headers.get(b"content-disposition", b"")))
    if b"name" not in words:
        return None
    name, filename = words[b"name"], words.get(b"filename")
    if filename is None:
        return Part(from_bytes(name), None, "", content)
    last = re.split(rb"[\\/]", filename)[-1]
    content_type = headers.get(b"content-type", b"").partition(b";")[0]
    return Part(from_bytes(name), from_bytes(last), from_bytes(content_type), content)


def _parameters(disposition: bytes) -> Iterator[tuple[bytes, bytes]]:
    """``form-data; name="a"`` -> name, a."""
    for pair in _WORDS.findall(disposition.partition(b"\0")[0]):
        key, equals, value = pair.lstrip(BLANKS).partition(b"=")
        if equals:
            yield key.lower(), _unquoted(value.lstrip(b"=").lstrip(BLANKS))


def _unquoted(value: bytes) -> bytes:
    r"""A value up to its closing quote or first blank; a backslash escapes itself and the quote, nothing else."""
    quote = value[:1] if value[:1] in (b'"', b"'") else b""
    if quote:
        text = re.match(rb"(?:\\\\|\\%s|[^%s])*" % (quote, quote), value[1:])
    else:
        text = re.match(rb"[^ \t\n\r\v\f]*", value)
    escaped = rb"\\([\\%s])" % quote if quote else rb"\\(\\)"
    return re.sub(escaped, rb"\1", text[0] if text else b"")


def _brackets_fit(name: str) -> bool:
    """Whether each bracket of an upload's name is closed, and only a bracket comes after it."""
    opened = 0
    for place, sign in enumerate(name):
        opened += (sign == "[") - (sign == "]")
        if opened < 0 or (sign == "]" and name[place + 1:place + 2] not in ("", "[")):
            return False
    return opened == 0
