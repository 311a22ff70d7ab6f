"""Request bodies as PHP and Laravel's middleware parse them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sarkmock.laravel.php import UploadedFile, array_as_list, is_readable, read_input
from sarkmock.laravel.php.bodies import JSON_DEPTH, json_decode

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
BOUNDARY = "multipart/form-data; boundary=xyz"
CASES = Path(__file__).parent / "cases" / "multipart.yaml"


@pytest.mark.parametrize(("body", "fields"), [
    ('{"a": " x ", "b": "", "c": "\\t", "d": null, "e": false, "f": 0}',
     {"a": "x", "b": None, "c": None, "d": None, "e": False, "f": 0}),
    ('{"a": [" x ", {"b": " "}]}', {"a": ["x", {"b": None}]}), ('{"a": 1, "a": 2}', {"a": 2}),
    ("[1, 2]", {"0": 1, "1": 2}),
    ("[]", {}), ("5", {"0": 5}), ("null", {}), ('{"pkey": ', {}), ("", {}), ("{a: 1}", {}), ("{'a': 1}", {}),
    ('{"a": 1,}', {}),
    ('{"a": NaN}', {}), ('{"a": Infinity}', {}), ('{"a": TRUE}', {}), ('{"a": 01}', {}), ('{"a": "\n"}', {}),
    ('\ufeff{"a": 1}', {}),
    ('{"a": 9223372036854775807}', {"a": 2**63 - 1}), ('{"a": 9223372036854775808}', {"a": 2.0**63}),
    ('{"a": 1e20}', {"a": 1e20}),
    ('{"a": "\\ud83d\\ude42"}', {"a": "🙂"}), ('{"a": "\\ud83d"}', {}), ('{"\\udc00": 1}', {}),
    ('{"a": "\\ud83d", "a": 1}', {}), ('{"a": "\\\\ud83d"}', {"a": "\\ud83d"}), ('{"a": "\\\\\\ud83d"}', {}),
    ('{"a": "\\ud83d\\\\\\ude42"}', {}), ('{"a": "\\ud83d\\ude42\\ude42"}', {}),
    ('{"a": "\\u0000x"}', {"a": "x"}),
    ('{"": 1, "a.b": 2}', {"": 1, "a.b": 2}),
    ('{"password": " x ", "password_confirmation": ""}', {"password": " x ", "password_confirmation": None}),
    ('{"password": [" x "], "a": {"password": " x "}}', {"password": ["x"], "a": {"password": "x"}}),
])
def test_json_bodies(body, fields):
    assert read_input("POST", JSON, "", body.encode()) == (fields, fields)


def test_json_content_types_and_large_numbers():
    assert read_input("PUT", "application/vnd.api+json; charset=utf-8", "", b'{"a": 1}')[1] == {"a": 1}
    assert read_input("POST", JSON, "", b'{"a": "\xff"}') == ({}, {})
    assert isinstance(json_decode(b"9223372036854775808"), float)
    assert json_decode(b"9" * 5000) == float("inf")


def test_json_nesting_limit():
    assert json_decode(b"[" * JSON_DEPTH + b"]" * JSON_DEPTH) is not None
    assert json_decode(b"[" * (JSON_DEPTH + 1) + b"]" * (JSON_DEPTH + 1)) is None
    assert json_decode(b"[" * 200000 + b"]" * 200000) is None
    assert json_decode(b'{"a":[]}' + b" " * 600) == {"a": []}
    assert json_decode(b"[" + b",".join([b"[]"] * 600) + b"]") == [[]] * 600


def test_array_with_consecutive_keys_is_a_list_at_any_depth():
    assert array_as_list({"0": [{"0": 1}], "1": {"1": 1}, "2": {}}) == [[[1]], {"1": 1}, []]
    value: Any = 1
    for _ in range(JSON_DEPTH):
        value = {"0": value}
    assert json.dumps(array_as_list(value)) == "[" * JSON_DEPTH + "1" + "]" * JSON_DEPTH


@pytest.mark.parametrize(("body", "fields"), [
    ("a=1&b=x+y%21", {"a": "1", "b": "x y!"}), ("a=%20x%20&b=", {"a": "x", "b": None}), ("a", {"a": None}),
    ("a=1&a=2", {"a": "2"}),
    ("=1&&a=1", {"a": "1"}), ("a[]=1&a[]=2", {"a": ["1", "2"]}),
    ("a[b]=1&a[c][d]=2", {"a": {"b": "1", "c": {"d": "2"}}}),
    ("a[0]=x&a[1]=y", {"a": ["x", "y"]}), ("a[5]=x&a[]=y", {"a": {"5": "x", "6": "y"}}),
    ("a=1&a[b]=2", {"a": {"b": "2"}}),
    ("a[b]=1&a=2", {"a": "2"}), ("a.b=1&c d=2", {"a_b": "1", "c_d": "2"}), ("a.b[c.d]=1", {"a_b": {"c.d": "1"}}),
    ("+a=1", {"a": "1"}),
    ("a[b=1", {"a_b": "1"}), ("a[b]c=1", {"a": {"b": "1"}}), ("a[b][c=1", {"a": {"b": "1"}}), ("[a]=1", {}),
    ("a%00b=1", {"a": "1"}),
    ("a[ ]=1", {"a": ["1"]}), ("a%5Bb%5D=1", {"a": {"b": "1"}}), ("a=%FF", {"a": "\udcff"}),
    ("a=%C3%A9", {"a": "é"}), ("a=%zz", {"a": "%zz"}),
    ("a;b=1", {"a;b": "1"}), ("password=%20x%20", {"password": " x "}), ("a=1=2", {"a": "1=2"}),
])
def test_form_bodies(body, fields):
    assert read_input("POST", FORM, "", body.encode()) == (fields, fields)
    assert read_input("PUT", FORM + "; charset=UTF-8", "", body.encode()) == (fields, fields)
    assert read_input("GET", "", body, b"") == (fields, {})


def test_limits_of_forms():
    many = "&".join(f"a{number}=1" for number in range(1500))
    assert len(read_input("POST", FORM, "", many.encode())[0]) == 1001  # PHP counts a variable after it has stored it
    assert len(read_input("PUT", FORM, "", many.encode())[0]) == 1000
    assert len(read_input("GET", "", many, b"")[0]) == 1000
    assert read_input("POST", FORM, "", b"&" * 999 + b"a=1&b=2&c=3")[0] == {"a": "1", "b": "2"}
    assert read_input("POST", FORM, "", b"a" + b"[x]" * 65 + b"=1&b=2")[0] == {"b": "2"}
    assert read_input("POST", FORM, "", b"a" + b"[x]" * 64 + b"=1")[0].keys() == {"a"}
    assert read_input("POST", FORM, "", b"a=1&b=2&a" + b"[x]" * 65 + b"=1")[0] == {"b": "2"}


@pytest.mark.parametrize(("method", "content_type"), [
    ("POST", ""), ("POST", "text/plain"), ("GET", FORM), ("PUT", BOUNDARY), ("POST", "multipart/form-data")])
def test_body_is_ignored_for_method_or_content_type(method, content_type):
    assert read_input(method, content_type, "", b"a=1") == ({}, {})


def test_content_type_comparison():
    assert read_input("POST", "APPLICATION/X-WWW-FORM-URLENCODED", "", b"a=1")[1] == {"a": "1"}
    assert read_input("POST", f"{FORM} x", "", b"a=1")[1] == {"a": "1"}
    assert read_input("POST", f"{FORM}\t;x", "", b"a=1")[1] == {}
    assert read_input("PUT", "APPLICATION/X-WWW-FORM-URLENCODED", "", b"a=1")[1] == {}
    assert read_input("GET", JSON, "b=2", b'{"a": 1}') == ({"a": 1, "b": "2"}, {"a": 1})


def test_body_overrides_query():
    variables, post = read_input("POST", JSON, "a=1&b=2", b'{"a": null}')
    assert variables == {"a": None, "b": "2"}
    assert post == {"a": None}


def part(disposition, content, kind=""):
    return f'--xyz\r\nContent-Disposition: form-data; {disposition}\r\n{kind}\r\n{content}\r\n'


def test_multipart_bodies():
    body = (part('name="a"', " x ") + part('name="b[]"', "1") + part('name="b[]"', "2")
            + part('name="greeting"; filename="C:\\\\dir\\\\hello.wav"', "RIFF", "Content-Type: audio/wav\r\n")
            + part('name="none"; filename=""', "") + part('name="c[d]"; filename="e.txt"', "f") + "--xyz--\r\n")
    variables, post = read_input("POST", BOUNDARY, "q=1", body.encode())
    assert post == {"a": "x", "b": ["1", "2"]}
    assert variables == {"q": "1", "a": "x", "b": ["1", "2"], "c": {"d": UploadedFile("e.txt", "", b"f")},
                         "greeting": UploadedFile("hello.wav", "audio/wav", b"RIFF")}
    assert read_input("PUT", BOUNDARY, "", body.encode()) == ({}, {})


@pytest.mark.parametrize("case", yaml.safe_load(CASES.read_text()), ids=lambda case: case["why"])
def test_multipart_matches_php(case):
    body = "".join(f"--xyz\r\n{content}\r\n" for content in case["parts"]) + "--xyz--\r\n"
    variables, post = read_input("POST", BOUNDARY, "", body.encode())
    assert post == case["post"]
    assert {name: shown(value) for name, value in variables.items()} == {**post, **case.get("files", {})}


HEADER = "Content-Disposition: form-data; name=a"


@pytest.mark.parametrize(("headers", "fields"), [
    (HEADER + "b" * 6000, {"a" + "b" * 6000: "x"}),
    (f"{HEADER};{'b' * 5080}X: y; name=c", {"a": "x"}),  # a piece with a colon is another header
    (f"{HEADER};{'b' * 5081}\r\nX: y", {"a": "X: y\r\n\r\nx"}),  # nothing follows the whole buffer: a blank line
    (f"{HEADER};{'b' * 5080}\r\nX: y", {"a": "X: y\r\n\r\nx"}),
    (f"{HEADER};{'b' * 5079}\r\nX: y", {"a": "x"}),
])
def test_php_reads_long_header_lines_in_pieces(headers, fields):
    assert len(HEADER) == 38
    assert read_input("POST", BOUNDARY, "", f"--xyz\r\n{headers}\r\n\r\nx\r\n--xyz--\r\n".encode())[1] == fields


def test_method_is_not_read_from_an_upload():
    body = part('name="_method"; filename="f"', "PUT") + "--xyz--"
    assert read_input("POST", BOUNDARY, "_method=DELETE", body.encode())[0] == {"_method": "DELETE"}


def shown(value):
    if isinstance(value, UploadedFile):
        return [value.name, value.content.decode()]
    return {name: shown(member) for name, member in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("content_type", [
    "multipart/form-data; boundary=xyz", 'multipart/form-data; charset=x; BOUNDARY="xyz"; x=y',
    "multipart/form-data; boundary=xyz, more", "Multipart/Form-Data;boundaryless=xyz",
    "multipart/form-data boundary=xyz"])
def test_multipart_boundary_parsing(content_type):
    assert read_input("POST", content_type, "", (part('name="a"', "x") + "--xyz--").encode())[1] == {"a": "x"}


@pytest.mark.parametrize("boundary", ["\xe9", "\xc3\xa9", '"\xff"', "a'b"])
def test_multipart_boundary_of_any_bytes(boundary):
    name = boundary.strip('"').encode("latin-1")
    body = b'--%b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--%b--\r\n' % (name, name)
    assert read_input("POST", f"multipart/form-data; boundary={boundary}", "", body)[1] == {"a": "x"}


@pytest.mark.parametrize(("rest", "value"), [
    ("", "x"), ("\r", "x\r"), ("\n", "x"), ("\r\n-", "x"), ("\r\n--xy", "x"), ("\r\r\n--xyz", "x\r"),
    ("--xyz", "x--xyz"), ("\r\n--xyzw", "x"), ("\r\n--xw", "x\r\n--xw"), ("\r\n\r\n--", "x\r\n")])
def test_truncated_delimiter_ends_content(rest, value):
    body = f'--xyz\r\nContent-Disposition: form-data; name="password"\r\n\r\nx{rest}'.encode()
    assert read_input("POST", BOUNDARY, "", body)[1] == {"password": value}


def test_multipart_body_takes_precedence_over_json():
    body = (part('name="a"', "x") + part('name="b"; filename="c"', "y") + "--xyz--").encode()
    for boundary, expected in (("; boundary=xyz", {"b": UploadedFile("c", "", b"y")}), ("; boundary=", {})):
        assert read_input("POST", f"multipart/form-data{boundary}, {JSON}", "", body) == (expected, {})
    for method, content_type in (("POST", "multipart/form-data"), ("PUT", BOUNDARY), ("POST", "multipart/mixed")):
        assert read_input(method, f"{content_type}, {JSON}", "", b'{"a": 1}')[1] == {"a": 1}


def test_multipart_with_bare_line_feeds_and_binary_content():
    body = b'preamble\n--xyz\nContent-Disposition: form-data; name="a"\n\n\xff\r\n\n--xyz--'
    assert read_input("POST", BOUNDARY, "", body)[1] == {"a": "\udcff"}


@pytest.mark.parametrize(("limit", "failed"), [
    ("1", False), ("x", False), ("0", False), ("0x9", False), (" -1", True), ("+1.5", False)])
def test_upload_larger_than_max_file_size_fails(limit, failed):
    body = part('name="a"; filename="f"', "xy") + part('name="Max_file_SIZE"', limit)
    body += part('name="b"; filename="f"', "x")
    variables, _post = read_input("POST", BOUNDARY, "", f"{body}--xyz--".encode())
    assert variables["a"] == UploadedFile("f", "", b"xy")
    assert variables["b"] == UploadedFile("f", "", b"" if failed else b"x", failed=failed)


def test_truncated_upload_fails():
    body = part('name="a"; filename="f"', "x") + part('name="b"', "1") + part('name="c"; filename="f"', "x")
    variables, _post = read_input("POST", BOUNDARY, "", body.encode())
    assert variables == {"a": UploadedFile("f", "", b"x"), "b": "1", "c": UploadedFile("f", "", b"", failed=True)}


def test_limits_of_multipart():
    many = "".join(part('name="a[]"', "x") for _ in range(1500)) + "--xyz--"
    assert len(read_input("POST", BOUNDARY, "", many.encode())[1]["a"]) == 1000
    files = "".join(part('name="f[]"; filename="f"', "x") for _ in range(30)) + part('name="b"', "1") + "--xyz--"
    variables, post = read_input("POST", BOUNDARY, "", files.encode())
    assert (len(variables["f"]), post) == (20, {"b": "1"})


@pytest.mark.parametrize(("content_type", "body"), [
    (FORM, b"a" + b"[x]" * 300_000 + b"=1"), (BOUNDARY, part("a;" * 300_000, "x").encode()),
    (BOUNDARY, part('name="a"', "x", " x\r\n" * 100_000).encode()), (JSON, b"[" * 300_000)])
def test_long_odd_bodies_are_read_quickly(content_type, body):
    read_input("POST", content_type, "", body)


@pytest.mark.parametrize("body", [
    "", "x", "--xyz", "--xyz\r\n", "--xyz--", part('name="a"', "x"), part("", "x"), "--xyz\r\nbroken\r\n\r\nx"])
def test_malformed_multipart_does_not_raise(body):
    for parameters in ("; boundary=xyz", "", "; boundary=", '; boundary="é"'):
        read_input("POST", f"multipart/form-data{parameters}", "", body.encode())


PIECES = st.sampled_from([
    b"a", b"b", b"[", b"]", b"=", b"&", b"%", b"%00", b"%5B", b"+", b".", b"\xff", b"--xyz", b"\r\n", b"{", b"}", b'"',
    b":", b",", b"\\u", b"d83d", b"1e999", b"-0", b"null", b'Content-Disposition: form-data; name="a"',
    b'--xyz\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n'])


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "x"]),
       st.sampled_from([JSON, FORM, BOUNDARY, "", "/json", f"{BOUNDARY}\udcff"]) | st.text(max_size=20),
       st.lists(PIECES, max_size=20).map(b"".join) | st.binary(max_size=40),
       st.lists(PIECES, max_size=10).map(b"".join) | st.text(max_size=10))
def test_no_request_raises(method, content_type, body, query):
    variables, post = read_input(method, content_type, query, body)
    assert set(post) <= set(variables)
    json.dumps(variables, default=str)


@pytest.mark.parametrize("text", [
    b"\\ud83d", b"\\ude00", b"\\\\ud83d\\ude00", b"\xff", b"\xed\xa0\x80", b"\\u00e9", b"\xc3\xa9"])
def test_text_of_json_is_utf8(text):
    """The engine does not test it again."""
    assert is_readable(read_input("POST", "application/json", "", b'{"a": ["%b"]}' % text)[0])
