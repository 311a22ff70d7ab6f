"""PHP's scalars, filters, regular expressions and file types."""

import ast
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarkmock.http.replies import PhpError
from sarkmock.laravel.php import to_lines, to_number, to_text, trim
from sarkmock.laravel.php.finfo import extension_of, mime_type
from sarkmock.laravel.php.pcre import matcher
from sarkmock.laravel.php.values import (
    from_bytes,
    is_int,
    is_ip,
    is_numeric,
    is_readable,
    mb_strlen,
    str_getcsv,
    to_bytes,
)
from sarkmock.laravel.rules import Rule, in_rule


@pytest.mark.parametrize(("value", "text"), [
    (None, ""), (True, "1"), (False, ""), (0, "0"), (-5, "-5"), (2**63 - 1, "9223372036854775807"),
    (2**63, "9.2233720368548E+18"), (10**20, "1.0E+20"), (10**400, "INF"), (1.0, "1"), (1.5, "1.5"), (-0.0, "-0"),
    (0.1 + 0.2, "0.3"), (1e14, "1.0E+14"), (99999999999999.0, "99999999999999"),
    (123456789012345.0, "1.2345678901234E+14"),
    (1e20, "1.0E+20"), (1.5e-7, "1.5E-7"), (0.0001, "0.0001"), (0.00001, "1.0E-5"), (1e100, "1.0E+100"),
    (float("inf"), "INF"), (float("-inf"), "-INF"), (float("nan"), "NAN"), ("é", "é"),
])
def test_to_text(value, text):
    assert to_text(value) == text


@pytest.mark.parametrize("values", [[], [1.5, 1e20, -2e-7, -3e200], [1, "1E5", 1e99], [None, True, 2.0, "\n2E+9"]])
def test_to_lines_is_to_text_of_each(values):
    assert to_lines(values) == "".join(f"{to_text(value)}\n" for value in values)


@pytest.mark.parametrize(("value", "readable"), [
    ("a", True), ("\udcff", False), (1.5, True), ([], True), ({"a": [[], {"b": ["\u00e9", 1]}]}, True),
    ({"a": [[], {"b": ["\udcff", 1]}]}, False), ([[[["\ud83d"]]], "a"], False), ({"\udcff": "a"}, True)])
def test_is_readable(value, readable):
    assert is_readable(value) == readable


@pytest.mark.parametrize("digits", [18, 19, 20, 100, 308, 309, 310, 399, 400, 5000])
def test_to_number_with_many_digits(digits):
    assert to_number("9" * digits) == (int("9" * digits) if digits < 19 else float("9" * digits))
    assert to_number("0" * digits + "7") == 7


@pytest.mark.parametrize("value", [[], {}, ["a"], {"a": 1}])
def test_array_to_text_is_an_error(value):
    with pytest.raises(PhpError, match="Array to string conversion"):
        to_text(value)


def test_trim_removes_six_characters():
    assert trim(" \t\n\r\0\x0bx\x0b\0") == "x"
    assert trim("\fx\u00a0") == "\fx\u00a0"


@pytest.mark.parametrize(("text", "number"), [
    ("5", 5), ("+5", 5), ("-5", -5), ("007", 7), (" 5", 5), ("5 \n", 5), ("\f5", 5), ("1.", 1.0), (".5", 0.5),
    ("1e3", 1000.0),
    ("1E+3", 1000.0), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", 2.0**63), ("1e999", float("inf")),
    ("", None), (" ", None), (".", None), ("1e", None), ("0x1A", None), ("1 2", None), ("--1", None),
    ("\u00a05", None),
    ("٣", None), ("1_0", None), ("INF", None), ("5\0", None),
])
def test_numeric_strings(text, number):
    assert to_number(text) == number
    assert is_numeric(text) is (number is not None)


