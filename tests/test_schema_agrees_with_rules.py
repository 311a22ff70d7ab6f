"""The JSON Schema and the x-rules of every request property must accept and reject the same values.

Values are compared after the middleware. JSON Schema cannot express, and the tests skip: whether a row exists; floats
that equal an integer or that PHP prints with fewer digits; a number with an exponent that equals a listed value;
comments, escapes, blanks, symbols and other rare parts of e-mail addresses.
"""

import json
import math
import re
import unicodedata
from functools import cache, cached_property
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarkmock.http.replies import PhpError
from sarkmock.laravel.php import to_text
from sarkmock.laravel.php.bodies import clean
from sarkmock.laravel.validation import Validator
from sarkmock.spec import loading
from sarkmock.spec.operations import body_schema
from tests.nasty_values import VALUES

NO_TABLES: Any = None
KEEPS_ARRAYS = "update_extension_caught"  # the action that stores arrays as JSON text
# The formats that accompany the patterns of alpha, alpha_num and alpha_dash.
FORMATS = {"letters": r"^[\p{L}\p{M}]+$", "letters-digits": r"^[\p{L}\p{M}\p{N}]+$",
           "letters-digits-dashes": r"^[\p{L}\p{M}\p{N}_-]+$"}
CHECKERS = {name: jsonschema_rs.Draft202012Validator({"pattern": text}).is_valid for name, text in FORMATS.items()}
ANNOTATION = re.compile("x-|description$|examples?$|default$|title$")
EXPONENT = re.compile(r"[\s\d.+-]+[eE][+-]?\d+\s*")
ODD_ADDRESS = re.compile(r"[()\\{}\s\0]|IPv6|.\".*\"@|@[^\[]+\[")


def is_odd_sign(sign: str) -> bool:
    return not sign.isascii() and unicodedata.category(sign)[0] in "SC"


def is_long(address: str) -> bool:
    """Limits of addresses outside ASCII count bytes or the encoded domain, which JSON Schema cannot express."""
    return len(address) > (250 if address.isascii() else 40)


class Property:
    """A request property, judged by its schema and by its rules."""

    def __init__(self, document: dict[str, Any], place: str, name: str, schema: dict[str, Any],
                 keeps_arrays: bool = False) -> None:
        rules, self.keeps_arrays = schema["x-rules"], keeps_arrays
        self.rules = rules.split("|") if isinstance(rules, str) else rules
        self.place, self.name = place, name
        self.notation = json.dumps({key: part for key, part in schema.items() if not ANNOTATION.match(key)})
        self.validator = Validator({name: [rule for rule in self.rules if not rule.startswith("exists:")]})
        self._document, self._schema = document, schema

    @cached_property
    def schema(self) -> Any:
        return jsonschema_rs.Draft202012Validator({**self._schema, "components": self._document["components"]},
                                                  validate_formats=True, formats=CHECKERS)

    def disagreement(self, value: Any) -> str | None:
        """A message if schema and rules disagree about a value."""
        cleaned = clean({self.name: value}, "ascii")[self.name]
        if not self.is_expressible(cleaned):
            return None
        by_schema, by_rules = self.schema.is_valid(cleaned), self.passes_rules(cleaned)
        if by_schema == by_rules:
            return None
        verbs = {True: "accept", False: "reject"}
        return (f"{self.place}, property {self.name}, value {cleaned!r}: "
                f"the schema says {verbs[by_schema]}, the rules {'|'.join(self.rules)} say {verbs[by_rules]}")

    def is_expressible(self, value: Any) -> bool:
        if isinstance(value, float):
            return math.isfinite(value) and not value.is_integer() and float(to_text(value)) == value
        if not isinstance(value, str):
            return True
        if "email" in self.rules:
            return not (ODD_ADDRESS.search(value) or any(is_odd_sign(sign) for sign in value) or is_long(value))
        return not (any(rule.startswith("in:") for rule in self.rules) and EXPONENT.fullmatch(value))

    def passes_rules(self, value: Any) -> bool:
        if isinstance(value, (list, dict)) and not self.keeps_arrays:
            return False  # no column takes an array
        if value is None and any(rule.startswith("exists:") for rule in self.rules):
            return "nullable" in self.rules
        try:
            return not self.validator.errors({self.name: value}, NO_TABLES)
        except PhpError:
            return False


