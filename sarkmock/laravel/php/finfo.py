"""What a file's content is, as PHP's fileinfo (libmagic 5.40) names it, and the extension Symfony guesses from that.

Signatures are data (file-types.yaml), with PHP's own verdicts on several hundred small files as their test. Names of
files do not count.
"""

from __future__ import annotations

import csv
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

ZIP, OCTETS, PLAIN_TEXT, EMPTY = "application/zip", "application/octet-stream", "text/plain", "application/x-empty"
MP3, AAC = "audio/mpeg", "audio/x-hx-aac-adts"
TAR = "application/x-tar"

Signatures = tuple[tuple[int, bytes, str], ...]

CONTROL = frozenset(range(0x20)) - frozenset(b"\a\b\t\n\v\f\r\x1b")
# Layers of MPEG audio by the second byte, the first being 0xFF.
MPEG = frozenset((0xE2, 0xE3, *range(0xF2, 0xF8), 0xFC, 0xFD))
ZIP_PACKAGE = re.compile(rb"application/(?:epub\+zip|vnd\.oasis\.opendocument\.[a-z-]+)")
LOCAL_ENTRY = re.compile(rb"PK\x03\x04")
OPEN_XML = "application/vnd.openxmlformats-officedocument"
OFFICE = {b"word/": "wordprocessingml.document", b"ppt/": "presentationml.presentation", b"xl/": "spreadsheetml.sheet"}
ELF = {b"\2\0": "application/x-executable", b"\3\0": "application/x-sharedlib"}
JSON_START = re.compile(rb"[ \t\r\n]*[\[{]")
LONGEST_LOOK = 1 << 20
CSV_LINES = 10
ZIP_ENOUGH = 150  # libmagic looks for a name within this many bytes
TGA_KINDS, TGA_DEPTHS = (1, 2, 3, 9, 10, 11), (1, 8, 15, 16, 24, 32)


@cache
def _types() -> tuple[Signatures, dict[str, str]]:
    data: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("file-types.yaml").read_bytes())
    signatures = tuple((entry["at"], entry["starts"].encode("latin-1"), entry["type"]) for entry in data["signatures"])
    return signatures, data["extensions"]


def mime_type(content: bytes) -> str:
    if len(content) < 2:
        return OCTETS if content else EMPTY
    content = content[:LONGEST_LOOK]
    return (_archive(content) or _structured(content) or _mpeg_audio(content) or _chunked(content) or _signed(content)
            or (PLAIN_TEXT if len(content) > 2 and is_text(content) else OCTETS))


def extension_of(content: bytes) -> str | None:
    return _types()[1].get(mime_type(content))


def is_text(content: bytes) -> bool:
    """Text of any encoding that ends in no more than zeros."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _is_utf16(content)
    trimmed = content.rstrip(b"\0") or b"\0"
    if len(trimmed) % 2 and len(trimmed) < len(content):
        return False  # libmagic leaves one zero, for UTF-16
    return not CONTROL.intersection(trimmed)


def _is_utf16(content: bytes) -> bool:
    text = content[2:].decode("utf-16-le" if content.startswith(b"\xff\xfe") else "utf-16-be", "replace")
    return not any(ord(sign) in CONTROL or sign == "\N{REPLACEMENT CHARACTER}" for sign in text.rstrip("\0"))


def _archive(content: bytes) -> str | None:
    """tar by its check sum, zip by its version and first member."""
    if len(content) >= 512 and (found := _tar(content[:512])):
        return found
    if content[:4] == b"PK\3\4":
        return _zip(content)
    return None


def _tar(header: bytes) -> str | None:
    try:
        told = int(header[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return None
    if told != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        return None
    return TAR


def _zip(content: bytes) -> str:
    """By what comes first in the archive; a short one must be whole to be known."""
    named = 30 + int.from_bytes(content[26:28], "little")
    if len(content) < named + 2 or (len(content) < ZIP_ENOUGH and content[-22:-18] != b"PK\5\6"):
        return OCTETS
    if content[30:named] == b"mimetype" and (found := ZIP_PACKAGE.match(content, named)):
        return found[0].decode()
    if content[30:named] == b"[Content_Types].xml":
        names = [content[match.end() + 26:][:8] for match in LOCAL_ENTRY.finditer(content)]
        return next((f"{OPEN_XML}.{kind}" for name in names[2:4] for folder, kind in OFFICE.items()
                     if name.startswith(folder)), ZIP)
    return ZIP


def _structured(content: bytes) -> str | None:
    """JSON and CSV, which libmagic parses."""
    if JSON_START.match(content):
        try:
            for line in (content,) if b"\n{" not in content else content.splitlines():
                json.loads(line)
        except (ValueError, RecursionError):
            return None
        return "application/json"
    return "text/csv" if _is_csv(content) else None


def _is_csv(content: bytes) -> bool:
    """At least three lines of as many fields, two or more."""
    if b"," not in content or not is_text(content):
        return False
    lines = content.decode("latin-1").splitlines()[:CSV_LINES]
    try:
        counts = [len(row) for row in csv.reader(lines, strict=True)]
    except csv.Error:
        return False
    return len(counts) > 2 and counts[0] > 1 and len(set(counts)) == 1


def _mpeg_audio(content: bytes) -> str | None:
    if content[0] != 0xFF:
        return None
    second = content[1]
    if second in MPEG or (second in (0xFA, 0xFB) and len(content) > 2 and 0x10 <= content[2] < 0xF0):
        return MP3
    return AAC if second in (0xF0, 0xF1, 0xF8, 0xF9) else None


def _chunked(content: bytes) -> str | None:
    """Files that begin with their kind, a size and what is in them; and music after an ID3 tag."""
    head, kind = content[:4], content[8:12]
    if head in (b"RIFF", b"RF64") and kind == b"WAVE":
        return "audio/x-wav"
    if head == b"RIFF" and kind == b"WEBP":
        return "image/webp"
    if head == b".snd" and content[12:16] > bytes(4):
        return "audio/basic"
    if len(content) > 17 and content[1] <= 1 and content[2] in TGA_KINDS and content[16] in TGA_DEPTHS:
        return "image/x-tga" if any(content[12:14]) and any(content[14:16]) else None
    if head == b"\x7fELF" and content[16:18] in ELF:
        return ELF[content[16:18]]
    if head[:3] == b"ID3" and len(content) > 10:
        size = sum((byte & 0x7F) << shift for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=True))
        return MP3 if 10 + size < len(content) and max(content[6:10]) < 0x80 else None
    return None


def _signed(content: bytes) -> str | None:
    return next((kind for at, signature, kind in _types()[0] if content.startswith(signature, at)), None)
