"""Duplicate keys as Laravel's query builder compares them, and the SQL statement in the error response."""

from __future__ import annotations

from typing import Any

import pytest

from tests.boxes import box, send

APP = {"pkey": "1", "cluster": "default"}


@pytest.mark.parametrize("key", [1, True, [1], {"a": "1"}, [[], ["1"]]])
def test_duplicate_key_check_uses_first_scalar_of_key(key: Any) -> None:
    shipped = box("shipped")
    send(shipped, "POST /customapps", APP)
    reply = send(shipped, "POST /customapps", {"pkey": key, "cluster": "default", "span": "nowhere"})
    assert reply.status == (500 if isinstance(key, (list, dict)) else 422)


def test_array_as_key_is_rejected_by_documented_profile() -> None:
    documented = box()
    send(documented, "POST /customapps", APP)
    reply = send(documented, "POST /customapps", {"pkey": [1], "cluster": "default"})
    assert (reply.status, reply.body) == (422, {"pkey": ["The pkey must be a string."]})


def test_statement_of_rejected_row_omits_timestamps() -> None:
    """False is compared as 0 but stored as an empty string, so only the database detects the duplicate."""
    shipped = box("shipped")
    body = {"pkey": False, "description": "none"}
    assert send(shipped, "POST /tenants", body).status == 201
    reply = send(shipped, "POST /tenants", body)
    assert (reply.status, reply.body["Error"]) == (409, (
        "SQLSTATE[23000]: Integrity constraint violation: 19 UNIQUE constraint failed: cluster.pkey "
        '(SQL: insert into "cluster" ("abstimeout", "chanmax", "masteroclo", "pkey", "description") '
        "values (14400, 30, AUTO, , none))"))