@cache
def properties(profile: str) -> list[Property]:
    """Every body property with rules, except uploads and lists that are not stored in a column."""
    document = loading.load(profile)
    candidates = [(Property(document, f"{profile} {operation['operationId']}", name, schema,
                            operation["x-action"] == KEEPS_ARRAYS), "x-table" in item)
                  for item in document["paths"].values() for operation in item.values() if "operationId" in operation
                  for name, schema in body_schema(document, operation).get("properties", {}).items()
                  if "x-rules" in schema and "file" not in schema["x-rules"]]
    return [item for item, stored in candidates if stored or not item.schema.is_valid(["a"])]


def distinct(profile: str) -> list[Property]:
    """One property for each pair of schema and rules. The middleware treats the name `password` differently."""
    unique: dict[tuple[str, ...], Property] = {}
    for item in properties(profile):
        unique.setdefault((*item.rules, item.notation, str(item.name == "password")), item)
    return list(unique.values())


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_agreement_on_fixed_values(profile):
    assert len(VALUES) > 500
    assert len(properties(profile)) > 400
    problems = [problem for item in distinct(profile) for value in VALUES if (problem := item.disagreement(value))]
    assert not problems, f"{len(problems)} disagreements:\n" + "\n".join(problems[:40])


def mutated(text: str) -> st.SearchStrategy[str]:
    """A text with one or two insertions, deletions or replacements."""
    position = st.integers(0, len(text))
    piece = st.sampled_from(["", " ", "\n", "\f", "0", "1", ".", "-", "+", "_", ":", "@", "é", "٣", "X", "a"])
    def insert(text, at, new, removed=0):
        return text[:at] + new + text[at + removed:]

    once = st.builds(insert, st.just(text), position, piece, st.integers(0, 2))
    return once.flatmap(lambda changed: st.just(changed) | st.builds(insert, st.just(changed), position, piece))


TEXTS = [value for value in VALUES if isinstance(value, str)]
SCALARS = (st.none() | st.booleans() | st.integers() | st.integers(-(2**64), 2**64) | st.floats()
           | st.text(max_size=12) | st.text("0123456789 .+-eE:", max_size=8) | st.text("aZ٣é_-@.\u0301 ", max_size=8))
ARRAYS = st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=3), SCALARS | st.lists(SCALARS), max_size=3)
ANYTHING = SCALARS | ARRAYS


def boundary_values(item: Property) -> st.SearchStrategy[Any]:
    """Values that are probably near the boundary of a property."""
    listed = [option for rule in item.rules if rule.startswith("in:") for option in rule[3:].split(",")]
    return ANYTHING | st.sampled_from(VALUES) | st.sampled_from(TEXTS + listed * 20).flatmap(mutated)


@pytest.mark.parametrize("item", distinct("documented"), ids=lambda item: f"{item.place.partition(' ')[2]}.{item.name}")
def test_agreement_on_generated_values(item):
    @settings(max_examples=80, deadline=None, derandomize=True, database=None)
    @given(boundary_values(item))
    def agree(value):
        problem = item.disagreement(value)
        assert problem is None, problem

    agree()


def test_disagreement_of_schema_and_rules_is_reported():
    document = loading.load()
    narrow = Property(document, "none", "x", {"type": "integer", "x-rules": "integer"})
    wide = Property(document, "none", "x", {"type": ["integer", "string"], "x-rules": "integer"})
    assert "value '1': the schema says reject, the rules integer say accept" in str(narrow.disagreement("1"))
    assert "value '007': the schema says accept, the rules integer say reject" in str(wide.disagreement("007"))
    assert narrow.disagreement(1) is None
