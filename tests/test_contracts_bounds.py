"""The hand-written bounds: complete, and of one mind with the validator, which is how both are kept honest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

import pytest
from sarkmock_contracts.errors import NoBounds
from sarkmock_contracts.spec import boundary_values as bounds
from sarkmock_contracts.spec.boundary_values import (
    KINDS,
    Live,
    bounds_of,
    is_placeholder,
    listed_bounds,
    loosely,
    respelled_key,
)

from sarkmock.suite_api import Operation, PhpError, compile_document, load, profiles
from tests.contract_runs import suite_of

PROFILES = profiles()
OPERATIONS = [(profile, operation) for profile in PROFILES for operation in compile_document(load(profile))]


class Nothing:
    """Tables in which nothing exists."""

    def columns(self, table: str) -> list[str]:
        return ["pkey", "email"]

    def rows(self, table: str) -> list[Mapping[str, Any]]:
        return []

    def count(self, table: str, column: str, value: Any) -> int:
        return 0


def fields() -> Iterator[Any]:
    """Every field of every operation that has a rule list of its own."""
    seen = set()
    for _, operation in OPERATIONS:
        for name, rules in operation.rules.items():
            if (text := str(rules)) not in seen:
                seen.add(text)
                yield pytest.param(operation, name, id=text[:60])


def verdict(operation: Operation, name: str, value: Any) -> str:
    trimmed = value.strip() or None if isinstance(value, str) else value
    try:
        return "reject" if name in operation.validator.errors({name: trimmed}, Nothing()) else "accept"
    except PhpError:
        return "fatal"


@pytest.mark.parametrize(("operation", "name"), list(fields()))
def test_the_tables_agree_with_the_validator(operation: Operation, name: str) -> None:
    found = bounds_of(operation.rules[name])
    for kind in KINDS:
        values = [value for value in getattr(found, kind) if not is_placeholder(value)]
        wrong = {repr(value): verdict(operation, name, value) for value in values}
        if not str(operation.rules[name]).count("{"):
            assert {value: given for value, given in wrong.items() if given != kind} == {}


def test_every_row_is_used_and_says_where_it_is_from() -> None:
    asked = {frozenset(rule for rule in bounds.split(rules) if rule not in ("required", "nullable"))
             for _, operation in OPERATIONS for rules in operation.rules.values()}
    for row in bounds.table_rows():
        assert row["source"]
        assert frozenset(row["rules"]) in asked, row["rules"]


def test_no_two_rows_speak_of_the_same_rules() -> None:
    rows = [frozenset(row["rules"]) for row in bounds.table_rows()]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize(("value", "listed", "equal"), [
    ("1", "1", True), ("01", "1", True), ("1.0", "1", True), (1, "1", True), (True, "1", True), ("yes", "YES", False),
    (False, "0", False), ("", "0", False), ("1x", "1", False), (2, "1", False),
])
def test_a_list_compares_as_php_does(value: Any, listed: str, equal: bool) -> None:
    assert (loosely(value) == loosely(listed)) is equal


def test_a_list_rejects_its_neighbours_and_what_other_lists_hold() -> None:
    found = bounds_of("in:YES,NO")
    assert list(found.accept)[:2] == ["YES", "NO"]
    assert {"yes", "YE", "YESx"} <= set(map(str, found.reject))
    assert {"ON", "Inbound.Outbound", "YES.NO"} <= set(map(str, found.foreign))
    assert "NO" not in [*found.reject, *found.foreign]


def test_a_reference_is_rejected_in_every_other_spelling() -> None:
    found = bounds_of("exists:cluster,pkey|nullable")
    assert found.accept == [Live("cluster", "pkey")]
    assert [respelled_key("default", live.variant) for live in found.reject if isinstance(live, Live)] == [
        "DEFAULT", "defaultx", "defaul"]


def test_a_rule_that_nobody_has_a_row_for_is_told() -> None:
    with pytest.raises(bounds.NoBounds, match="starts_like:a"):
        listed_bounds("required|starts_like:a")


@pytest.mark.parametrize("profile", profiles())
def test_every_rule_list_of_a_profile_has_a_hand_written_row(profile):
    for operation in compile_document(load(profile)):
        for rules in operation.rules.values():
            listed_bounds(rules)


def test_rules_of_a_users_overlay_get_derived_values():
    found = bounds_of("string|max:20|nullable")
    assert all(isinstance(value, str) and len(value) <= 20 for value in found.accept)
    assert all(not isinstance(value, str) or len(value) > 20 for value in found.reject)
    assert found.reject


def test_derived_values_are_judged_as_laravel_receives_them():
    """Text is trimmed before a rule sees it."""
    assert " 42 " in bounds_of("alpha_dash|max:20").accept
    assert " 42 " not in bounds_of("alpha_dash|max:20").reject


def test_rules_for_files_are_not_derived():
    with pytest.raises(NoBounds):
        bounds_of("file|mimes:zip,tar")


def test_hosts_that_are_sent_need_no_name_server() -> None:
    """A box asks the DNS whether a name exists: what it answers says nothing of the API."""
    suite = suite_of("documented", "documented")
    asking = [operation for operation in suite.contract.operations if "host_is_valid" in operation.checks]
    assert asking
    for operation in asking:
        assert all(map(ip_address, suite.fixtures.bounds(operation, "host").accept))
