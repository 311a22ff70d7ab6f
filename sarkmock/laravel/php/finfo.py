"""What a file's content is, as PHP's fileinfo names it, and the extension Symfony guesses from that. Ignores names."""

from __future__ import annotations

ZIP, OCTETS, TEXT, EMPTY = "application/zip", "application/octet-stream", "text/plain", "application/x-empty"

# Offset, bytes, type; the first that fits wins. Only what could be uploaded here by mistake, and common lookalikes.
MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),  # without entries
    (0, b"SQLite format 3\0", "application/x-sqlite3"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\x00\x00\x01\xb3", "video/mpeg"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"MThd", "audio/midi"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"<?php", "text/x-php"),
    (0, b"<?xml", "text/xml"),
    (257, b"ustar", "application/x-tar"),
)
EXTENSIONS = {
    ZIP: "zip", OCTETS: "bin", TEXT: "txt", "application/x-sqlite3": "sqlite",
    "audio/mpeg": "mp3", "video/mpeg": "mpeg",
    "audio/x-wav": "wav", "audio/ogg": "oga", "audio/flac": "flac", "audio/midi": "mid", "application/gzip": "gz",
    "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "application/pdf": "pdf",
    "text/x-php": "php", "text/xml": "xml",
}
BINARY = bytes(frozenset(range(0x20)) - frozenset(b"\a\b\t\n\v\f\r\x1b") | {0x7F})


def mime_type(content: bytes) -> str:
    if not content:
        return EMPTY
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return "audio/x-wav"
    for offset, magic, kind in MAGIC:
        if content.startswith(magic, offset):
            return kind
    if content[0] == 0xFF and content[1:2] and content[1] & 0xFE in (0xFA, 0xF2):  # MPEG audio, layer 3
        return "audio/mpeg"
    return OCTETS if len(content.translate(None, BINARY)) < len(content) else TEXT


def extension(content: bytes) -> str | None:
    return EXTENSIONS.get(mime_type(content))
