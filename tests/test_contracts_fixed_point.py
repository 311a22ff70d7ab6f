"""A profile judged by itself has no finding, and judged by another one exactly the differences of the two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sarkmock_contracts.checks import CHECKS
from sarkmock_contracts.client.http import Request, Response, request_for, with_json
from sarkmock_contracts.client.transports import InProcess
from sarkmock_contracts.judge.findings import operations_changed_by
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.safety.fingerprint import Fingerprint
from sarkmock_contracts.spec.contract import Contract, contract_of

from sarkmock import Engine, State, profiles
from sarkmock.suite_api import PbxFile, Seed, api_application, deviations_of, load, load_seed, load_toggled, pbx_files
from tests.contract_runs import NOW, TOKEN, checked, run, run_cases, suite_of
from tests.fixed_points import Cell
from tests.guarded import Box, ended, guarded_suite

PROFILES = list(profiles())
# What finds most in seconds; the rest runs with tox -e slow.
FAST = ("reads", "rules", "rows", "undocumented-paths", "undocumented-fields", "unknown-rows", "scenarios", "links",
        "smoke", "options", "unknown-paths", "framework", "disruptive", "run-state")
LENGTHY = ("fuzz", "openapi-core", "boundary-sweep", "boundaries", "arrays", "sequences", "sequences-together", "smoke",
           "links")


def box_with_an_ivr() -> State:
    """The shipped product cannot create an IVR, so a box that has one is needed to meet its other deviations."""
    state = State(now=NOW)
    state.tables.insert("ivrmenu", {"pkey": "zzmenu", "cluster": "default", "timeout": "operator"})
    return state


def new(suite: Run) -> list[str]:
    return [str(judged.finding) for judged in suite.outcome().of("new")]


def check_exact(suite: Run) -> None:
    """Findings are explained by what the documents differ in; what is not met has a reason, and nothing is fixed."""
    outcome, ids = suite.outcome(), {deviation.id for deviation in suite.judge.lists.known}
    assert new(suite) == []
    assert [str(finding) for finding in suite.findings if not ids.issuperset(finding.deviations)] == []
    assert [listed.deviation.id for listed in outcome.listed if listed.status == "fixed"] == []
    unexplained = [listed for listed in outcome.listed if listed.status != "known"
                   and listed.reason in ("", "no check covers it")]
    assert unexplained == []


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_conforms_to_itself(profile: str) -> None:
    suite = checked(suite_of(profile, profile), *FAST)
    assert [str(finding) for finding in suite.findings] == []


@pytest.mark.parametrize("target", [pytest.param(name, marks=pytest.mark.slow if name != "shipped" else ())
                                    for name in PROFILES if name != "documented"])
def test_the_documentation_finds_only_what_is_known(target: str) -> None:
    suite = checked(suite_of("documented", target), *FAST)
    check_exact(suite)
    assert len(suite.outcome().deviations("known")) > 30


def test_published_versions_differ_by_what_is_known() -> None:
    """A call detail record holds the time, so that what an unknown path answers is compared by its kind alone."""
    suite = checked(suite_of("L10", "shipped"), "smoke", "undocumented-paths", "unknown-rows", "run-state")
    check_exact(suite)
    assert "logs-cdrs-path" in {one.deviation.id for one in suite.outcome().deviations("known")}


def test_a_box_without_calls_serves_the_path_of_its_version_all_the_same() -> None:
    state = State(now=NOW)
    state.files[pbx_files.CALL_RECORDS] = PbxFile(b"", NOW)
    suite = suite_of("L10", "shipped", state)
    shown = suite.get("/logs/cdrs")
    assert (shown.status, shown.content_type) == (200, "application/x-empty")
    check_exact(checked(suite, "undocumented-paths"))
    assert "logs-cdrs-path" in {one.deviation.id for one in suite.outcome().deviations("known")}


def test_a_box_whose_installation_sends_no_header_for_other_origins_is_not_judged_by_it() -> None:
    """An embedded mock is: it is the whole installation."""
    def silent(response: Response) -> Response:
        return replace(response, headers=tuple(pair for pair in response.headers if not pair[0].startswith("Access-")))

    for url, found in ((None, 1), ("https://pbx.example.com/api", 0)):
        suite = suite_of("shipped", "shipped", url=url)
        inner = suite.target.transport.send
        suite.target.transport.send = lambda request, inner=inner: silent(inner(request))
        checked(suite, "framework")
        assert len(list(suite.findings)) == found
        assert any("Allow-Origin" in line for line in suite.gaps.unavailable) is (not found)


def test_settings_that_a_run_changes_at_a_box_are_judged_in_their_order(tmp_path: Path) -> None:
    """What a change has made of them is looked at before the response to the change is judged."""
    suite = guarded_suite(Box("L11"), "shipped", "write operational", tmp_path / "ledger", only="Globals")
    suite.identify(Fingerprint("L11"))
    checked(suite, "reads", "rules")
    assert ended(suite) == []
    assert "globals.update" in {finding.identity.operation for finding in suite.findings}
    assert new(suite) == []


FRAMEWORK = ("disruptive:syscommands.reboot", "run-state", "framework:blanks_are_trimmed_as_the_framework_does",
             "framework:an_empty_method_is_read_as_the_framework_does",
             "framework:other_origins_are_allowed_as_the_framework_does")


@pytest.mark.parametrize(("judge", "target", "trimming"), [
    pytest.param("documented", "L11", "marks-trimmed", marks=pytest.mark.slow),
    ("2020-06", "L10", "unicode-blanks-trimmed"), ("L10", "documented", "unicode-blanks-trimmed"),
    ("shipped", "L11", "marks-trimmed"), ("L11", "2020-06", "marks-trimmed")])
def test_what_the_framework_does_is_known(judge: str, target: str, trimming: str) -> None:
    """The PBX runs again after a reboot by the version's own command, and what no answer shows is not fixed.

    That a version wants no token explains only what is sent without one.
    """
    suite = suite_of(judge, target)
    run_cases(suite, [case for check in CHECKS for case in check.cases(suite) if str(case) in FRAMEWORK])
    check_exact(suite)
    names = {name for finding in suite.findings for name in finding.deviations}
    override = "method-override-rejected" if "L11" in (judge, target) else "method-override-checked"
    assert names >= {override, "cors-any-origin", "syscommands-start-stop", trimming}
    assert "bearer-token-required" not in names


def test_deviations_that_act_together_are_all_named() -> None:
    """L11 words the answer of a missing row as Laravel 10 does, with other names of its classes."""
    suite = suite_of("documented", "L11")
    suite.get("/tenants/nosuch")
    named = {finding.deviations for finding in suite.findings}
    assert named == {("row-not-found-body", "models-namespaced"), ("row-not-found-body",)}


@pytest.mark.parametrize(("judge", "target", "case", "shown"), [
    ("documented", "shipped", "scenarios:firewall_rules_are_kept", "firewall-upload-unchecked"),
    ("documented", "L10", "array-for-text:extensions.create.provisioned", "extension-provisioned-other-vendor"),
    ("documented", "shipped", "protocol:cosopens.list", "cos-pair-required"),
    ("documented", "shipped", "undocumented-paths", "cos-pair-required"),
    ("shipped", "documented", "smoke:templates.update", "template-update-needs-blfkeyname"),
    ("shipped", "documented", "scenarios:backups_bring_back_what_is_chosen", "backup-greetings-not-restored"),
    ("L10", "L11", "unknown-rows:tenants.show", "models-namespaced"),
    ("2020-06", "shipped", "undocumented-paths", "extension-webrtc")])
def test_what_an_answer_shows_is_named(judge: str, target: str, case: str, shown: str) -> None:
    """Also where the judging document allows the answer, or another deviation alone explains its status."""
    suite = suite_of(judge, target)
    run_cases(suite, [one for check in CHECKS for one in check.cases(suite) if str(one) == case])
    check_exact(suite)
    assert shown in {name for judged in suite.outcome().findings for name in judged.finding.deviations}


def test_what_tables_hold_now_says_nothing_of_an_earlier_answer() -> None:
    """A tenant that is created later does not refute the deviation by which it was rejected before."""
    suite = suite_of("L10", "documented")
    trunk = {"host": "a", "carrier": "GeneralSIP", "username": "a"}
    for path, body in (("/trunks", {**trunk, "pkey": "zz1", "cluster": "pkey"}),
                       ("/tenants", {"pkey": "pkey", "description": "0"}),
                       ("/tenants", {"pkey": "5", "description": "0"}),
                       ("/trunks", {**trunk, "pkey": "zz2", "cluster": 5})):
        suite.send(request_for("POST", path, body))
        suite.get("/tenants")
    assert new(suite) == []
    assert "trunk-cluster-unchecked" in {name for finding in suite.findings for name in finding.deviations}


def test_a_number_may_be_taken_again_by_an_operation_that_only_another_version_completes() -> None:
    suite = suite_of("shipped", "L11")
    suite.send(request_for("POST", "/extensions/mailbox", {"cluster": "default", "pkey": "6001"}))
    suite.send(Request("DELETE", "/extensions/6001"))
    body = {"cluster": "default", "pkey": "6001", "macaddr": "000413000004"}
    assert suite.send(request_for("POST", "/extensions/provisioned", body)).response.status == 201
    suite.get("/extensions")
    assert [str(finding) for finding in suite.findings if finding.identity.check == "list"] == []


@pytest.mark.parametrize(("judge", "target", "operation", "kind"), [
    ("L11", "documented", "trunks.create", "listed"), ("documented", "L11", "trunks.list", "missing")])
def test_a_trunk_that_only_one_version_lists_is_known(judge: str, target: str, operation: str, kind: str) -> None:
    """It is stored otherwise when it is created; what else the list shows has other deviations."""
    suite = suite_of(judge, target)
    run_cases(suite, [case for check in CHECKS for case in check.cases(suite)
                      if str(case) == "scenarios:asterisk_shows_what_is_made"])
    assert new(suite) == []
    assert (operation, kind, ("trunk-iax2-not-listed",)) in {
        (finding.identity.operation, finding.identity.kind, finding.deviations) for finding in suite.findings}


@pytest.mark.parametrize("section", ["agents", "customapps", "queues", "trunks"])
def test_rows_of_a_run_do_not_keep_its_tenant_from_deletion(section: str) -> None:
    """Trunks cannot be deleted, and a tenant cannot be that has one. How cases are spread over processes is chance."""
    suite = suite_of("documented", "documented")
    cases = {str(case): case for check in CHECKS for case in check.cases(suite)}
    run_cases(suite, [cases[name] for name in ("smoke:tenants.update", f"rows:{section}", "smoke:tenants.delete")])
    assert [str(finding) for finding in suite.findings] == []


def test_a_row_removed_by_an_operation_that_the_documentation_lacks_is_not_expected_in_lists() -> None:
    """The clean-up deletes trunks, which only the product can, and reads the lists afterwards."""
    suite = suite_of("documented", "shipped")
    trunk = {"pkey": "zztrunk", "carrier": "GeneralSIP", "cluster": "default", "host": "192.0.2.1", "username": "zz"}
    created = suite.send(with_json("POST", "/trunks", trunk))
    deleted = suite.send(Request("DELETE", "/trunks/zztrunk"))
    assert (created.response.status, deleted.response.status) == (201, 204)
    assert suite.send(Request("GET", "/trunks")).problems == ()
    assert [finding for finding in suite.findings if finding.identity.kind == "missing"] == []


def test_a_value_that_is_a_default_anyway_proves_nothing_stored() -> None:
    """New extensions of the product ignore location, which is "local" by default."""
    suite = suite_of("documented", "shipped")
    run_cases(suite, [case for check in CHECKS for case in check.cases(suite) if str(case) in (
        "rules:extensions.create.mailbox/1", "boundaries:extensions.create.mailbox")])
    assert new(suite) == []
    assert suite.rows.stored


def test_fixed_is_what_a_target_was_expected_to_have_and_has_not() -> None:
    document = load_toggled("shipped", "agent-passwd-from-1001")
    engine = Engine(document, State(now=NOW))
    suite = Run(contract_of("documented"), InProcess(api_application(engine)),
                RunOptions("documented", "shipped", only="Agents", max_examples=1))
    checked(suite, "rules", "boundaries")
    fixed = [listed.deviation.id for listed in suite.outcome().deviations("fixed")]
    assert fixed == ["agent-passwd-from-1001"]


def test_a_deviation_that_no_answer_shows_is_not_fixed() -> None:
    """The documentation does not have it; which templates may be deleted shows only in those of the system."""
    suite = suite_of("shipped", "documented")
    made = suite.fixtures.make(suite.contract.by_id["templates.create"])
    assert suite.send(Request("DELETE", f"/templates/{made.answer['pkey']}")).response.ok
    listed = {one.deviation.id: (one.status, one.reason) for one in suite.outcome().listed}
    assert listed["template-delete-unchecked"] == ("untested", "every response was that of the mock of documented")


def test_a_version_without_tokens_is_known_to_one_that_wants_them() -> None:
    """Also where an answer without a token holds a time or a new key. What it has stopped is started again."""
    cell = Cell("L11", "L10", {check.name for check in CHECKS} - {"no-token", "other-scheme"})
    assert len(cell.run.findings) > 100
    assert cell.troubles == []
    assert cell.run.gaps.unavailable == set()


@pytest.mark.parametrize("target", [name for name in PROFILES if deviations_of(name)])
def test_firewall_rules_that_a_box_had_before_are_data(target: str) -> None:
    """How they are wrapped is a listed deviation. The mock that predicts responses starts without them."""
    state = State(Seed.factory(load(target)["x-database"]), now=NOW, token=TOKEN)
    state.files |= {name: PbxFile(b"# web\nACCEPT net $FW tcp 443\n", NOW)
                    for name in (pbx_files.RULES_IPV4, pbx_files.RULES_IPV6)}
    suite = checked(suite_of("documented", target, state), "reads")
    named = {finding.deviations for finding in suite.findings if finding.identity.operation.startswith("firewalls.")}
    assert named == {("firewall-rules-wrapped",)}


@pytest.mark.parametrize("seed", ["demo", "empty"])
@pytest.mark.parametrize("target", [name for name in PROFILES if deviations_of(name)])
def test_rows_that_a_box_had_before_are_data(target: str, seed: str) -> None:
    """The first list shows what the mock that predicts responses cannot know. How a version shows it is known."""
    state = State(load_seed(seed, load(target)), now=NOW, token=TOKEN)
    suite = checked(suite_of("documented", target, state), "reads")
    assert [str(finding.identity) for finding in suite.findings if not finding.deviations] == []


def test_a_crash_speaks_for_no_rule() -> None:
    """Inbound routes of L11 crash on a destination; that refutes nothing of what explains their other answers."""
    suite = suite_of("documented", "L11")
    body = {"pkey": "02071000001", "cluster": "default", "carrier": "DiD", "tag": "a b", "openroute": 0}
    crash = suite.send(with_json("POST", "/inboundroutes", body))
    assert crash.response.status == 500
    assert not suite.judge.witnesses.contradicts(Contract(load("L11")), crash, "tag")


@pytest.mark.parametrize(("judge", "target"), [
    ("shipped", "2020-06"), ("2020-06", "shipped"), pytest.param("shipped", "L10", marks=pytest.mark.slow)])
def test_two_versions_differ_by_exactly_their_deviations(judge: str, target: str) -> None:
    """A deviation that no finding names is one that none of the requests can show."""
    cell = Cell(judge, target, LENGTHY)
    assert cell.troubles == []
    assert list(cell.shown()) == []
    assert cell.met <= cell.expected
    assert len(cell.met) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("target", PROFILES)
@pytest.mark.parametrize("judge", PROFILES)
def test_every_profile_judged_by_every_profile(judge: str, target: str) -> None:
    """All checks but chance: what separates the two is found by its name, or shown by no answer."""
    cell = Cell(judge, target, {"fuzz"})
    assert cell.troubles == []
    assert cell.met <= cell.expected
    assert list(cell.shown()) == []
    if judge == target:
        assert len(cell.run.findings) == 0


@pytest.mark.slow
def test_shipped_conforms_to_itself_with_an_ivr() -> None:
    assert [str(finding) for finding in run(suite_of("shipped", "shipped", box_with_an_ivr())).findings] == []


def out_of_sight(contract, other, deviation):
    """Whether another deviation has moved every operation that this one concerns."""
    concerned = operations_changed_by(contract, deviation)
    there = {(operation.method, operation.path) for operation in other.operations}
    return bool(concerned) and not any((operation.method, operation.path) in there for operation in concerned)


@pytest.mark.slow
def test_shipped_differs_from_the_documentation_by_all_listed_deviations() -> None:
    suite = run(suite_of("documented", "shipped", box_with_an_ivr()))
    assert new(suite) == []
    met = {one.deviation.id for one in suite.outcome().deviations("known")}
    shipped = Contract(load("shipped"))
    assert [one.id for one in deviations_of("shipped")
            if one.id not in met and not one.unseen and not out_of_sight(suite.contract, shipped, one)] == []


def test_a_row_of_the_run_that_no_list_shows_may_be_referred_to() -> None:
    """The product lists no IAX2 trunks; a route may name one."""
    suite = suite_of("documented", "shipped")
    trunk = {"pkey": "0", "carrier": "GeneralIAX2", "trunkname": "t", "username": "u", "cluster": "default",
             "host": "192.0.2.1"}
    assert suite.send(request_for("POST", "/trunks", trunk)).response.status == 201
    route = {"pkey": "r1", "cluster": "default", "dialplan": "_07XXX", "path1": "0", "outcome": "None"}
    assert suite.send(request_for("POST", "/routes", route)).response.status == 201
    assert [str(finding.identity) for finding in suite.findings if finding.identity.field == "path1"] == []


def test_a_row_that_was_created_long_before_it_is_deleted_is_still_explained() -> None:
    """L10 deletes no custom app. Only the states before the last exchanges are kept."""
    suite = suite_of("documented", "L10")
    suite.send(request_for("POST", "/customapps", {"cluster": "default", "pkey": "zz1"}))
    for _ in range(300):
        suite.send(Request("GET", "/tenants"))
    suite.send(Request("DELETE", "/customapps/zz1"))
    suite.send(Request("GET", "/customapps"))
    stale, = (finding for finding in suite.findings if finding.identity.kind == "stale")
    assert stale.deviations == ("customapp-key-ignored",)
