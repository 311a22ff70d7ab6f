"""Scripted scenarios for what the documentation states in prose and no rule or schema can express.

A scenario lists the operations that it needs. It is skipped if the document lacks one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..client.http import Exchange, Request, Response, request_for
from ..errors import Withheld
from ..fixtures import Body
from ..judge.oracle import Problem
from ..run import Run
from .smoke import start_pbx_again


@dataclass(frozen=True)
class Scenario:
    """A scripted sequence of requests, and the operations that it needs."""

    steps: Callable[[Run], None]
    operations: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.steps.__name__


def check_scenario(run: Run, scenario: Scenario) -> None:
    """Run one scenario, and start the PBX afterwards if it was stopped."""
    scenario.steps(run)
    start_pbx_again(run)


MADE = ("queues.create", "extensions.create.unprovisioned", "ringgroups.create", "customapps.create", "trunks.create")


def destinations_follow_the_state(run: Run) -> None:
    """Lines 274-275: what is created is a destination at once, and what is deleted is not."""
    rows = [create_row(run, name, {}) for name in MADE if name in run.contract.by_id]
    own = {row["pkey"] for row in rows if row and isinstance(row["pkey"], str)}  # any other is not as it was sent
    for moment in ("created", "deleted"):
        exchange = run.send(Request("GET", "/destinations"))
        wanted, shown = ([f"{kind} {key}" for kind, keys in answer.fields.items() if isinstance(keys, list)
                          for key in keys if str(key) in own]
                         for answer in (expected_response(run, exchange), exchange.response))
        if shown != wanted and not exchange.problems:
            unmet(run, "destinations.list", "stale", f"of rows {moment}, shows {shown}, expected {wanted}", exchange)
        run.fixtures.sweep()


def tenants_with_rows_stay(run: Run) -> None:
    """Line 685: a tenant with dependent rows cannot be deleted, if the document has that check."""
    if "tenant_is_unused" not in run.contract.by_id["tenants.delete"].checks:
        return
    tenant = run.fixtures.make(run.contract.by_id["tenants.create"])
    queue = run.contract.by_id["queues.create"]
    dependent = run.fixtures.make(queue, {**run.fixtures.minimal(queue), "cluster": str(tenant.answer["pkey"])})
    if tenant.delete:
        exchange = run.send(Request("DELETE", tenant.delete))
        if exchange.response.ok:
            text = f"was deleted although queues/{dependent.answer['pkey']} depends on it"
            run.report("tenants.delete", Problem("dependency", "", "ignored", text), exchange)


def rows_of_the_system_stay(run: Run) -> None:
    """Lines 657 and 685: system templates and the default tenant cannot be deleted, if the document checks that."""
    templates = run.get("/templates").rows
    system = [f"/templates/{row['pkey']}" for row in templates if row.get("owner") == "system" and "pkey" in row][:1]
    for operation, check, paths in (("tenants.delete", "default_tenant_stays", ["/tenants/default"]),
                                    ("templates.delete", "system_template_stays", system)):
        for path in paths if check in run.contract.by_id[operation].checks else ():
            exchange = run.send(Request("DELETE", path))
            if exchange.response.status != 409:
                text = f"DELETE {path} returned {exchange.response.status}, expected 409"
                unmet(run, operation, "deleted", text, exchange)
    default, listed = (run.send(Request("GET", path)) for path in ("/tenants/default", "/tenants"))
    if default.response.ok and listed.response.ok and "default" not in [row.get("pkey") for row in listed.shown.rows]:
        problem = Problem("list", "", "missing", "the tenant default exists but is not listed")
        run.report("tenants.list", problem, listed)


def only_phone_templates_name_keys(run: Run) -> None:
    """Only a template of the type SIP can name a BLF template. Other variables are rejected, so nothing is changed."""
    operation, templates = run.contract.by_id["templates.update"], run.get("/templates").rows
    keys, others = ([row["pkey"] for row in templates if row.get("technology") == technology and "pkey" in row]
                    for technology in ("BLF Template", "Descriptor"))
    for key in keys[:1] if others and "blfkeyname_only_in_sip_template" in operation.checks else ():
        sent = run.send(request_for("PUT", f"/templates/{others[0]}", {"blfkeyname": key, "desc": 0, "provision": 0}))
        if sent.response.rejected and "blfkeyname" not in sent.response.rejected:
            unmet(run, operation.id, "blfkeyname", f"{key} is not rejected in a template of the type Descriptor", sent)


def pairs_go_with_their_extension(run: Run) -> None:
    """Class of Service pairs of an extension are deleted with it."""
    for kind in ("coscloses", "cosopens"):
        number = run.fixtures.make(run.contract.by_id[f"{kind}.create"]).answer.get("IPphone_pkey")
        if number is None:
            continue  # judged as a response
        gone = run.send(Request("DELETE", f"/extensions/{number}"))
        exchange = run.send(Request("GET", f"/{kind}"))
        if any(row.get("IPphone_pkey") == number for row in exchange.response.rows):
            text = f"{kind} of extension {number} remain after its deletion"
            unmet(run, "extensions.delete", kind, text, gone, exchange)


def new_extensions_get_the_default_rules(run: Run) -> None:
    """A rule that is a default when closed (or open) applies to every phone created after it."""
    for kind, column in (("coscloses", "defaultclosed"), ("cosopens", "defaultopen")):
        rule = create_row(run, "cosrules.create", {column: "YES"})
        phone = create_row(run, "extensions.create.unprovisioned", {})
        if rule is None or phone is None:
            continue
        exchange = run.send(Request("GET", f"/{kind}"))
        wanted = {"IPphone_pkey": phone["pkey"], "COS_pkey": rule["pkey"]}
        if not any(wanted.items() <= row.items() for row in exchange.response.rows):
            text = f"extension {phone['pkey']} has no {kind} of rule {rule['pkey']}, whose {column} is YES"
            unmet(run, "extensions.create.unprovisioned", kind, text, exchange)


def new_files_are_listed(run: Run) -> None:
    """Lines 178 and 488: a new backup or snapshot is listed, and no longer listed once it is deleted."""
    for kind, field in (("backups", "newbackupname"), ("snapshots", "newsnapshotname")):
        taken = run.send(Request("GET", f"/{kind}/new"))
        if not taken.response.ok and not taken.problems:  # a crash that the document permits
            text = f"GET /{kind}/new returned {taken.response.status}"
            run.report(f"{kind}.new", Problem("answer", "", str(taken.response.status), text), taken)
            continue
        name = taken.response.fields.get(field)
        for there in (True, False):
            exchange = run.send(Request("GET", f"/{kind}"))
            if (name in (exchange.response.names)) is not there:
                unmet(run, f"{kind}.list", "stale", f"{name} is {'not' if there else 'still'} listed", taken, exchange)
            if there:
                run.send(Request("DELETE", f"/{kind}/{name}"))


def snapshots_bring_back_what_was(run: Run) -> None:
    """Line 494: restoring a snapshot restores the database as it was when the snapshot was taken."""
    before = create_row(run, "tenants.create", {})
    name = run.get("/snapshots/new").fields.get("newsnapshotname")
    after = create_row(run, "tenants.create", {})
    restored = run.send(Request("PUT", f"/snapshots/{name}"))
    for row, there in ((before, True), (after, False)):
        if row is not None:
            exchange = run.send(Request("GET", f"/tenants/{row['pkey']}"))
            if exchange.response.ok is not there:
                text = f"tenant {row['pkey']} {'is missing' if there else 'still exists'} after the restore"
                unmet(run, "snapshots.restore", "not restored", text, restored, exchange)


def backups_bring_back_what_is_chosen(run: Run) -> None:
    """Line 184: a restore of a backup restores the parts set to true. Published versions restore less."""
    tenant = create_row(run, "tenants.create", {})
    upload, restore = run.contract.by_id["greetings.upload"], run.contract.by_id["backups.restore"]
    body = run.fixtures.minimal(upload)
    run.send(run.fixtures.request(upload, body))
    name = run.get("/backups/new").fields.get("newbackupname")
    if tenant is None or name is None:
        return  # judged as responses
    there_before = run.fixtures.there()
    row, file = f"/tenants/{tenant['pkey']}", body["greeting"].name
    properties = run.contract.body(restore)["properties"]
    greetings_flag = next(flag for flag in ("restoreusergreets", "restoreusergreeting") if flag in properties)
    for chosen in (greetings_flag, "restoredb"):
        run.send(Request("DELETE", row))
        run.send(Request("DELETE", f"/greetings/{file}"))
        restored = run.send(request_for("PUT", f"/backups/{name}", {chosen: True}))
        run.fixtures.mark_restored(there_before)
        for path in (row, "/greetings"):
            there = run.send(Request("GET", path))
            answers = there.response, expected_response(run, restored, there)
            exists, wanted = (response.ok if path == row else file in response.names for response in answers)
            if exists is not wanted:
                text = f"{row if path == row else file} {'is' if exists else 'is not'} there after {chosen}"
                unmet(run, "backups.restore", chosen, text, restored, there)
    if "backup" not in properties:
        a_name_in_the_body_is_ignored(run, f"/backups/{name}", row)
    run.fixtures.mark_restored(there_before)


def a_name_in_the_body_is_ignored(run: Run, backup: str, row: str) -> None:
    """Line 183: the path names the backup; a field of the name backup in the body is ignored."""
    run.send(Request("DELETE", row))
    restored = run.send(request_for("PUT", backup, {"restoredb": True, "backup": "nosuch"}))
    there = run.send(Request("GET", row))
    if not there.response.ok:
        text = f"{backup} is not restored when the body holds a field of the name backup"
        run.report("backups.restore", Problem("unknown-field", "backup", "not ignored", text), restored, there)


def firewall_rules_are_kept(run: Run) -> None:
    """Line 329: stored firewall rules are shown line by line, separately for each family."""
    for family in ("ipv4", "ipv6"):
        rules = ["?SECTION NEW", f"ACCEPT net $FW tcp 22 # {family}"]
        sent = run.send(request_for("POST", f"/firewalls/{family}", {"rules": rules}))
        shown = run.send(Request("GET", f"/firewalls/{family}"))
        value = shown.response.json
        lines = value.get("rules", []) if isinstance(value, dict) else value or []  # the schema check judges its form
        if [line.strip() for line in lines] != rules:
            text = f"{rules} is shown as {lines}"
            unmet(run, f"firewalls.{family}.list", "changed", text, sent, shown)


def runtime_values_are_kept(run: Run) -> None:
    """Lines 281-325: runtime values are stored in the PBX, and a GET shows what a PUT has set."""
    operation = run.contract.by_id["extensions.runtime.update"]
    values: Body = {"cfim": "+441234", "cfbs": "1005", "ringdelay": "25"}
    sent = run.send(run.fixtures.request(operation, values))
    shown = run.send(Request("GET", sent.request.path))
    if not isinstance(shown.response.json, dict):
        return  # judged as a response
    wrong = [name for name, value in values.items() if str(shown.response.json.get(name)) != value]
    blamed = operation.id if wrong == [*values] else "extensions.runtime.show"  # a PUT sets all of them, or none
    for name in wrong:
        unmet(run, blamed, name, f"{name} was set to {values[name]} and is {shown.response.json}", sent, shown)


def asterisk_shows_what_is_made(run: Run) -> None:
    """Asterisk's functions list the queues, agents, phones and trunks that the API creates, or show one by its key."""
    queue, phone = create_row(run, "queues.create", {}), create_row(run, "extensions.create.unprovisioned", {})
    create_row(run, "agents.create", {"queue1": queue["pkey"]} if queue else {})
    a_trunk_is_listed(run, "GeneralSIP")
    a_trunk_is_listed(run, "GeneralIAX2")
    a_trunk_is_listed(run, "GeneralIAX2", peername="IAX2")  # published versions take the name for the technology
    rows = {"QueueStatus": queue, "QueueSummary": queue, "SIPshowpeer": phone, "ExtensionState": phone}
    for operation in run.contract.operations:
        section, _, function = operation.id.partition(".")
        if section == "astamis" and operation.hazard == "read" and run.permits(operation):
            row = rows.get(function.partition(".")[0]) or {}
            path = dict.fromkeys(operation.parameters[:1], row.get("pkey"))
            if row or not operation.parameters:
                run.send(run.fixtures.request(operation, path=path))
    run.fixtures.sweep()


