"""Mutants whose rows behave incorrectly: stored values, shown values, dependencies."""

from __future__ import annotations

from dataclasses import replace

from sarkmock_contracts.checks import protocol, scenarios
from sarkmock_contracts.client.http import Response
from sarkmock_contracts.judge.findings import Identity

from tests.mutants.breaking import (
    Mutant,
    add_variable,
    broken_response,
    change_json,
    change_request,
    change_response,
    edit_input,
    json_response,
    on,
    remove_check,
    replace_column,
    respond_with,
    run_boundaries,
    run_links,
    run_protocol,
    run_rows,
    run_sequences,
    set_key,
)
from tests.mutants.tampering import (
    Creeping,
    Kept,
    Untrimmed,
    ascii_only,
    cut_off,
    emptied,
    every_value,
    first_lines,
    first_row,
    limited_by_query,
    lost_update,
    shared_update,
    taken_over,
)

ROW, ROWS = "/tenants/[^/]+", "/tenants"
TENANTS, UPDATE = run_sequences("tenants"), run_boundaries("tenants.update")
EVERYTHING = {"restoredb": True, "restoreusergreeting": True}
PAIR = {"IPphone_pkey": "6001", "COS_pkey": "zzrule1", "z_created": None, "z_updated": None, "z_updater": "system"}

