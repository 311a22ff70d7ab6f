"""Comparing complete recordings: differences, effects on clients, reports and exit codes."""

from __future__ import annotations

import copy
import html
import json
import re

import jsonschema_rs
import pytest
import requests
from sarkmock_contracts.baselines import write_reports
from sarkmock_contracts.baselines.clients import Use, read_clients
from sarkmock_contracts.baselines.comparing import compare_baselines
from sarkmock_contracts.baselines.facts import BASELINE_SCHEMA, Baseline, Fact, Facts, read_baseline, write_baseline
from sarkmock_contracts.baselines.observer import DEPTHS
from sarkmock_contracts.baselines.profile import MOCK_TOKEN, profile_baseline
from sarkmock_contracts.baselines.recording import BoxRecorder
from sarkmock_contracts.baselines.report import comparison_text, describe_comparison, difference_causes, terminal_text
from sarkmock_contracts.baselines.severity import THE_ANSWER, Difference
from sarkmock_contracts.client.http import Response
from sarkmock_contracts.client.target import Target
from sarkmock_contracts.client.transports import Layer, embedded_mock, embedded_transport
from sarkmock_contracts.errors import CannotRun
from sarkmock_contracts.safety.routing import HAZARDS

from sarkmock import SarkMock
from sarkmock.pbx.seeds import load_seed
from sarkmock.suite_api import Engine, State, load, profile_names
from tests.serving import mistake, sarkmock, serving
from tests.test_baselines_differences import ALL, baseline, side

SCHEMA = BASELINE_SCHEMA.with_name("compare.schema.json")


# complete recordings


@pytest.fixture(scope="module")
def recordings():
    return [BoxRecorder(Target(embedded_transport(profile)), DEPTHS["usual"], frozenset(ALL)).run()
            for profile in ("documented", "shipped")]


@pytest.fixture(scope="module")
def comparison(recordings):
    return compare_baselines(*map(baseline, recordings))


def test_recording_does_not_differ_from_itself(recordings):
    for facts in recordings:
        comparison = compare_baselines(baseline(facts), baseline(facts))
        assert (comparison.differences, comparison.unreached) == ([], [])


@pytest.mark.parametrize("profile", profile_names())
def test_boxes_of_one_version_do_not_differ_by_their_rows(profile):
    """Empty objects of PHP are lists; peers and queues that are read by an example key may not be there."""
    document = load(profile)
    box, other, full = (baseline(BoxRecorder(Target(embedded_mock(Engine(document, State(
        load_seed(seed, document), token=MOCK_TOKEN)))), DEPTHS["quick"], frozenset({"read"})).run())
        for seed in ("factory", "demo", "examples"))
    for before, after in ((box, other), (full, box), (other, full)):
        assert compare_baselines(before, after).differences == []


@pytest.mark.parametrize(("kind", "op", "of"), [
    ("operation moved", "GET /globals", ""), ("operation removed", "GET /astamis/ExtensionState/{id}/{context}", ""),
    ("operation added", "DELETE /trunks/{trunk}", ""), ("rule tightened", "POST /agents", "passwd"),
    ("now crashes", "POST /ivrs", "full request, minimal request"),
    ("rule changed", "PUT /tenants/{tenant}", "localdplan"),
    ("variable stored", "PUT /trunks/{trunk}", "z_updater"),
    ("variable ignored", "POST /extensions/mailbox", "callerid"),
    ("rule loosened", "POST /routes", "outcome"), ("now crashes", "GET /backups/{backup}", "unknown key")])
def test_differences_between_product_and_documentation(comparison, kind, op, of):
    assert (kind, op, of) in {(difference.kind, difference.op, difference.of) for difference in comparison.differences}


def test_each_field_has_at_most_one_difference(comparison):
    places = [(difference.op, difference.of) for difference in comparison.differences
              if difference.of and "crash" not in difference.kind]
    assert len(places) == len(set(places))


def test_operation_without_creatable_row_is_not_reached(comparison):
    assert ("PUT /ivrs/{ivr}", "rules") in {(difference.op, difference.part) for difference in comparison.unreached}
    assert not [difference for difference in comparison.differences if difference.op == "PUT /ivrs/{ivr}"]


def test_json_matches_schema(comparison):
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))
    data = json.loads(json.dumps(describe_comparison(comparison)))
    assert [error.message for error in validator.iter_errors(data)] == []
    ids = [difference["id"] for difference in data["differences"]]
    assert len(ids) == len(set(ids))
    assert data["summary"]["breaking"] > 20


