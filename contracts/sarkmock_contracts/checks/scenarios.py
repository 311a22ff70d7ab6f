"""What the page promises in prose, one scripted story each; what the rules and rows of the document cannot say.

A story knows its operations by their paths and is left out where the document does not have them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..client.bodies import request_for
from ..client.http import Exchange, Request
from ..fixtures.rows import Body
from ..judge.conformance import Problem
from ..run import Suite

Story = Callable[[Suite], None]


def destinations_follow_the_state(suite: Suite) -> None:
    """Lines 274-275: what is created can be called at once, what is deleted cannot."""
    made = suite.stock.make(suite.contract.by_id["queues.create"])
    key = str(made.answer["pkey"])
    for there in (True, False):
        exchange = suite.target.send(Request("GET", "/destinations"))
        if (f'"{key}"' in exchange.response.body.decode()) is not there:
            text = f"queue {key} {'is not' if there else 'is still'} a destination"
            tell(suite, "destinations.list", "stale", text, exchange)
        if there and made.delete:
            suite.target.send(Request("DELETE", made.delete))


def tenants_with_rows_stay(suite: Suite) -> None:
    """Line 685: a tenant on which something depends cannot be deleted, where the document says so."""
    if "tenant_is_unused" not in suite.contract.by_id["tenants.delete"].checks:
        return
    tenant = suite.stock.make(suite.contract.by_id["tenants.create"])
    queue = suite.contract.by_id["queues.create"]
    dependent = suite.stock.make(queue, {**suite.stock.minimal(queue), "cluster": str(tenant.answer["pkey"])})
    if tenant.delete:
        exchange = suite.target.send(Request("DELETE", tenant.delete))
        if exchange.response.ok:
            text = f"deleted although queues/{dependent.answer['pkey']} depends on it"
            suite.report("tenants.delete", Problem("dependency", "", "ignored", text), exchange)


def rows_of_the_system_stay(suite: Suite) -> None:
    """Lines 657 and 685: system templates and the default tenant cannot be deleted, where the document says so."""
    templates = suite.target.get("/templates").json or []
    system = [f"/templates/{row['pkey']}" for row in templates if row.get("owner") == "system"][:1]
    for operation, check, paths in (("tenants.delete", "default_tenant_stays", ["/tenants/default"]),
                                    ("templates.delete", "system_template_stays", system)):
        if check in suite.contract.by_id[operation].checks:
            refuses_to_delete(suite, operation, paths)


def refuses_to_delete(suite: Suite, operation: str, paths: list[str]) -> None:
    for path in paths:
        exchange = suite.target.send(Request("DELETE", path))
        if exchange.response.status != 409:
            tell(suite, operation, "deleted", f"DELETE {path} answers {exchange.response.status}, not 409", exchange)


def pairs_go_with_their_extension(suite: Suite) -> None:
    """Class of Service pairs of an extension are deleted with it."""
    for kind in ("coscloses", "cosopens"):
        suite.stock.make(suite.contract.by_id[f"{kind}.create"])
        pair = suite.live.rows(suite.contract.by_id[f"{kind}.list"].table.name)[-1]  # type: ignore[union-attr]
        number = pair["IPphone_pkey"]
        gone = suite.target.send(Request("DELETE", f"/extensions/{number}"))
        exchange = suite.target.send(Request("GET", f"/{kind}"))
        if any(row["IPphone_pkey"] == number for row in exchange.response.json or []):
            tell(suite, "extensions.delete", kind, f"{kind} of extension {number} stay after it", gone, exchange)


def new_extensions_get_the_default_rules(suite: Suite) -> None:
    """A rule that is a default when closed (or open) applies to every phone that is created after it."""
    for kind, column in (("coscloses", "defaultclosed"), ("cosopens", "defaultopen")):
        rule = made(suite, "cosrules.create", {column: "YES"})
        phone = made(suite, "extensions.create.unprovisioned", {})
        if rule is None or phone is None:
            continue
        exchange = suite.target.send(Request("GET", f"/{kind}"))
        wanted = {"IPphone_pkey": phone["pkey"], "COS_pkey": rule["pkey"]}
        if not any(wanted.items() <= row.items() for row in exchange.response.json or []):
            text = f"extension {phone['pkey']} has no {kind} of rule {rule['pkey']}, whose {column} is YES"
            tell(suite, "extensions.create.unprovisioned", kind, text, exchange)


def new_files_are_listed(suite: Suite) -> None:
    """Lines 178 and 488: what is taken is in the set afterwards, can be fetched, and is gone once it is deleted."""
    for kind, field in (("backups", "newbackupname"), ("snapshots", "newsnapshotname")):
        taken = suite.target.send(Request("GET", f"/{kind}/new"))
        name = (taken.response.json or {}).get(field)
        for there in (True, False):
            exchange = suite.target.send(Request("GET", f"/{kind}"))
            if (name in (exchange.response.json or {})) is not there:
                tell(suite, f"{kind}.list", "stale", f"{name} is {'not' if there else 'still'} listed", taken, exchange)
            if there:
                suite.target.send(Request("DELETE", f"/{kind}/{name}"))


def snapshots_bring_back_what_was(suite: Suite) -> None:
    """Line 494: a restored snapshot is the database as it was when the snapshot was taken."""
    before = made(suite, "tenants.create", {})
    name = (suite.target.get("/snapshots/new").json or {}).get("newsnapshotname")
    after = made(suite, "tenants.create", {})
    restored = suite.target.send(Request("PUT", f"/snapshots/{name}"))
    for row, there in ((before, True), (after, False)):
        if row is not None:
            exchange = suite.target.send(Request("GET", f"/tenants/{row['pkey']}"))
            if exchange.response.ok is not there:
                text = f"tenant {row['pkey']} {'is gone' if there else 'is there'} after the restore"
                tell(suite, "snapshots.restore", "not restored", text, restored, exchange)


def backups_bring_back_what_is_chosen(suite: Suite) -> None:
    """Line 184: of a backup, what is set to true is restored, and nothing else."""
    tenant = made(suite, "tenants.create", {})
    upload, restore = suite.contract.by_id["greetings.upload"], suite.contract.by_id["backups.restore"]
    body = suite.stock.minimal(upload)
    suite.target.send(suite.stock.request(upload, body))
    name = (suite.target.get("/backups/new").json or {}).get("newbackupname")
    if tenant is None or name is None:
        return  # judged as responses
    there_before = suite.stock.there()
    row, file = f"/tenants/{tenant['pkey']}", f"/greetings/{body['greeting'].name}"
    # The product reads the flag for greetings under another name, where a profile has it.
    known = suite.contract.body(restore)["properties"]
    greetings = next(name for name in ("restoreusergreets", "restoreusergreeting") if name in known)
    for chosen, back in ((greetings, file), ("restoredb", row)):
        suite.target.send(Request("DELETE", row))
        suite.target.send(Request("DELETE", file))
        restored = suite.target.send(request_for("PUT", f"/backups/{name}", {chosen: True}))
        suite.stock.came_back(there_before)
        for path in (row, file):
            there = suite.target.send(Request("GET", path))
            if there.response.ok is not (path == back):
                text = f"{path} {'is' if there.response.ok else 'is not'} there after {chosen}"
                tell(suite, "backups.restore", chosen, text, restored, there)
    if "backup" not in known:
        a_name_in_the_body_is_ignored(suite, f"/backups/{name}", row)
    suite.stock.came_back(there_before)


def a_name_in_the_body_is_ignored(suite: Suite, backup: str, row: str) -> None:
    """Line 183: the path names the backup."""
    suite.target.send(Request("DELETE", row))
    restored = suite.target.send(request_for("PUT", backup, {"restoredb": True, "backup": "nosuch"}))
    there = suite.target.send(Request("GET", row))
    if not there.response.ok:
        text = f"{backup} is not restored when the body holds a field of the name backup"
        suite.report("backups.restore", Problem("unknown-field", "backup", "not ignored", text), restored, there)


def firewall_rules_are_kept(suite: Suite) -> None:
    """Line 329: what is stored is shown, line by line, for each family apart."""
    for family in ("ipv4", "ipv6"):
        rules = ["?SECTION NEW", f"ACCEPT net $FW tcp 22 # {family}"]
        sent = suite.target.send(request_for("POST", f"/firewalls/{family}", {"rules": rules}))
        shown = suite.target.send(Request("GET", f"/firewalls/{family}"))
        value = shown.response.json
        lines = value.get("rules", []) if isinstance(value, dict) else value or []  # its form is the schema's business
        if [line.strip() for line in lines] != rules:
            text = f"{rules} is shown as {lines}"
            tell(suite, f"firewalls.{family}.list", "changed", text, sent, shown)


def runtime_values_are_kept(suite: Suite) -> None:
    """Lines 281-325: runtime values live in the PBX, and a GET shows what a PUT has set."""
    operation = suite.contract.by_id["extensions.runtime.update"]
    values: Body = {"cfim": "+441234", "cfbs": "1005", "ringdelay": "25"}
    sent = suite.target.send(suite.stock.request(operation, values))
    shown = suite.target.send(Request("GET", sent.request.path))
    for name, value in values.items():
        if isinstance(shown.response.json, dict) and str(shown.response.json.get(name)) != value:
            text = f"{name} was set to {value} and is {shown.response.json}"
            tell(suite, "extensions.runtime.show", name, text, sent, shown)


def database_values_are_kept(suite: Suite) -> None:
    """Lines 155, 170, 171: DBPut, DBget and DBdel work on the same values."""
    family = f"{suite.stock.texts.prefix}family"
    values = {"id": family, "key": "zzkey", "value": "zzvalue"}
    put, get, delete = (suite.contract.by_id[f"astamis.{name}"] for name in ("DBPut", "DBget", "DBdel"))
    sent = suite.target.send(suite.stock.request(put, path=values))
    if not sent.response.ok:
        return  # judged as a response
    for text in ("zzvalue", ""):
        exchange = suite.target.send(suite.stock.request(get, path=values))
        if exchange.response.json != {"zzkey": text}:
            tell(suite, "astamis.DBget", "changed", f"{text!r} is shown as {exchange.response.json}", sent, exchange)
        sent = suite.target.send(suite.stock.request(delete, path=values))


def greetings_come_back(suite: Suite) -> None:
    """Lines 346-356: an upload joins the list, comes back byte by byte, and is not replaced by another."""
    operation = suite.contract.by_id["greetings.upload"]
    body = suite.stock.minimal(operation)
    file = body["greeting"]
    sent = suite.target.send(suite.stock.request(operation, body))
    listed = suite.target.send(Request("GET", "/greetings"))
    if file.name not in (listed.response.json or []):
        tell(suite, "greetings.list", "missing", f"{file.name} was uploaded and is not listed", sent, listed)
    fetched = suite.target.send(Request("GET", f"/greetings/{file.name}"))
    if fetched.response.body != file.content:
        tell(suite, "greetings.download", "changed", f"{file.name} comes back changed", sent, fetched)
    again = suite.target.send(sent.request)
    if again.response.ok:
        tell(suite, "greetings.upload", "replaced", f"{file.name} can be uploaded twice", sent, again)


def uploads_are_named(suite: Suite) -> None:
    """A file is taken under the names that its kind has, as what is listed and downloaded is known by them."""
    for operation, field, name in (("backups.upload", "uploadzip", "zzbackup.zip"),
                                   ("greetings.upload", "greeting", "zzhello.wav")):
        upload = suite.contract.by_id[operation]
        if any(check.endswith("_is_named") for check in upload.checks):
            body = suite.stock.minimal(upload)
            sent = suite.target.send(suite.stock.request(upload, {**body, field: replace(body[field], name=name)}))
            if sent.response.ok:
                tell(suite, operation, "name", f"a file is taken under the name {name}", sent)


def the_limit_gives_the_last_rows(suite: Suite) -> None:
    """Line 462: with a limit, the last rows of the same log."""
    everything = suite.target.send(Request("GET", "/logs/cdrs"))
    last = suite.target.send(Request("GET", "/logs/cdrs/2"))
    if last.response.ok and last.response.body != b"".join(everything.response.body.splitlines(keepends=True)[-2:]):
        tell(suite, "logs.cdrs.limit", "rows", "the limit 2 does not give the last two rows", everything, last)


STORIES: dict[Story, tuple[str, ...]] = {
    destinations_follow_the_state: ("destinations.list", "queues.create"),
    tenants_with_rows_stay: ("tenants.create", "tenants.delete", "queues.create"),
    rows_of_the_system_stay: ("tenants.delete", "templates.delete"),
    pairs_go_with_their_extension: ("extensions.delete", "coscloses.create", "cosopens.create"),
    new_extensions_get_the_default_rules: ("cosrules.create", "extensions.create.unprovisioned"),
    new_files_are_listed: ("backups.new", "backups.delete", "snapshots.new", "snapshots.delete"),
    backups_bring_back_what_is_chosen: ("backups.new", "backups.restore", "greetings.upload"),
    snapshots_bring_back_what_was: ("snapshots.new", "snapshots.restore"),
    firewall_rules_are_kept: ("firewalls.ipv4.upload", "firewalls.ipv6.upload"),
    runtime_values_are_kept: ("extensions.runtime.show", "extensions.runtime.update"),
    database_values_are_kept: ("astamis.DBget", "astamis.DBPut", "astamis.DBdel"),
    greetings_come_back: ("greetings.upload", "greetings.download"),
    uploads_are_named: ("backups.upload", "greetings.upload"),
    the_limit_gives_the_last_rows: ("logs.cdrs.all", "logs.cdrs.limit"),
}


def stories(suite: Suite) -> list[Story]:
    """Those whose operations the run was asked for."""
    chosen = {operation.id for operation in suite.chosen()}
    return [story for story, operations in STORIES.items() if chosen.issuperset(operations)]


def made(suite: Suite, operation: str, values: Body) -> Body | None:
    """The answer to a create operation; None if it did not succeed, which is judged as a response."""
    create = suite.contract.by_id[operation]
    body = {**suite.stock.minimal(create), **{name: value for name, value in values.items() if name in create.rules}}
    exchange = suite.target.send(suite.stock.request(create, body))
    complete = values.keys() <= create.rules.keys()
    return exchange.response.json if exchange.response.ok and complete else None


def tell(suite: Suite, operation: str, kind: str, text: str, *evidence: Exchange) -> None:
    suite.report(operation, Problem("behaviour", "", kind, text), *evidence)
