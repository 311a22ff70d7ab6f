"""Reasons for error responses, warnings about the published product, and the HTTP Archive (HAR)."""

import json
import re

import pytest

from sarkmock import Engine, Journal, State
from sarkmock.faults import Faults
from sarkmock.journal import published_product, relations
from sarkmock.suite_api import deviations_of
from tests.boxes import NOW
from tests.engines import client_of

ACME = {"pkey": "acme", "description": "A tenant"}
AGENT = {"pkey": "1000", "cluster": "default", "name": "x", "passwd": 2000}


class Mock:
    """A client with its journal."""

    def __init__(self, profile="documented", throttle=None):
        self.engine = Engine(state=State(now=NOW), profile=profile)
        self.journal, self.faults = Journal(self.engine), Faults(self.engine)
        self.client = client_of(self.engine, throttle=throttle, journal=self.journal, faults=self.faults)

    def ask(self, method, path, body=None):
        self.client.open(f"/api/{path}", method=method, json=body)
        return self.journal[-1]

    def why(self, *request):
        return self.journal.why(self.ask(*request))

    def deviations(self, *request):
        return [warning.deviation for warning in self.journal.warnings(self.ask(*request)) if warning.deviation]


@pytest.fixture
def mock():
    return Mock()


# Reasons

def test_success_has_no_reasons(mock):
    assert mock.why("GET", "tenants") == []


def test_reason_names_field_rule_value_and_source_line(mock):
    reason, = mock.why("POST", "agents", {"pkey": "1000", "cluster": "nix", "name": "x", "passwd": 2000})
    assert (reason.field, reason.rule, reason.lines) == ("cluster", "exists:cluster,pkey", (118,))
    assert reason.text == 'cluster breaks its rule exists:cluster,pkey (got "nix"): The selected cluster is invalid.'


def test_reason_for_missing_variable(mock):
    reason, = mock.why("POST", "tenants", {"pkey": "acme"})
    assert (reason.field, reason.rule, reason.lines) == ("description", "required", (666,))
    assert "it was not sent" in reason.text


def test_every_message_of_a_422_has_a_reason(mock):
    reasons = mock.why("POST", "agents", {"passwd": "x"})
    assert {reason.field for reason in reasons} == mock.journal[-1].response_json.keys()
    assert all(reason.rule and reason.lines for reason in reasons)


def test_rejected_secret_is_not_quoted(mock):
    reason = next(item for item in mock.why("POST", "agents", {"passwd": "sesame"}) if item.field == "passwd")
    assert "sesame" not in reason.text


def test_reason_names_check_after_rules(mock):
    mock.ask("POST", "agents", AGENT)
    reason, = mock.why("POST", "agents", AGENT)
    assert (reason.field, reason.rule) == ("save", "")
    assert reason.text == "the check key_is_new names save: Duplicate Key - 1000"


@pytest.mark.parametrize(("method", "path", "message"), [
    ("GET", "tenant", "the API has no path /api/tenant; the nearest are GET /api/tenants (tenants.list)"),
    ("GET", "Tenants/x", "the nearest are GET /api/tenants/{tenant} (tenants.show)"),
    ("POST", "extensons/mailbox", "the nearest are POST /api/extensions/mailbox (extensions.create.mailbox)"),
    ("GET", "qqqqqq", "the API has no path /api/qqqqqq"),
    ("PATCH", "tenants", "/api/tenants supports GET (tenants.list), not PATCH"),
    ("GET", "tenants/nosuch", "the table cluster has no row whose pkey is 'nosuch'"),
    ("GET", "backups/nosuch", "there is no backup 'nosuch'"),
    ("DELETE", "tenants/default", "the state forbids it"),
])
def test_reasons_for_404_405_and_409(mock, method, path, message):
    assert message in mock.why(method, path)[0].text


def test_reason_for_stopped_pbx_says_how_to_start_it(mock):
    mock.engine.state.pbx.stop()
    assert mock.why("GET", "astamis/CoreStatus")[0].text == "PBX not running; POST /_mock/pbx/start starts it"


def test_reason_for_throttle_and_fault():
    mock = Mock(throttle=1)
    mock.ask("GET", "tenants")
    assert "more than 1 requests in a minute" in mock.why("GET", "tenants")[0].text
    mock = Mock()
    mock.faults.add(status=500, id="bad")
    assert mock.why("GET", "tenants")[0].text == "caused by the fault bad"


def test_reason_for_crash_of_the_product():
    phone = {"pkey": "1001", "cluster": "default", "macaddr": "0004f2112233"}
    assert Mock("shipped").why("POST", "extensions/provisioned", phone)[0].text.startswith("the product crashes here: ")


def test_crash_reason_is_taken_from_debug_page_title():
    mock = Mock("L10")
    mock.client.get("/api/holidaytimers", headers={"Accept": "text/html"})
    assert mock.journal.why(mock.journal[-1])[0].text == (
        r"the product crashes here: Target class [App\Http\Controllers\holidaytimerController] does not exist.")