def test_every_report_contains_every_difference(comparison, tmp_path):
    write_reports(describe_comparison(comparison), tmp_path / "reports")
    page, text, markdown = ((tmp_path / "reports" / f"compare.{kind}").read_text() for kind in ("html", "txt", "md"))
    assert len(re.findall("<article", page)) == len(difference_causes(comparison.differences))
    for difference in comparison.differences:
        assert difference.op in text
        assert difference.of in text
        assert html.escape(difference.id) in page
    for words in ("operation moved", "/sysglobals", "neither"):
        assert [words in report for report in (page, text, markdown)] == [True] * 3, words
    assert "http" not in re.sub(r"https://pbx/api", "", page.replace("http://www.w3.org", ""))


def test_every_difference_has_exactly_one_cause(comparison):
    data = describe_comparison(comparison)
    assert sorted(name for cause in data["causes"] for name in cause["differences"]) == sorted(
        difference["id"] for difference in data["differences"])


def test_framework_upgrade_has_few_causes():
    description = describe_comparison(compare_baselines(profile_baseline("shipped"), profile_baseline("L10")))
    assert len(description["differences"]) > 200
    assert 8 < len(description["causes"]) <= 25
    titles = {cause["title"]: cause for cause in description["causes"]}
    assert len(titles["message changed: nothing -> 'field'"]["differences"]) > 100
    assert len(titles["now crashes: Non Recurring Timers (Holidaytimers)"]["operations"]) == 5
    text = terminal_text(description)
    assert len(text.splitlines()) < 80
    assert "and 20 more" in text


def test_causes_are_truncated_on_terminal_only(comparison):
    data = describe_comparison(comparison)
    more = len(data["causes"]) - 20
    assert more > 0
    assert f"and {more} more causes: --report DIR" in terminal_text(data)
    assert "more causes" not in comparison_text(data)


@pytest.mark.parametrize(("before", "after", "title"), [
    ("rejected: The pkey must be an integer.", "rejected: The pkey field must be an integer.", "nothing -> 'field'"),
    ("rejected: The pkey may not exceed 9.", "rejected: The pkey must not exceed 10.", "'may' -> 'must'"),
    ("rejected: The pkey is no. The pkey is bad.; rejected: The pkey is bad.",
     "rejected: The pkey is no. The pkey is worse.; rejected: The pkey is worse.", "'bad.' -> 'worse.'")])
def test_message_differences_are_grouped_by_changed_words(before, after, title):
    differences = [Difference("message changed", f"POST /{name}", "pkey", before, after)
                   for name in ("agents", "tenants")]
    assert [cause.title for cause in difference_causes(differences)] == [f"message changed: {title}"]


# clients

CLIENT = """
- GET /tenants
- operation: agents.create
  sends: [pkey, name, passwd]
  reads: [pkey]
"""


