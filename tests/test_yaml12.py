"""YAML 1.2 files that YAML 1.1 parsers read in the same way."""

from __future__ import annotations

import re
from math import inf, isnan
from pathlib import Path
from typing import Any

import pytest
import yaml

from sarkmock.spec import yaml12

# Texts that only one of YAML 1.1 and 1.2 reads as a number, boolean or date, and a few ordinary values.
VALUES = ["01924566000", "1e3", ".5", "12", "1.5", "+5", "NO", "on", "null", "~", "2024-06-01", "10:20", "0o7", "a: b",
          "a\x85b", "\u2028", "\ufeffx", "a\r\n", "\0", "\U0001f600", " a\n  b"]


@pytest.mark.parametrize("value", [*VALUES, 7, 1.5, True, None, ["01", 1], {"NO": "YES"}])
def test_dumped_values_are_read_back_by_both_versions(value: Any, tmp_path: Path) -> None:
    text = yaml12.dump({"value": value})
    file = tmp_path / "x.yaml"
    file.write_text(text, encoding="utf-8")
    assert yaml12.read(file) == yaml.safe_load(text) == {"value": value}


# The tables of YAML 1.2.2, section 10.3.2, and texts that only resemble them.
CORE = {
    **dict.fromkeys(["null", "Null", "NULL", "~", ""], None), **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    "0": 0, "-0": 0, "+12": 12, "-19": -19, "012": 12, "0o7": 7, "0o17": 15, "0x3A": 58, "0xff": 255,
    "0.": 0.0, "-0.0": 0.0, ".5": 0.5, "+12e03": 12000.0, "-2E+05": -200000.0, "1e3": 1000.0, "1.5e-3": 0.0015,
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf"], inf), **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -inf),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], "nan")}
TEXTS = ["nULL", "nil", "tRUE", "y", "YES", "NO", "on", "off", "1_000", "0b1", "0o8", "0O7", "-0o7", "0xG", "0X1",
         "-0x1", "1:30", "1:30.5", "2001-01-01", "1e", "e3", ".", ".e3", "1.5.2", "+", "inf", "+.nan", ".iNF", "=", "<"]


def test_plain_scalars_follow_the_core_schema() -> None:
    for text, value in [*CORE.items(), *((text, text) for text in TEXTS)]:
        read = yaml12.parse(f"a: {text}\n", "x.yaml")["a"]
        assert ("nan" if isinstance(read, float) and isnan(read) else read) == value, text
        assert type(read) is (float if value == "nan" else type(value)), text


def test_text_that_resembles_a_scalar_is_dumped_as_text() -> None:
    for text in [*CORE, *TEXTS]:
        dumped = yaml12.dump({"a": text})
        assert yaml12.parse(dumped, "x.yaml") == yaml.safe_load(dumped) == {"a": text}


@pytest.mark.parametrize(("text", "line"), [
    ("a: 1\nb: 2\na: 3\n", 3),
    ("a:\n  - {b: 1, 'b': 2}\n", 2),
    ("a: &x {b: 1, b: 2}\nc: *x\n", 1),
])
def test_duplicate_key_is_reported_with_line(text: str, line: int, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(yaml12.FileError, match="duplicate key") as caught:
        yaml12.read(file)
    assert caught.value.line == line


def test_merged_key_can_be_overridden_and_keys_of_different_types_differ(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("a: &a {b: 1}\nc: {<<: *a, b: 2}\nd: [1: x, '1': y]\n", encoding="utf-8")
    read = yaml12.read(file)
    assert (read["c"], read["d"]) == ({"b": 2}, [{1: "x"}, {"1": "y"}])


def test_tag_sets_the_type_of_a_value() -> None:
    read = yaml12.parse("[!!str 1, !!int '2', !!float 3, !!bool 'true', !!null '', !!seq [5], !!map {6: 7}]", "x")
    assert read == ["1", 2, 3.0, True, None, [5], {6: 7}]
    assert type(read[2]) is float


ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcde", "bcdef", strict=True))


@pytest.mark.parametrize(("text", "line", "problem"), [
    ("a: 1\nb: !!int x\n", 2, "'x' cannot be read as int"),
    ("a: !!float x\n", 1, "'x' cannot be read as float"),
    (f"a: 1\nb: {'9' * 5000}\n", 2, f"'{'9' * 40}' cannot be read as int"),
    ("[" * 250 + "]" * 250, 1, "it is nested deeper than 200 levels"),
    ("- " * 200_000, 1, "it is nested deeper than 200 levels"),
    ("[" * 200_000, 1, "nest"),  # libyaml has its own limit since 0.2.6
    (ALIASES, 5, "its aliases expand to too many values"),
    ("a: 1\nb: &b\n  c: [*b]\n", 3, "an alias in it refers to the value that contains it"),
    ("a: 1\n---\nb: 2\n", 2, "expected a single document"),
    ("a: *b\n", 1, "found undefined alias 'b'"),
    ("a: 1\n? [b]\n: 2\n", 2, "a key is a mapping or a list"),
    ("1: a\n0x1: b\n", 2, "duplicate key 1"),
    ("<<: {a: 1}\n<<: {b: 1}\n", 2, "duplicate key '<<'"),
    ("<<: [1]\n", 1, "expected a mapping or list of mappings for merging"),
    (f"1: a\n{2**61 * (2**61 - 1)}: b\n", 2, "a key is an integer of more than 64 bits"),  # its hash is 0
    ("a: !!timestamp 2001-01-01\n", 1, "the tag 'tag:yaml.org,2002:timestamp' is not supported here"),
    ("a: !!map [1]\n", 1, "the tag 'tag:yaml.org,2002:map' is not supported here"),
    ("a: [\n", 2, "did not find expected node content"),
    ("b: ü\na: \x01", 2, "the character '\\x01' is not allowed in YAML"),
    ("a: \ud800", None, "surrogates not allowed"),
])
def test_invalid_yaml_is_reported_with_line(text: str, line: int | None, problem: str) -> None:
    with pytest.raises(yaml12.FileError, match=re.escape(problem)) as caught:
        yaml12.parse(text, "x.yaml")
    assert caught.value.line == line


@pytest.mark.parametrize(("text", "value"), [
    ("7", 7), ("1.5", 1.5), ("true", True), ("null", None), ("NO", "NO"), ("9" * 5000, "9" * 5000)])
def test_scalar_that_is_not_a_number_is_text(text: str, value: Any) -> None:
    assert yaml12.scalar(text) == value


@pytest.mark.parametrize(("path", "line"), [
    (("b", 1), 3), (("b", "x"), 2), (("b", 7), 2), (("c", "d"), 4), (("c", "a"), 5), (("x",), 1)])
def test_line_of_path_or_of_nearest_parent(path: tuple[str | int, ...], line: int) -> None:
    assert yaml12.line_in("a: &a 1\nb: [1,\n  2]\nc: {d: 1,\n  a: 2}\n", path) == line


@pytest.mark.parametrize("text", ["{", ""])
def test_text_without_content_has_no_lines(text: str) -> None:
    assert yaml12.line_in(text, ("a",)) is None
