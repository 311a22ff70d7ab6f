"""The MIME type of a file's content, as PHP's fileinfo (libmagic 5.40) names it, and the extension Symfony guesses.

Signatures are in file-types.yaml, tested against PHP's results on several thousand small files. File names are
ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from sarkmock.laravel.php.values import is_utf8
from sarkmock.spec import yaml12

ZIP, OCTETS, PLAIN_TEXT, EMPTY = "application/zip", "application/octet-stream", "text/plain", "application/x-empty"
MP3, AAC = "audio/mpeg", "audio/x-hx-aac-adts"
TAR = "application/x-tar"
DAMAGED_TAR = {b"ustar  \0": "application/x-gtar", b"ustar": "application/x-ustar", b"": TAR}
CHECKSUM = re.compile(rb"\s*([0-7]+)(?:[\s\0][\0-\x7f]*)?")

SCRIPT = re.compile(rb"(?:\xef\xbb\xbf)?#! ?(?:/usr)?(?:/local)?/bin/(?:env )?(\w+)")
BINARY_SCRIPTS = ("sh", "bash", "ksh", "perl")  # whose scripts may contain bytes that are not text

CONTROL = frozenset((*range(0x20), 0x7F)) - frozenset(b"\a\b\t\n\v\f\r\x1b")
# Bytes that are text in libmagic's EBCDIC, which differs from code page 37 in two.
EBCDIC = {byte for byte in range(256) if (sign := ord(bytes([byte]).decode("cp037"))) not in CONTROL
          and (sign == 0x85 or not 0x80 <= sign < 0xA0)} - {0xE1} | {0xFF}
# Encodings with a byte order mark: the mark, bytes per character, byte order.
WIDE: tuple[tuple[bytes, int, Literal["little", "big"]], ...] = (
    (b"\xff\xfe\0\0", 4, "little"), (b"\0\0\xfe\xff", 4, "big"), (b"\xff\xfe", 2, "little"), (b"\xfe\xff", 2, "big"))
# Second bytes that indicate MPEG audio if the first is 0xFF.
MPEG = frozenset((0xE2, 0xE3, *range(0xF2, 0xF8), 0xFC, 0xFD))
OPEN_DOCUMENT = b"application/vnd.oasis.opendocument."
ZIP_PACKAGE = re.compile(rb"application/(?:epub\+zip|vnd\.oasis\.opendocument\.(?:text-(?:master|template|web)"
                         rb"|text(?!-)|database|(?:graphics|presentation|spreadsheet|chart|formula|image)(?:-template)?))")
LOCAL_ENTRY = re.compile(rb"PK\x03\x04")
OPEN_XML = "application/vnd.openxmlformats-officedocument"
OFFICE = {b"word/": f"{OPEN_XML}.wordprocessingml.document", b"ppt/": f"{OPEN_XML}.presentationml.presentation",
          b"xl/": f"{OPEN_XML}.spreadsheetml.sheet", b"visio/": "application/vnd.ms-visio.drawing.main+xml"}
EPUB = re.compile(rb".{30,129}?application/epub\+zip", re.DOTALL)
IOS_APP = re.compile(rb"Payload/.{0,64}\.app/", re.DOTALL)
ELF = {1: "application/x-object", 2: "application/x-executable", 3: "application/x-sharedlib",
       4: "application/x-coredump"}
BYTE_ORDERS: dict[int, Literal["little", "big"]] = {1: "little", 2: "big"}
LONGEST_LOOK = 1 << 20
MOST_TAGS = 50
LONGEST_TEXT = 1 << 16  # libmagic recognises text by its beginning
ZIP_ENOUGH = 149  # libmagic looks for a name within this many bytes
ZIP_KIND = 11  # bytes that identify an archive whose first member is `mimetype`
AU_KINDS = {**dict.fromkeys(range(1, 8), "audio/basic"), 23: "audio/x-adpcm"}
TGA_DEPTHS = (1, 8, 15, 16, 24, 32)


@dataclass(frozen=True)
class FileTypes:
    """The content of file-types.yaml."""

    signatures: tuple[tuple[int, bytes, str], ...]
    patterns: tuple[tuple[re.Pattern[bytes], str], ...]
    texts: tuple[tuple[re.Pattern[bytes], str], ...]
    riff: dict[str, str]
    brands: dict[str, str]
    interpreters: dict[str, str]
    extensions: dict[str, str]
    before_zip: list[str]


@cache
def _file_types() -> FileTypes:
    data: dict[str, Any] = yaml12.read(Path(__file__).parent / "file-types.yaml")
    signatures = tuple((entry["at"], entry["starts"].encode("latin-1"), entry["type"])
                       for entry in data.pop("signatures"))
    patterns, texts = (tuple((re.compile(entry["matches"].encode("latin-1"), re.DOTALL), entry["type"])
                             for entry in data.pop(name)) for name in ("patterns", "texts"))
    return FileTypes(signatures, patterns, texts, **data)


def mime_type(content: bytes) -> str:
    if len(content) < 2:
        return OCTETS if content else EMPTY
    content = content[:LONGEST_LOOK]
    detected = (detect(content) for detect in (_tar, _zip, _structured, _mpeg_audio, _chunked, _signed, _text,
                                               _damaged_tar, _targa, _zlib))
    kind = next(filter(None, detected), OCTETS)
    return ZIP if _ends_as_zip(content) and not _is_before_zip(content, kind) else kind


def _ends_as_zip(content: bytes) -> bool:
    """Whether the last bytes are the end of an archive and point to its directory, regardless of its first bytes."""
    directory = int.from_bytes(content[-6:-2], "little")
    return content[-22:-18] == b"PK\5\6" and content[directory:directory + 4] == b"PK\1\2"


def _is_before_zip(content: bytes, kind: str) -> bool:
    """Whether libmagic prefers the type of the first bytes to that of an archive at the end."""
    return (kind in _file_types().before_zip or (kind == MP3 and content.startswith((b"\xff\xfa", b"\xff\xfb")))
            or (kind != OCTETS and content.startswith(b"PK\3\4")))


def extension_of(content: bytes) -> str | None:
    return _file_types().extensions.get(mime_type(content))


def is_text(content: bytes) -> bool:
    """Whether content is text in any encoding; NULs at the end are ignored."""
    trimmed = content.rstrip(b"\0")
    if len(trimmed) % 2 and len(content) % 2 == 0:
        trimmed = content[:len(trimmed) + 1]  # libmagic leaves one NUL, for UTF-16
    if any(trimmed.startswith(mark) and _is_wide(trimmed, size, order) for mark, size, order in WIDE):
        return True
    trimmed = trimmed[:LONGEST_TEXT]
    if CONTROL.intersection(trimmed):
        return _is_varied(trimmed) and EBCDIC.issuperset(trimmed)
    return _is_varied(trimmed) or _has_utf8(trimmed)


def _is_varied(content: bytes) -> bool:
    """Whether there are more than two characters, as libmagic counts each: modulo 256."""
    return sum(content.count(byte) % 256 for byte in set(content)) > 2


def _is_wide(content: bytes, size: int, order: Literal["little", "big"]) -> bool:
    """Whether content is UTF-16 or UTF-32 after its byte order mark. An incomplete last character is ignored."""
    signs = (int.from_bytes(content[at:at + size], order) for at in range(size, len(content) - size + 1, size))
    return not any(sign in CONTROL or sign == 0xFFFE or sign > 0x7FFFFFFF for sign in signs)


def _has_utf8(content: bytes) -> bool:
    """Whether content is UTF-8 with other characters than ASCII. An incomplete last character is ignored."""
    text = content.decode("utf-8", "surrogateescape")
    return len(text) < len(content) and is_utf8(text[:-3])


def _tar(content: bytes) -> str | None:
    """Detect tar by its checksum."""
    digits = CHECKSUM.fullmatch(content[148:156]) if len(content) >= 512 else None
    checksum = sum(content[:512]) - sum(content[148:156]) + 8 * ord(" ")
    return TAR if digits and int(digits[1], 8) == checksum else None


def _damaged_tar(content: bytes) -> str | None:
    """Detect tar with a wrong checksum by plausible fields of its header."""
    if (len(content) < 512 or any(content[500:508]) or int.from_bytes(content[508:512]) & 0x8B9E8DFF
            or not 0x1F00 < int.from_bytes(content[:2]) < 0xFCFD or (content[100] | content[101]) & 0xC8
            or content[155] & 0xDF or content[148] & 0xEF != 0x20):
        return None
    return next(kind for magic, kind in DAMAGED_TAR.items() if content.startswith(magic, 257))


def _zip(content: bytes) -> str | None:
    """Classify a zip by its first member. A short archive must be complete to be recognised."""
    if content[:4] != b"PK\3\4":
        return None
    named = 30 + int.from_bytes(content[26:28], "little")
    if EPUB.match(content):
        return "application/epub+zip"
    if content.startswith(b"\x08\0\0\0mimetype", 26) and len(content) > named + ZIP_KIND:
        package = ZIP_PACKAGE.match(content, named)
        return package[0].decode() if package else OCTETS if content.startswith(OPEN_DOCUMENT, named) else ZIP
    places = [30]
    if content[30:named] == b"[Content_Types].xml":
        places += [match.end() + 26 for match in LOCAL_ENTRY.finditer(content)][2:4]
    kinds = [kind for place in places for folder, kind in OFFICE.items() if content.startswith(folder, place)]
    if kinds:
        return kinds[0]
    if content.startswith(b"\xfe\xca", named):
        return "application/java-archive"
    if IOS_APP.match(content, 30):
        return "application/x-ios-app"
    return None if len(content) < named + 2 or (len(content) < ZIP_ENOUGH and not _ends_as_zip(content)) else ZIP


def _structured(content: bytes) -> str | None:
    """Detect JSON and CSV, which libmagic parses."""
    if is_json(content):
        return "application/json"
    return "text/csv" if is_text(content) and is_csv(content) else None


def _mpeg_audio(content: bytes) -> str | None:
    if content[0] != 0xFF:
        return None
    second = content[1]
    if second in MPEG or (second in (0xFA, 0xFB) and len(content) > 2 and 0x10 <= content[2] < 0xF0):
        return MP3
    return AAC if second in (0xF0, 0xF1, 0xF8, 0xF9) else None


def _chunked(content: bytes) -> str | None:
    """Detect containers with a header (RIFF, AU, MP4), scripts, ELF, and content after an ID3 tag."""
    head, kind = content[:4], content[8:12]
    if head == b"RIFF":
        return _file_types().riff.get(kind.decode("latin-1"))
    if head == b".snd":
        return AU_KINDS.get(int.from_bytes(content[12:16]))
    if content[4:8] == b"ftyp":
        brands = (_file_types().brands.get(kind[:length].decode("latin-1")) for length in (4, 3, 2))
        return next(filter(None, brands), None)
    if script := SCRIPT.match(content):
        interpreter = script[1].decode()
        is_script = interpreter in BINARY_SCRIPTS or is_text(content)
        return _file_types().interpreters.get(interpreter) if is_script else None
    if head == b"\x7fELF" and len(content) > 17 and content[5] in BYTE_ORDERS:
        return ELF.get(int.from_bytes(content[16:18], BYTE_ORDERS[content[5]]))
    rest = _after_tags(content)
    if len(rest) < 2 or len(rest) == len(content):
        return None
    detected = (detect(rest) for detect in (_zip, _mpeg_audio, _chunked, _signed, _damaged_tar, _targa))
    return next(filter(None, detected), None)


def _after_tags(content: bytes) -> bytes:
    """Return what follows the ID3 tags; nothing if there are more than libmagic follows."""
    start = 0
    for _ in range(MOST_TAGS):
        if not content.startswith(b"ID3", start) or len(content) < start + 11:
            return content[start:]
        sizes = zip(content[start + 6:start + 10], (21, 14, 7, 0), strict=True)
        start += 10 + sum((byte & 0x7F) << shift for byte, shift in sizes)
    return b""


def _zlib(content: bytes) -> str | None:
    is_header = content[0] & 0x8F == 8 and not int.from_bytes(content[:2]) % 31
    return "application/zlib" if is_header else None


def _targa(content: bytes) -> str | None:
    """Detect TGA, which has no signature, by plausible fields of its header."""
    kind = content[2] if len(content) > 17 else 0
    is_header = (content[1] <= 1 and 0 < kind < 34 and not kind & 0xC4 and content[7] < 64
                 and content[16] in TGA_DEPTHS and content[17] < 192 and content[17] & 15 != 11)
    return "image/x-tga" if is_header else None


def _signed(content: bytes) -> str | None:
    types = _file_types()
    return (next((kind for pattern, kind in types.patterns if pattern.match(content)), None)
            or next((kind for at, signature, kind in types.signatures if content.startswith(signature, at)), None))


def _text(content: bytes) -> str | None:
    if not is_text(content):
        return None
    mark = 3 * content.startswith(b"\xef\xbb\xbf")
    return next((kind for pattern, kind in _file_types().texts if pattern.match(content, mark)), PLAIN_TEXT)


JSON_SPACE = re.compile(rb"[ \t\r\n]*")
STRING = re.compile(rb'"[^"\\\0]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\0]*)*"')
JSON_NUMBER = re.compile(rb"-?(?=\.?[0-9])[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+|(?![eE]))")
SCALARS = (STRING, JSON_NUMBER, re.compile(rb"[tn]...|f....", re.DOTALL))  # only the first letter is compared
DEEPEST = 10  # nesting depth of containers around a value
CSV_LINES = 10
CSV_QUOTED = re.compile(rb'"[^"]*(?:""[^"]*)*(?:"|\Z)')


def is_json(content: bytes) -> bool:
    """Whether content is a JSON object or array; text after it is ignored."""
    start = _after_space(content, 0)
    return content[start:start + 1] in (b"{", b"[") and _json_value(content, start, 0) is not None


def _after_space(content: bytes, at: int) -> int:
    return JSON_SPACE.match(content, at).end()  # type: ignore[union-attr]


def _json_value(content: bytes, at: int, depth: int) -> int | None:
    """Return the end of a value and the whitespace after it; None if there is no value."""
    at = _after_space(content, at)
    if depth > DEEPEST or at == len(content):
        return None
    opening = content[at:at + 1]
    if opening in (b"{", b"["):
        end = _json_container(content, at + 1, opening == b"{", depth)
    else:
        end = next((match.end() for scalar in SCALARS if (match := scalar.match(content, at))), None)
    return None if end is None else _after_space(content, end)


def _json_container(content: bytes, at: int, is_object: bool, depth: int) -> int | None:
    """Return the end of an object or array; None if it is invalid. A trailing comma is allowed."""
    closing = b"}" if is_object else b"]"
    while (at := _after_space(content, at)) < len(content):
        if content[at:at + 1] == closing:
            return at + 1
        if is_object:
            name = STRING.match(content, at)
            colon = name and _after_space(content, name.end())
            if colon is None or content[colon:colon + 1] != b":":
                return None
            at = colon + 1
        end = _json_value(content, at, depth + 1)
        if end is None or content[end:end + 1] not in (b",", closing):
            return None
        at = end + (content[end:end + 1] == b",")
    return None


def is_csv(text: bytes) -> bool:
    """At least three complete lines with the same number of fields, two or more. Quoted fields may span lines."""
    if b"," not in text or b"\0" in text:
        return False
    counts = [line.count(b",") for line in CSV_QUOTED.sub(b"", text).split(b"\n")[:-1]]
    first_lines = counts[:CSV_LINES]
    return len(first_lines) > 2 and first_lines[0] > 0 and len(set(first_lines)) == 1