@pytest.fixture
def client(tmp_path):
    def write(text, name="client.yaml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name
    return write


def marked(comparison, uses):
    return {(difference.kind, difference.op, difference.of) for difference in comparison.differences
            if any(use.concerns(difference) for use in uses)}


def test_differences_that_break_client(comparison, client):
    marks = marked(comparison, read_clients(client(CLIENT)))
    assert marks == {("rule tightened", "POST /agents", "passwd")}


def test_client_without_listed_fields_uses_all_fields(comparison, client):
    marks = marked(comparison, read_clients(client("- POST /agents\n- GET /globals\n")))
    assert {("crash instead of rejection", "POST /agents", "cluster"), ("operation moved", "GET /globals", "")} <= marks


@pytest.mark.parametrize(("of", "concerned"), [
    ("pkey", True), ("peer.port", True), ("tags[]", True), ("name", False), ("*.filesize", True), ("*", True),
    ("[]", True), (THE_ANSWER, True)])
def test_client_is_concerned_by_fields_that_it_reads(of, concerned):
    use = Use("GET /backups", reads=frozenset(["pkey", "peer", "tags"]))
    assert use.concerns(Difference("field type changed", "GET /backups", of)) == concerned


def entry(method, url, sent=None, shown=None):
    request = {"method": method, "url": url, "postData": {"text": json.dumps(sent)} if sent else None}
    return {"request": request, "response": {"content": {"text": json.dumps(shown) if shown else ""}}}


def test_client_uses_are_read_from_har_file(comparison, client):
    entries = [entry("POST", "https://pbx:44300/sark/api/agents", {"pkey": 1001, "passwd": 1}, {"pkey": "1001"}),
               entry("GET", "https://pbx:44300/sark/api/globals", shown={"ABSTIMEOUT": "1"}),
               entry("GET", "https://elsewhere/logo.png")]
    uses = read_clients(client(json.dumps({"log": {"entries": entries}}), "traffic.har"))
    assert [(use.op, sorted(use.sends), sorted(use.reads)) for use in uses] == [
        ("POST /agents", ["passwd", "pkey"], ["pkey"]), ("GET /globals", [], ["ABSTIMEOUT"])]
    assert marked(comparison, uses) == {("rule tightened", "POST /agents", "passwd"),
                                        ("operation moved", "GET /globals", "")}


def test_client_uses_are_read_from_journal(client):
    with SarkMock(tls=False) as mock:
        requests.post(f"{mock.url}/agents", json={"pkey": 1001, "passwd": 1}, timeout=5)
        requests.get(f"{mock.url}/tenants", timeout=5)
        journal = requests.get(mock.url.removesuffix("/api") + "/_mock/journal", timeout=5).text
    uses = {use.op: use for use in read_clients(client(journal, "journal.json"))}
    assert uses["POST /agents"].sends == {"pkey", "passwd"}
    assert uses["POST /agents"].reads is None  # rejected, so the response shows no fields
    assert {"pkey", "operator"} <= uses["GET /tenants"].reads


def test_differences_that_break_client_come_first(comparison, client):
    comparison.differences = [difference.for_client()
                              if difference.op == "POST /agents" and difference.of == "passwd" else difference
                              for difference in comparison.differences]
    text = comparison_text(describe_comparison(comparison, "client.yaml"))
    assert text.index("THIS BREAKS YOUR CLIENT") < text.index("passwd") < text.index("\nBREAKING")


@pytest.mark.parametrize("text", [
    json.dumps({"count": 12, "kept": 12, "entries": [{"method": "GET", "path": "/api/tenants", "status": 200}]}),
    json.dumps({"log": {"comment": "11 older requests were dropped from the journal", "entries": [
        {"request": {"method": "GET", "url": "https://127.0.0.1/api/tenants"}}]}})])
def test_incomplete_traffic_is_rejected(client, text):
    with pytest.raises(CannotRun, match="11 requests are missing"):
        read_clients(client(text))


@pytest.mark.parametrize(("text", "problem"), [
    ("- GET /tenant\n", ":1: unknown operation 'GET /tenant'; did you mean GET /tenants"),
    ("- GET /tenants\n- operation: GET /agents\n  uses: [x]\n",
     ":2: unknown key 'uses'; did you mean sends? Known: operation, sends, reads"),
    ("- {operation: GET /agents, '': [x]}\n", ":1: unknown key ''"),
    ("- operation: GET /agents\n  reads: pkey\n", ":1: reads: expected a list of names"),
    ("operations: []\n", ":1: expected a list of operations, a HAR file, or a journal"),
    ("- {\n", ":2: "), ("", "the list is empty"),
    ('{"log": {"entries": []}}', "contains no request of the API"),
    ('{"log": {"entries": [{"request": {"method": "GET", "url": "https://[]/api/tenants"}}]}}', "contains no request"),
    ('{"log": {"entries": [{}, {"request": 5}]}}', "entry 2 is not an entry of a HAR file or of the journal"),
    ('{"entries": [{"method": "GET", "response": 1.5}]}', "entry 1 is not an entry of a HAR file or of the journal"),
])
def test_invalid_clients_file_is_rejected_with_line(client, text, problem):
    with pytest.raises(CannotRun) as error:
        read_clients(client(text))
    assert "client.yaml" in str(error.value)
    assert problem in str(error.value)


# the command


@pytest.fixture(scope="module")
def pair_of_files(recordings, tmp_path_factory):
    directory = tmp_path_factory.mktemp("baselines")
    for name, facts in zip(("before", "after"), recordings, strict=True):
        write_baseline(baseline(list(facts)), directory / f"{name}.sark")
    return directory / "before.sark", directory / "after.sark"


@pytest.mark.parametrize(("options", "code"), [
    ([], 1), (["--fail-on", "any"], 1), (["--clients", "CLIENT"], 1), (["--clients", "READER"], 0),
    (["--clients", "READER", "--fail-on", "any"], 0)])
def test_exit_codes(pair_of_files, client, options, code):
    names = {"CLIENT": str(client(CLIENT)), "READER": str(client("- GET /tenants\n", "reader.yaml"))}
    result = sarkmock("compare", *map(str, pair_of_files), *(names.get(word, word) for word in options))
    assert result.returncode == code, result.stderr
    assert ("BREAKS YOUR CLIENT" in result.stdout) is ("CLIENT" in options)


def test_fail_on_levels(tmp_path):
    facts = {"a": Fact("GET /tenants", "status", "read", 200), "b": Fact("GET /tenants", "status", "read", 203)}
    for name, fact in facts.items():
        write_baseline(side(fact), tmp_path / name)
    codes = [sarkmock("compare", str(tmp_path / "a"), str(tmp_path / "b"), "--fail-on", level).returncode
             for level in ("breaking", "risky", "any")]
    assert codes == [0, 1, 1]


def test_json_output_equals_json_report(pair_of_files, tmp_path):
    result = sarkmock("compare", *map(str, pair_of_files), "--json", "--report", str(tmp_path / "out"))
    data = json.loads(result.stdout)
    assert data == json.loads((tmp_path / "out" / "compare.json").read_text())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "compare.html", "compare.json", "compare.md", "compare.txt"]


