"""Validation rules, tested by hand-written cases: one file per documented rule."""

import json
import time
from pathlib import Path

import jsonschema_rs
import pytest

from sarkmock.http.replies import Framework, PhpError
from sarkmock.laravel.email_address import is_address
from sarkmock.laravel.php import UploadedFile
from sarkmock.laravel.rules import IMPLICIT, NUMERIC_RULES, PRESENCE, RULES, WITH_PARAMETER
from sarkmock.laravel.validation import LARAVEL_7, Validator, laravel_messages
from sarkmock.spec.loading import load
from sarkmock.spec.yaml12 import read

FRAMEWORK = Framework.of(load()["x-laravel"])
HERE = Path(__file__).parent / "cases"
FILES = sorted((HERE / "rules").glob("*.yaml"))
NOT_LARAVEL = {"operator", "100", "YES", "context", "sarkstring"}
DOCUMENTED = set(RULES) - NOT_LARAVEL


class Rows:
    """The part of a database that rules query."""

    def __init__(self, tables):
        self.tables = tables

    def columns(self, table):
        return tuple(self.tables[table][0])

    def rows(self, table):
        return self.tables[table]

    def count(self, table, column, value):
        return sum(row[column] == str(value) for row in self.tables[table])


def decoded(value):
    """Convert {file: name, text: ...} (or hex: ..., or size: ...) to an upload."""
    if isinstance(value, dict) and "file" in value:
        content = bytes.fromhex(value.get("hex", "")) or value.get("text", "").encode() or b"x" * value.get("size", 0)
        return UploadedFile(value["file"], "application/octet-stream", content)
    return value


def messages(case):
    value = case.get("message", [])
    return [value] if isinstance(value, str) else value


def verdict(case, tables):
    """The verdict of our rules and its messages, in the form of a case."""
    data = {field: decoded(value) for field, value in case["input"].items()}
    field = next(iter(data), case.get("field"))
    try:
        errors = Validator({field: case["rules"]}).errors(data, Rows(tables))
    except PhpError as error:
        return "crash", [error.worded(FRAMEWORK)] if error.field == field else error.field
    assert errors.keys() <= {field}
    return "reject" if errors else "accept", errors.get(field, [])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_cases_of_rule(file):
    content = read(file)
    cases = dict(enumerate(content["cases"], 1))
    actual = {number: verdict(case, content.get("tables", {})) for number, case in cases.items()}
    assert actual == {number: (case["verdict"], messages(case)) for number, case in cases.items()}


@pytest.mark.parametrize(("rules", "value", "message"), [
    ("exists:cluster,pkey", [["a", "b"]], "Nested arrays may not be passed to whereIn method."),
    ("exists:cluster,pkey", [[]], "Nested arrays may not be passed to whereIn method."),
    ("exists:cluster,pkey", [[["a", "b"]]], "SQLSTATE[HY000]: General error: 25 column index out of range"),
    ("exists:cluster,{cluster}", "x->a[0][b]->c[1]d->[2]", """json_extract("x", '$."a"[0][b]."c[1]d".[2]') = x->"""),
])
def test_laravel_10_rejects_nested_arrays_and_json_paths(rules, value, message):
    with pytest.raises(PhpError) as crash:
        Validator({"cluster": rules}, "laravel-10").errors({"cluster": value}, Rows({"cluster": [{"pkey": "default"}]}))
    assert message in crash.value.worded(FRAMEWORK)


@pytest.mark.parametrize("unit", ["\\", "[", "[a", "[a]", "->", '"', "."])
def test_long_json_path_is_parsed_quickly(unit):
    start = time.process_time()
    with pytest.raises(PhpError):
        Validator({"cluster": "exists:cluster,{cluster}"}, "laravel-10").errors(
            {"cluster": f"a.b->{unit * (60_000 // len(unit))}"}, Rows({"cluster": [{"pkey": "default"}]}))
    assert time.process_time() - start < 2


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_case_files_match_their_schema(file):
    schema = json.loads((HERE / "rule-cases.schema.json").read_text())
    content = read(file)
    jsonschema_rs.Draft202012Validator(schema).validate(content)
    assert content["rule"] == file.stem
    assert {case["verdict"] for case in content["cases"]} >= {"accept", "reject"}