def a_trunk_is_listed(run: Run, carrier: str, **names: str) -> None:
    """Whether a trunk is listed depends on its technology: published versions omit IAX2."""
    create = run.contract.by_id["trunks.create"]
    body = {**run.fixtures.minimal(create), "carrier": carrier, "register": "zz:zz@192.0.2.1", **names}
    sent = run.send(run.fixtures.request(create, body))
    listed = run.send(Request("GET", "/trunks"))
    answers = listed.response, expected_response(run, sent, listed)
    is_listed, wanted = (any(row.get("pkey") == body["pkey"] for row in response.rows) for response in answers)
    if is_listed and sent.response.ok and not wanted:  # the judge reports a missing one
        unmet(run, create.id, "listed", f"a trunk of {carrier} is listed", sent, listed)


def database_values_are_kept(run: Run) -> None:
    """Lines 155, 170, 171: DBPut, DBget and DBdel use the same values."""
    family = f"{run.fixtures.texts.prefix}family"
    values = {"id": family, "key": "zzkey", "value": "zzvalue"}
    put, get, delete = (run.contract.by_id[f"astamis.{name}"] for name in ("DBPut", "DBget", "DBdel"))
    sent = run.send(run.fixtures.request(put, path=values))
    if not sent.response.ok:
        return  # judged as a response
    for text in ("zzvalue", ""):
        exchange = run.send(run.fixtures.request(get, path=values))
        if exchange.response.json != {"zzkey": text}:
            unmet(run, "astamis.DBget", "changed", f"{text!r} is shown as {exchange.response.json}", sent, exchange)
        sent = run.send(run.fixtures.request(delete, path=values))