@pytest.mark.parametrize(("words", "problem"), [
    (["before", "before"], "are the same file"), (["before", "nosuch.sark"], "No such file"),
    (["documnted", "L10"], "did you mean documented?"),
    (["nosuch.sark", "before"], "No such file"), (["before", "http://127.0.0.1:1/api"], "refuses connections"),
    (["before", "ftp://x/api"], "not an http or https URL"),
    (["before", "pbx:44300/api"], "did you mean https://pbx:44300/api?"),
    (["nosuch.sark", "http://127.0.0.1:1/api"], "No such file"),
    (["before", "http://127.0.0.1:1/api", "--clients", "nosuch.yaml"], "nosuch.yaml: No such file"),
    (["before", "http://127.0.0.1:1/api", "--slower", "nan"], "--slower nan"),
    (["before", "http://127.0.0.1:1/api", "--report", "/proc/nosuch"], "/proc/nosuch: No such file")])
def test_invalid_arguments_are_one_line_errors(pair_of_files, words, problem):
    names = {"before": str(pair_of_files[0])}
    assert problem in mistake("compare", *(names.get(word, word) for word in words))


@pytest.fixture(scope="module")
def recorded_box(tmp_path_factory):
    """A box and a baseline of one section."""
    directory = tmp_path_factory.mktemp("recorded")
    with serving("--http", "--profile", "shipped") as box:
        sarkmock("baseline", box.url, "-o", str(directory / "box.sark"), "--depth", "quick", "--only", "Trunks",
                 "--allow-writes")
        yield box, directory / "box.sark"
    assert [path.name for path in directory.iterdir()] == ["box.sark"]


def test_box_does_not_differ_from_its_baseline(recorded_box):
    box, file = recorded_box
    same = sarkmock("compare", str(file), box.url, "--fail-on", "any", "--allow-writes")
    assert (same.returncode, "0 breaking, 0 risky, 0 compatible" in same.stdout) == (0, True), same


def test_untested_operations_are_not_compared(recorded_box):
    box, file = recorded_box
    less = sarkmock("compare", str(file), box.url, "--fail-on", "any")
    assert less.returncode == 0
    assert "only what both have requested is compared" in less.stdout
    assert "NOT REACHED" in less.stdout
    short = sarkmock("compare", str(file), box.url, "--max-time", "0.01s", "--allow-writes")
    assert "not tested" in short.stdout
    assert "0 breaking, 0 risky" in short.stdout


def test_different_version_differs_from_baseline(recorded_box):
    with serving("--http") as other:
        gone = sarkmock("compare", str(recorded_box[1]), other.url, "--allow-writes")
    assert gone.returncode == 1
    assert "DELETE /trunks/{trunk}: operation removed" in gone.stdout


def test_upgrade_reports_moved_commands_and_token():
    """OPTIONS does not detect commands that are called by GET, nor tokens."""
    recorded = {name: profile_baseline(name, Baseline("", "quick", HAZARDS, "syscommands", Facts()))
                for name in ("shipped", "L10", "L11")}
    verbs = ("start", "stop")
    moved = [("operation moved", f"GET /syscommands/pbx{verb}", f"GET /syscommands/{verb}") for verb in verbs]
    for before, after, breaking in (("shipped", "L10", moved), ("L10", "L11", [("token needed", "*", None)])):
        differences = compare_baselines(recorded[before], recorded[after]).of("breaking")
        assert [(difference.kind, difference.op, difference.after) for difference in differences] == breaking


