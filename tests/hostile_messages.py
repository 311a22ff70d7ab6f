"""Unusual requests that are valid enough to pass the first checks.

All choices are made by the given random number generator, so that a seed repeats them.
"""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Callable
from random import Random
from urllib.parse import quote_from_bytes

SUFFIXES = ["", "", "", "[]", "[0]", "[a]", "[a][]", "[", "]", "[][]", "[a", ".x", "%00", "%5b%5d", "[%5d]",
            " ", "[-1]", "[9223372036854775807]", "[9223372036854775808]", "[ ]", "[a]b", "[a] [b]", "_",
            "\u00e9", "%ff", "[%ff]"]
PREFIXES = ["", "", "", " ", "+", "%20", ".", "[", "_", "\t", "%00", "\ufeff"]
TEXTS = ["", "1", "default", "x" * 300, "\u00e9", "%ff", "%u0041", "1e3", "0x1A", " 1 ", "null", "true", "[]", "\u2028",
         "999999999999999999999", "-0", "a\r\nb", "%", "+", "\u0130", "\U0001f4de", "'; --", "<b>", "${1}", "\\"]
BOUNDARIES = ["x", "'x'", "x y", "-" * 70, "x" * 300, "--", "=", "a:b", "x\\", "\u00e9", "0", "x--", "*", "x/?,"]
ANNOUNCED = ["multipart/form-data; boundary={}", 'multipart/form-data; boundary="{}"',
             "multipart/form-data;boundary={};", "multipart/form-data; BOUNDARY={}",
             "multipart/form-data; charset=utf-16; boundary={}",
             "multipart/form-data; xboundary=y; boundary={}", 'multipart/form-data; boundary="{}',
             "multipart/form-data, boundary={}", "multipart/mixed; boundary={}", "Multipart/Form-Data; boundary = {}"]
DISPOSITIONS = ['form-data; name="{}"', "form-data; name={}", "form-data; name='{}'", 'form-data; NAME="{}"; name="b"',
                'form-data; name="{}"; filename="a.wav"', "form-data; name=\"{}\"; filename*=UTF-8''%ff%00.wav",
                'form-data; filename="usergreeting1.wav"', 'attachment; name="{}"', 'form-data; name="{}', "form-data",
                'form-data; name="{}"; filename=""', 'form-data; name="{}\\""; filename="../../x\\"', "; name={}",
                'form-data; name="{}"; filename="sark.db.1.zip"; filename="b"', 'form-data;\r\n name="{}"']
PART_LINES = ["Content-Type: audio/wav", "Content-Transfer-Encoding: base64",
              "Content-Type: multipart/mixed; boundary=y",
              "Content-Transfer-Encoding: quoted-printable", "Content-Length: 99", "X" * 2000 + ": y",
              "no colon", " folded",
              "Content-Disposition: form-data; name=second", "Content-Type: text/plain; charset=utf-16", "", "\0: \0"]
LINE_ENDS = ["\r\n", "\r\n", "\r\n", "\n", "\r"]
CONTENTS = [b"", b"1", b"RIFF\x24\0\0\0WAVEfmt ", b"ID3\3", b"PK\3\4", b"PK\5\6" + b"\0" * 18, b"SQLite format 3\0",
            gzip.compress(b"x" * 99), b"\xff\xfb\x90", b"--x\r\n",
            b"--y\r\nContent-Disposition: form-data; name=a\r\n\r\nb",
            b"\0" * 3000, b"\r\n" * 200, b"\xff" * 200]
JSON_MARKS = ["", "", "", "\ufeff", " ", "\0", "/**/", "//x\n", ")]}',\n", "\x1e"]
JSON_VALUES = ["1e400", "-0.0", "-0", "01", "1.", ".5", "+1", "0x1", "1E-999", "NaN", '"\\ud83d"',
               '"\\udcde\\ud83d"', '"\\u0000"',
               '"\\x"', "'a'", "[,]", "{,}", "tru", "null", "[[]]", "{\"\":1}", '{"a":1,"a":{}}', "9" * 400, "1e-5",
               '"' + "\\n" * 500 + '"', "18446744073709551616", '"\t"', "[" * 510 + "]" * 510,
               "[" * 511 + "]" * 511, "[1,]"]
