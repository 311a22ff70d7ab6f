"""A profile judged by itself has no findings; judged by a different profile it has exactly their differences."""

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
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine, State, profile_names
from sarkmock.suite_api import PbxFile, Seed, api_application, deviations_of, load, load_seed, load_toggled, pbx_files
from tests.contract_runs import NOW, TOKEN, checked, run, run_cases, suite_of
from tests.fixed_points import Cell
from tests.guarded import Box, ended, guarded_suite

PROFILES = list(profile_names())
# The checks that find most within seconds; the rest runs with tox -e slow.
FAST = ("reads", "rules", "rows", "undocumented-paths", "undocumented-fields", "unknown-rows", "scenarios",
        "long-scenarios", "links", "smoke", "options", "unknown-paths", "framework", "disruptive", "run-state")
LENGTHY = ("fuzz", "openapi-core", "boundary-sweep", "boundaries", "arrays", "sequences", "sequences-together", "smoke",
           "links")


def box_with_an_ivr() -> State:
    """The shipped product cannot create an IVR, but its other IVR deviations need one."""
    state = State(now=NOW)
    state.tables.insert("ivrmenu", {"pkey": "zzmenu", "cluster": "default", "timeout": "operator"})
    return state


def new(suite: Run) -> list[str]:
    return [str(judged.finding) for judged in suite.outcome().of("new")]


def check_exact(suite: Run) -> None:
    """All findings are attributed to deviations, missing deviations have a reason, and none is fixed."""
    outcome, ids = suite.outcome(), {deviation.id for deviation in suite.judge.lists.known}
    assert new(suite) == []
    assert [str(finding) for finding in suite.findings if not ids.issuperset(finding.deviations)] == []
    assert [listed.deviation.id for listed in outcome.listed if listed.status == "fixed"] == []
    unexplained = [listed for listed in outcome.listed if listed.status != "known"
                   and listed.reason in ("", "no check covers it")]
    assert unexplained == []


@pytest.mark.parametrize("profile", PROFILES)
def test_profile_conforms_to_itself(profile: str) -> None:
    suite = checked(suite_of(profile, profile), *FAST)
    assert [str(finding) for finding in suite.findings] == []


@pytest.mark.parametrize("target", [pytest.param(name, marks=pytest.mark.slow if name != "shipped" else ())
                                    for name in PROFILES if name != "documented"])
def test_documentation_finds_only_known_deviations(target: str) -> None:
    suite = checked(suite_of("documented", target), *FAST)
    check_exact(suite)
    assert len(suite.outcome().deviations("known")) > 30


def test_published_versions_differ_by_known_deviations() -> None:
    """Call detail records contain the time, so only the type of response to an unknown path is compared."""
    suite = checked(suite_of("L10", "shipped"), "smoke", "undocumented-paths", "unknown-rows", "run-state")
    check_exact(suite)
    assert "logs-cdrs-path" in {item.deviation.id for item in suite.outcome().deviations("known")}


def test_box_without_calls_serves_call_records_path_of_its_version() -> None:
    state = State(now=NOW)
    state.files[pbx_files.CALL_RECORDS] = PbxFile(b"", NOW)
    suite = suite_of("L10", "shipped", state)
    shown = suite.get("/logs/cdrs")
    assert (shown.status, shown.content_type) == (200, "application/x-empty")
    check_exact(checked(suite, "undocumented-paths"))
    assert "logs-cdrs-path" in {item.deviation.id for item in suite.outcome().deviations("known")}


def test_missing_cors_headers_are_not_a_finding_at_a_box() -> None:
    """They may be removed by its web server. At an embedded mock they are a finding."""
    def silent(response: Response) -> Response:
        return replace(response, headers=tuple(pair for pair in response.headers if not pair[0].startswith("Access-")))

    for url, count in ((None, 1), ("https://pbx.example.com/api", 0)):
        suite = suite_of("shipped", "shipped", url=url)
        inner = suite.target.transport.send
        suite.target.transport.send = lambda request, inner=inner: silent(inner(request))
        checked(suite, "framework")
        assert len(list(suite.findings)) == count
        assert any("Allow-Origin" in line for line in suite.gaps.unavailable) is (not count)


