"""multipart/form-data as PHP's main/rfc1867.c reads it, lenient and in its own ways.

A delimiter is a whole line; a line that announces none is content. Unreadable parts are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from sarkmock.laravel.php.values import from_bytes, to_bytes

HEADER_BLANKS = b" \t\n\r\v\f"
MOST_UPLOADS, MOST_FIELDS = 20, 1000  # php.ini's max_file_uploads and max_input_vars
MOST_PARTS = MOST_UPLOADS + MOST_FIELDS  # max_multipart_body_parts; only those with a disposition count
MOST_DELIMITERS = 20_000  # PHP looks on, but no client sends that many parts without a disposition
MOST_WORDS = 10_000
_BLANK_LINE = re.compile(rb"\n\r?\n")
# The rest of a line, and the lines that belong to it: they begin with a blank or have no colon.
_VALUE = re.compile(rb".*(?:\n(?:[ \t\r\v\f].*|[^:\n]+)$)*", re.MULTILINE)
# Words between semicolons; quotes of either kind hide one.
_WORDS = re.compile(rb"""(?:"(?:\\"|[^"])*"?|'(?:\\'|[^'])*'?|[^"';]++)+""")
_QUOTED = {quote: re.compile(rb"(?:\\\\|\\%s|[^%s])*" % (quote, quote)) for quote in (b'"', b"'")}
_BARE = re.compile(rb"[^ \t\n\r\v\f]*")
_BRACKETS = re.compile(r"[^\[\]]*+(?:\[[^\[\]]*+\])*")


@dataclass(frozen=True, slots=True)
class FormPart:
    """One part with a name; ``filename`` is None for a variable. An upload is not ``chosen`` if that is empty."""

    name: str
    filename: str | None
    content_type: str
    content: bytes
    whole: bool = True
    chosen: bool = True


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a content type announces: what is behind the first equals sign after the word."""
    place = content_type.find("boundary")
    if place < 0:
        place = content_type.lower().find("boundary")
    equals = content_type.find("=", place)
    if place < 0 or equals < 0:
        return None
    text = content_type[equals + 1:]
    if not text.startswith('"'):
        return to_bytes(re.split("[,;]", text, maxsplit=1)[0])
    quoted, quote, _ = text[1:].partition('"')
    return to_bytes(quoted) if quote else None


def form_parts(body: bytes, boundary: bytes) -> Iterator[FormPart]:
    """The parts in order; no upload beyond the limit, or after one whose name PHP refuses."""
    content, closing = b"\n" + body, b"\n--" + boundary
    after_line = _line_finder(content, closing)
    position, limit, uploads, nameless = 0, MOST_PARTS, MOST_UPLOADS, 0
    for _ in range(MOST_DELIMITERS):
        end_of_line = after_line(position)
        if end_of_line is None:
            return
        disposition, content_type, start = _headers(content, end_of_line)
        position = start - 1  # a delimiter may follow at once, unless there is content to be read
        if disposition is None:
            continue
        words, limit = _parameters(disposition), limit - 1
        if limit < 0 or not words:
            return  # garbled, to PHP
        end = content.find(closing, start)
        if b"filename" not in words:
            position = len(content) if end < 0 else end
            yield FormPart(from_bytes(words[b"name"]), None, "", _before(content, start, end))
            continue
        name = from_bytes(words.get(b"name", b"%d" % nameless))
        nameless += b"name" not in words
        if not _BRACKETS.fullmatch(name):
            uploads = 0
        if not uploads:
            continue
        if not words[b"filename"]:
            yield FormPart(name, "", "", b"", chosen=False)
            continue
        position, uploads = len(content) if end < 0 else end, uploads - 1
        upload = b"" if end < 0 else _before(content, start, end)
        yield FormPart(name, _last_step(words[b"filename"]), from_bytes(content_type), upload, end >= 0)


def _line_finder(content: bytes, line: bytes) -> Callable[[int], int | None]:
    """A function from a place to the last byte of the next such line; places must not go back."""
    ends = line + b"\n", line + b"\r\n"
    nearest = [content.find(end) for end in ends]

    def after(place: int) -> int | None:
        for index, end in enumerate(ends):
            if 0 <= nearest[index] < place:
                nearest[index] = content.find(end, place)
        return min((found + len(end) - 1 for found, end in zip(nearest, ends, strict=True) if found >= 0), default=None)

    return after


def _before(content: bytes, start: int, end: int) -> bytes:
    """What stands before a delimiter; all that is left if there is none."""
    return content[start:] if end < 0 else content[start:end].removesuffix(b"\r")


def _headers(content: bytes, position: int) -> tuple[bytes | None, bytes, int]:
    """Disposition and type of a part whose headers begin after a line's end there, and where its content begins."""
    blank = _BLANK_LINE.search(content, position)
    block = content[position:] if blank is None else content[position:blank.start()]
    names = block.lower()
    kind = (_header(block, names, b"content-type") or b"").partition(b";")[0]
    return _header(block, names, b"content-disposition"), kind, len(content) if blank is None else blank.end()


def _header(block: bytes, names: bytes, name: bytes) -> bytes | None:
    """The first header of a name; ``names`` is the block in lower case."""
    place = names.find(b"\n%s:" % name)
    if place < 0:
        return None
    value = _VALUE.match(block, place + len(name) + 2)
    first, _, more = (value[0] if value else b"").removesuffix(b"\r").partition(b"\n")
    return first.removesuffix(b"\r").lstrip(HEADER_BLANKS) + more.replace(b"\r\n", b"").replace(b"\n", b"")


def _parameters(disposition: bytes) -> dict[bytes, bytes]:
    """Name and file name: ``form-data; name="a"`` -> name, a."""
    found = {}
    for word in islice(_WORDS.finditer(disposition.partition(b"\0")[0]), MOST_WORDS):
        key, equals, value = word[0].lstrip(HEADER_BLANKS).partition(b"=")
        if equals and key.lower() in (b"name", b"filename"):
            found[key.lower()] = _unquoted(value.lstrip(b"=").lstrip(HEADER_BLANKS))
    return found


def _unquoted(value: bytes) -> bytes:
    r"""A value up to its closing quote or first blank; a backslash escapes itself and the quote, nothing else."""
    quote = value[:1]
    text = _QUOTED[quote].match(value, 1) if quote in _QUOTED else _BARE.match(value)
    plain = (text[0] if text else b"").replace(rb"\\", b"\0")  # a disposition holds no NUL
    return (plain.replace(b"\\" + quote, quote) if quote in _QUOTED else plain).replace(b"\0", b"\\")


def _last_step(filename: bytes) -> str:
    """A file name without the directories that some browsers send."""
    return from_bytes(filename[max(filename.rfind(b"\\"), filename.rfind(b"/")) + 1:])
