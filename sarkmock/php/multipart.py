"""multipart/form-data as PHP's main/rfc1867.c reads it, lenient and in its own ways. Knows no names of variables.

A delimiter is a whole line; what announces none is content. Whatever cannot be read is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sarkmock.php.values import from_bytes, to_bytes

BLANKS = b" \t\n\r\v\f"
_BOUNDARY = re.compile(r'boundary[^=]*=(?:"([^"]*)"|(?!")([^,;]*))', re.IGNORECASE)
# A word up to a stop, in which quotes of either kind hide the stop.
_QUOTED = rb'''"(?:\\"|[^"])*"?|'(?:\\'|[^'])*'?'''
_WORD = {stop: re.compile(rb"(?:%s|[^\"'%s])*" % (_QUOTED, stop)) for stop in (b";", b"=")}


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
    """The parts in order, without uploads that were cut off, and without any after one whose name PHP refuses."""
    delimiter, position, uploads = b"--" + boundary, 0, True
    while (start := _after_line(body, delimiter, position)) is not None:
        headers, start = _headers(body, start)
        end = body.find(b"\n" + delimiter, start)
        content = body[start:] if end < 0 else body[start:end].removesuffix(b"\r")
        position = len(body) if end < 0 else end + 1
        part = _part(headers, content)
        if part is None:
            continue
        uploads = uploads and (part.filename is None or _brackets_fit(part.name))
        if part.filename is None or (uploads and end >= 0):
            yield part


def _after_line(body: bytes, line: bytes, position: int) -> int | None:
    """Where the line after the next one of that content begins."""
    for found in re.compile(rb"^" + re.escape(line) + rb"\r?\n", re.MULTILINE).finditer(body, position):
        return found.end()
    return None


def _headers(body: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    """Header fields by their lower case names, and where the content begins."""
    headers: dict[bytes, bytes] = {}
    last = b""
    while (end := body.find(b"\n", position)) >= 0:
        line, position = body[position:end].removesuffix(b"\r"), end + 1
        if not line:
            return headers, position
        name, colon, value = line.partition(b":")
        if line[:1] in BLANKS and last:
            headers[last] += line
        elif colon:
            last = name.lower()
            headers.setdefault(last, value.lstrip(BLANKS))
    return headers, len(body)


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
    while disposition:
        pair, disposition = _word(disposition.partition(b"\0")[0], b";")
        if b"=" in pair:
            key, value = _word(pair.lstrip(BLANKS), b"=")
            yield key.lower(), _unquoted(value.lstrip(BLANKS))


def _word(text: bytes, stop: bytes) -> tuple[bytes, bytes]:
    """The text up to a stop, and what comes after the stops."""
    found = _WORD[stop].match(text)
    word = found[0] if found else b""
    return word, text[len(word):].lstrip(stop)


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