@pytest.mark.parametrize(("left", "right", "equal"), [
    ("a", "a", True), ("a", "A", False), ("1", "01", True), ("1", "1.0", True), ("10", "1e1", True),
    ("0", "-0", True),
    ("1", " 1", True), ("1", "1 ", True), ("0", "", False), ("0", "a", False), ("1", "1x", False),
    ("abc", "0", False),
    ("9223372036854775808", "9223372036854775809", False), ("9223372036854775807", "9223372036854775808", False),
    ("9223372036854775808", "9223372036854775808.0", True), ("1e999", "1e998", False), ("1e999", "1e999", True),
])
def test_loose_equality_of_strings(left, right, equal):
    for value, parameter in ((left, right), (right, left)):
        assert in_rule(Rule("in", (parameter,), "field", numeric=False))(value, None) is equal


@pytest.mark.parametrize(("text", "characters"), [
    ("", 0), ("é", 1), ("名前", 2), ("🙂", 1), ("a\u0301", 2), ("\udcc3", 1), ("\udce9abc", 2), ("\udcffab", 3)])
def test_mb_strlen(text, characters):
    assert mb_strlen(text) == characters


def test_bytes_round_trip_as_text():
    octets = bytes(range(256))
    assert to_bytes(from_bytes(octets)) == octets
    assert to_bytes("\ud800") == b"\xed\xa0\x80"


@pytest.mark.parametrize("text", [
    "0", "-0", "+0", "5", " 5 ", "\v5\t", "9223372036854775807", "-9223372036854775808", "+1"])
def test_filter_validate_int(text):
    assert is_int(text)


@pytest.mark.parametrize("text", [
    "", " ", "00", "01", "+-1", "1.0", "1e1", "0x1", "9223372036854775808", "5\f", "5\0", "٣", "9" * 5000])
def test_filter_validate_int_rejects(text):
    assert not is_int(text)


def reference_is_ipv6(text):
    """A second implementation of FILTER_VALIDATE_IP: expand to eight blocks."""
    head, _, tail = text.rpartition(":")
    if "." in tail:
        parts = tail.split(".")
        if len(parts) != 4 or not set(parts) <= {str(octet) for octet in range(256)}:
            return False
        text = head + ":0:0"
    if text.count("::") > 1 or ":::" in text or "." in text:
        return False
    if "::" in text:
        left, right = text.split("::")
        blocks = [block for side in (left, right) if side for block in side.split(":")]
        enough = len(blocks) <= 7
    else:
        blocks = text.split(":")
        enough = len(blocks) == 8
    return enough and all(1 <= len(block) <= 4 and set(block) <= set("0123456789abcdefABCDEF") for block in blocks)


@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(
    ["::", ":", "1", "ff", "1:2:3", "0:0:0:0:0:0", "1.2.3.4", ".", "g", "12345", "256", "01"]), max_size=9))
def test_ipv6_matches_reference(pieces):
    text = "".join(pieces)
    if ":" in text:
        assert is_ip(text) == reference_is_ipv6(text)


@pytest.mark.parametrize(("text", "fields"), [
    ("a,b", ["a", "b"]), ("a, b", ["a", " b"]), ("", [""]), ("a,", ["a", ""]), (",", ["", ""]),
    ('"a,b",c', ["a,b", "c"]),
    ('"', ["\0"]), ('a,"', ["a", "\0"]),
    ('"a""b"', ['a"b']), ('a"b', ['a"b']), (' "a" ,b', ["a ", "b"]), ('"a', ["a"]), ("*,1,2", ["*", "1", "2"]),
])
def test_str_getcsv(text, fields):
    assert str_getcsv(text) == fields


