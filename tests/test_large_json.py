"""Large JSON is decoded in pieces, with the same result as json.loads."""

import json
import random

import pytest

from sarkmock.http.replies import PhpError
from sarkmock.laravel.php import bodies, large_json, values
from sarkmock.laravel.php.large_json import LargeJson

SCALARS = [
    "1", "-1", "1.5", "1e5", "-0", "12345678901234567890123", "true", "null", '""', '"a"', '"\\n"', '"\\ud83d\\ude00"',
    '"\\ud83d"', '"\\ude00"', '"\\""', '"\\\\"', '","', '"],"', '"},"', f'"{"x" * 50}"', f'"{"y" * 300}"',
    '"\\u00e9\\u00e9"', '"\\u0041\\\\"', '"é\U0001f600"']
INVALID = ["NaN", "Infinity", "01", "tru", '"\\x"', '"\\u12"', '"\t"', '"', "", "'a'", "1.", "-", ".5"]
NAMES = ['"a"', '"b"', '"\\u00e9"', '"x y"', '"],"', '","']
CHANGES = ['"', ",", "]", "}", "[", "{", ":", "\\", " ", "1", "x", ""]


def reject_constant(name):
    raise ValueError(name)


def outcome(decode):
    """The repr of the result, which distinguishes 1 from 1.0 and preserves lone surrogates, or "invalid"."""
    try:
        return repr(decode())
    except (ValueError, RecursionError):
        return "invalid"


def text_of(rng, level=0):
    kind = rng.random()
    if level < 5 and kind < 0.25:
        members = (text_of(rng, level + 1) for _ in range(rng.choice([0, 1, 2, 3, 8, 30])))
        return f"[{rng.choice(['', ' ', chr(10)])}{rng.choice([',', ', ']).join(members)}{rng.choice(['', ' '])}]"
    if level < 5 and kind < 0.5:
        members = (f"{rng.choice(NAMES)}{rng.choice([':', ' : '])}{text_of(rng, level + 1)}"
                   for _ in range(rng.choice([0, 1, 2, 3, 8])))
        return f"{{{','.join(members)}{rng.choice(['', ' '])}}}"
    return rng.choice(SCALARS if kind < 0.98 else INVALID)


@pytest.mark.parametrize("seed", range(4))
def test_result_matches_json_loads(monkeypatch, seed):
    monkeypatch.setattr(large_json, "ONE_CALL", 40)
    monkeypatch.setattr(large_json, "WINDOWS", (8, 16, 40))
    monkeypatch.setattr(large_json, "LONGEST_RUN", 160)
    rng = random.Random(seed)
    for _ in range(300):
        text = text_of(rng)
        if rng.random() < 0.3:
            index = rng.randint(0, len(text))
            text = text[:index] + rng.choice(CHANGES) + text[index + rng.randint(0, 2):]
        assert (outcome(lambda text=text: LargeJson(text, None, reject_constant).decode())
                == outcome(lambda text=text: json.loads(text, parse_constant=reject_constant))), text


LARGE = {
    "one string": '"' + "x" * 400_000 + '"',
    "escapes": '"' + "\\n\\u00e9\\ud83d\\ude00" * 20_000 + '"',
    "beyond ASCII": '"' + "é\U0001f600中" * 50_000 + '"',
    "a lone surrogate": '"' + "\\u00e9" * 60_000 + '\\ud83d"',
    "strings": "[" + ",".join(f'"{number:09}"' for number in range(40_000)) + "]",
    "strings of commas": "[" + ",".join(['",,,,,,"', '"],["', '"},{"'] * 15_000) + "]",
    "numbers": "[" + ", ".join(map(str, range(60_000))) + "]",
    "names": "{" + ",".join(f'"{number:09}":{number}' for number in range(30_000)) + "}",
    "the same name": "{" + ",".join('"a":1' for _ in range(60_000)) + "}",
    "objects": "[" + ",".join(f'{{"a":{number},"b":[1,"],"]}}' for number in range(20_000)) + "]",
    "large objects": "[" + ",".join(['{"a":"' + "x" * 90_000 + '","b":[' + "1," * 40_000 + "1]}"] * 3) + "]",
    "deep": '{"a":' * 400 + '"' + "x" * 300_000 + '"' + "}" * 400,
    "too deep": "[" * 600 + '"' + "x" * 300_000 + '"' + "]" * 600,
    "whitespace": "[" + " " * 300_000 + "1" + "\n" * 300_000 + "]",
    "a long number": "[" + "1" * 300_000 + "]",
    "NaN at the end": "[" + "1," * 150_000 + "NaN]",
    "a comma at the end": "[" + "1," * 150_000 + "]",
    "not closed": "[" + "1," * 150_000 + "1",
    "trailing text": "[" + "1," * 150_000 + "1] x",
}


@pytest.mark.parametrize("kind", LARGE)
def test_large_body_is_decoded_as_at_once(monkeypatch, kind):
    body = LARGE[kind].encode()
    decoded = repr(bodies.json_decode(body))
    monkeypatch.setattr(bodies, "AT_A_TIME", 2**30)
    monkeypatch.setattr(bodies, "OVERLAPPING", 2**30)
    assert decoded == repr(bodies.json_decode(body))


@pytest.mark.parametrize(("value", "fits"), [('",,,,,"', True), ("[]", False), ('"[[[["', True)])
def test_body_beyond_php_memory_limit_is_an_error(value, fits):
    body = f"[{','.join([value] * 110_000)}]".encode()
    if fits:
        assert len(bodies.json_decode(body)) == 110_000
    else:
        with pytest.raises(PhpError):
            bodies.json_decode(body)


def test_decoder_calls_are_bounded_in_size(monkeypatch):
    sizes = []
    decode = json.JSONDecoder.decode
    monkeypatch.setattr(json.JSONDecoder, "decode", lambda self, text: sizes.append(len(text)) or decode(self, text))
    for text in LARGE.values():
        outcome(lambda text=text: LargeJson(text, None, reject_constant).decode())
    assert 10 < len(sizes) < 5_000
    assert max(sizes) < 2**20


PIECES = [b"%", b"%4", b"%41", b"%e9", b"%c3%a9", b"a", b"+", b"\\", b"\1", "é".encode(), b"\xff", b"\xe4\xb8",
          b" ", b"\n", b"\xc2\xa0"]


def test_large_form_is_decoded_as_at_once(monkeypatch):
    rng = random.Random(1)
    bodies_of_forms = [b"x=" + b"".join(rng.choices(PIECES, k=rng.randint(0, 20))) for _ in range(2000)]

    def read():
        return [bodies.read_input("POST", "application/x-www-form-urlencoded", "", body, trim)
                for trim in ("ascii", "unicode") for body in bodies_of_forms]
    expected = read()
    monkeypatch.setattr(bodies, "IN_ONE_CALL", 7)
    monkeypatch.setattr(values, "IN_ONE_CALL", 7)
    assert read() == expected


def test_nested_arrays_are_not_decoded_repeatedly(monkeypatch):
    sizes = []
    decode = json.JSONDecoder.raw_decode
    monkeypatch.setattr(json.JSONDecoder, "raw_decode",
                        lambda self, text, idx=0: sizes.append(len(text) - idx) or decode(self, text, idx))
    body = ("[" + ",".join(["[" * 400 + '"' + "x" * 100_000 + '"' + "]" * 400] * 10) + "]").encode()
    assert bodies.json_decode(body)
    assert sum(sizes) < 10 * len(body)
