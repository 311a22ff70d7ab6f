"""Timers: keys that the PBX makes, and where a holiday timer routes calls."""

from __future__ import annotations

from sarkmock.http.context import Context
from sarkmock.http.replies import Reply
from sarkmock.laravel import php
from sarkmock.pbx.actions import crud
from sarkmock.pbx.actions.destinations import UNRESOLVED, route_class
from sarkmock.pbx.database import Row


def create_daytimer(context: Context) -> Reply:
    """A new recurring timer, named dateSegNNNNNN."""
    row = crud.default_row(context)
    crud.fill(context, row)
    return store_named(context, row, "dateSeg")


def create_holidaytimer(context: Context) -> Reply:
    """A new non recurring timer, named schedNNNNNN; a name that was sent is lost."""
    row = crud.default_row(context)
    follow_route(context, row)
    crud.fill(context, row)
    return store_named(context, row, "sched")


def update_holidaytimer(context: Context) -> Reply:
    """An update that follows the route, even to the class it has already."""
    row = crud.row_of(context)
    before = dict(row)
    follow_route(context, row)
    crud.fill(context, row)
    crud.save_changes(context, before, row)
    return Reply(crud.visible(context, row))


def store_named(context: Context, row: Row, prefix: str) -> Reply:
    """Insert under a name from the dice and answer with the id that SQLite gave: the highest so far and one."""
    row["pkey"] = f"{prefix}{context.state.dice.randint(100000, 999999)}"
    row["id"] = crud.insert_row(context, row)
    return Reply(crud.visible(context, row))


def follow_route(context: Context, row: Row) -> None:
    """The class of the route that was sent; what the client says of the class itself comes after and wins."""
    if context.input.get("route") is not None:
        row["routeclass"] = route_class(context.state.tables, context.input["route"], "route")


def holiday_route_resolves(context: Context) -> None:
    """The route must lead somewhere; one that is not sent is judged by the class that the row has."""
    route = context.input.get("route")
    if route is None:
        lost = context.row is not None and is_unresolved(context.row["routeclass"])
    else:
        lost = route_class(context.state.tables, route, "route") is None
    if lost:
        context.refuse("route", f"The routing target could not be resolved {php.to_text(route)}")


def is_unresolved(stored: str | None) -> bool:
    """PHP: $stored == 404, for a column that holds the text of an integer."""
    return stored is not None and stored.lstrip("+") == str(UNRESOLVED)