def test_changed_settings_are_judged_in_order(tmp_path: Path) -> None:
    """Settings are read after a change and before the response to the change is judged."""
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
def test_framework_deviations_are_known(judge: str, target: str, trimming: str) -> None:
    """The PBX is restarted by the version's command, and a deviation that no response shows is not fixed.

    The missing token requirement of a version explains only requests without a token.
    """
    suite = suite_of(judge, target)
    run_cases(suite, [case for check in CHECKS for case in check.cases(suite) if str(case) in FRAMEWORK])
    check_exact(suite)
    names = {name for finding in suite.findings for name in finding.deviations}
    override = "method-override-rejected" if "L11" in (judge, target) else "method-override-checked"
    assert names >= {override, "cors-any-origin", "syscommands-start-stop", trimming}
    assert "bearer-token-required" not in names


def test_all_deviations_of_a_finding_are_listed() -> None:
    """The 404 of L11 has the wording of Laravel 10 and different class names."""
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
    ("shipped", "documented", "long-scenarios:backups_bring_back_what_is_chosen", "backup-greetings-not-restored"),
    ("L10", "L11", "unknown-rows:tenants.show", "models-namespaced"),
    ("2020-06", "shipped", "undocumented-paths", "extension-webrtc")])
def test_deviation_shown_by_response_is_reported(judge: str, target: str, case: str, shown: str) -> None:
    """Also if the judging document allows the response, or a different deviation explains its status."""
    suite = suite_of(judge, target)
    run_cases(suite, [item for check in CHECKS for item in check.cases(suite) if str(item) == case])
    check_exact(suite)
    assert shown in {name for judged in suite.outcome().findings for name in judged.finding.deviations}


def test_current_rows_do_not_refute_attribution_of_earlier_response() -> None:
    """A tenant that is created later does not refute the deviation that explained the earlier rejection."""
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


def test_key_may_be_reused_by_operation_of_target_version_only() -> None:
    suite = suite_of("shipped", "L11")
    suite.send(request_for("POST", "/extensions/mailbox", {"cluster": "default", "pkey": "6001"}))
    suite.send(Request("DELETE", "/extensions/6001"))
    body = {"cluster": "default", "pkey": "6001", "macaddr": "000413000004"}
    assert suite.send(request_for("POST", "/extensions/provisioned", body)).response.status == 201
    suite.get("/extensions")
    assert [str(finding) for finding in suite.findings if finding.identity.check == "list"] == []


def test_derived_column_may_end_in_a_line_break() -> None:
    """Those of a phone do, which follow from its transport."""
    suite = suite_of("documented", "documented")
    body = {"cluster": "default", "pkey": "6001", "macaddr": "000413000004"}
    suite.send(request_for("POST", "/extensions/provisioned", body))
    changed = suite.send(request_for("PUT", "/extensions/6001", {"transport": "udp"}))
    assert changed.response.fields["provision"].endswith("\n")
    suite.get("/extensions/6001")
    assert [str(finding) for finding in suite.findings] == []


@pytest.mark.parametrize(("judge", "target", "operation", "kind"), [
    ("L11", "documented", "trunks.create", "listed"), ("documented", "L11", "trunks.list", "missing")])
def test_trunk_listed_by_one_version_only_is_known(judge: str, target: str, operation: str, kind: str) -> None:
    """It is stored differently when it is created. Other differences of the list have other deviations."""
    suite = suite_of(judge, target)
    run_cases(suite, [case for check in CHECKS for case in check.cases(suite)
                      if str(case) == "long-scenarios:asterisk_shows_what_is_made"])
    assert new(suite) == []
    assert (operation, kind, ("trunk-iax2-not-listed",)) in {
        (finding.identity.operation, finding.identity.kind, finding.deviations) for finding in suite.findings}


