"""Time to handle a request grows linearly with its size: four times the size takes about four times as long."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from sarkmock import State, load_seed
from sarkmock.export.requests import exported
from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.http.wsgi import render
from sarkmock.laravel.php import to_lines, to_text
from sarkmock.laravel.php.bodies import json_decode
from sarkmock.pbx.asterisk import db_put
from sarkmock.spec import yaml12

pytestmark = pytest.mark.slow

SIZE = 40_000
RATIO, QUICK = 9.0, 0.02  # quadratic time gives a ratio of 16; times below QUICK are ignored
MEGABYTE, LIMIT = 1_000_000, 0.3  # CPU seconds; 0.1 is documented for an idle machine
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
UPLOAD = b'--x\r\nContent-Disposition: form-data; name="greeting"; filename='
END = b"\r\n\r\nx\r\n--x--"
DISPOSITION = b'--x\r\nContent-Disposition: form-data; name="pkey"'

Sized = Callable[[int], ApiRequest]
UNITS = [b"&", b"=", b"a&", b"a[]=&", b"%41", b"%4", b"%\\", b"+", b"\\", b"a[", b"a[]", b"]", b"9", b"\xff", b"\x01",
         b" ", b"%ff", "\u4e2d".encode(), b"a.", b"::", b"(", b'"', b'\\"', b"1:1 ", b"1:11", b"@", b"|a", b","]
JSON_UNITS = [
    b"[", b'{"a":', b"[],", b"[1],", b"1,", b'"",', b"9", b"\\ud83d\\ude00", b"1e999,", b"9999999999999999999,",
    b" ", b'\\"', b"{},", b"nul", b"-", b"[" * 400 + b'"' + b"x" * 9000 + b'"' + b"]" * 400 + b","]
PART_UNITS = [b"a:\r\n", b"--x\r\n", b"--x", b"\n", b"\r\n--x", b"--x\r\nA: b\r\n\r\n", b" a\r\n", b";", b";a",
              b"name=a;", b'"', b"'", b"\\", b'\\"', b'"\\x"', b"[]", b"[",
              b"\r\nContent-Disposition: x", DISPOSITION + b"\r\n\r\n1\r\n"]


def request(content_type: str, before: bytes, unit: bytes, after: bytes = b"", target: str = "tenants") -> Sized:
    method = "PUT" if target in ("tenants/default", "globals") else "POST"
    return lambda size: ApiRequest(method, target, "", {"Content-Type": content_type},
                                   before + unit * (size // len(unit)) + after)


def requests() -> Iterator[tuple[str, Sized]]:
    for unit in UNITS:
        yield f"form {unit!r}", request(FORM, b"pkey=", unit)
        yield f"form key {unit!r}", request(FORM, b"", unit)
        yield f"form of a PUT {unit!r}", request(FORM, b"", unit, target="tenants/default")
        yield f"query {unit!r}", with_query(unit.decode("latin-1"))
        yield f"address {unit!r}", request(FORM, b"ALERT=a", unit, b"@b.c", "globals")
        yield f"domain {unit!r}", request(FORM, b"ALERT=a@", unit, b"", "globals")
        yield f"trunk {unit!r}", request(FORM, b"carrier=GeneralSIP&pkey=1&host=", unit, b"&username=x", "trunks")
    for unit in JSON_UNITS:
        yield f"JSON {unit!r}", request(JSON, b"", unit)
        yield f"JSON list {unit!r}", request(JSON, b'{"cluster": [', unit, b"1]}")
        yield f"JSON text {unit!r}", request(JSON, b'{"pkey": "', json.dumps(unit.decode())[1:-1].encode(), b'"}')
    for unit in PART_UNITS:
        yield f"parts {unit!r}", request(MULTIPART, b"", unit)
        yield f"part headers {unit!r}", request(MULTIPART, b"--x\r\n", unit)
        yield f"disposition {unit!r}", request(MULTIPART, DISPOSITION + b"; ", unit, END)
        yield f"content {unit!r}", request(MULTIPART, DISPOSITION + b"\r\n\r\n", unit, b"\r\n--x--")
        yield f"name {unit!r}", request(MULTIPART, b"--x\r\nContent-Disposition: form-data; name=", unit, END)
        yield f"upload {unit!r}", request(MULTIPART, UPLOAD, unit, END, "greetings")
    for unit in (b'"",', b'"a",', b"1,", b"1.5,", b'"\\n",', b'"net fw",', b'"?IF 1",'):
        yield f"rules {unit!r}", request(JSON, b'{"rules": [', unit, b'""]}', "firewalls/ipv4")
    for word in ("boundary", "=", ";", '"', "boundary="):
        yield f"content type {word}", with_content_type(word)


def with_query(unit: str) -> Sized:
    return lambda size: ApiRequest("GET", "tenants", unit * (size // len(unit)))


def with_content_type(word: str) -> Sized:
    return lambda size: ApiRequest("POST", "tenants", "", {
        "Content-Type": "multipart/form-data;" + word * (size // len(word))}, b"--x\r\n")


REQUESTS = dict(requests())


@pytest.mark.parametrize("unit", ["{},", "{?},", "1,", "[],", "'',", "!!str a,", "&a {},"])
def test_megabyte_of_yaml_takes_at_most_two_seconds(unit):
    text = f"[{unit * (MEGABYTE // len(unit))}]"
    assert min(seconds(lambda: yaml12.parse(text, "x")) for _ in range(2)) < 2


@pytest.fixture(scope="module")
def engines() -> list[Engine]:
    return [Engine(profile=profile) for profile in ("documented", "shipped")]


@pytest.fixture(autouse=True)
def _no_garbage_collection():
    """A collection traverses all objects of the process, and would distort the measurement."""
    gc.disable()
    yield
    gc.enable()


def seconds(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def assert_linear_growth(run: Callable[[int], Callable[[], object]], size: int = SIZE) -> None:
    """Fail if time grows faster than linearly. Measures up to four times: the machine may have been busy."""
    measured = []
    for _ in range(4):
        small, large = (min(seconds(run(count)) for _ in range(2)) for count in (size, 4 * size))
        if large < QUICK or large < RATIO * small:
            return
        measured.append(f"{small:.4f} s, {large:.4f} s")
    pytest.fail(f"{size} and four times as much take {'; '.join(measured)}")


def handled(engines: list[Engine], sized: Sized) -> Callable[[int], Callable[[], object]]:
    def run(size: int) -> Callable[[], object]:
        made = sized(size)
        return lambda: [render(engine.handle(made), made.method) for engine in engines]
    return run


@pytest.mark.parametrize("name", REQUESTS)
def test_request_time_grows_linearly(engines, name):
    assert_linear_growth(handled(engines, REQUESTS[name]))


@pytest.mark.parametrize("name", REQUESTS)
def test_megabyte_request_is_fast(engines, name):
    made = REQUESTS[name](MEGABYTE)
    for engine in engines:
        handle = partial(engine.handle, made)
        assert min(seconds(lambda run=handle: render(run(), made.method)) for _ in range(3)) < LIMIT


@pytest.mark.parametrize("unit", ['"a",', '"",', '" ",', '"é",'])
def test_short_rules_take_a_few_times_as_long_as_their_json(unit):
    engine, body = Engine(), f'{{"rules": [{unit * 200_000}""]}}'.encode()
    made = ApiRequest("POST", "firewalls/ipv4", "", {"Content-Type": JSON}, body)
    handled, decoded = (min(seconds(run) for _ in range(5)) for run in (
        partial(engine.handle, made), partial(json_decode, body)))
    assert handled < 9 * decoded


@pytest.mark.parametrize("number", [1.5, 1e99])
def test_many_numbers_are_formatted_together(number):
    numbers = [number] * 100_000
    together, singly = (min(seconds(run) for _ in range(3)) for run in (
        partial(to_lines, numbers), lambda: list(map(to_text, numbers))))
    assert together < singly / 2


@pytest.mark.parametrize("unit", ["1", '"', "\\", "a ", '" '])
def test_astdb_entry_is_read_in_linear_time(unit):
    assert_linear_growth(lambda size: partial(db_put, {}, "cfim", "1001", unit * (size // len(unit))))


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_large_value_of_any_field_is_fast(profile):
    """A value of 200 KB in each field of each operation's example, and arrays as deep as PHP reads them."""
    engine = Engine(profile=profile, state=State(load_seed("examples")))
    values = [json.dumps(unit * (200_000 // len(unit))) for unit in ("1", " a")]
    values += ["[" * 509 + "]" * 509, '{"0":' * 509 + "1" + "}" * 509]
    for example in exported(engine.document):
        path = example.operation.path.format(**example.parameters)
        for field in example.operation.rules:
            for value in values:
                body = {**(example.body or {}), field: "VALUE"}
                text = json.dumps(body).replace('"VALUE"', value)
                made = ApiRequest(example.operation.method, path, "", {"Content-Type": JSON}, text.encode())
                handle = partial(engine.handle, made)
                assert any(seconds(handle) < LIMIT for _ in range(3)), (example.operation.id, field, value[:20])
