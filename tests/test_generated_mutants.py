"""Mutants drawn from all single changes of the profiles: each is found and named, none is attributed to a deviation."""

from __future__ import annotations

import os
import random
from itertools import islice

import pytest
from sarkmock_contracts.client.http import with_json
from sarkmock_contracts.client.transports import SignedIn
from sarkmock_contracts.judge.row_model import UNDOCUMENTED
from sarkmock_contracts.judge.verdicts import causes
from sarkmock_contracts.run import Run
from sarkmock_contracts.spec.contract import contract_of

from sarkmock.suite_api import profile_names
from tests.mutants.further import draw_further, further
from tests.mutants.generated import RULE_KINDS, Mutated, draw, every, mutation_named
from tests.mutants.hunting import groups, hunt, names, options
from tests.mutants.invisible import why_invisible

COUNT = int(os.environ.get("SARKMOCK_MUTANTS", "30"))  # per profile
MIXTURES = int(os.environ.get("SARKMOCK_MIXTURES", "3"))
SEED = int(os.environ.get("SARKMOCK_SEED", "1"))
FURTHER = COUNT // 3  # of the documented profile, in which nothing crashes
PROFILES = ("documented", "shipped")
CHUNK = 3
TEXTS = 2
EARLY = 700  # requests, the first parts of the sweep among them


@pytest.mark.parametrize("first", range(0, COUNT, CHUNK))
@pytest.mark.parametrize("profile", PROFILES)
def test_mutants_are_found(profile: str, first: int) -> None:
    """Judge mutants by their own profile. Those that are not found in a group are tried again alone."""
    contract = contract_of(profile)
    drawn = draw(profile, SEED, COUNT)[first:first + CHUNK]
    visible = [mutation for mutation in drawn if not why_invisible(contract, mutation)]
    together = [fate for group in groups(visible, contract) for fate in hunt(profile, profile, group)[1]]
    again = [fate for missed in together if missed.status != "found"
             for fate in hunt(profile, profile, [missed.mutation])[1]]
    lost = [f"{fate.status}: {fate.mutation}" for fate in again if fate.status != "found"]
    assert lost == [], f"seed {SEED}"


@pytest.mark.parametrize(("profile", "count"), [
    *((profile, TEXTS) for profile in profile_names()),
    *(pytest.param(profile, None, marks=pytest.mark.slow) for profile in profile_names())])
def test_changed_error_texts_are_found(profile: str, count: int | None) -> None:
    """A sample; all with `-m slow`."""
    contract = contract_of(profile)
    texts = every(profile)["error text"]
    shuffled = random.Random(f"texts {profile} {SEED}").sample(texts, len(texts))
    drawn = [*islice((mutation for mutation in shuffled if not why_invisible(contract, mutation)), count)]
    fates = [fate for group in groups(drawn, contract) for fate in hunt(profile, profile, group)[1]]
    assert [f"{fate.status}: {fate.mutation}" for fate in fates if fate.status != "found"] == [], f"seed {SEED}"


