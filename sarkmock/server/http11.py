"""HTTP/1.1 messages as bytes (RFC 9112): parse requests within limits, serialise responses. Performs no I/O.

Strict where two servers could parse a message differently: an ambiguous request is rejected, never repaired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
METHOD, NAME = TOKEN + rb"{1,64}", TOKEN + rb"{1,256}"
VALUE = rb"[^\x00-\x08\x0a-\x1f\x7f]*"  # visible characters, blanks, tabs and all non-ASCII bytes
REQUEST_LINE = re.compile(rb"(%b) ([\x21-\x7e\x80-\xff]+) HTTP/([0-9])\.([0-9])\r\n" % METHOD)
METHOD_START = re.compile(rb"%b(?: |\Z)" % METHOD)
FIELD = re.compile(rb"(%b):(%b)\r\n" % (NAME, VALUE))
FIELD_LINES = re.compile(rb"(?:%b:%b\r\n)*" % (NAME, VALUE))
TARGET = re.compile(rb"(?:[Hh][Tt][Tt][Pp][Ss]?://([^/?#@]+))?(/[^?#]*|\*|)(?:\?([^#]*))?")
HOST = re.compile(r"""(?: \[ [0-9A-Fa-f:.]+ \]  # as Apache takes it: IPv6,
                     | (?:0|[1-9][0-9]*) (?:\. (?:0|[1-9][0-9]*)){3}  # IPv4,
                     | (?=[0-9.]*[A-Za-z_-])  # or a name, whose last label begins with a letter if it has several
                       (?: [A-Za-z0-9_-]+ | \.? (?:[A-Za-z0-9_-]+ \.)* (?:[A-Za-z][A-Za-z0-9_-]*)? )
                   ) (?: :([0-9]{1,9}) )?""", re.VERBOSE)
EMPTY_LINES = re.compile(rb"(?:\r\n){1,1024}")
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
CHUNK_START = re.compile(rb"[0-9A-Fa-f]{0,16}(?:(?<=[0-9A-Fa-f])[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r?)?")
CHUNK_LINE = 4096
TRAILERS = 8192
FRAMING = re.compile(rb"\n(?:Transfer-Encoding|Content-Length|Host):", re.IGNORECASE)  # not allowed in trailers
TLS_HANDSHAKE = b"\x16"  # the first byte of a client that speaks TLS
NO_BODY = (204, 304)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a server, with the values of an ordinary web server: sizes in bytes, timeouts in seconds.

    ``line`` and ``field`` limit the request line and one header field, ``head`` all of them together, ``fields`` their
    number. The head of a request must arrive within ``header_timeout``. ``body_timeout`` is the longest pause in
    receiving a body or in the client's reading of a response. A kept-alive connection is closed after ``idle_timeout``
    without a request. A client beyond ``connections`` gets 503 at once; so does a large request, or a read with a
    large response, that would exceed ``memory`` for all connections together.
    """

    line: int = 8 * 2**10
    field: int = 8 * 2**10
    head: int = 64 * 2**10
    fields: int = 100
    body: int = 40 * 2**20
    chunks: int = 1_000_000  # per body; each costs as much time as hundreds of bytes
    connections: int = 8192
    memory: int = 512 * 2**20  # for requests and responses in progress; at least twice ``body``
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    idle_timeout: float = 75.0


