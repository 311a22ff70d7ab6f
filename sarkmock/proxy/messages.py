"""HTTP messages as a proxy forwards them: heads unchanged except hop-by-hop fields. Does no I/O."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from sarkmock.server.http11 import FIELD, FIELD_LINES, NO_BODY

Field = tuple[bytes, bytes]
# What concerns one connection alone (RFC 9110 7.6.1). The length of a body is written anew where it is chunked.
HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"trailer",
                        b"proxy-authorization", b"transfer-encoding", b"upgrade"))
# Even if Connection names them.
NEVER_DROPPED = frozenset((b"content-length", b"content-type", b"content-encoding", b"host"))
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?\r\n")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n")
LENGTH = re.compile(rb"[0-9]{1,15}")
GZIP = 16 + zlib.MAX_WBITS


class BadAnswer(Exception):
    """What the upstream sent is not HTTP; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """An answer without its body. ``length`` is None where it is chunked or ends with the connection."""

    status: int
    reason: bytes
    fields: list[Field]
    length: int | None
    chunked: bool
    keep_alive: bool

    def values(self, name: bytes) -> list[bytes]:
        return field_values(self.fields, name)


def field_values(fields: Iterable[Field], name: bytes) -> list[bytes]:
    """The values of a header field, each as it came but for blanks around it."""
    return [value.strip(b" \t") for key, value in fields if key.lower() == name]


def passed_on(fields: Iterable[Field], *without: bytes) -> list[Field]:
    """The fields that are meant for the other side."""
    fields = list(fields)
    named = {name.strip().lower() for value in field_values(fields, b"connection") for name in value.split(b",")}
    dropped = HOP_BY_HOP | (named - NEVER_DROPPED) | set(without)
    return [field for field in fields if field[0].lower() not in dropped]


def head_bytes(line: bytes, fields: Iterable[Field]) -> bytes:
    """A head as it is sent; values have the blanks with which they came."""
    return b"%b\r\n%b\r\n" % (line, b"".join([b"%b:%b\r\n" % field for field in fields]))


def read_answer(text: bytes, method: str) -> AnswerHead:
    """The head of an answer, its empty line included; BadAnswer if there is no telling what it says."""
    line = STATUS_LINE.match(text)
    if line is None:
        raise BadAnswer("it does not begin with a status line of HTTP/1.1")
    if not FIELD_LINES.fullmatch(text, line.end(), len(text) - 2):
        raise BadAnswer("a header field is invalid")
    fields: list[Field] = FIELD.findall(text, line.end())
    status, minor = int(line[2]), int(line[1])
    options = {option.strip().lower() for value in field_values(fields, b"connection") for option in value.split(b",")}
    keep_alive = b"close" not in options and (minor > 0 or b"keep-alive" in options)
    codings, lengths = field_values(fields, b"transfer-encoding"), set(field_values(fields, b"content-length"))
    if method == "HEAD" or status in NO_BODY or status < 200:
        return AnswerHead(status, line[3] or b"", fields, 0, False, keep_alive)
    if codings:
        if [coding.lower() for coding in codings] != [b"chunked"] or lengths:
            raise BadAnswer("its length is given in two ways, or in an unknown way")
        return AnswerHead(status, line[3] or b"", fields, None, True, keep_alive)
    if not lengths:
        return AnswerHead(status, line[3] or b"", fields, None, False, False)
    length = lengths.pop()
    if lengths or not LENGTH.fullmatch(length):
        raise BadAnswer("its Content-Length is not one number")
    return AnswerHead(status, line[3] or b"", fields, int(length), False, keep_alive)


@dataclass(slots=True)
class Room:
    """The bytes that may still be kept of all requests and responses on their way."""

    size: int

    def take(self, wanted: int) -> int:
        """As many of the bytes as there is room for; whoever takes them gives them back."""
        taken = max(0, min(wanted, self.size))
        self.size -= taken
        return taken


class Captured:
    """The beginning of a body that passes, as far as there is room, and how long all of it is."""

    def __init__(self, most: int, room: Room) -> None:
        self._most, self._room, self._kept, self.size = most, room, bytearray(), 0

    def add(self, part: bytes) -> None:
        whole, self.size = self.whole, self.size + len(part)
        if whole:
            self._kept += part[:self._room.take(min(len(part), self._most - len(self._kept)))]

    def release(self) -> None:
        """Give the room back to others."""
        self._room.size += len(self._kept)
        self._kept = bytearray()

    @property
    def body(self) -> bytes:
        return bytes(self._kept)

    @property
    def whole(self) -> bool:
        return self.size == len(self._kept)


def decoded(fields: Iterable[Field], body: bytes, most: int) -> bytes | None:
    """A body without its content coding; None for more than ``most`` bytes, or a coding that is not undone."""
    codings = b",".join(field_values(fields, b"content-encoding")).lower()
    if codings in (b"", b"identity"):
        return body
    if codings not in (b"gzip", b"x-gzip", b"deflate"):
        return None
    unpacking = zlib.decompressobj(GZIP if b"gzip" in codings else zlib.MAX_WBITS)
    try:
        found = unpacking.decompress(body, most)
    except zlib.error:
        return None
    return found if unpacking.eof else None
