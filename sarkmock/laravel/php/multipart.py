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
# Loops are bounded, as Python keeps 100 bytes for each repetition; what goes on is matched again.
# The lines that belong to the one before: they begin with a blank or have no colon.
_MORE_LINES = re.compile(rb"(?:\n(?:[ \t\r\v\f].*+|[^:\n]++)$){1,1024}", re.MULTILINE)
# What belongs to one word: quotes of either kind hide semicolons, and a backslash hides such a quote.
_WORD = re.compile(rb"""(?:[^"';]++|"(?:[^"\\]++|\\"?+){0,64}"|'(?:[^'\\]++|\\'?+){0,64}'){1,512}""")
_WITHIN = {quote: re.compile(rb"(?:[^%b\\]++|\\%b?+){1,1024}" % (quote, quote)) for quote in (b'"', b"'")}
_BARE = re.compile(rb"[^ \t\n\r\v\f]*")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]")


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
        if not _is_balanced(words.get(b"name", b"")):
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
    start = place + len(name) + 2
    end_of_line = block.find(b"\n", start)
    end = len(block) if end_of_line < 0 else _end(_MORE_LINES, block, end_of_line)
    first, _, more = block[start:end].removesuffix(b"\r").partition(b"\n")
    return first.removesuffix(b"\r").lstrip(HEADER_BLANKS) + more.replace(b"\r\n", b"").replace(b"\n", b"")


def _parameters(disposition: bytes) -> dict[bytes, bytes]:
    """Name and file name: ``form-data; name="a"`` -> name, a."""
    result = {}
    for word in islice(_words(disposition.partition(b"\0")[0]), MOST_WORDS):
        key, equals, value = word.lstrip(HEADER_BLANKS).partition(b"=")
        if equals and key.lower() in (b"name", b"filename"):
            result[key.lower()] = _unquoted(value.lstrip(b"=").lstrip(HEADER_BLANKS))
    return result


def _words(disposition: bytes) -> Iterator[bytes]:
    """What stands between semicolons, unless it is nothing."""
    start = end = 0
    while end < len(disposition):
        end = _end(_WORD, disposition, end)
        sign = disposition[end:end + 1]
        if sign == b";":
            if start < end:
                yield disposition[start:end]
            start = end = end + 1
        elif sign:  # a quote whose end is far away, or missing
            end = _end(_WITHIN[sign], disposition, end + 1) + 1
    if start < len(disposition):
        yield disposition[start:]


def _end(pattern: re.Pattern[bytes], text: bytes, place: int) -> int:
    """Where what a pattern matches at a place ends, however often it does."""
    while match := pattern.match(text, place):
        place = match.end()
    return place


def _is_balanced(name: bytes) -> bool:
    """Whether brackets are in pairs, one after the other at the end; PHP takes no further upload after another name."""
    brackets = name.translate(None, _NO_BRACKETS)
    is_end = name.count(b"]") == name.count(b"][") + name.endswith(b"]")
    return is_end and brackets == b"[]" * (len(brackets) // 2)


def _unquoted(value: bytes) -> bytes:
    r"""A value up to its closing quote or first blank; a backslash escapes itself and the quote, nothing else."""
    quote = value[:1]
    if quote in _WITHIN:
        escapes = rb"\\", b"\\" + quote
        hidden = value[1:].replace(escapes[0], b"\0\0").replace(escapes[1], b"\0\0").partition(quote)[0]
        text = value[1:len(hidden) + 1].replace(escapes[0], b"\0").replace(escapes[1], quote)
    else:
        bare = _BARE.match(value)
        text = (bare[0] if bare else b"").replace(rb"\\", b"\0")
    return text.replace(b"\0", b"\\")  # a disposition holds no NUL


def _last_step(filename: bytes) -> str:
    """A file name without the directories that some browsers send."""
    return from_bytes(filename[max(filename.rfind(b"\\"), filename.rfind(b"/")) + 1:])