MUTANTS = [
    Mutant(
        "a default is missing", TENANTS, Identity("tenants.create", "default", "masteroclo", "changed"),
        edit=replace_column("TenantCreated", "masteroclo", {"default": None})),
    Mutant(
        "a default is different", TENANTS, Identity("tenants.create", "default", "chanmax", "changed"),
        edit=replace_column("TenantCreated", "chanmax", {"default": "31"})),
    Mutant(
        "a dependency is ignored", run_sequences("tenants", "queues"),
        Identity("tenants.delete", "dependency", "", "ignored"),
        edit=remove_check("/tenants/{tenant}", "delete", "tenant_is_unused")),
    Mutant(
        "the default tenant can be deleted", scenarios.rows_of_the_system_stay,
        Identity("tenants.delete", "behaviour", "", "deleted"), edit=remove_check("/tenants/{tenant}", "delete")),
    Mutant(
        "a system template can be deleted", scenarios.rows_of_the_system_stay,
        Identity("templates.delete", "behaviour", "", "deleted"),
        edit=remove_check("/templates/{template}", "delete")),
    Mutant(
        "an update changes nothing", TENANTS, Identity("tenants.update", "stored", "*", "changed"),
        edit=set_key("/tenants/{tenant}", "put", "x-action", "show")),
    Mutant(
        "a fixed column can be changed", run_protocol(protocol.check_fixed_columns, "tenants.update"),
        Identity("tenants.update", "stored", "z_updater", "unknown field"),
        edit=add_variable("TenantUpdate", "z_updater")),
    Mutant(
        "a key can be changed", run_protocol(protocol.check_fixed_columns, "tenants.update"),
        Identity("tenants.update", "stored", "pkey", "unknown field"), edit=add_variable("TenantUpdate", "pkey")),
    broken_response(
        "a restore restores everything", scenarios.backups_bring_back_what_is_chosen,
        change_request("PUT", "/backups/.*", lambda given: edit_input(given, lambda _: EVERYTHING)),
        "backups.restore", "behaviour", "", "restoredb"),
    Mutant(
        "new extensions get no rules", scenarios.new_extensions_get_the_default_rules,
        Identity("extensions.create.unprovisioned", "behaviour", "", "coscloses"),
        edit=set_key("/extensions/unprovisioned", "post", "x-action", "create")),
    broken_response(
        "an update is lost", UPDATE, lambda: on("PUT", ROW)(lost_update), "tenants.update", "stored", "chanmax",
        "changed"),
    broken_response(
        "an update empties the rest", TENANTS, change_request("PUT", ROW, emptied), "tenants.*", "*", "include",
        "changed"),
    broken_response(
        "an update changes other rows", TENANTS, lambda: on("PUT", ROW)(shared_update), "tenants.*", "*", "*",
        "changed"),
    broken_response(
        "an update changes the time of creation", TENANTS, Creeping, "tenants.show", "unrequested", "z_created",
        "changed"),
    broken_response(
        "unknown fields are stored", TENANTS, change_json("PUT", ROW, lambda row: {**row, "nosuchfield": "x"}),
        "tenants.update", "schema", "nosuchfield", "additionalProperties"),
    broken_response(
        "a taken key replaces the row", run_rows("tenants"), lambda: on("POST", ROWS)(taken_over), "tenants.create",
        "duplicate", "pkey", "accepted"),
    broken_response(
        "a delete does not delete", TENANTS, respond_with("DELETE", ROW, Response(204)), "tenants.delete",
        "presence", "", "still there"),
    broken_response(
        "a link to DELETE does not delete", run_links("queues.create"),
        respond_with("DELETE", "/queues/[^/]+", Response(204)), "queues.delete", "presence", "", "still there"),
    broken_response(
        "no tenant can be deleted", TENANTS, respond_with("DELETE", ROW, json_response(409, {"Error": "in use"})),
        "tenants.delete", "dependency", "", "invented"),
    broken_response("a list is stale", TENANTS, lambda: Kept(ROWS), "tenants.list", "list", "", "missing"),
    broken_response(
        "a list lacks a row", TENANTS, change_json("GET", ROWS, lambda rows: rows[:-1]), "tenants.list", "list", "",
        "missing"),
    broken_response(
        "a list is not in order", TENANTS, change_json("GET", ROWS, lambda rows: rows[::-1]), "tenants.list", "list",
        "", "order"),
    broken_response(
        "a list shows a row twice", TENANTS, change_json("GET", ROWS, lambda rows: [*rows[:1], *rows]), "tenants.list",
        "list", "", "repeated"),
    broken_response(
        "a key shows another row", TENANTS, lambda: on("GET", ROW)(first_row), "tenants.create", "stored", "pkey",
        "changed"),
    broken_response(
        "texts are cut off", UPDATE, change_request("PUT", ROW, lambda given: edit_input(given, every_value(cut_off))),
        "tenants.update", "stored", "description", "changed"),
    broken_response(
        "letters beyond ASCII are lost", UPDATE, change_json("GET", ROW, every_value(ascii_only)), "tenants.update",
        "stored", "description", "changed"),
    broken_response(
        "blanks around a text are kept", UPDATE, Untrimmed, "tenants.update", "stored", "masteroclo", "changed"
    ),
    broken_response(
        "null leaves the old value",
        UPDATE,
        change_request(
            "PUT", ROW,
            lambda given: edit_input(
                given, lambda value: {name: item for name, item in value.items() if item is not None})),
        "tenants.update",
        "stored",
        "*",
        "changed",
    ),
    broken_response(
        "a cascade is missing", scenarios.pairs_go_with_their_extension,
        change_json("GET", "/coscloses", lambda rows: rows if PAIR in rows else [*rows, PAIR]), "extensions.delete",
        "behaviour", "", "coscloses"),
    broken_response(
        "destinations are stale", scenarios.destinations_follow_the_state, lambda: Kept("/destinations"),
        "destinations.list", "behaviour", "", "stale"),
    broken_response(
        "destinations lack trunks", scenarios.destinations_follow_the_state,
        change_json("GET", "/destinations", lambda kinds: {kind: kinds[kind] for kind in kinds if kind != "Trunks"}),
        "destinations.list", "behaviour", "", "stale"),
    broken_response(
        "a limit in the query string is read", scenarios.the_limit_gives_the_last_rows,
        lambda: on("GET", "/logs/cdrs")(limited_by_query), "logs.cdrs.all", "status", "", "422"),
    broken_response(
        "a restore restores nothing", scenarios.snapshots_bring_back_what_was,
        respond_with("PUT", "/snapshots/.*", json_response(200, ["Restored"])), "snapshots.restore", "behaviour", "",
        "not restored"),
    broken_response(
        "a downloaded greeting is changed", scenarios.greetings_come_back,
        change_response("GET", "/greetings/.*", lambda response: replace(response, body=response.body[:-1])),
        "greetings.download", "behaviour", "", "changed"),
    broken_response(
        "a limit gives the first rows", scenarios.the_limit_gives_the_last_rows,
        lambda: on("GET", "/logs/cdrs/2")(first_lines), "logs.cdrs.limit", "behaviour", "", "rows"),
]
