"""multipart/form-data as PHP's main/rfc1867.c parses it, leniently and with its peculiarities.

A delimiter is a whole line; any other line is content. Unreadable parts are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sarkmock.laravel.php.values import from_bytes

HEADER_BLANKS = b" \t\n\r\v\f"
MOST_UPLOADS, MOST_FIELDS = 20, 1000  # php.ini's max_file_uploads and max_input_vars
MOST_PARTS = MOST_UPLOADS + MOST_FIELDS  # max_multipart_body_parts; only parts with a disposition count
MOST_DELIMITERS = 20_000  # PHP has no such limit, but no client sends that many parts without a disposition
MOST_WORDS = 10_000
_END_OF_LINE = rb"(?:\r?|\0[^\n]*)\n"  # PHP reads a line up to its first NUL
_BLANK_LINE = re.compile(rb"\n" + _END_OF_LINE)
_REST_OF_LINE = re.compile(_END_OF_LINE)
LINE_BUFFER = 5120  # PHP reads a longer line in pieces, and takes each for a line
_LONG_LINE = re.compile(rb"^[^\n]{%d}[^\n]*+" % LINE_BUFFER, re.MULTILINE)
_FROM_NUL = re.compile(rb"\0[^\n]*")
# Repetitions are bounded, as Python keeps 100 bytes for each; the caller repeats the match.
# Continuation lines of a header: they start with a blank or have no colon.
_MORE_LINES = re.compile(rb"(?:\n(?:[ \t\r\v\f].*+|[^:\n]++)$){1,1024}", re.MULTILINE)
# The content of one word: quotes of either kind hide semicolons, and a backslash escapes a quote.
_WORD = re.compile(rb"""(?:[^"';]++|"(?:[^"\\]++|\\"?+){0,64}"|'(?:[^'\\]++|\\'?+){0,64}'){1,512}""")
_WITHIN = {quote: re.compile(rb"(?:[^%b\\]++|\\%b?+){1,1024}" % (quote, quote)) for quote in (b'"', b"'")}
_SEMICOLONS = re.compile(rb";+")
_BARE = re.compile(rb"[^ \t\n\r\v\f]*")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]")


@dataclass(frozen=True, slots=True)
class FormPart:
    """One named part. ``filename`` is None for a variable; ``chosen`` is False if it is empty."""

    name: str
    filename: str | None
    content_type: str
    content: bytes
    whole: bool = True
    chosen: bool = True


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary in a content type: the value after the first equals sign after "boundary"."""
    place = content_type.find("boundary")
    if place < 0:
        place = content_type.lower().find("boundary")
    equals = content_type.find("=", place)
    if place < 0 or equals < 0:
        return None
    text = content_type[equals + 1:]
    if not text.startswith('"'):
        return re.split("[,;]", text, maxsplit=1)[0].encode("latin-1", "replace")
    quoted, quote, _ = text[1:].partition('"')
    return quoted.encode("latin-1", "replace") if quote else None


def form_parts(body: bytes, boundary: bytes) -> Iterator[FormPart]:
    """Yield the parts in order. Skip uploads beyond the limit, and all from the first whose name PHP rejects."""
    content, closing = b"\n" + body, b"\n--" + boundary
    delimiter = re.compile(re.escape(closing) + _END_OF_LINE)
    position, limit, uploads, nameless, largest = 0, MOST_PARTS, MOST_UPLOADS, 0, 0
    for _ in range(MOST_DELIMITERS):
        line = delimiter.search(content, position)
        if line is None:
            return
        disposition, content_type, start = _part_headers(content, line.end() - 1)
        position = start - 1  # a delimiter may follow directly, unless there is content to read
        if disposition is None:
            continue
        words, limit = _parameters(disposition), limit - 1
        if limit < 0 or not words:
            return  # PHP treats it as garbled
        end = content.find(closing, start)
        if b"filename" not in words:
            position = len(content) if end < 0 else end
            value = _before(content, start, end, closing)
            if words[b"name"].upper() == b"MAX_FILE_SIZE":
                largest = _leading_integer(value)
            yield FormPart(from_bytes(words[b"name"]), None, "", value)
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
        upload = b"" if end < 0 else _before(content, start, end, closing)
        whole = end >= 0 and (not largest or len(upload) <= largest)
        name_of_file = _last_step(words[b"filename"])
        yield FormPart(name, name_of_file, from_bytes(content_type), upload if whole else b"", whole)


def _leading_integer(value: bytes) -> int:
    """Return the number that a value starts with, as C's atoll() does."""
    match = re.match(rb"[ \t-\r]*([-+]?[0-9]{1,18})", value)
    return int(match[1]) if match else 0


def _before(content: bytes, start: int, end: int, closing: bytes) -> bytes:
    """Return the content before a delimiter, which may be cut off; all the rest if there is none."""
    if end < 0:
        cut = max(length for length in range(len(closing)) if content.endswith(closing[:length], start))
        if not cut:
            return content[start:]
        end = len(content) - cut
    return content[start:end].removesuffix(b"\r")


def _part_headers(content: bytes, position: int) -> tuple[bytes | None, bytes, int]:
    """Return a part's disposition, its type and the start of its content; ``position`` is the preceding line end."""
    blank = _BLANK_LINE.search(content, position)
    end = blank.start() if blank else content.rfind(b"\n", position)  # without a blank line, all whole lines
    start = blank.end() if blank else end + 1
    block = content[position:end]
    if len(block) > LINE_BUFFER:
        rests = (_REST_OF_LINE.match(content, line.end() - len(line[0]) % LINE_BUFFER)
                 for line in _LONG_LINE.finditer(content, position, end))
        if rest := next(filter(None, rests), None):  # nothing follows the last piece, which is a blank line
            block, start = content[position:rest.start()], rest.end()
        block = _LONG_LINE.sub(_in_pieces, block)
    block = _FROM_NUL.sub(b"", block)
    names = block.lower()
    kind = (_header(block, names, b"content-type") or b"").partition(b";")[0]
    return _header(block, names, b"content-disposition"), kind, start


def _in_pieces(line: re.Match[bytes]) -> bytes:
    text = line[0]
    return b"\n".join(text[start:start + LINE_BUFFER] for start in range(0, len(text), LINE_BUFFER))


def _header(block: bytes, names: bytes, name: bytes) -> bytes | None:
    """Return the first header of a name; ``names`` is the block in lower case."""
    place = names.find(b"\n%s:" % name)
    if place < 0:
        return None
    start = place + len(name) + 2
    end_of_line = block.find(b"\n", start)
    end = len(block) if end_of_line < 0 else _end(_MORE_LINES, block, end_of_line)
    first, _, more = block[start:end].removesuffix(b"\r").partition(b"\n")
    return first.removesuffix(b"\r").lstrip(HEADER_BLANKS) + more.replace(b"\r\n", b"").replace(b"\n", b"")


def _parameters(disposition: bytes) -> dict[bytes, bytes]:
    """Return the name and file name: ``form-data; name="a"`` -> {b"name": b"a"}."""
    result = {}
    for word in islice(_words(disposition), MOST_WORDS):
        key, equals, value = word.lstrip(HEADER_BLANKS).partition(b"=")
        if equals and key.lower() in (b"name", b"filename"):
            result[key.lower()] = _unquoted(value.lstrip(b"=").lstrip(HEADER_BLANKS))
    return result


def _words(disposition: bytes) -> Iterator[bytes]:
    """Yield the nonempty texts between semicolons."""
    start = end = 0
    while end < len(disposition):
        end = _end(_WORD, disposition, end)
        sign = disposition[end:end + 1]
        if sign == b";":
            if start < end:
                yield disposition[start:end]
            start = end = _SEMICOLONS.match(disposition, end).end()  # type: ignore[union-attr]
        elif sign:  # a quote whose end is far away or missing
            end = _end(_WITHIN[sign], disposition, end + 1) + 1
    if start < len(disposition):
        yield disposition[start:]


def _end(pattern: re.Pattern[bytes], text: bytes, place: int) -> int:
    """Return the end of the longest run of consecutive matches."""
    while match := pattern.match(text, place):
        place = match.end()
    return place


def _is_balanced(name: bytes) -> bool:
    """Whether brackets are paired and consecutive at the end. PHP ignores uploads from the first other name on."""
    brackets = name.translate(None, _NO_BRACKETS)
    is_end = name.count(b"]") == name.count(b"][") + name.endswith(b"]")
    return is_end and brackets == b"[]" * (len(brackets) // 2)


def _unquoted(value: bytes) -> bytes:
    r"""Unquote a value, up to its closing quote or first blank. A backslash escapes only itself and the quote."""
    quote = value[:1]
    if quote in _WITHIN:
        escapes = rb"\\", b"\\" + quote
        hidden = value[1:].replace(escapes[0], b"\0\0").replace(escapes[1], b"\0\0").partition(quote)[0]
        text = value[1:len(hidden) + 1].replace(escapes[0], b"\0").replace(escapes[1], quote)
    else:
        bare = _BARE.match(value)
        text = (bare[0] if bare else b"").replace(rb"\\", b"\0")
    return text.replace(b"\0", b"\\")  # a disposition contains no NUL


def _last_step(filename: bytes) -> str:
    """Return a file name without the directories that some browsers send."""
    return from_bytes(filename[max(filename.rfind(b"\\"), filename.rfind(b"/")) + 1:])
