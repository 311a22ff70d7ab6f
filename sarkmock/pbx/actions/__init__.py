"""The two tables that resolve names of the document: x-action -> function, x-after -> check.

`try_operations` runs the operations that an overlay changed, so that one that lacks a requirement fails at load.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sarkmock.http.context import Context, MissingPart
from sarkmock.http.replies import Reply
from sarkmock.pbx.actions import (
    accounts,
    ami,
    ami_calls,
    archives,
    backups,
    crud,
    destinations,
    extensions,
    firewall,
    stored,
    system,
    templates,
    tenants,
    trunks,
)
from sarkmock.pbx.asterisk import db_delete, db_get, db_put
from sarkmock.pbx.seed import Seed
from sarkmock.pbx.state import State
from sarkmock.spec.operations import Operation
from sarkmock.suggest import UnknownName, unknown_name

Action = Callable[[Context], Reply]


@dataclass(frozen=True, slots=True)
class AfterCheck:
    """A check that runs after the rules, and the texts that it may report with 422, by field.

    A text names the rejected ``{field}``, its ``{value}``, variables of the request, and ``{}`` for anything else.
    Without texts, a check rejects by another status, or crashes. ``outside``: the verdict depends on name servers.
    """

    run: Callable[[Context], None]
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outside: bool = False


def naming(of: str, pattern: re.Pattern[str], names: str) -> AfterCheck:
    """Return a check of the name of an upload."""
    text = f"The {{field}} must be named {names}."
    return AfterCheck(partial(stored.upload_is_named, field=of, pattern=pattern, text=text), {of: (text,)})


ACTION_FUNCTIONS: dict[str, Action] = {
    # every resource
    "index": crud.list_rows,
    "show": crud.show_row,
    "create": crud.create,
    "update": crud.update_row,
    "delete": crud.delete_row,
    "crash": crud.crash,
    "show_new": crud.show_new,
    "update_new": crud.update_new,
    "do_nothing": crud.do_nothing,
    # call targets: inbound routes, IVRs, ring groups
    "create_routed": partial(crud.create, adjust=destinations.set_route_classes),
    "update_routed": partial(crud.update_row, adjust=destinations.set_route_classes),
    "update_ivr_unchecked": partial(crud.update_row, adjust=destinations.set_ivr_classes),
    # Class of Service
    "create_pair": tenants.create_pair,
    # timers
    "create_daytimer": tenants.create_daytimer,
    "create_holidaytimer": tenants.create_holidaytimer,
    "update_holidaytimer": tenants.update_holidaytimer,
    # inbound routes
    "create_inbound_route": partial(crud.create, adjust=destinations.set_inbound_route),
    # destinations
    "destinations": destinations.destinations,
    # routes
    "create_route": partial(crud.create, adjust=trunks.without_outcome),
    # trunks
    "create_trunk": trunks.create_trunk,
    "create_trunk_with_slip": trunks.create_trunk_with_slip,
    # globals
    "update_and_reread": system.update_globals,
    # extensions
    "create_mailbox": extensions.create_mailbox,
    "create_mailbox_caught": extensions.crash_as_conflict(extensions.create_mailbox),
    "create_listed": extensions.crash_as_conflict(extensions.create_listed),
    "create_provisioned": extensions.create_provisioned,
    "create_unprovisioned": extensions.create_unprovisioned,
    "create_unprovisioned_caught": extensions.crash_as_conflict(extensions.create_unprovisioned),
    "create_webrtc_caught": extensions.crash_as_conflict(extensions.create_webrtc),
    "update_extension": extensions.update_extension,
    "update_extension_caught": extensions.crash_as_conflict(extensions.update_extension_with_arrays),
    "delete_extension": extensions.delete_extension,
    "show_runtime": extensions.show_runtime,
    "update_runtime": extensions.update_runtime,
    # AMI functions
    "ami_list": ami_calls.list_function,
    "ami_list_by_name_without_chan_sip": ami_calls.list_by_name_without_chan_sip,
    "ami_pjsip_endpoints": ami_calls.pjsip_endpoints,
    "ami_unknown": ami.unknown_function,
    "ami_core_settings": ami.as_object(ami_calls.core_settings),
    "ami_core_status": ami.as_object(ami_calls.core_status),
    "ami_extension_state": ami.as_object(ami_calls.extension_state),
    "ami_extension_state_with_context": ami.as_object(ami_calls.extension_state, option="Context"),
    "ami_mailbox_count": ami.as_object(ami_calls.mailbox_count, ami_calls.MAIL_CONTEXT),
    "ami_mailbox_status": ami.as_object(ami_calls.mailbox_status),
    "ami_queue_status_of": ami.as_object(ami_calls.queue_status),
    "ami_queue_summary_of": ami.as_object(ami_calls.queue_summary),
    "ami_sip_show_peer": ami.as_object(ami.sip_show_peer),
    "ami_db_get": ami.with_key(db_get, "id", "key"),
    "ami_db_put": ami.with_key(db_put, "id", "key", "value"),
    "ami_db_del": ami.with_key(db_delete, "id", "key"),
    "ami_reload": ami.reload,
    "ami_originate": ami.originate,
    "ami_originate_caller": ami.originate_caller,
    "ami_hang_up": ami.hang_up,
    # system commands
    "commit": system.commit,
    "reboot": system.reboot,
    "pbx_run_state": system.run_state,
    "pbx_start": system.start_pbx,
    "pbx_stop": system.stop_pbx,
    "show_example": system.show_example,
    # templates
    "list_current_templates": templates.list_current,
    # backups
    "backups_list": backups.BACKUP_SET.dated_list,
    "backups_new": backups.take_backup,
    "backups_download": backups.BACKUP_SET.download,
    "backups_upload": backups.upload_backup,
    "backups_upload_silent": partial(backups.upload_backup, silent=True),
    "backups_restore": backups.restore_backup,
    "backups_restore_shipped": backups.restore_shipped,
    "backups_delete": backups.BACKUP_SET.delete,
    "backups_new_without_database": backups.new_without_database,
    "backups_restore_without_database": backups.restore_without_database,
    "backups_upload_lost": backups.lose_backup,
    # snapshots
    "snapshots_list": archives.SNAPSHOT_SET.dated_list,
    "snapshots_new": archives.take_snapshot,
    "snapshots_download": archives.SNAPSHOT_SET.download,
    "snapshots_upload": archives.upload_snapshot,
    "snapshots_upload_shipped": archives.upload_shipped,
    "snapshots_upload_silent": partial(archives.upload_shipped, silent=True),
    "snapshots_restore": archives.restore_snapshot,
    "snapshots_delete": archives.SNAPSHOT_SET.delete,
    "snapshots_upload_lost": archives.lose_snapshot,
    # greetings
    "greetings_list": stored.list_greetings,
    "greetings_download": stored.GREETING_SET.download,
    "greetings_upload": stored.upload_greeting,
    "greetings_delete": stored.GREETING_SET.delete,
    "greetings_upload_lost": stored.lose_greeting,
    # firewalls
    "firewall_ipv4_rules": partial(firewall.rules, firewall.IPV4),
    "firewall_ipv4_rules_wrapped": partial(firewall.rules_wrapped, firewall.IPV4),
    "firewall_ipv4_store": partial(firewall.store_and_check, firewall.IPV4),
    "firewall_ipv4_save": partial(firewall.save_rules, firewall.IPV4),
    "firewall_ipv4_restart": partial(firewall.restart, firewall.IPV4),
    "firewall_ipv6_rules": partial(firewall.rules, firewall.IPV6),
    "firewall_ipv6_rules_wrapped": partial(firewall.rules_wrapped, firewall.IPV6),
    "firewall_ipv6_store": partial(firewall.store_and_check, firewall.IPV6),
    "firewall_ipv6_save": partial(firewall.save_rules, firewall.IPV6),
    "firewall_ipv6_restart": partial(firewall.restart, firewall.IPV6),
    # tenants
    "create_tenant_with_id": tenants.create_with_id,
    "delete_tenant_with_message": tenants.delete_with_message,
    # accounts
    "login": accounts.login,
    "logout": accounts.logout,
    "whoami": accounts.whoami,
    "register_user": accounts.register,
    "users_list": accounts.list_users,
    "users_by_id": accounts.list_users_by("id"),
    "users_by_email": accounts.list_users_by("email"),
    "users_by_name": accounts.list_users_by("name"),
    "users_by_endpoint": accounts.list_users_by("endpoint"),
    "users_revoke": accounts.revoke_all,
    "users_delete": accounts.delete_user,
    "ami_db_rejected": ami.reject_family,
    # logs
    "logs_list": system.call_records,
    "logs_cdrs": system.cdrs,
    "logs_cdrs_shipped": system.cdrs_shipped,
}

DUPLICATES = {"save": (crud.DUPLICATE_KEY,)}
MAC_TEXTS = {"macaddr": (extensions.UNKNOWN_VENDOR, extensions.TAKEN_MAC)}
BLF_TEXTS = {"blfkeyname": (templates.NOT_A_BLF_TEMPLATE,)}
UPLOADS = (backups.BACKUP_FIELD, archives.SNAPSHOT_FIELD, stored.GREETING_FIELD)

AFTER_CHECKS: dict[str, AfterCheck] = {
    # every resource
    "key_is_new": AfterCheck(crud.key_is_new, DUPLICATES),
    "key_is_free": AfterCheck(crud.key_is_free),
    "crash": AfterCheck(crud.crash),
    # call targets
    "targets_resolve": AfterCheck(
        destinations.targets_resolve, dict.fromkeys(destinations.TARGET_FIELDS, (destinations.UNRESOLVED_TARGET,))),
    "targets_crash": AfterCheck(destinations.targets_crash),
    # Class of Service
    "pair_is_complete": AfterCheck(tenants.pair_is_complete, {
        tenants.EXTENSION_COLUMN: (tenants.NO_EXTENSION,), tenants.RULE_COLUMN: (tenants.NO_RULE,)}),
    "pair_is_new": AfterCheck(tenants.pair_is_new, {"save": (tenants.DUPLICATE_PAIR,)}),
    # timers
    "holiday_route_resolves": AfterCheck(tenants.holiday_route_resolves, {"route": (tenants.UNRESOLVED_ROUTE,)}),
    # trunks
    "host_is_valid": AfterCheck(trunks.host_is_valid, {"host": (trunks.INVALID_HOST,)}, outside=True),
    # extensions
    "mac_is_usable": AfterCheck(extensions.mac_is_usable, MAC_TEXTS),
    "mac_is_listed": AfterCheck(extensions.mac_is_listed, MAC_TEXTS),
    "mac_lookup_crashes": AfterCheck(extensions.mac_lookup_crashes, MAC_TEXTS),
    # tenants
    "default_tenant_stays": AfterCheck(tenants.default_tenant_stays),
    "tenant_is_unused": AfterCheck(tenants.tenant_is_unused),
    # templates
    "blfkeyname_only_in_new_sip_template": AfterCheck(
        templates.only_in_new_sip_template, {"blfkeyname": (templates.ONLY_FOR_SIP,)}),
    "blfkeyname_only_in_sip_template": AfterCheck(
        templates.only_in_sip_template, {"blfkeyname": (templates.ONLY_IN_SIP,)}),
    "blfkeyname_is_blf_template": AfterCheck(templates.is_blf_template, BLF_TEXTS),
    "blfkeyname_names_blf_template": AfterCheck(templates.names_blf_template, BLF_TEXTS),
    "reject_blfkeyname": AfterCheck(templates.always_reject, BLF_TEXTS),
    "system_template_stays": AfterCheck(templates.system_template_stays),
    # backups, snapshots, greetings
    "upload_fits": AfterCheck(stored.upload_fits, dict.fromkeys(UPLOADS, (stored.TOO_LARGE,))),
    "backup_exists": AfterCheck(backups.BACKUP_SET.must_exist),
    "backup_is_named": naming(backups.BACKUP_FIELD, backups.BACKUP_UPLOAD_NAME, "sarkbak.<epoch seconds>.zip"),
    "backup_is_sound": AfterCheck(backups.backup_is_sound, {backups.BACKUP_FIELD: (archives.UNSOUND,)}),
    "snapshot_exists": AfterCheck(archives.SNAPSHOT_SET.must_exist),
    "snapshot_is_named": naming(archives.SNAPSHOT_FIELD, archives.SNAPSHOT_UPLOAD_NAME,
                                "sark.db.<epoch seconds> or sark.db.<epoch seconds>.zip"),
    "snapshot_is_sound": AfterCheck(archives.snapshot_is_sound, {archives.SNAPSHOT_FIELD: (archives.UNSOUND,)}),
    "greeting_exists": AfterCheck(stored.GREETING_SET.must_exist),
    "greeting_is_named": naming(stored.GREETING_FIELD, stored.GREETING_NAME,
                                "usergreetingNNNN.wav or usergreetingNNNN.mp3"),
    # firewalls
    "rules_are_lines": AfterCheck(firewall.are_lines, {"rules": (firewall.NOT_AN_ARRAY, firewall.NOT_LINES)}),
    # accounts
    "errors_are_summarised": AfterCheck(accounts.errors_are_summarised),
    # logs
    "limit_is_whole": AfterCheck(system.limit_is_whole, {"limit": (system.LIMIT_NOT_WHOLE,)}),
}


def check_texts(operation: Operation) -> dict[str, Mapping[str, tuple[str, ...]]]:
    """Return the operation's checks, each with the texts it may report with 422 in addition to the rules, by field."""
    return {name: AFTER_CHECKS[name].texts for name in operation.checks}


