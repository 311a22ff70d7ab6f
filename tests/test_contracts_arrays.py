"""Arrays and objects in place of text: the mock of each profile responds as its oracle predicts."""

from __future__ import annotations

from typing import Any

import pytest
from sarkmock_contracts.client.http import Response
from sarkmock_contracts.judge.oracle import verdict, verdict_problems

from sarkmock import profile_names
from tests.contract_runs import suite_of

VALUES: tuple[Any, ...] = ([], {}, ["default"], {"a": "default"})


@pytest.mark.parametrize("profile", profile_names())
def test_oracle_predicts_response_to_array_in_every_field(profile: str) -> None:
    suite = suite_of(profile, profile)
    for operation in (operation for operation in suite.contract.operations if operation.rules):
        minimal = suite.fixtures.minimal(operation)
        for field in operation.rules:
            for value in VALUES:
                request = suite.fixtures.request(operation, {**minimal, field: value})
                problems = suite.send(request).problems
                assert problems == (), (operation.id, field, value)
            suite.fixtures.sweep()


@pytest.mark.parametrize(("value", "stored"), [
    ([], "[]"), ({}, "[]"), (["default"], '["default"]'), ({"a": "default"}, '{"a":"default"}'),
])
def test_extension_update_stores_array_of_keys_as_json_text(value: Any, stored: str) -> None:
    suite = suite_of("shipped", "shipped")
    operation = suite.contract.by_id["extensions.update"]
    judged = suite.send(suite.fixtures.request(operation, {"cluster": value}))
    assert (judged.response.status, judged.problems) == (200, ())
    assert suite.get(judged.request.path).json["cluster"] == stored


@pytest.mark.parametrize(("status", "body", "checks"), [
    (200, b"{}", ["crash"]),
    (500, b"{}", []),
    (409, b"{}", []),
    (422, b'{"save": ["Duplicate"]}', []),
    (422, b'{"pkey": ["The pkey must be a string."]}', ["rules"]),
])
def test_value_that_crashes_on_insert_may_be_rejected_only_by_check(status: int, body: bytes,
                                                                    checks: list[str]) -> None:
    suite = suite_of("shipped", "shipped")
    operation = suite.contract.by_id["extensions.create.unprovisioned"]
    request = suite.fixtures.request(operation, {"pkey": ["1001"], "cluster": "default"})
    given = verdict(suite.contract, operation, request, suite.live)
    response = Response(status, (("Content-Type", "application/json"),), body)
    problems = list(verdict_problems(suite.contract, operation, given, response))
    assert [problem.check for problem in problems] == checks