# Warnings

def test_warning_about_unknown_variable(mock):
    warning, = mock.journal.warnings(mock.ask("POST", "tenants", ACME | {"descripton": "x"}))
    assert warning.text == "tenants.create has no variable 'descripton' and ignores it; did you mean description?"


@pytest.mark.parametrize(("request_", "expected"), [
    # no difference
    (("GET", "tenants"), []),
    (("POST", "tenants", ACME), []),
    (("POST", "agents", AGENT), []),
    (("GET", "backups"), []),
    # a value that only one of them accepts
    (("POST", "agents", AGENT | {"passwd": 1000}), ["agent-passwd-from-1001"]),
    (("POST", "agents", AGENT | {"cluster": "nix"}), ["agent-cluster-unchecked"]),
    (("PUT", "agents/1000", {"name": "y"}), ["agent-passwd-required"]),
    # a variable that one of them does not have
    (("POST", "extensions/mailbox", {"pkey": "1001", "cluster": "default"}), []),
    (("POST", "extensions/mailbox", {"pkey": "1001", "cluster": "default", "callerid": "1"}),
     ["extension-create-ignores-optional"]),
    # paths and methods
    (("PUT", "astamis/DBPut/a/b/c"), ["ami-dbput-spelling"]),
    (("DELETE", "astamis/DBdel/a/b"), ["ami-dbdel-method"]),
    (("GET", "globals"), ["globals-path"]),
    (("GET", "sysglobals"), ["globals-path"]),
    # the effect and the response
    (("POST", "extensions/provisioned", {"pkey": "1001", "cluster": "default", "macaddr": "0004f2112233"}),
     ["extension-provisioned-crashes"]),
    (("GET", "backups/nosuch"), ["backup-download-missing"]),
    (("GET", "firewalls/ipv4"), ["firewall-rules-wrapped"]),
    (("POST", "agents", AGENT | {"name": ["x"]}), ["debug-pages"]),
])
def test_warnings_about_deviations_of_published_product(mock, request_, expected):
    mock.ask("POST", "agents", AGENT | {"pkey": "1001"})
    assert mock.deviations(*request_) == expected


def test_no_warnings_when_published_product_is_served():
    assert Mock("shipped").deviations("GET", "sysglobals") == []


def test_every_observable_deviation_has_a_warning():
    mock, product = Mock(), published_product()
    related = {item.deviation.id for program in (mock.engine.program, product) for name in program.by_id
               for item in relations(program, product, name)}
    unseen = {item.id for item in deviations_of(product.profile) if item.unseen or not item.observable}
    assert {item.id for item in deviations_of(product.profile)} - related <= unseen


# HAR

def test_har_has_requests_and_responses(mock):
    mock.ask("POST", "agents?token=abc&a=1&a=2", AGENT)
    mock.ask("GET", "agents/1000")
    archive = json.loads(mock.journal.har(origin="https://pbx.test"))["log"]
    assert (archive["version"], archive["creator"]["name"]) == ("1.2", "sarkmock")
    created, shown = archive["entries"]
    assert created["request"]["url"] == "https://pbx.test/api/agents?token=REDACTED&a=1&a=2"
    assert created["request"]["queryString"] == [
        {"name": name, "value": value} for name, value in (("token", "REDACTED"), ("a", "1"), ("a", "2"))]
    assert json.loads(created["request"]["postData"]["text"]) == AGENT | {"passwd": "REDACTED"}
    assert (created["response"]["status"], created["response"]["statusText"]) == (201, "Created")
    assert json.loads(shown["response"]["content"]["text"])["pkey"] == "1000"
    assert re.match(r"\d{4}-\d\d-\d\dT", shown["startedDateTime"])


def test_backup_content_is_replaced_by_its_size(mock):
    mock.client.get("/api/backups/new")
    mock.ask("GET", f"backups/{next(iter(mock.client.get('/api/backups').json))}")
    content = json.loads(mock.journal.har())["log"]["entries"][-1]["response"]["content"]
    assert content["text"] == f"({content['size']} bytes)"
    assert mock.client.get("/_mock/journal?limit=1").json["entries"][0]["response"]["body"] == content["text"]


def test_har_over_http_can_be_filtered(mock):
    mock.ask("GET", "tenants")
    mock.ask("GET", "nosuch")
    entry, = mock.client.get("/_mock/journal.har?status=404").json["log"]["entries"]
    assert entry["request"]["url"] == "http://localhost/api/nosuch"


def test_reasons_and_warnings_over_http(mock):
    mock.ask("POST", "tenants", {"pkey": "acme", "descripton": "x"})
    entry = mock.client.get("/_mock/journal/1").json
    assert entry["why"] == [{"field": "description", "rule": "required", "lines": [666],
                             "text": "description breaks its rule required (it was not sent): "
                                     "The description field is required."}]
    assert [warning["text"] for warning in entry["warnings"]] == [
        "tenants.create has no variable 'descripton' and ignores it; did you mean description?"]