def fields_of_checks(operation: Operation) -> frozenset[str]:
    """Return the fields that the operation's checks reject with 422, except by what lies outside the PBX."""
    checks = [AFTER_CHECKS[name] for name in operation.checks]
    return frozenset(name for check in checks if not check.outside for name in check.texts)


class NameTable(dict[str, Any]):
    """A table of values by names of the document; a missing name raises MissingPart."""

    def __init__(self, kind: str, values: dict[str, Any]) -> None:
        super().__init__(values)
        self._kind = kind

    def __missing__(self, name: str) -> Any:
        raise MissingPart(f"{self._kind} {name!r}")


def try_operations(operations: Iterable[Operation], inherited: Iterable[Operation], database: str) -> None:
    """Try the operations that differ from the inherited ones; UnknownName if one lacks what it needs."""
    before = {tried_facts(operation) for operation in inherited}
    state = State(Seed.factory(database))
    for operation in operations:
        if tried_facts(operation) in before:
            continue
        if operation.table and not state.tables.has(name := operation.table.name):
            raise unknown(operation, "table", name, state.tables.tables())
        for name in operation.checks:
            _try("check", name, AFTER_CHECKS[name].run, operation, state)
        _try("action", operation.action, ACTION_FUNCTIONS[operation.action], operation, state)