MOVED = {("operation moved", f"GET /syscommands/pbx{verb}", f"GET /syscommands/{verb}") for verb in ("start", "stop")}


def moves_by_version(before, after):
    return {(difference.kind, difference.op, difference.after)
            for difference in compare_baselines(before, after).differences
            if "known from the recognised versions: shipped -> L10" in difference.reason}


def test_moved_commands_are_derived_from_recognised_versions(tmp_path):
    for profile in ("shipped", "L10"):
        with serving("--http", "--profile", profile) as box:
            sarkmock("baseline", box.url, "-o", str(tmp_path / profile), "--only", "syscommands")
    before, after = (read_baseline(tmp_path / profile) for profile in ("shipped", "L10"))
    assert moves_by_version(before, after) == MOVED
    called = profile_baseline("shipped", Baseline("", "quick", HAZARDS, "syscommands", Facts()))
    assert moves_by_version(called, after) == MOVED  # one side was requested, the other was not
    description = describe_comparison(compare_baselines(before, after))
    cause, = (cause for cause in description["causes"] if cause["kind"] == "operation moved")
    assert "not requested, known from the recognised versions" in cause["title"]


def test_nearest_version_does_not_imply_moved_commands():
    document = copy.deepcopy(load("L10"))
    del document["paths"]["/coscloses/{cosclose}"]
    box = BoxRecorder(Target(embedded_mock(Engine(document))), DEPTHS["quick"], frozenset({"read"}), "syscommands")
    shipped = profile_baseline("shipped", Baseline("", "quick", ("read",), "syscommands", Facts()))
    kinds = {difference.kind for difference in compare_baselines(shipped, baseline(box.run())).differences}
    assert not {kind for kind in kinds if kind.startswith("operation")}


def test_operation_is_removed_if_catch_all_route_answers_instead():
    recorded = [profile_baseline(name, Baseline("", "quick", HAZARDS, "astamis", Facts())) for name in ("L10", "L11")]
    gone = {difference.op for difference in compare_baselines(*recorded).differences
            if difference.op.startswith("GET /astamis/SIP")}
    kinds = {difference.kind for difference in compare_baselines(*recorded).differences if difference.op in gone}
    assert gone == {f"GET /astamis/SIP{name}" for name in ("peers", "showpeer/{id}", "showregistry")}
    assert kinds == {"operation removed"}


def test_profiles_are_compared_without_a_target():
    result = sarkmock("compare", "documented", "2024-06", "--json")
    report = json.loads(result.stdout)
    kinds = {(difference["kind"], difference["operation"]) for difference in report["differences"]}
    gone = "GET /astamis/ExtensionState/{id}/{context}"
    assert result.returncode == 1
    assert {("operation moved", "GET /globals"), ("operation removed", gone)} <= kinds


def test_profile_does_not_differ_from_its_alias():
    assert json.loads(sarkmock("compare", "shipped", "2024-06", "--json").stdout)["differences"] == []


def agents_recorded(change):
    document = copy.deepcopy(load("shipped"))
    change(document)
    box = Target(embedded_mock(Engine(document, State(load_seed("factory", document)))))
    return baseline(BoxRecorder(box, DEPTHS["quick"], frozenset(ALL), "Agents").run())


def reversed_list(document):
    document["paths"]["/agents"]["x-table"]["order"] = ["name"]  # without names: in the order of creation


def other_default(document):
    document["components"]["schemas"]["AgentCreated"]["properties"]["queue1"]["default"] = "Sales"


@pytest.mark.parametrize(("change", "expected"), [
    (reversed_list, [("list order changed", "GET /agents")]), (other_default, [("default changed", "POST /agents")])])
def test_order_and_defaults_are_recorded(change, expected):
    comparison = compare_baselines(agents_recorded(lambda _: None), agents_recorded(change))
    assert [(difference.kind, difference.op) for difference in comparison.differences] == expected


class WithoutDelete(Layer):
    """A box whose DELETE of a file succeeds without effect."""

    def send(self, request):
        return Response(204) if request.method == "DELETE" else self.inner.send(request)


def test_delete_without_effect_is_recorded():
    before, after = (baseline(BoxRecorder(Target(box(embedded_transport("shipped"))), DEPTHS["quick"], frozenset(ALL),
                                          "Backups").run()) for box in (lambda inner: inner, WithoutDelete))
    comparison = compare_baselines(before, after)
    assert ("delete without effect", "DELETE /backups/{backup}") in {
        (difference.kind, difference.op) for difference in comparison.differences}
