"""Keys that are taken, as Laravel's query builder sees them; and the statement that a rejected row answers with."""

from __future__ import annotations

from typing import Any

import pytest

from tests.boxes import box, send

APP = {"pkey": "1", "cluster": "default"}


@pytest.mark.parametrize("key", [1, True, [1], {"a": "1"}, [[], ["1"]]])
def test_a_key_is_sought_by_the_first_scalar_in_it(key: Any) -> None:
    shipped = box("shipped")
    send(shipped, "POST /customapps", APP)
    reply = send(shipped, "POST /customapps", {"pkey": key, "cluster": "default", "span": "nowhere"})
    assert reply.status == (500 if isinstance(key, (list, dict)) else 422)


def test_a_key_that_is_no_text_is_rejected_where_nothing_may_crash() -> None:
    documented = box()
    send(documented, "POST /customapps", APP)
    reply = send(documented, "POST /customapps", {"pkey": [1], "cluster": "default"})
    assert (reply.status, reply.body) == (422, {"pkey": ["The pkey must be a string."]})


def test_the_statement_of_a_rejected_row_names_no_stamps() -> None:
    """False is sought as 0 but stored as nothing, so only the database notices the second one."""
    shipped = box("shipped")
    body = {"pkey": False, "description": "none"}
    assert send(shipped, "POST /tenants", body).status == 201
    reply = send(shipped, "POST /tenants", body)
    assert (reply.status, reply.body["Error"]) == (409, (
        "SQLSTATE[23000]: Integrity constraint violation: 19 UNIQUE constraint failed: cluster.pkey "
        '(SQL: insert into "cluster" ("abstimeout", "chanmax", "masteroclo", "pkey", "description") '
        "values (14400, 30, AUTO, , none))"))