def greetings_come_back(run: Run) -> None:
    """Lines 346-356: an upload is listed, downloads unchanged, and cannot be replaced by a second upload."""
    operation = run.contract.by_id["greetings.upload"]
    body = run.fixtures.minimal(operation)
    file = body["greeting"]
    sent = run.send(run.fixtures.request(operation, body))
    listed = run.send(Request("GET", "/greetings"))
    if sent.response.ok and file.name not in listed.response.names:
        unmet(run, "greetings.list", "missing", f"{file.name} was uploaded but is not listed", sent, listed)
    fetched = run.send(Request("GET", f"/greetings/{file.name}"))
    if sent.response.ok and fetched.response.body != file.content:
        unmet(run, "greetings.download", "changed", f"{file.name} differs after download", sent, fetched)
    again = run.send(sent.request)
    if again.response.ok:
        unmet(run, "greetings.upload", "replaced", f"{file.name} can be uploaded twice", sent, again)


def uploads_are_named(run: Run) -> None:
    """Uploads must have the file name pattern of their kind, since lists and downloads use these names."""
    for operation, field, name in (("backups.upload", "uploadzip", "zzbackup.zip"),
                                   ("greetings.upload", "greeting", "zzhello.wav")):
        upload = run.contract.by_id[operation]
        if any(check.endswith("_is_named") for check in upload.checks):
            body = run.fixtures.minimal(upload)
            sent = run.send(run.fixtures.request(upload, {**body, field: replace(body[field], name=name)}))
            if sent.response.ok:
                unmet(run, operation, "name", f"a file is accepted under the name {name}", sent)


