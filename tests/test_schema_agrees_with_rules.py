"""Every request property says one thing in two notations: its JSON Schema and its x-rules must give the same verdict.

The values are those that arrive at the rules, after the middleware. Set aside, because JSON Schema cannot say it:
whether a row exists; floats that equal an integer or that PHP prints with fewer digits than they have; a number with an
exponent that equals one of a list; comments, escapes, blanks, symbols and other rarities of e-mail addresses.
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
KEEPS_ARRAYS = "update_extension_caught"  # the action that stores what its rules let pass as JSON text
# What the formats mean that stand beside the patterns of alpha, alpha_num and alpha_dash.
FORMATS = {"letters": r"^[\p{L}\p{M}]+$", "letters-digits": r"^[\p{L}\p{M}\p{N}]+$",
           "letters-digits-dashes": r"^[\p{L}\p{M}\p{N}_-]+$"}
CHECKERS = {name: jsonschema_rs.Draft202012Validator({"pattern": text}).is_valid for name, text in FORMATS.items()}
ANNOTATION = re.compile("x-|description$|examples?$|default$|title$")
EXPONENT = re.compile(r"[\s\d.+-]+[eE][+-]?\d+\s*")
ODD_ADDRESS = re.compile(r"[()\\{}\s\0]|IPv6|.\".*\"@|@[^\[]+\[")


def is_odd_sign(sign: str) -> bool:
    return not sign.isascii() and unicodedata.category(sign)[0] in "SC"


def is_long(address: str) -> bool:
    """Beyond ASCII the limits count octets, or the letters that the DNS knows a name by; a whole domain has one too."""
    return len(address) > (250 if address.isascii() else 40)


class Property:
    """One request property: what its schema and what its rules say of a value."""

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
        """What is wrong, if schema and rules do not agree on a value as it is sent."""
        arrived = clean({self.name: value}, "ascii")[self.name]
        if not self.is_sayable(arrived):
            return None
        by_schema, by_rules = self.schema.is_valid(arrived), self.passes_rules(arrived)
        if by_schema == by_rules:
            return None
        words = {True: "accept", False: "reject"}
        return (f"{self.place}, property {self.name}, value {arrived!r}: "
                f"the schema says {words[by_schema]}, the rules {'|'.join(self.rules)} say {words[by_rules]}")

    def is_sayable(self, value: Any) -> bool:
        if isinstance(value, float):
            return math.isfinite(value) and not value.is_integer() and float(to_text(value)) == value
        if not isinstance(value, str):
            return True
        if "email" in self.rules:
            return not (ODD_ADDRESS.search(value) or any(is_odd_sign(sign) for sign in value) or is_long(value))
        return not (any(rule.startswith("in:") for rule in self.rules) and EXPONENT.fullmatch(value))

    def passes_rules(self, arrived: Any) -> bool:
        if isinstance(arrived, (list, dict)) and not self.keeps_arrays:
            return False  # no column takes an array
        if arrived is None and any(rule.startswith("exists:") for rule in self.rules):
            return "nullable" in self.rules
        try:
            return not self.validator.errors({self.name: arrived}, NO_TABLES)
        except PhpError:
            return False


@cache
def properties(profile: str) -> list[Property]:
    """Every property of a body that has rules, but uploads and lists that go to no column."""
    document = loading.load(profile)
    found = [(Property(document, f"{profile} {operation['operationId']}", name, schema,
                       operation["x-action"] == KEEPS_ARRAYS), "x-table" in item)
             for item in document["paths"].values() for operation in item.values() if "operationId" in operation
             for name, schema in body_schema(document, operation).get("properties", {}).items()
             if "x-rules" in schema and "file" not in schema["x-rules"]]
    return [one for one, stored in found if stored or not one.schema.is_valid(["a"])]


def distinct(profile: str) -> list[Property]:
    """One property for each pair of notations; the field's name counts only where the middleware heeds it."""
    seen: dict[tuple[str, ...], Property] = {}
    for one in properties(profile):
        seen.setdefault((*one.rules, one.notation, str(one.name == "password")), one)
    return list(seen.values())


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_on_a_fixed_pool_of_nasty_values(profile):
    assert len(VALUES) > 500
    assert len(properties(profile)) > 400
    found = [problem for one in distinct(profile) for value in VALUES if (problem := one.disagreement(value))]
    assert not found, f"{len(found)} disagreements:\n" + "\n".join(found[:40])


def mutated(text: str) -> st.SearchStrategy[str]:
    """A text with something put in, taken out or replaced, once or twice."""
    place = st.integers(0, len(text))
    piece = st.sampled_from(["", " ", "\n", "\f", "0", "1", ".", "-", "+", "_", ":", "@", "é", "٣", "X", "a"])
    once = st.builds(lambda at, gone, put: text[:at] + put + text[at + gone:], place, st.integers(0, 2), piece)
    return once.flatmap(lambda one: st.just(one) | st.builds(lambda at, put: one[:at] + put + one[at:], place, piece))


TEXTS = [value for value in VALUES if isinstance(value, str)]
SCALARS = (st.none() | st.booleans() | st.integers() | st.integers(-(2**64), 2**64) | st.floats()
           | st.text(max_size=12) | st.text("0123456789 .+-eE:", max_size=8) | st.text("aZ٣é_-@.\u0301 ", max_size=8))
ARRAYS = st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=3), SCALARS | st.lists(SCALARS), max_size=3)
ANYTHING = SCALARS | ARRAYS


def near(one: Property) -> st.SearchStrategy[Any]:
    """Values that are likely to be on the edge of what a property takes."""
    listed = [option for rule in one.rules if rule.startswith("in:") for option in rule[3:].split(",")]
    return ANYTHING | st.sampled_from(VALUES) | st.sampled_from(TEXTS + listed * 20).flatmap(mutated)


@pytest.mark.parametrize("one", distinct("documented"), ids=lambda one: f"{one.place.partition(' ')[2]}.{one.name}")
def test_on_generated_values(one):
    @settings(max_examples=80, deadline=None, derandomize=True, database=None)
    @given(near(one))
    def agree(value):
        problem = one.disagreement(value)
        assert problem is None, problem

    agree()


def test_it_notices_a_schema_that_is_too_narrow_or_too_wide():
    document = loading.load()
    narrow = Property(document, "none", "x", {"type": "integer", "x-rules": "integer"})
    wide = Property(document, "none", "x", {"type": ["integer", "string"], "x-rules": "integer"})
    assert "value '1': the schema says reject, the rules integer say accept" in str(narrow.disagreement("1"))
    assert "value '007': the schema says accept, the rules integer say reject" in str(wide.disagreement("007"))
    assert narrow.disagreement(1) is None