class BadRequest(Exception):
    """A request that is rejected while reading: its status, and one sentence for the client."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(slots=True)
class Head:
    """A request without its body. ``fields`` has the keys of a WSGI environ; ``length`` is None for a chunked body.

    ``uri`` is the undecoded path: to a web server, %2F is not a slash.
    """

    method: str
    uri: str
    query: str
    minor: int
    fields: dict[str, str]
    length: int | None = 0
    has_query: bool = False  # an empty one is a question mark alone

    @property
    def path(self) -> str:
        """The decoded path, one character per byte."""
        return unquote_to_bytes(self.uri.encode("latin-1")).decode("latin-1") if "%" in self.uri else self.uri

    @property
    def keep_alive(self) -> bool:
        """Whether the client keeps the connection open for another request."""
        options = {option.strip().lower() for option in self.fields.get("HTTP_CONNECTION", "").split(",")}
        return "close" not in options and (self.minor > 0 or "keep-alive" in options)

    @property
    def expects_continue(self) -> bool:
        return self.minor > 0 and self.fields.get("HTTP_EXPECT", "").lower() == "100-continue"


@dataclass(slots=True)
class ReceivedRequest:
    """A completely received request."""

    head: Head
    body: bytes


class Reader:
    """Parse the successive requests of one connection. A request for the path ``probe`` needs no Host header."""

    def __init__(self, limits: Limits, probe: str | None = None) -> None:
        self.head: Head | None = None  # of the request whose body is being received
        self._limits, self._probe = limits, probe
        self._buffer = bytearray()
        self._searched = 0
        self._chunks = bytearray()
        self._chunk_count = 0

    @property
    def buffered(self) -> int:
        """The number of bytes received that belong to no complete request yet."""
        return len(self._buffer)

    @property
    def held(self) -> int:
        """The same, including the decoded chunks of a body."""
        return len(self._buffer) + len(self._chunks)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def forget(self) -> None:
        """Discard all data: no further request is read."""
        self._buffer, self._chunks = bytearray(), bytearray()

    def next(self) -> ReceivedRequest | None:
        """Return the next complete request, or None. BadRequest if the data is invalid."""
        if self.head is None:
            self.head = self._take_head()
        if self.head is None:
            return None
        body = self._take_chunks() if self.head.length is None else self._take_body(self.head.length)
        if body is None:
            return None
        request, self.head = ReceivedRequest(self.head, body), None
        return request

    def _take_head(self) -> Head | None:
        buffer = self._buffer
        while empty := EMPTY_LINES.match(buffer):  # RFC 9112 2.2: ignore empty lines before a request
            del buffer[:empty.end()]
        end = buffer.find(b"\r\n\r\n", self._searched)
        if end < 0 or end + 4 > self._limits.head:
            self._check_start()
            self._searched = max(0, len(buffer) - 3)
            return None
        text = bytes(buffer[:end + 2])
        del buffer[:end + 4]
        self._searched = 0
        head = read_head(text, self._limits)
        if head.minor > 0 and not head.fields.get("HTTP_HOST") and head.path != self._probe:  # RFC 9112 3.2
            raise BadRequest(400, "The request has no field Host.")
        return head

    def _check_start(self) -> None:
        """Raise BadRequest as soon as the bytes cannot become a valid head."""
        buffer = self._buffer
        if buffer and buffer != b"\r":
            check_first_bytes(buffer)
        if BARE_LINE_FEED.search(buffer, max(0, self._searched - 1)):
            raise BadRequest(400, "A line of the head does not end with CR LF.")
        if len(buffer) > self._limits.line and buffer.find(b"\n", 0, self._limits.line) < 0:
            raise BadRequest(414, f"The request line is longer than {self._limits.line} bytes.")
        if len(buffer) > self._limits.head:
            raise BadRequest(431, f"The head of the request is larger than {self._limits.head} bytes.")

    def _take_body(self, length: int) -> bytes | None:
        if length > self._limits.body:
            raise self._too_large()
        if len(self._buffer) < length:
            return None
        body = bytes(memoryview(self._buffer)[:length])
        del self._buffer[:length]
        return body

    def _take_chunks(self) -> bytes | None:
        """Move the complete chunks from the buffer; return the body after the last chunk, else None."""
        buffer, at = self._buffer, 0
        while (line := CHUNK.match(buffer, at)) and (size := int(line[1], 16)):
            start = line.end()
            if len(self._chunks) + size > self._limits.body:
                raise self._too_large()
            end_of_chunk = buffer[start + size:start + size + 2]
            if not b"\r\n".startswith(end_of_chunk):
                raise BadRequest(400, "A chunk of the body is longer than its size.")
            if len(end_of_chunk) < 2:
                break
            self._chunks += buffer[start:start + size]
            self._chunk_count += 1
            at = start + size + 2
        end = trailers_end(buffer, line.end()) if line and not size else None
        del buffer[:at if end is None else end]
        if self._chunk_count > self._limits.chunks:
            raise BadRequest(413, f"The body has more than {self._limits.chunks} chunks.")
        if end is not None:
            body, self._chunks, self._chunk_count = bytes(self._chunks), bytearray(), 0
            return body
        if line is None and (len(buffer) > CHUNK_LINE or not CHUNK_START.fullmatch(buffer)):
            raise BadRequest(400, "The body has a chunk without a size.")
        return None

    def _too_large(self) -> BadRequest:
        return BadRequest(413, f"The body is larger than {self._limits.body} bytes.")


def check_first_bytes(start: bytes | bytearray) -> None:
    """Raise BadRequest if the first bytes of a request are not the beginning of a method."""
    if start[:1] == TLS_HANDSHAKE:
        raise BadRequest(400, "The request is encrypted; use http.")
    if not METHOD_START.match(start):
        raise BadRequest(400, "The request does not begin with a method.")


def trailers_end(buffer: bytearray, start: int) -> int | None:
    """Return the end of the trailers after the last chunk, or None. They are validated and ignored."""
    if buffer[start:start + 2] == b"\r\n":
        return start + 2
    end = buffer.find(b"\r\n\r\n", start, start + TRAILERS)
    if end >= 0 and FIELD_LINES.fullmatch(buffer, start, end + 2) and not FRAMING.search(buffer, start - 1, end):
        return end + 4
    if end >= 0 or len(buffer) - start > TRAILERS or BARE_LINE_FEED.search(buffer, start):
        raise BadRequest(400, "The trailers of the body are invalid or too large.")
    return None


def read_head(text: bytes, limits: Limits) -> Head:
    """Parse the head of a request, including its last CR LF. BadRequest if it is invalid."""
    line = REQUEST_LINE.match(text)
    if line is None or line.end() > limits.line:
        raise bad_request_line(text, limits)
    method, target, major, minor = line.groups()
    if major == b"0":
        raise BadRequest(400, "A version before HTTP/1.0 is not supported.")
    if not FIELD_LINES.fullmatch(text, line.end()):
        raise BadRequest(400, "A header field is invalid.")
    fields = read_fields(FIELD.findall(text, line.end()), limits)
    uri, query = read_target(target, fields)
    later = major > b"1"  # as Apache, which treats it as HTTP/1.1
    head = Head(method.decode("ascii"), uri, query, 1 if later else int(minor), fields, has_query=b"?" in target)
    head.length = body_length(head)
    if fields.get("HTTP_EXPECT", "").lower() not in ("", "100-continue"):
        raise BadRequest(417, "The only supported expectation is 100-continue.")
    return head


def bad_request_line(text: bytes, limits: Limits) -> BadRequest:
    if text.index(b"\r\n") + 2 > limits.line:
        return BadRequest(414, f"The request line is longer than {limits.line} bytes.")
    return BadRequest(400, "The request line is invalid.")


def read_fields(pairs: list[tuple[bytes, bytes]], limits: Limits) -> dict[str, str]:
    """Return header fields as in a WSGI environ. Names with underscores are ambiguous and ignored."""
    if len(pairs) > limits.fields:
        raise BadRequest(400, f"The request has more than {limits.fields} header fields.")
    if max((len(name) + len(octets) for name, octets in pairs), default=0) > limits.field - 2:  # as Apache counts
        raise BadRequest(400, f"The request has a header field of more than {limits.field} bytes.")
    fields: dict[str, str] = {}
    for name, octets in pairs:
        key, value = environ_key(name), octets.decode("latin-1").strip(" \t")
        if b"_" in name:
            continue
        if key not in fields:
            fields[key] = value
        elif key in ("HTTP_HOST", "CONTENT_LENGTH"):
            raise BadRequest(400, f"The request has two fields {name.decode()}.")
        else:
            fields[key] += ("; " if key == "HTTP_COOKIE" else ", ") + value
    return fields


@lru_cache(maxsize=512)
def environ_key(name: bytes) -> str:
    key = name.decode("ascii").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def read_target(target: bytes, fields: dict[str, str]) -> tuple[str, str]:
    """Return the path (undecoded) and query; the authority of an absolute target replaces Host."""
    parts = TARGET.fullmatch(target)
    if parts is None or not (parts[2] or parts[1]):
        raise BadRequest(400, "The target of the request is invalid.")
    authority, path, query = parts.groups()
    if authority is not None:
        fields["HTTP_HOST"] = authority.decode("latin-1")
    if fields.get("HTTP_HOST") and not is_host(fields["HTTP_HOST"]):
        raise BadRequest(400, "The field Host is invalid.")
    return (path or b"/").decode("latin-1"), (query or b"").decode("latin-1")


def is_host(text: str) -> bool:
    """Whether a text is a host, with or without a port."""
    match = HOST.fullmatch(text)
    return match is not None and 0 < int(match[1] or 1) < 65536


def body_length(head: Head) -> int | None:
    """Return the length of the body in bytes; None if it is chunked."""
    coding, length = head.fields.get("HTTP_TRANSFER_ENCODING"), head.fields.get("CONTENT_LENGTH")
    if coding is not None:
        if length is not None or head.minor == 0:
            raise BadRequest(400, "Transfer-Encoding cannot be combined with Content-Length or HTTP/1.0.")
        if coding.lower() != "chunked":
            raise BadRequest(400, "The only supported Transfer-Encoding is chunked.")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdecimal() and len(length) <= 19):
        raise BadRequest(400, "Content-Length is not a number.")
    return int(length)


def response_head(status: str, headers: list[tuple[str, str]], minor: int = 1) -> bytes:
    """Serialise status line and header fields. ValueError for a field with a line break."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if not fields.count("\r") == fields.count("\n") == len(headers) or "\0" in fields:
        raise ValueError(f"a header field of the response contains a line break: {headers}")
    return f"HTTP/1.{minor} {status}\r\n{fields}\r\n".encode("latin-1")
