"""The hand-written boundary values: complete and consistent with the validator."""

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

from sarkmock.suite_api import Operation, PhpError, compile_document, load, profile_names
from tests.contract_runs import suite_of

PROFILES = profile_names()
OPERATIONS = [(profile, operation) for profile in PROFILES for operation in compile_document(load(profile))]


class EmptyTables:
    """Tables without rows."""

    def columns(self, table: str) -> list[str]:
        return ["pkey", "email"]

    def rows(self, table: str) -> list[Mapping[str, Any]]:
        return []

    def count(self, table: str, column: str, value: Any) -> int:
        return 0


def fields() -> Iterator[Any]:
    """One field for every distinct rule list."""
    seen = set()
    for _, operation in OPERATIONS:
        for name, rules in operation.rules.items():
            if (text := str(rules)) not in seen:
                seen.add(text)
                yield pytest.param(operation, name, id=text[:60])


def verdict(operation: Operation, name: str, value: Any) -> str:
    trimmed = value.strip() or None if isinstance(value, str) else value
    try:
        return "reject" if name in operation.validator.errors({name: trimmed}, EmptyTables()) else "accept"
    except PhpError:
        return "fatal"


@pytest.mark.parametrize(("operation", "name"), list(fields()))
def test_boundary_values_agree_with_validator(operation: Operation, name: str) -> None:
    bounds = bounds_of(operation.rules[name])
    for kind in KINDS:
        values = [value for value in getattr(bounds, kind) if not is_placeholder(value)]
        wrong = {repr(value): verdict(operation, name, value) for value in values}
        if not str(operation.rules[name]).count("{"):
            assert {value: given for value, given in wrong.items() if given != kind} == {}


def test_every_row_is_used_and_has_a_source() -> None:
    used = {frozenset(rule for rule in bounds.split(rules) if rule not in ("required", "nullable"))
            for _, operation in OPERATIONS for rules in operation.rules.values()}
    for row in bounds.table_rows():
        assert row["source"]
        assert frozenset(row["rules"]) in used, row["rules"]


def test_rules_of_rows_are_unique() -> None:
    rows = [frozenset(row["rules"]) for row in bounds.table_rows()]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize(("value", "listed", "equal"), [
    ("1", "1", True), ("01", "1", True), ("1.0", "1", True), (1, "1", True), (True, "1", True), ("yes", "YES", False),
    (False, "0", False), ("", "0", False), ("1x", "1", False), (2, "1", False),
])
def test_enum_values_are_compared_as_in_php(value: Any, listed: str, equal: bool) -> None:
    assert (loosely(value) == loosely(listed)) is equal


def test_enum_rejects_similar_values_and_values_of_other_enums() -> None:
    values = bounds_of("in:YES,NO")
    assert list(values.accept)[:2] == ["YES", "NO"]
    assert {"yes", "YE", "YESx"} <= set(map(str, values.reject))
    assert {"ON", "Inbound.Outbound", "YES.NO"} <= set(map(str, values.foreign))
    assert "NO" not in [*values.reject, *values.foreign]


def test_reference_with_different_spelling_is_rejected() -> None:
    values = bounds_of("exists:cluster,pkey|nullable")
    assert values.accept == [Live("cluster", "pkey")]
    assert [respelled_key("default", live.variant) for live in values.reject if isinstance(live, Live)] == [
        "DEFAULT", "defaultx", "defaul"]


def test_rule_without_row_raises() -> None:
    with pytest.raises(bounds.NoBounds, match="starts_like:a"):
        listed_bounds("required|starts_like:a")


@pytest.mark.parametrize("profile", profile_names())
def test_every_rule_list_of_profile_has_a_row(profile):
    for operation in compile_document(load(profile)):
        for rules in operation.rules.values():
            listed_bounds(rules)


def test_values_for_rules_of_user_overlay_are_derived():
    values = bounds_of("string|max:20|nullable")
    assert all(isinstance(value, str) and len(value) <= 20 for value in values.accept)
    assert all(not isinstance(value, str) or len(value) > 20 for value in values.reject)
    assert values.reject


def test_derived_values_are_trimmed_before_validation():
    """As in Laravel."""
    assert " 42 " in bounds_of("alpha_dash|max:20").accept
    assert " 42 " not in bounds_of("alpha_dash|max:20").reject


def test_rules_for_files_are_not_derived():
    with pytest.raises(NoBounds):
        bounds_of("file|mimes:zip,tar")


def test_accepted_hosts_are_ip_addresses() -> None:
    """A box resolves names by DNS, whose responses do not depend on the API."""
    suite = suite_of("documented", "documented")
    operations = [operation for operation in suite.contract.operations if "host_is_valid" in operation.checks]
    assert operations
    for operation in operations:
        assert all(map(ip_address, suite.fixtures.bounds(operation, "host").accept))
