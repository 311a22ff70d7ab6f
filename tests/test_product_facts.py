"""The shipped profile against facts observed on the product: every route, table, default, hidden column and rule."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

from sarkmock.pbx.database import Database
from sarkmock.spec import loading
from sarkmock.spec.operations import compile_document

FACTS = json.loads((Path(__file__).parent / "cases" / "product-facts.json").read_text())
OPERATIONS = compile_document(loading.load("shipped"))
RESOURCES = sorted(FACTS["resources"])

# The product's list functions share one route; each is an operation of its own here.
LISTS = {f"GET /astamis/{name}" for name in (
    "Agents", "ConfbridgeList", "ConfbridgeListRooms", "CoreShowChannels", "DeviceStateList", "ExtensionStateList",
    "IAXpeers", "IAXregistry", "ListCommands", "QueueStatus", "QueueSummary", "SIPpeers", "SIPshowregistry", "Status",
    "VoicemailUsersList")}
# The route that answers 404 to whatever no other takes is in Router; in the document it would be a path of its own.
FALLBACK = {"GET /{}"}
# A new row here -> what the observed defaults have beyond it, or what its making changes.
MADE_OTHERWISE = {
    "daytimers.create": {"id", "pkey"},  # made by the PBX
    "holidaytimers.create": {"id"},
    "inboundroutes.create": {"openroute", "closeroute"},  # the controller sets None before anything else
}
CRASHING = {"extensions.create.provisioned", "extensions.create.vxt"}  # no row comes of them


def shapes(route):
    """A route without the names of its parameters; with and without one that may be missing."""
    route = route.replace("{id}{context?}", "{id}")  # the second never gets a character
    return {re.sub(r"\{[^}]*\}", "{}", text) for text in (re.sub(r"/\{\w+\?\}", "", route), route)}


def operations_of(resource):
    return [operation for operation in OPERATIONS
            if operation.path.split("/")[1] == resource and not operation.path.endswith("/runtime")]


def test_every_route_is_an_operation_and_every_operation_a_route():
    routes = set().union(*map(shapes, FACTS["routes"]))
    ours = {shape for operation in OPERATIONS for shape in shapes(f"{operation.method} {operation.path}")}
    assert routes - ours == FALLBACK
    assert ours - routes == LISTS


@pytest.mark.parametrize("table", sorted({facts["table"] for facts in FACTS["resources"].values()}
                                         | set(FACTS["other_tables"])))
def test_a_table_has_the_products_columns(table):
    found = [facts["columns"] for facts in FACTS["resources"].values() if facts["table"] == table]
    wanted = (found or [FACTS["other_tables"][table]])[0]
    image = sqlite3.connect(":memory:")
    image.deserialize(Database().dump())
    rows = image.execute(f'PRAGMA table_info("{table}")').fetchall()
    assert [[name, kind, (default or "").strip("'"), key > 0] for _, name, kind, _, default, key in rows] == [
        [name, kind, (default or "").strip("'"), key] for name, kind, default, key in wanted]


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_resource_shows_the_columns_that_are_not_hidden(resource):
    facts = FACTS["resources"][resource]
    shown = {name for name, *_ in facts["columns"]} - set(facts["hidden"])
    looking = [one for one in operations_of(resource) if one.method in ("GET", "PUT")]
    assert {one.method for one in looking} == {"GET", "PUT"}
    for operation in looking:
        assert operation.table is not None
        assert (operation.table.name, operation.table.key) == (facts["table"], facts["key"])
        assert set(operation.visible) == shown, operation.id


@pytest.mark.parametrize("resource", RESOURCES)
def test_an_update_has_the_products_rules(resource):
    (update,) = (operation for operation in operations_of(resource) if operation.method == "PUT")
    assert update.rules == FACTS["resources"][resource]["rules"]


@pytest.mark.parametrize("operation", [one for resource in RESOURCES for one in operations_of(resource)
                                       if one.method == "POST" and one.id not in CRASHING], ids=lambda one: one.id)
def test_a_new_row_has_the_products_defaults(operation):
    defaults = {**operation.defaults, **operation.table.defaults}
    observed = FACTS["resources"][operation.path.split("/")[1]]["defaults"]
    different = {name for name in defaults.keys() | observed.keys()
                 if name not in defaults or name not in observed or defaults[name] != observed[name]}
    assert different == MADE_OTHERWISE.get(operation.id, set())
