"""Profiles against facts observed on the products: every route, table, default, hidden column and rule."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sarkmock.pbx.database import Database
from sarkmock.spec import loading
from sarkmock.spec.operations import compile_document

CASES = Path(__file__).parent / "cases"
FACTS = {profile: json.loads((CASES / file).read_text())
         for profile, file in (("shipped", "product-facts.json"), ("L11", "product-facts-L11.json"))}
DOCUMENTS = {profile: loading.load(profile) for profile in FACTS}
OPERATIONS = {profile: compile_document(document) for profile, document in DOCUMENTS.items()}
EVERY_RESOURCE = [(profile, resource) for profile, facts in FACTS.items() for resource in sorted(facts["resources"])]
EVERY_TABLE = [(profile, table) for profile, facts in FACTS.items()
               for table in sorted({one["table"] for one in facts["resources"].values()} | set(facts["other_tables"]))]

# The product's list functions share one route; each is its own operation here.
BOTH = ("Agents", "ConfbridgeList", "ConfbridgeListRooms", "CoreShowChannels", "DeviceStateList", "ExtensionStateList",
        "IAXpeers", "IAXregistry", "QueueStatus", "QueueSummary", "Status", "VoicemailUsersList")
LISTS = {"shipped": (*BOTH, "ListCommands", "SIPpeers", "SIPshowregistry"), "L11": (*BOTH, "PJSIPShowEndpoints")}
# The route that answers 404 to whatever no other takes is in Router; in the document it would be its own path.
FALLBACK = {"GET /{}"}
# A new row here -> what the observed defaults have beyond it, or what its making changes.
MADE_OTHERWISE = {
    "daytimers.create": {"id", "pkey"},  # made by the PBX
    "holidaytimers.create": {"id"},
    "inboundroutes.create": {"openroute", "closeroute"},  # the controller sets None before anything else
    "ringgroups.create": {"outcome"},  # so does its controller
}
# Operations that answer no row of the table, because they crash or ignore the key.
ROWLESS = {
    "shipped": {"extensions.create.provisioned", "extensions.create.vxt"},
    "L11": {"extensions.create.vxt", "customapps.show", "customapps.update", "holidaytimers.list", "holidaytimers.show",
            "holidaytimers.update", "holidaytimers.create"},
}
# Resources whose controller cannot be loaded: nothing reads what is sent.
UNREAD = {("L11", "holidaytimers")}


def shapes(route):
    """A route without the names of its parameters; with and without one that may be missing."""
    route = route.replace("{id}{context?}", "{id}")  # the second never gets a character
    return {re.sub(r"\{[^}]*\}", "{}", text) for text in (re.sub(r"/\{\w+\?\}", "", route), route)}


def operations_of(profile, resource):
    return [operation for operation in OPERATIONS[profile]
            if operation.path.split("/")[1] == resource and not operation.path.endswith("/runtime")]


@pytest.mark.parametrize("profile", FACTS)
def test_every_route_is_an_operation_and_every_operation_a_route(profile):
    routes = set().union(*map(shapes, FACTS[profile]["routes"]))
    ours = {shape for operation in OPERATIONS[profile] for shape in shapes(f"{operation.method} {operation.path}")}
    assert routes - ours == FALLBACK
    assert ours - routes == {f"GET /astamis/{name}" for name in LISTS[profile]}


@pytest.mark.parametrize(("profile", "table"), EVERY_TABLE)
def test_a_table_has_the_products_columns(profile, table):
    facts = FACTS[profile]
    found = [one["columns"] for one in facts["resources"].values() if one["table"] == table]
    wanted = (found or [facts["other_tables"].get(table)])[0]
    with closing(sqlite3.connect(":memory:")) as image:
        image.deserialize(Database(DOCUMENTS[profile]["x-database"]).dump())
        rows = image.execute(f'PRAGMA table_info("{table}")').fetchall()
    assert [[name, kind, (default or "").strip("'"), key > 0] for _, name, kind, _, default, key in rows] == [
        [name, kind, (default or "").strip("'"), key] for name, kind, default, key in wanted]


@pytest.mark.parametrize(("profile", "resource"), EVERY_RESOURCE)
def test_a_resource_shows_the_columns_that_are_not_hidden(profile, resource):
    facts = FACTS[profile]["resources"][resource]
    shown = {name for name, *_ in facts["columns"]} - set(facts["hidden"])
    looking = [one for one in operations_of(profile, resource)
               if one.method in ("GET", "PUT") and one.id not in ROWLESS[profile]]
    for operation in looking:
        assert operation.table is not None
        assert (operation.table.name, operation.table.key) == (facts["table"], facts["key"])
        assert set(operation.visible) == shown, operation.id
    assert looking or f"{resource}.show" in ROWLESS[profile]


@pytest.mark.parametrize(("profile", "resource"), EVERY_RESOURCE)
def test_an_update_has_the_products_rules(profile, resource):
    (update,) = (operation for operation in operations_of(profile, resource) if operation.method == "PUT")
    shipped = {} if (profile, resource) in UNREAD else FACTS[profile]["resources"][resource]["rules"]
    # Laravel does not mind a capital at the beginning of a rule.
    assert update.rules == {name: re.sub("^In:", "in:", rule) if isinstance(rule, str) else rule
                            for name, rule in shipped.items()}


@pytest.mark.parametrize(("profile", "operation"), [
    (profile, one) for profile, resource in EVERY_RESOURCE for one in operations_of(profile, resource)
    if one.method == "POST" and one.id not in ROWLESS[profile]], ids=lambda value: getattr(value, "id", value))
def test_a_new_row_has_the_products_defaults(profile, operation):
    defaults = {**operation.defaults, **operation.table.defaults}
    observed = FACTS[profile]["resources"][operation.path.split("/")[1]]["defaults"] or {}
    different = {name for name in defaults.keys() | observed.keys()
                 if name not in defaults or name not in observed or defaults[name] != observed[name]}
    assert different == MADE_OTHERWISE.get(operation.id, set())
