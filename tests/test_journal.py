"""The journal: recorded entries, limits, filters, and messages of failed assertions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarkmock import CriteriaError, Engine, Fault, Journal, State
from sarkmock.faults import Faults
from sarkmock.journal.entries import compare_values
from tests.boxes import NOW
from tests.engines import client_of

ACME = {"pkey": "acme", "description": "A tenant"}


@pytest.fixture
def engine():
    return Engine(state=State(now=NOW))


@pytest.fixture
def journal(engine):
    return Journal(engine)


@pytest.fixture
def client(engine, journal):
    return client_of(engine, journal=journal)


def test_entry_has_request_and_response(client, journal, engine):
    client.post("/api/tenants?x=1", json=ACME, headers={"X-Trace": "7"})
    entry, = journal
    assert (entry.number, entry.method, entry.path, entry.query) == (1, "POST", "/api/tenants", "x=1")
    assert (entry.operation, entry.status, entry.fault, entry.whole) == ("tenants.create", 201, "", True)
    assert entry.request_headers["X-Trace"] == "7"
    assert entry.request_headers["Content-Type"] == "application/json"
    assert entry.request_json == ACME
    assert entry.response_json["pkey"] == "acme"
    assert entry.response_headers["Content-Type"] == "application/json"
    assert entry.time == NOW
    assert entry.seconds > 0


def test_form_body_is_parsed_as_the_api_does(client, journal):
    client.post("/api/tenants", data={"pkey": " acme ", "description": ""})
    assert journal[0].request_json == {"pkey": "acme", "description": None}


def test_requests_without_operation_are_recorded(client, journal):
    client.get("/api/tenant")
    client.patch("/api/tenants")
    assert [(entry.operation, entry.status) for entry in journal] == [(None, 404), (None, 405)]


def test_control_plane_requests_are_not_recorded(client, journal):
    client.get("/_mock/health")
    assert len(journal) == 0


def test_oldest_entries_are_dropped_beyond_limit(engine):
    journal = Journal(engine, limit=3)
    client = client_of(engine, journal=journal)
    for number in range(5):
        client.get(f"/api/tenants/{number}")
    assert [entry.number for entry in journal] == [3, 4, 5]
    assert (journal.count, journal.entry(2), journal.entry(4).path) == (5, None, "/api/tenants/3")


def test_size_is_bounded_and_truncated_bodies_are_marked(engine):
    journal = Journal(engine, max_bytes=5000, max_body=1000)
    client = client_of(engine, journal=journal)
    for _ in range(9):
        client.post("/api/tenants", data=b"x" * 3000, content_type="application/json")
    assert 2 < len(journal) < 6
    assert len(journal[0].request_body) == 1000
    assert (journal[0].sizes[0], journal[0].whole) == (3000, False)


def test_journal_can_be_sliced(filled):
    assert [entry.number for entry in filled[-2:]] == [3, 4]
    assert filled[-1].number == 4


def test_clear_starts_over(client, journal):
    client.get("/api/tenants")
    journal.clear()
    client.get("/api/agents")
    assert [(entry.number, entry.operation) for entry in journal] == [(1, "agents.list")]


def test_entry_keeps_operation_of_serving_profile(client, journal, engine):
    client.put("/api/astamis/DBdel/a/b")
    engine.use("shipped")
    client.put("/api/astamis/DBdel/a/b")
    assert [(entry.operation, entry.status) for entry in journal] == [("astamis.DBdel", 200), (None, 405)]


@pytest.fixture
def filled(client, journal):
    client.get("/api/tenants")
    client.post("/api/tenants", json=ACME)
    client.post("/api/tenants", json={"pkey": "b b"})
    client.get("/api/agents/7?full=1")
    return journal


@pytest.mark.parametrize(("criteria", "numbers"), [
    ({}, [1, 2, 3, 4]),
    ({"operation": "tenants.create"}, [2, 3]),
    ({"operation": "tenants.*"}, [1, 2, 3]),
    ({"status": 422}, [3]),
    ({"status": "422"}, [3]),
    ({"status": "4xx"}, [3, 4]),
    ({"method": "get"}, [1, 4]),
    ({"path": "/api/tenants"}, [1, 2, 3]),
    ({"path": "agents/*"}, [4]),
    ({"query": "full=1"}, [4]),
    ({"after": 2}, [3, 4]),
    ({"body": {"pkey": "acme"}}, [2]),
    ({"body": ACME, "status": 201}, [2]),
    ({"body": {"pkey": "acme", "description": None}}, []),
    ({"fault": "1"}, []),
])
def test_find_filters(filled, criteria, numbers):
    assert [entry.number for entry in filled.find(**criteria)] == numbers


@pytest.mark.parametrize(("criteria", "message"), [
    ({"operation": "tenants.creat"}, "unknown operation 'tenants.creat'; did you mean tenants.create"),
    ({"status": "4x"}, "status '4x' is neither a number nor one of 1xx, 2xx, 3xx, 4xx, 5xx"),
    ({"metod": "GET"}, "unknown criterion 'metod'; did you mean method?"),
])
def test_invalid_criterion_is_an_error(filled, criteria, message):
    with pytest.raises(CriteriaError, match=message.replace("?", "[?]")):
        filled.find(**criteria)


def test_assert_called_returns_matching_entries(filled):
    assert [entry.number for entry in filled.assert_called("tenants.create", times=2)] == [2, 3]
    assert [entry.number for entry in filled.assert_called(body=ACME)] == [2]
    filled.assert_called("tenants.*", at_least=2, at_most=3)
    filled.assert_not_called("tenants.delete")


def test_assert_called_describes_nearest_entries(filled):
    with pytest.raises(AssertionError) as error:
        filled.assert_called("tenants.create", times=1, body={"pkey": "acme", "description": "Other"})
    assert str(error.value).splitlines() == [
        'expected operation=tenants.create, body={"pkey": "acme", "description": "Other"}, exactly once; found 0 times',
        "  nearest #2 POST /api/tenants -> 201",
        '    body.description: expected "Other", got "A tenant"',
        "  nearest #3 POST /api/tenants -> 422",
        '    body.pkey: expected "acme", got "b b"',
        '    body.description: expected "Other", missing',
        "    why 422: description breaks its rule required (it was not sent): The description field is required.",
        "  nearest #4 GET /api/agents/7?full=1 -> 404",
        "    operation: expected tenants.create, got agents.show",
        '    body: expected {"pkey": "acme", "description": "Other"}, got null',
        "    why 404: the table agent has no row whose pkey is '7'",
    ]


@pytest.mark.parametrize(("bounds", "ok"), [
    ({"times": 2}, True), ({"times": 1}, False), ({"times": 3}, False), ({"at_least": 2}, True),
    ({"at_least": 3}, False), ({"at_most": 2}, True), ({"at_most": 1}, False), ({}, True),
    ({"at_least": 1, "at_most": 2}, True)])
def test_number_of_calls(filled, bounds, ok):
    assert filled.verify("tenants.create", **bounds).ok is ok


def test_surplus_calls_are_listed(filled):
    with pytest.raises(AssertionError, match=r"at most once; found 2 times\n  matched by #2 .*\n  matched by #3 "):
        filled.assert_called("tenants.create", at_most=1)


def test_times_and_bounds_are_mutually_exclusive(filled):
    with pytest.raises(CriteriaError, match="times cannot be combined"):
        filled.verify(times=1, at_least=1)


def test_assert_called_with_empty_journal(journal):
    with pytest.raises(AssertionError, match="no requests were recorded"):
        journal.assert_called("tenants.list")


def test_entry_names_fault_and_delay(engine, journal):
    faults = Faults(engine, [Fault(operation="tenants.list", drop="before", id="cut")])
    client = client_of(engine, journal=journal, faults=faults)
    with pytest.raises(ConnectionResetError):
        client.get("/api/tenants")
    faults.add("agents.list", latency=0.01)
    client.get("/api/agents")
    assert [(entry.fault, entry.status, entry.delay) for entry in journal] == [("cut", 0, 0.0), ("1", 200, 0.01)]


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


@given(VALUES)
def test_value_equals_itself(value):
    assert list(compare_values(value, json.loads(json.dumps(value)), "body")) == []


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), st.text(max_size=3), VALUES)
def test_only_expected_fields_are_compared(expected, name, value):
    actual = expected | ({name: value} if name not in expected else {})
    assert list(compare_values(expected, actual, "body")) == []
    if actual != expected:
        assert list(compare_values(actual, expected, "body")) != []
