"""Class of Service pairs and rules in both profiles, called through an engine."""

from __future__ import annotations

import pytest

from sarkmock.http.engine import Engine
from sarkmock.pbx.state import State
from sarkmock.spec import loading
from tests.engines import send

PAIRS = [("coscloses", "IPphoneCOSclosed"), ("cosopens", "IPphoneCOSopen")]
NO_STAMPS = {"z_created": None, "z_updated": None, "z_updater": "system"}


def engine_of(profile: str) -> Engine:
    """A PBX with the extensions 1001 and 1002 and the rules abroad and premium."""
    engine = Engine(loading.load(profile), State(now=1_700_000_000))
    for extension in ("1001", "1002"):
        engine.state.tables.insert("ipphone", {"pkey": extension, "cluster": "default"})
    for rule in ("premium", "abroad"):
        engine.state.tables.insert("cos", {"pkey": rule, "dialplan": "_00."})
    return engine


def pair(extension: str, rule: str) -> dict[str, str]:
    return {"IPphone_pkey": extension, "COS_pkey": rule}


@pytest.mark.parametrize("resource", ["coscloses", "cosopens"])
class TestDocumented:
    def test_extension_is_taken_from_path(self, documented: Engine, resource: str) -> None:
        reply = send(documented, "POST", f"{resource}/1001", {"COS_pkey": "abroad"})
        assert (reply.status, reply.body) == (201, pair("1001", "abroad"))
        assert send(documented, "GET", f"{resource}/1001").body == pair("1001", "abroad") | NO_STAMPS

    def test_extension_in_body_overrides_path(self, documented: Engine, resource: str) -> None:
        assert send(documented, "POST", f"{resource}/9999", pair("1002", "abroad")).body == pair("1002", "abroad")
        assert send(documented, "GET", f"{resource}/9999").status == 404

    def test_incomplete_pair_is_rejected(self, documented: Engine, resource: str) -> None:
        reply = send(documented, "POST", f"{resource}/9999", {})
        assert reply.status == 422
        assert reply.body == {"IPphone_pkey": ["The selected i pphone pkey is invalid."],
                              "COS_pkey": ["The c o s pkey field is required."]}

    def test_same_rule_for_different_extension_is_not_a_duplicate(self, documented: Engine, resource: str) -> None:
        send(documented, "POST", f"{resource}/1001", {"COS_pkey": "abroad"})
        assert send(documented, "POST", f"{resource}/1002", {"COS_pkey": "abroad"}).status == 201
        reply = send(documented, "POST", f"{resource}/1001", {"COS_pkey": "abroad"})
        assert (reply.status, reply.body) == (422, {"save": ["Duplicate Keys, relationship already exists - "]})

    def test_delete_removes_all_rules_of_extension(self, documented: Engine, resource: str) -> None:
        for extension, rule in (("1001", "premium"), ("1001", "abroad"), ("1002", "premium")):
            send(documented, "POST", f"{resource}/{extension}", pair(extension, rule))
        assert send(documented, "GET", f"{resource}/1001").body["COS_pkey"] == "abroad"
        assert send(documented, "DELETE", f"{resource}/1001").status == 204
        assert send(documented, "GET", resource).body == [pair("1002", "premium") | NO_STAMPS]
        assert send(documented, "DELETE", f"{resource}/1001").status == 404

    def test_update_is_405(self, documented: Engine, resource: str) -> None:
        assert send(documented, "PUT", f"{resource}/1001", {}).status == 405
        assert send(documented, "POST", resource, pair("1001", "abroad")).status == 405