@pytest.mark.parametrize(("pattern", "subject", "matches"), [
    ("/^a$/", "a", True), ("/^a$/", "a\n", True), ("/^a$/D", "a\n", False), ("/^a$/", "a\n\n", False),
    ("/A/i", "a", True),
    ("/É/i", "é", False), ("/É/iu", "é", True), ("/^.$/", "é", False), ("/^.$/u", "é", True), (r"/^\w$/", "é", False),
    (r"/^\w+$/u", "é", True), (r"/^\d$/", "٣", False), (r"/^\s$/", "\v", True), (r"/^\s$/", "\u00a0", False),
    ("/a b/x", "ab", True), ("/^b/m", "a\nb", True), ("/a.b/s", "a\nb", True), ("/a.b/", "a\nb", False),
    ("/b/A", "ab", False),
    ("#a/b#", "a/b", True), ("(a)", "xa", True), ("{a{2}}", "aa", True), ("[a]", "a", True), ("<a>i", "A", True),
    (r"/a\/b/", "a/b", True),
    ("  /a/", "a", True), (r"/(a++)b/", "aab", True), (r"/^(?>a+)ab/", "aaab", False), (r"/^\R$/", "\r\n", True),
    ("/^[a-z]+$/u", "\udcff", False), ("/./", "\udcff", True), ("/^(?<x>a)(?&x)$/", "aa", True),
])
def test_preg_match(pattern, subject, matches):
    assert matcher(pattern)(subject) is matches


@pytest.mark.parametrize(("pattern", "warning"), [
    ("/a", "No ending delimiter '/' found"), ("(a", "No ending matching delimiter ')' found"),
    ("", "Empty regular expression"),
    ("   ", "Empty regular expression"), ("abc", "Delimiter must not be alphanumeric, backslash, or NUL"),
    ("\\a\\", "Delimiter must not be alphanumeric, backslash, or NUL"), ("/a/e", "Unknown modifier 'e'"),
    ("/a//", "Unknown modifier '/'"),
    ("/a/\0", "NUL byte is not a valid modifier"),
    ("/[a/", "Compilation failed: missing terminating ] for character class at offset 2"),
])
def test_preg_match_warnings_are_errors(pattern, warning):
    with pytest.raises(PhpError) as error:
        matcher(pattern)("a")
    assert (error.value.message, error.value.exception) == (f"preg_match(): {warning}", "ErrorException")


@pytest.mark.parametrize(("pattern", "subject"), [
    (r"/^(https?:\/\/)?([\da-z\.-]+)\.([a-z\.]{2,6})([\/\w \.-]*)*\/?$/", "http://www.example.com/" + "a" * 5000 + "!"),
    (r"/^(?!:\/\/)(?=.{1,255}$)((.{1,63}\.){1,127}(?![0-9]*$)[a-z0-9-]+\.?)$/i", "." * 255),
    (r"/^(\d+?:\d+?\s*)+$/", "1:1 " * 20000 + "!"), ("/^(a+)+$/", "a" * 50000 + "b"), ("/(.+)+x/s", "\n" * 3000),
])
def test_catastrophic_backtracking_is_no_match(pattern, subject):
    started = time.perf_counter()
    assert matcher(pattern)(subject) is False
    assert time.perf_counter() - started < 5


def test_long_subject_can_match():
    assert matcher(r"/^(\d+?:\d+?\s*)+$/")("1:1 " * 3000) is True


@pytest.mark.parametrize(("content", "mime", "extension"), [
    (b"PK\5\6" + b"\0" * 18, "application/zip", "zip"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "audio/x-wav", "wav"),
    (b"\xff\xfb\x90\x44", "audio/mpeg", "mp3"),
    (b"\0\0\1\xba", "video/mpeg", "mpeg"),
    (b"SQLite format 3\0...", "application/x-sqlite3", "sqlite"), (b"not audio", "text/plain", "txt"),
    ("é\r\n\t".encode(), "text/plain", "txt"), (b"\0\1\2", "application/octet-stream", "bin"),
    (b"", "application/x-empty", None),
])
def test_mime_type_and_extension(content, mime, extension):
    assert (mime_type(content), extension_of(content)) == (mime, extension)


def test_pcre2_is_imported_by_one_module():
    package = Path(__file__).parent.parent / "sarkmock"
    users = {file.relative_to(package).as_posix() for file in package.rglob("*.py")
             for node in ast.walk(ast.parse(file.read_text()))
             if isinstance(node, ast.Import) and any(alias.name == "pcre2" for alias in node.names)}
    assert users == {"laravel/php/pcre.py"}