def test_every_documented_rule_has_cases_and_a_message():
    assert {file.stem for file in FILES} == DOCUMENTED
    assert len(DOCUMENTED) == 22
    assert set(laravel_messages(LARAVEL_7)) == DOCUMENTED - {"nullable"} | {"uploaded"}  # for an incomplete upload
    assert set(RULES) > IMPLICIT | NUMERIC_RULES | PRESENCE | WITH_PARAMETER


# Accepted and rejected by egulias/email-validator 3.2.
ADDRESSES = [
    "a@b", "fab'ien@example.com", "fab\\ ien@example.com", "a((b))@c.uk", "a@b(c).uk", "a+@b.com", "müller@möller.de",
    '"user,name"@b.com', '"user@name"@b.com', '"user\\"name"@b.com', '"\\a"@b.org', '""@b.org', '"\\""@b.org',
    "a @b.com", "a(b)@c.com", '"\t"@b.com', '"\r"@b.com', "a@[127.0.0.1]", "a@[IPv6:1::1::1]", "a@[IPv6:z001:0db8]",
    'a@[\n]', 'a@[x\r\n]', "a@[::1]", "a@[]",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@b.com", 'a\r\n @b.com', '""@b',
    'a."b"@c', 'a-\t-b@c', 'a\x00b@c', "a@[x].", "a@b.c-d", "½@b",
    "a@bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.de",
    "a@b.cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", "a(b)c@d", "a@ö.de", "a|b@c",
    "a@[1.2.3.4]x", "(a)@b", '"a"@b', "a=b@c",
]
INVALID_ADDRESSES = [
    "a@b*", "a@b!", "a@b&", "a@b^", "a@b%", "a@b$", "a@ b.com",
    "a@a4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4ta4t", "a@b_c", "a@b]", "a@{", "a@b::c", "", "a",
    "@b", "a@", "a@@b", "a@b@c", "a@b c", "a  b@c", "a.@b", ".a@b", "a..b@c", "a@b..c", "a@.b", "a@b.", "a@-b",
    "a@b-", "a@b-.c", "(a@b.fr]", "a(b]c@d.uk", "a\\b@c", "a@b\\c", "a@b\\", "a b@c", "a@ b . c", "a@(b].com",
    "a@(b.com", "a@b,c", "a,b@c", "a[b]c@d", '"""@b', '"\\"@b', '"a"b@c', '"a""b"@c', '"a"."b"@c', '"a".b@c',
    '"a"\x00@b', '"a\\"@b', '\udce2@b', 'a@\udce2.org', '\r\na@b', 'a@b \r\n', "a@b/c", "a@b;c", "a;b@c", 'a@b."',
    "a@b>", "a@b<", "a@b{", "a@ ", "a@b []", "a@b'", "a@b`c", "<a>@b", "(a@b", '"a@b', 'a"b@c', "a)b@c", "a(b))@c",
    "a@b)c", "a@b(c))", "a@(b))c", "a@(b)c", 'a\nb@c', "a@[[]", "a@[", 'a@[\x00]', 'a@[\r]', "a@[\\x]", 'a\tb@c',
    'a@b\rc', 'a\rb@c', 'a\x7fb@c', 'a@b\x7f', 'a@b\x85', 'a\r\n@b', '"a\tb"@c', "a@b_c.de", "a@b🙂", "a🙂@b",
    "a@bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.de",
    "a@b.ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
    "a@bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "a@b(c)d", "a((b)@c", "a@[x.]", "a@b=c",
]


def test_addresses_are_accepted_and_rejected():
    assert [text for text in ADDRESSES if not is_address(text)] == []
    assert [text for text in INVALID_ADDRESSES if is_address(text)] == []


def test_long_addresses_are_checked():
    assert not is_address("a" * 20000 + "(" * 20000 + "@b")
    assert is_address("a." * 20000 + "a@b")
    assert not is_address("a@" + "b(c)." * 20000)
