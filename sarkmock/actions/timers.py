"""Timers: keys that the PBX makes, and where a holiday timer routes calls. Knows nothing of when a timer applies."""

from __future__ import annotations

from sarkmock import php
from sarkmock.actions import verbs
from sarkmock.actions.targets import UNRESOLVED, route_class
from sarkmock.calls import Call
from sarkmock.database import Row
from sarkmock.replies import Reply


def create_daytimer(call: Call) -> Reply:
    """A new recurring timer, named dateSegNNNNNN."""
    row = verbs.new_row(call)
    verbs.fill(call, row)
    return store_named(call, row, "dateSeg")


def create_holidaytimer(call: Call) -> Reply:
    """A new non recurring timer, named schedNNNNNN; a name that was sent is lost."""
    row = verbs.new_row(call)
    follow_route(call, row)
    verbs.fill(call, row)
    return store_named(call, row, "sched")


def update_holidaytimer(call: Call) -> Reply:
    """An update that follows the route, even to the class it has already."""
    row = verbs.row_of(call)
    before = dict(row)
    follow_route(call, row)
    verbs.fill(call, row)
    verbs.save_changes(call, before, row)
    return Reply(verbs.visible(call, row))


def store_named(call: Call, row: Row, prefix: str) -> Reply:
    """Insert under a name from the dice and answer with the id that SQLite gave: the highest so far and one."""
    row["pkey"] = f"{prefix}{call.state.dice.randint(100000, 999999)}"
    row["id"] = verbs.insert(call, row)
    return Reply(verbs.visible(call, row))


def follow_route(call: Call, row: Row) -> None:
    """The class of the route that was sent; what the client says of the class itself comes after and wins."""
    if call.input.get("route") is not None:
        row["routeclass"] = route_class(call.state.tables, call.input["route"], "route")


def holiday_route_resolves(call: Call) -> None:
    """The route must lead somewhere; one that is not sent is judged by the class that the row has."""
    route = call.input.get("route")
    if route is None:
        lost = call.row is not None and is_unresolved(call.row["routeclass"])
    else:
        lost = route_class(call.state.tables, route, "route") is None
    if lost:
        call.refuse("route", f"The routing target could not be resolved {php.to_text(route)}")


def is_unresolved(stored: str | None) -> bool:
    """PHP: $stored == 404, for a column that holds the text of an integer."""
    return stored is not None and stored.lstrip("+") == str(UNRESOLVED)