@pytest.mark.parametrize("section", ["agents", "customapps", "queues", "trunks"])
def test_rows_of_run_do_not_prevent_deletion_of_its_tenant(section: str) -> None:
    """Trunks cannot be deleted, nor a tenant that has one. The order of cases in parallel runs is random."""
    suite = suite_of("documented", "documented")
    cases = {str(case): case for check in CHECKS for case in check.cases(suite)}
    run_cases(suite, [cases[name] for name in ("smoke:tenants.update", f"rows:{section}", "smoke:tenants.delete")])
    assert [str(finding) for finding in suite.findings] == []


def test_row_deleted_by_undocumented_operation_is_not_expected_in_lists() -> None:
    """The clean-up deletes trunks, which only the product supports, and reads the lists afterwards."""
    suite = suite_of("documented", "shipped")
    trunk = {"pkey": "zztrunk", "carrier": "GeneralSIP", "cluster": "default", "host": "192.0.2.1", "username": "zz"}
    created = suite.send(with_json("POST", "/trunks", trunk))
    deleted = suite.send(Request("DELETE", "/trunks/zztrunk"))
    assert (created.response.status, deleted.response.status) == (201, 204)
    assert suite.send(Request("GET", "/trunks")).problems == ()
    assert [finding for finding in suite.findings if finding.identity.kind == "missing"] == []


def test_value_equal_to_default_does_not_prove_that_field_is_stored() -> None:
    """New extensions of the product ignore location, which is "local" by default."""
    suite = suite_of("documented", "shipped")
    run_cases(suite, [case for check in CHECKS for case in check.cases(suite) if str(case) in (
        "rules:extensions.create.mailbox/1", "boundaries:extensions.create.mailbox")])
    assert new(suite) == []
    assert suite.rows.stored


def test_expected_deviation_that_target_lacks_is_fixed() -> None:
    document = load_toggled("shipped", "agent-passwd-from-1001")
    engine = Engine(document, State(now=NOW))
    suite = Run(contract_of("documented"), InProcess(api_application(engine)),
                RunOptions("documented", "shipped", only="Agents", max_examples=1))
    checked(suite, "rules", "boundaries")
    fixed = [listed.deviation.id for listed in suite.outcome().deviations("fixed")]
    assert fixed == ["agent-passwd-from-1001"]


def test_deviation_not_shown_by_any_response_is_not_fixed() -> None:
    """The documentation does not have it, but only deleting a system template would show it."""
    suite = suite_of("shipped", "documented")
    made = suite.fixtures.make(suite.contract.by_id["templates.create"])
    assert suite.send(Request("DELETE", f"/templates/{made.answer['pkey']}")).response.ok
    listed = {item.deviation.id: (item.status, item.reason) for item in suite.outcome().listed}
    assert listed["template-delete-unchecked"] == ("untested", "every response was that of the mock of documented")


def test_missing_token_requirement_is_known_to_version_with_tokens() -> None:
    """Also if a response without a token contains a time or a new key. A stopped PBX is started again."""
    cell = Cell("L11", "L10", {check.name for check in CHECKS} - {"no-token", "other-scheme"})
    assert len(cell.run.findings) > 100
    assert cell.troubles == []
    assert cell.run.gaps.unavailable == set()


@pytest.mark.parametrize("target", [name for name in PROFILES if deviations_of(name)])
def test_existing_firewall_rules_are_not_a_finding(target: str) -> None:
    """Their wrapping is a listed deviation. The predicting mock starts without them."""
    state = State(Seed.factory(load(target)["x-database"]), now=NOW, token=TOKEN)
    state.files |= {name: PbxFile(b"# web\nACCEPT net $FW tcp 443\n", NOW)
                    for name in (pbx_files.RULES_IPV4, pbx_files.RULES_IPV6)}
    suite = checked(suite_of("documented", target, state), "reads")
    named = {finding.deviations for finding in suite.findings if finding.identity.operation.startswith("firewalls.")}
    assert named == {("firewall-rules-wrapped",)}