@pytest.mark.parametrize(("profile", "text"), [
    ("shipped", "path: backups.new gone"),
    ("shipped", "list: trunks.list the first twice"),
    ("L10", "list: cosopens.list the first twice"),
    ("documented", "list: ivrs.list the first twice"),
    ("shipped", "framework: agents.create trim 'unicode'"),
    ("L10", "framework: agents.create trim 'ascii'"),
    ("documented", "type: daytimers.create pkey a list"),
    ("shipped", "error body: astamis.Reload 503 another key"),
    ("shipped", "value: astamis.MailboxStatus Mailbox cut short"),
    ("documented", "error body: greetings.download 404 one more field"),
    ("documented", "value: astamis.QueueStatus.show Weight cut short"),
    ("documented", "field: astamis.QueueSummary.show Callers lost"),
    ("documented", "path: cosrules.create gone"),  # it is not where a known deviation has it, either
    ("documented", "check: logs.cdrs.limit without limit_is_whole"),  # a known deviation would crash for any limit
    ("shipped", "value: queues.show z_created cut short"),
    ("shipped", "path: astamis.DeviceStateList gone"),  # any other name of a function takes the path
    ("shipped", "rule gained: queues.create greetnum with numeric"),  # its regex crashes for any text
    ("shipped", "check: tenants.delete with system_template_stays"),  # it crashes, as any operation may
    ("shipped", "order: inboundroutes.list by carrier"),
    ("documented", "list: tenants.list without the first"),
    ("documented", "check: coscloses.create with key_is_free"),  # the key is no variable
    ("documented", "rule gained: coscloses.create IPphone_pkey with alpha_num"),  # a check may name the variable, too
    ("shipped", "check: templates.update without blfkeyname_names_blf_template"),  # it never succeeds in this version
    ("shipped", "check: templates.create without blfkeyname_only_in_new_sip_template"),  # another check rejects it, too
    ("L10", "check: extensions.create.provisioned without mac_is_listed"),
    ("L10", "check: extensions.create.provisioned without key_is_new"),
    ("L11", "check: inboundroutes.update without targets_crash"),
    ("documented", "check: tenants.delete without default_tenant_stays"),  # another check rejects it in other words
    ("documented", "check: extensions.create.provisioned without key_is_new"),  # a known deviation has no such message
    ("shipped", "required lost: firewalls.ipv4.upload rules without required"),  # it crashes if the variable is absent
    ("shipped", "nullable gained: queues.update greetnum with nullable"),  # every text crashes, null does not
    ("documented", "order: holidaytimers.list by cluster"),  # the server assigns the keys
    ("shipped", "order: holidaytimers.list by cluster"),  # the key is a variable, but the server assigns another
    ("documented", "order: cosrules.list by dialplan"),  # a required text
    ("shipped", "order: cosopens.list by COS_pkey"),  # both keys are those of other rows
    ("shipped", "filter: trunks.list without technology"),  # rows of another list
    ("shipped", "check: templates.update without blfkeyname_only_in_sip_template"),  # no template can be made
    ("documented", "field: trunks.create devicerec lost"),  # the schema permits that a new row lacks it
    ("documented", "field: extensions.create.mailbox callerid lost"),  # a known deviation does not store it, either
    ("documented", "unrequested: holidaytimers.update routeclass emptied by an update"),  # the server derives it
    ("shipped", "value: extensions.create.unprovisioned location null"),  # the server sets it
    ("shipped", "type: extensions.update pkey a number"),  # the schema permits both types
    ("documented", "check: backups.upload without backup_is_sound"),  # a zip file with a wrong checksum
    ("documented", "value: agents.show z_updater null"),  # no request can set the column
    ("L10", "default: cosrules.create description not None"),  # no other operation shows the row
    ("L10", "lost write: customapps.create POST is not done"),
    ("L10", "list: customapps.list reversed"),
    ("L10", "filter: customapps.list cluster as in the first"),
    ("L10", "stored: customapps.create striptags in capitals"),
    ("L10", "unrequested: cosrules.update z_updated emptied by an update"),
    ("L11", "list: tenants.list without the last"),  # no tenant can be created
    ("L11", "lost write: extensions.runtime.update PUT is not done"),  # Asterisk stores the values
    ("documented", "unrequested: inboundroutes.update z_updater emptied by an update"),  # a show shows it
    ("L11", "rule lost: inboundroutes.create cluster without exists:cluster,{cluster}"),  # any route crashes
    ("documented", "status: firewalls.ipv4.restart 201 for 200"),  # the checks upload unsound rules before
    ("L11", "required lost: auth.register email without required"),  # another rule queries a table that no list shows
])
def test_mutant_is_found(profile: str, text: str) -> None:
    """Deviations of a published version are expected, but not after a response that it does not give."""
    mutation = mutation_named(profile, text)
    assert [fate.status for fate in hunt(profile, profile, [mutation])[1]] == ["found"]


@pytest.mark.parametrize("number", range(FURTHER))
def test_further_mutants_are_found(number: int) -> None:
    mutation = draw_further("documented", SEED, FURTHER)[number]
    fates = hunt("documented", "documented", [mutation])[1]
    assert [fate.status for fate in fates] == ["found"], f"{mutation}, seed {SEED}"


@pytest.mark.parametrize(("profile", "text"), [
    ("documented", "additional change: ivrs.create tag0 changes in all rows"),
    ("documented", "additional change: templates.create desc changes in all rows"),
    ("shipped", "body: coscloses.list a byte order mark"),
])
def test_further_mutant_is_found_early(profile: str, text: str) -> None:
    mutation = mutation_named(profile, text, further)
    assert [fate.status for fate in hunt(profile, profile, [mutation], limit=EARLY)[1]] == ["found"]