@pytest.mark.parametrize(("resource", "table"), PAIRS)
class TestShipped:
    def test_pairs_are_created_by_post_to_collection(self, shipped: Engine, resource: str, table: str) -> None:
        assert send(shipped, "POST", resource, pair("1001", "abroad")).status == 201
        assert shipped.state.tables.count(table, "IPphone_pkey", "1001") == 1
        assert send(shipped, "POST", f"{resource}/1001", pair("1001", "abroad")).status == 405

    def test_extension_and_rule_are_required(self, shipped: Engine, resource: str, table: str) -> None:
        reply = send(shipped, "POST", resource, {})
        assert (reply.status, list(reply.body)) == (422, ["IPphone_pkey", "COS_pkey"])
        assert shipped.state.tables.rows(table) == []

    def test_an_update_changes_every_pair_of_the_extension(self, shipped: Engine, resource: str, table: str) -> None:
        shipped.state.tables.insert(table, pair("1001", "abroad"))
        shipped.state.tables.insert(table, pair("1001", "premium"))
        reply = send(shipped, "PUT", f"{resource}/1001", {"IPphone_pkey": "1002"})
        assert (reply.status, reply.body) == (200, pair("1002", "abroad") | NO_STAMPS)
        assert shipped.state.tables.count(table, "IPphone_pkey", "1002") == 2

    def test_update_that_duplicates_pair_is_409(self, shipped: Engine, resource: str, table: str) -> None:
        shipped.state.tables.insert(table, pair("1001", "abroad"))
        shipped.state.tables.insert(table, pair("1001", "premium"))
        reply = send(shipped, "PUT", f"{resource}/1001", {"COS_pkey": "premium"})
        assert (reply.status, reply.body) == (409, {"Error": (
            "SQLSTATE[23000]: Integrity constraint violation: 19 "
            f"UNIQUE constraint failed: {table}.IPphone_pkey, {table}.COS_pkey "
            f'(SQL: update "{table}" set "COS_pkey" = premium where "IPphone_pkey" = 1001)')})
        assert send(shipped, "GET", f"{resource}/1001").body["COS_pkey"] == "abroad"


@pytest.mark.parametrize(("resource", "table", "first"), [
    ("coscloses", "IPphoneCOSclosed", pair("1002", "abroad")), ("cosopens", "IPphoneCOSopen", pair("1001", "premium"))])
def test_closed_pairs_are_sorted_by_rule_and_open_pairs_by_extension(
        documented: Engine, resource: str, table: str, first: dict[str, str]) -> None:
    for row in (pair("1001", "premium"), pair("1002", "abroad")):
        documented.state.tables.insert(table, row)
    assert send(documented, "GET", resource).body[0] == first | NO_STAMPS


@pytest.mark.parametrize("extension", ["1001", "9999"])
def test_deleting_a_closed_pair_always_crashes(shipped: Engine, extension: str) -> None:
    shipped.state.tables.insert("IPphoneCOSclosed", pair("1001", "abroad"))
    assert send(shipped, "DELETE", f"coscloses/{extension}").status == 500
    assert shipped.state.tables.count("IPphoneCOSclosed", "IPphone_pkey", "1001") == 1


@pytest.mark.parametrize(("profile", "path"), [("documented", "cosrules/local"), ("shipped", "cosrules")])
def test_rule_is_created_from_body(profile: str, path: str) -> None:
    engine = engine_of(profile)
    reply = send(engine, "POST", path, {"pkey": "local", "dialplan": 7, "defaultopen": "YES"})
    assert (reply.status, reply.body) == (201, {
        "active": "NO", "defaultclosed": "NO", "defaultopen": "YES", "description": None, "dialplan": "7",
        "orideclosed": "NO", "orideopen": "NO", "pkey": "local"})
    assert send(engine, "POST", path, {"pkey": "local", "dialplan": "x"}).body == {"save": ["Duplicate Key - local"]}


def test_deleting_rule_keeps_its_pairs(documented: Engine) -> None:
    send(documented, "POST", "cosopens/1001", pair("1001", "abroad"))
    assert send(documented, "DELETE", "cosrules/abroad").status == 204
    assert send(documented, "GET", "cosopens").body == [pair("1001", "abroad") | NO_STAMPS]