def unknown(operation: Operation, kind: str, name: str, known: Iterable[str]) -> UnknownName:
    return UnknownName(name, f"{operation.id}: {unknown_name(kind, name, known)}")


def tried_facts(operation: Operation) -> tuple[Any, ...]:
    """Return the properties that checks and actions depend on."""
    table = operation.table and (operation.table.name, operation.table.fixed)
    return operation.id, operation.action, operation.checks, operation.parameters, operation.key, table, operation.guard


def _try(kind: str, name: str, function: Callable[[Context], object], operation: Operation,
         state: State) -> None:
    for values in ({}, dict.fromkeys(operation.rules, "1")):
        try:
            state.reset()
            function(_context(operation, state, values))
        except MissingPart as lack:
            raise UnknownName(name, f"{operation.id}: the {kind} {name!r} needs {lack}, and {operation.method} "
                                    f"{operation.path} has none") from None
        except Exception:  # such a request may be invalid
            continue


def _context(operation: Operation, state: State, values: dict[str, Any]) -> Context:
    """Build a request to an operation, with a row and a user if a real request has them."""
    table = operation.table
    bound = table is not None and (operation.key is not None or table.fixed is not None)
    row = NameTable("the column", state.tables.defaults(table.name)) if table and bound else None
    path = NameTable("the path parameter", dict.fromkeys(operation.parameters, "1"))
    return Context(operation, state, path, dict(values), dict(values), {}, row, {} if operation.guard else None)