def expected_response(run: Run, *exchanges: Exchange) -> Response:
    """Return the response of the judging document's mock to the last exchange, after the others."""
    return run.judge.attribution.expected(*exchanges)


def the_limit_gives_the_last_rows(run: Run) -> None:
    """Line 462: a limit gives the last rows of the log."""
    everything = run.send(Request("GET", "/logs/cdrs"))
    last = run.send(Request("GET", "/logs/cdrs/2"))
    if last.response.ok and last.response.body != b"".join(everything.response.body.splitlines(keepends=True)[-2:]):
        unmet(run, "logs.cdrs.limit", "rows", "the limit 2 does not return the last two rows", everything, last)
    for value in ("2", "x"):  # published versions read it from the query string, too
        exchange = run.send(Request("GET", "/logs/cdrs", f"limit={value}"))
        wanted, shown = ((one.status, one.rejected) for one in (expected_response(run, exchange), exchange.response))
        if shown != wanted and not exchange.problems:
            unmet(run, "logs.cdrs.all", "limit", f"limit={value} returned {shown}, expected {wanted}", exchange)


SHORT_SCENARIOS = (
    Scenario(tenants_with_rows_stay, ("tenants.create", "tenants.delete", "queues.create")),
    Scenario(rows_of_the_system_stay, ("tenants.delete", "templates.delete")),
    Scenario(only_phone_templates_name_keys, ("templates.list", "templates.update")),
    Scenario(firewall_rules_are_kept, ("firewalls.ipv4.upload", "firewalls.ipv6.upload")),
    Scenario(runtime_values_are_kept, ("extensions.runtime.show", "extensions.runtime.update")),
    Scenario(greetings_come_back, ("greetings.upload", "greetings.download")),
    Scenario(the_limit_gives_the_last_rows, ("logs.cdrs.all", "logs.cdrs.limit")),
)
LONG_SCENARIOS = (
    Scenario(asterisk_shows_what_is_made, ("astamis.Agents", "queues.create", "agents.create", "trunks.create",
                                           "extensions.create.unprovisioned")),
    Scenario(destinations_follow_the_state, ("destinations.list", "queues.create")),
    Scenario(pairs_go_with_their_extension, ("extensions.delete", "coscloses.create", "cosopens.create")),
    Scenario(new_extensions_get_the_default_rules, ("cosrules.create", "extensions.create.unprovisioned")),
    Scenario(new_files_are_listed, ("backups.new", "backups.delete", "snapshots.new", "snapshots.delete")),
    Scenario(backups_bring_back_what_is_chosen, ("backups.new", "backups.restore", "greetings.upload")),
    Scenario(snapshots_bring_back_what_was, ("snapshots.new", "snapshots.restore")),
    Scenario(database_values_are_kept, ("astamis.DBget", "astamis.DBPut", "astamis.DBdel")),
    Scenario(uploads_are_named, ("backups.upload", "greetings.upload")),
)


def create_row(run: Run, operation: str, values: Body) -> Body | None:
    """Create a row and return it; return None if that was withheld or failed, which is judged as a response."""
    create = run.contract.by_id[operation]
    body = {**run.fixtures.minimal(create), **{name: value for name, value in values.items() if name in create.rules}}
    try:
        exchange = run.send(run.fixtures.request(create, body))
    except Withheld:
        return None
    complete = values.keys() <= create.rules.keys() and run.fixtures.made_by(create, exchange) is not None
    named = complete and create.table is not None and create.table.key in exchange.response.json
    return exchange.response.json if named else None


def unmet(run: Run, operation: str, kind: str, text: str, *evidence: Exchange) -> None:
    run.report(operation, Problem("behaviour", "", kind, text), *evidence)