@pytest.mark.parametrize(("profile", "text"), [
    ("documented", "order: ringgroups.list by obeydnd"),
    ("shipped", "order: cosrules.list by defaultclosed"),
    ("shipped", "order: trunks.list by swoclip"),
    ("documented", "filter: inboundroutes.list without technology"),
    ("L10", "field: customapps.list z_updater lost"),  # no other operation shows the row
    ("L11", "stored: inboundroutes.create moh in capitals"),  # a row without what crashes this version
    ("documented", "lost write: trunks.update PUT is not done"),  # published versions crash instead
    ("documented", "stored: trunks.update devicerec not at all"),  # a later request sends other variables
    # Disruptive requests are rejected after its creation.
    ("shipped", "lost write: holidaytimers.update PUT is not done"),
])
def test_changes_of_lists_and_new_rows_are_found_early(profile: str, text: str) -> None:
    """Rows with other values are created before and after a row with the defaults."""
    mutation = mutation_named(profile, text)
    fate = hunt(profile, profile, [mutation], limit=EARLY)[1][0]
    assert fate.request is not None
    assert fate.request <= EARLY


@pytest.mark.parametrize(("profile", "text", "identity"), [
    ("shipped", "value: trunks.list devicerec cut short", "trunks.list stored devicerec changed"),
    ("shipped", "value: ringgroups.list grouptype cut short", "ringgroups.list stored grouptype changed"),
    ("documented", "value: daytimers.show dayofweek null", "daytimers.show stored dayofweek changed"),
    ("documented", "value: customapps.list z_updater cut short", "customapps.list unrequested z_updater changed"),
    ("documented", "value: agents.show z_updater null", "agents.show unrequested z_updater changed"),
])
def test_read_with_wrong_value_is_blamed_alone(profile: str, text: str, identity: str) -> None:
    """Another read tells whether the write or the first read is wrong."""
    mutation = mutation_named(profile, text)
    run, fates = hunt(profile, profile, [mutation], limit=EARLY)
    assert [fate.status for fate in fates] == ["found"]
    assert [str(finding.identity) for finding in run.findings] == [identity]


@pytest.mark.parametrize(("profile", "text", "reason"), [
    ("documented", "filter: cosopens.list z_updated as in the first", "no variable sets the column"),
    ("documented", "link: daytimers.create id to another row", "the column never holds a text"),
    ("documented", "type: astamis.QueueStatus.show Response a text", "the column holds texts alone"),
    ("shipped", "field: templates.create desc lost", "its operation rejects every request"),
    ("documented", "check: firewalls.ipv6.upload without rules_are_lines", "it is the listed deviation"),
    ("documented", "stored: holidaytimers.create etime in capitals", "no value that is accepted has letters"),
    ("documented", "stored: extensions.update dvrvmail in capitals", "no value that is accepted has letters"),
    ("L11", "stored: tenants.update pickupgroup not at all", "no row can be made"),
    ("documented", "error body: astamis.ConfbridgeListRooms 404 a text", "no answer of a run has the status"),
    ("shipped", "lost write: templates.delete DELETE is not done", "no row can be made"),
    ("shipped", "check: trunks.create with key_is_free", "another check, or the database, rejects a taken key"),
    ("documented", "method: astamis.DBdel DELETE for PUT", "it is the listed deviation"),
    ("documented", "value: holidaytimers.show etime cut short", "the column holds numbers"),
    ("shipped", "error body: backups.upload 422 the first field alone", "only one field can be rejected"),
    ("shipped", "error body: snapshots.restore 422 one text a field", "no field can be rejected"),
    ("L10", "status: snapshots.restore 400 for 422", "no snapshot that cannot be restored can be uploaded"),
    ("shipped", "type: inboundroutes.update routeclassopen a text", "no variable sets the column, and the document"),
    ("shipped", "order: inboundroutes.list by devicerec", "no variable sets the column"),
    ("shipped", "filter: trunks.list carrier as in the first", "every row that is listed has the same value"),
    ("documented", "filter: trunks.list carrier as in the first", ""),
    ("documented", "path: cosrules.create gone", ""),
    ("documented", "filter: queues.list cluster as in the first", ""),
    ("documented", "value: astamis.QueueStatus.show Weight cut short", ""),
])
def test_reason_for_invisible_mutant(profile: str, text: str, reason: str) -> None:
    mutation = mutation_named(profile, text)
    actual = why_invisible(contract_of(profile), mutation)
    assert actual.startswith(reason) if reason else actual == ""