ENCODINGS = ["utf-8", "utf-8", "utf-8", "utf-16", "utf-16-le", "latin-1", "utf-7", "utf-32-be"]
SIZES = ["{:x}", "{:X}", "{:04x}", "0x{:x}", "+{:x}", "-{:x}", " {:x}", "{:x} ", "{:x}\t;a",
         "{:x};a=\"b;c\"", "{:x};", "{:016x}",
         "{:017x}", "f{:016x}", "{:x},", "{:d}.0", "", "{:x}\0", "{:x};\xff", "1_{:x}", "{:x}h", "{:x} {:x}", "\u0661"]
CHUNK_ENDS = [b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"", b"\r\n\r\n", b"xx"]
LAST_CHUNKS = [*[b"0\r\n\r\n"] * 5, b"000\r\n\r\n", b"0;x\r\n\r\n", b"0\r\n", b"-0\r\n\r\n", b""]
CODINGS = [*["chunked"] * 40, "Chunked", "CHUNKED", " chunked ", "chunked, chunked", "identity, chunked",
           "chunked, identity", "chunked;q=1", "xchunked", '"chunked"', "", ",chunked", "chunked,", "gzip", "trailers",
           "\tchunked", "chun ked", "chunked\x0b", "chunk\xe9d"]

# Unusual or wrong file contents.
REWRITTEN: list[Callable[[bytes], bytes]] = [
    lambda text: text.decode().encode("utf-16"), lambda text: text.decode().encode("utf-32"),
    lambda text: codecs.BOM_UTF8 + text, lambda text: codecs.BOM_UTF8 * 2 + text, lambda text: text + b"\0",
    lambda text: text.replace(b"\n", b"\r\n"), lambda text: text.replace(b"\n", b"\r"),
    lambda text: text.replace(b" ", b"\t"), lambda text: text.replace(b"\n", "\u2028".encode()),
    lambda text: text.replace(b" ", "\u00a0".encode()), lambda text: b"---\n" + text + b"\n---\n" + text,
    lambda text: text * 3, lambda text: b"", lambda text: b"\n" * 9, lambda text: b"# only a comment\n", gzip.compress,
    lambda text: json.dumps(text.decode()).encode(), lambda text: b"[" + text + b"]", lambda text: text[::-1],
    lambda text: b"[" * 5000, lambda text: b"{a: " * 5000, lambda text: b"- " * 5000, lambda text: b'{"a":' * 5000,
    lambda text: b"\n".join(b" " * number + b"a:" for number in range(700)), lambda text: b"? " * 3000,
    lambda text: b"a: &a [1]\n" + b"".join(b"b%d: *a\n" % number for number in range(3000)) + text,
    lambda text: b"<<: &a {<<: *a}\n" + text, lambda text: b"9" * 5000, lambda text: b"null", lambda text: b"true",
    lambda text: b"!!set {a, b}", lambda text: b"'" + b"x" * 70_000, lambda text: b"%YAML 9.9\n---\n" + text,
    lambda text: b"\xff\xfe" + text, lambda text: text.upper(), lambda text: text.replace(b'"', b"'")]


def name_of(rng: Random, names: list[str]) -> str:
    """A field name with characters that have a meaning for PHP, or similar ones."""
    name = rng.choice(names) if names and rng.random() < 0.9 else rng.choice(TEXTS)
    return rng.choice(PREFIXES) + name + rng.choice(SUFFIXES)


def form(rng: Random, names: list[str]) -> bytes:
    """A form whose names create arrays, or similar ones."""
    pairs = [f"{name_of(rng, names)}{rng.choice(['=', '=', '=', '', '=='])}{rng.choice(TEXTS)}"
             for _ in range(rng.choice([0, 1, 3, 9, 999, 1001]))]
    return rng.choice(["&", "&", "&", "&&", ";"]).join(pairs).encode("utf-8", "replace")