@pytest.mark.parametrize("seed", ["demo", pytest.param("empty", marks=pytest.mark.slow)])
@pytest.mark.parametrize("target", [name for name in PROFILES if deviations_of(name)])
def test_existing_rows_are_not_a_finding(target: str, seed: str) -> None:
    """The first list shows rows that the predicting mock does not have. Deviations in their form are known."""
    state = State(load_seed(seed, load(target)), now=NOW, token=TOKEN)
    suite = checked(suite_of("documented", target, state), "reads")
    assert [str(finding.identity) for finding in suite.findings if not finding.deviations] == []


def test_crash_is_not_evidence_about_rules() -> None:
    """Inbound routes of L11 crash on a destination. This does not refute attributions of other responses."""
    suite = suite_of("documented", "L11")
    body = {"pkey": "02071000001", "cluster": "default", "carrier": "DiD", "tag": "a b", "openroute": 0}
    crash = suite.send(with_json("POST", "/inboundroutes", body))
    assert crash.response.status == 500
    assert not suite.judge.witnesses.contradicts(contract_of("L11"), crash, "tag")


@pytest.mark.parametrize(("judge", "target"), [
    ("shipped", "2020-06"),
    *(pytest.param(*pair, marks=pytest.mark.slow) for pair in (("2020-06", "shipped"), ("shipped", "L10")))])
def test_two_versions_differ_by_exactly_their_deviations(judge: str, target: str) -> None:
    """A deviation without a finding is one that none of the requests can show."""
    cell = Cell(judge, target, LENGTHY)
    assert cell.troubles == []
    assert list(cell.shown()) == []
    assert cell.met <= cell.expected
    assert len(cell.met) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("target", PROFILES)
@pytest.mark.parametrize("judge", PROFILES)
def test_every_profile_judged_by_every_profile(judge: str, target: str) -> None:
    """All checks except `fuzz`: every difference of the two is attributed, or not shown by any response."""
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
    """Whether a different deviation has moved all operations of this one."""
    concerned = operations_changed_by(contract, deviation)
    there = {(operation.method, operation.path) for operation in other.operations}
    return bool(concerned) and not any((operation.method, operation.path) in there for operation in concerned)


@pytest.mark.slow
def test_shipped_differs_from_the_documentation_by_all_listed_deviations() -> None:
    suite = run(suite_of("documented", "shipped", box_with_an_ivr()))
    assert new(suite) == []
    met = {item.deviation.id for item in suite.outcome().deviations("known")}
    shipped = contract_of("shipped")
    assert [item.id for item in deviations_of("shipped")
            if item.id not in met and not item.unseen and not out_of_sight(suite.contract, shipped, item)] == []


def test_unlisted_row_of_run_may_be_referenced() -> None:
    """The product does not list IAX2 trunks, but a route may use one."""
    suite = suite_of("documented", "shipped")
    trunk = {"pkey": "0", "carrier": "GeneralIAX2", "trunkname": "t", "username": "u", "cluster": "default",
             "host": "192.0.2.1"}
    assert suite.send(request_for("POST", "/trunks", trunk)).response.status == 201
    route = {"pkey": "r1", "cluster": "default", "dialplan": "_07XXX", "path1": "0", "outcome": "None"}
    assert suite.send(request_for("POST", "/routes", route)).response.status == 201
    assert [str(finding.identity) for finding in suite.findings if finding.identity.field == "path1"] == []


def test_row_created_long_before_its_deletion_is_attributed() -> None:
    """L10 does not delete custom apps. Only the states before the last exchanges are kept."""
    suite = suite_of("documented", "L10")
    suite.send(request_for("POST", "/customapps", {"cluster": "default", "pkey": "zz1"}))
    for _ in range(300):
        suite.send(Request("GET", "/tenants"))
    suite.send(Request("DELETE", "/customapps/zz1"))
    suite.send(Request("GET", "/customapps"))
    stale, = (finding for finding in suite.findings if finding.identity.kind == "stale")
    assert stale.deviations == ("customapp-key-ignored",)