def test_changes_of_rules_are_found_early() -> None:
    """Absent, empty and non-text values are among the first that are sent."""
    texts = {"required gained: globals.update USERCREATE with required",
             "rule gained: routes.update auth with string",
             "nullable gained: tenants.update masteroclo with nullable",
             "nullable lost: extensions.create.provisioned dvrvmail without nullable"}
    mutations = [item for kind in RULE_KINDS for item in every("documented").get(kind, ()) if str(item) in texts]
    assert len(mutations) == len(texts)
    fates = hunt("documented", "documented", mutations, limit=EARLY)[1]
    assert [fate for fate in fates if fate.request is None or fate.request > EARLY] == []


def test_lost_rule_is_not_attributed_to_deviation_of_other_rules() -> None:
    text = "rule lost: extensions.create.provisioned callerid without integer"
    mutation = mutation_named("documented", text)
    assert [fate.status for fate in hunt("documented", "documented", [mutation], limit=EARLY)[1]] == ["found"]


def test_row_missing_in_list_is_not_attributed_to_a_deviation() -> None:
    """A version that cannot create the row is no explanation for its absence."""
    text = "filter: ivrs.list alert0 as in the first"
    mutation = mutation_named("documented", text)
    assert [fate.status for fate in hunt("documented", "documented", [mutation], limit=EARLY)[1]] == ["found"]


def test_row_unknown_to_the_judge_does_not_affect_other_rows() -> None:
    """A trunk that the published product would reject is first seen in a list that also shows a known deviation."""
    text = "required lost: trunks.create pkey without required"
    mutation = mutation_named("shipped", text)
    box = Mutated("shipped", mutation)
    run = Run(contract_of("documented"), SignedIn(box, box.engine.state), options("documented", "shipped"))
    trunk = {"cluster": "default", "host": "127.0.0.1", "carrier": "GeneralSIP", "username": "a"}
    for row in ({**trunk, "pkey": ""}, {**trunk, "pkey": "Other", "z_updater": UNDOCUMENTED}):
        assert run.send(with_json("POST", "/trunks", row)).response.status == 201
    assert {"", "Other"} <= {row["pkey"] for row in run.get("/trunks").rows}
    stored = [finding.deviations for finding in run.findings if finding.identity.check == "stored"]
    assert stored == [("trunk-z-updater",)]


def test_row_is_judged_again_after_restore_once_it_is_updated() -> None:
    text = "lost write: tenants.update PUT is not done"
    mutation = mutation_named("documented", text)
    box = Mutated("documented", mutation)
    run = Run(contract_of("documented"), SignedIn(box, box.engine.state), options("documented", "documented"))
    run.send(with_json("POST", "/tenants", {"pkey": "acme", "description": "a"}))
    (backup,) = run.get("/backups/new").json.values()
    restored = run.send(with_json("PUT", f"/backups/{backup}", {"restoredb": True}))
    run.send(with_json("PUT", "/tenants/acme", {"description": "b"}))
    assert restored.response.ok
    run.get("/tenants/acme")
    assert [str(finding.identity) for finding in run.findings] == ["tenants.update stored description changed"]


@pytest.mark.parametrize("text", [
    "list: inboundroutes.list the first twice",
    "error body: tenants.update 422 one text a field",
    "type: ringgroups.create pkey a number",
    "link: extensions.create.mailbox pkey to another row",
    "value: customapps.list z_updater cut short",
])
def test_mixture_has_one_cause(text: str) -> None:
    mutation = mutation_named("shipped", text)
    run, (found,) = hunt("documented", "shipped", [mutation])
    assert (found.status, len(causes(run.outcome()))) == ("found", 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(MIXTURES))
def test_mixture_of_known_and_new_changes(number: int) -> None:
    """Judge the published product with one more change by the documentation: only this change is new."""
    rng = random.Random(f"mixture {SEED} {number}")
    mutation = draw("shipped", rng.randrange(10**6), 1)[0]
    run, _ = hunt("documented", "shipped", [mutation])
    outcome = run.outcome()
    strange = [str(judged.finding) for judged in outcome.of("new") if not names(judged.finding, mutation)]
    assert strange == [], str(mutation)
    least = 0 if why_invisible(contract_of("shipped"), mutation) else 1
    assert least <= len(causes(outcome)) <= 1, str(mutation)
