"""Global settings, and system commands: commit, reboot, run state (sark-v6-api.txt lines 552-560)."""

from __future__ import annotations

from sarkmock.http.context import Context
from sarkmock.http.replies import PbxUnavailable, Reply
from sarkmock.pbx.actions import crud


def commit(context: Context) -> Reply:
    """The configuration is always what the tables say; what a client can see of a commit is the reload."""
    context.state.pbx.reload()
    return Reply({"message": "System Commit issued"})


def reboot(context: Context) -> Reply:
    context.state.pbx.reboot()
    return Reply({"message": "Reboot issued"})


def run_state(context: Context) -> Reply:
    return Reply({"pbxrunstate": context.state.pbx.running})


def start_pbx(context: Context) -> Reply:
    if context.state.pbx.running:
        raise PbxUnavailable("PBX already running")
    context.state.pbx.start()
    return Reply({"message": "PBX started"})


def stop_pbx(context: Context) -> Reply:
    if not context.state.pbx.running:
        raise PbxUnavailable("PBX not running")
    context.state.pbx.stop()
    return Reply({"message": "PBX stopped"})


def show_example(context: Context) -> Reply:
    """An answer that never changes is what the document shows."""
    content = context.operation.spec["responses"]["200"]["content"]["application/json"]
    return Reply(content["example"])


def update_globals(context: Context) -> Reply:
    """Unlike elsewhere, numbers that were sent as text come back as numbers where the column holds them."""
    crud.update_row(context)
    table, row = crud.table_of(context), crud.row_of(context)
    stored = context.state.tables.first(table.name, table.key, row[table.key])
    return Reply(crud.visible(context, stored or row))