def multipart(rng: Random, names: list[str]) -> tuple[str, bytes]:
    """A content type and a multipart body with nested boundaries and unusual line ends and headers."""
    boundary = rng.choice(BOUNDARIES)
    inside = boundary if rng.random() < 0.9 else rng.choice(BOUNDARIES)
    end = rng.choice(LINE_ENDS)
    parts = [part(rng, name_of(rng, names), end) for _ in range(rng.choice([0, 1, 2, 5, 21, 1021]))]
    delimiter = f"--{inside}".encode("utf-8", "replace")
    line = end.encode()
    body = rng.choice([b"", b"preamble" + line]) + b"".join(delimiter + line + part + line for part in parts)
    body += rng.choice([delimiter + b"--" + line, delimiter + b"--", delimiter, b"",
                        delimiter + b"--x" + line + b"more"])
    announced = rng.choice(ANNOUNCED).format(boundary)
    return announced.encode("utf-8", "replace").decode("latin-1"), body


def part(rng: Random, name: str, end: str) -> bytes:
    lines = ["Content-Disposition: " + rng.choice(DISPOSITIONS).format(name)]
    lines += [rng.choice(PART_LINES) for _ in range(rng.choice([0, 0, 1, 3]))]
    rng.shuffle(lines)
    return (end.join(lines) + end + end).encode("utf-8", "replace") + rng.choice(CONTENTS)


def json_text(rng: Random, names: list[str]) -> bytes:
    """JSON about which parsers disagree: byte order marks, encodings, numbers, duplicate names."""
    members = [f"{json.dumps(rng.choice(names) if names else 'a')}: {rng.choice(JSON_VALUES)}"
               for _ in range(rng.choice([0, 1, 2, 5]))]
    text = rng.choice(JSON_MARKS) + "{" + ", ".join(members) + "}" + rng.choice(JSON_MARKS)
    return codecs.encode(text, rng.choice(ENCODINGS), "replace")


def escaped(rng: Random, path: bytes) -> bytes:
    """A path with some bytes percent-encoded, in either case, some of them twice."""
    often = rng.choice([0.02, 0.2, 1.0])
    sent = b"".join(b"%%%02x" % byte if rng.random() < often and byte != 47 else bytes([byte]) for byte in path)
    sent = sent.upper() if rng.random() < 0.1 else sent
    return quote_from_bytes(sent, "/").encode() if rng.random() < 0.2 else sent


def chunked(rng: Random, body: bytes) -> bytes:
    """The end of a head and a chunked body with sizes in unusual notations."""
    coding = rng.choice(CODINGS).encode("latin-1", "replace")
    often, size = rng.choice([0.0, 0.01, 0.3]), rng.choice([1, 2, 15, 16, 4095])
    sent = [b"Transfer-Encoding: %b\r\n\r\n" % coding]
    for start in range(0, min(len(body), 300 * size), size):
        piece = body[start:start + size]
        form_of_size = rng.choice(SIZES) if rng.random() < often else "{:x}"
        count = len(piece) + (rng.choice([-1, 1, 2**40]) if rng.random() < often / 9 else 0)
        end = rng.choice(CHUNK_ENDS if often > 0.1 else CHUNK_ENDS[:1])
        sent.append(form_of_size.format(abs(count), 1).encode("utf-8") + end + piece + b"\r\n")
    return b"".join(sent) + rng.choice(LAST_CHUNKS)


def edge_of_head(rng: Random, room: int, lines: int) -> bytes:
    """Header lines that fill a head up to its limits of ``room`` bytes and ``lines`` lines, more or less one."""
    by = rng.choice([-2, -1, 0, 1, 2])
    if rng.random() < 0.5:
        return b"".join(b"X-%d: y\r\n" % number for number in range(max(0, lines + by)))
    return b"X-Long: %b\r\n" % (b"y" * max(0, room + by - len(b"X-Long: \r\n")))
