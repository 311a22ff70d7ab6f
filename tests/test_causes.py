"""Grouping findings by their common cause."""

import json

import pytest
from sarkmock_contracts.client.http import Exchange, Request, Response
from sarkmock_contracts.judge.causes import causes_of
from sarkmock_contracts.judge.findings import Finding, Identity


def finding(operation, check, field, kind, message, status=422, body=None):
    response = Response(status, (("Content-Type", "application/json"),), json.dumps(body or {}).encode())
    return Finding(Identity(operation, check, field, kind), message, (Exchange(Request("GET", "/x"), response),))


def worded(operation, field, ours, theirs):
    return finding(operation, "messages", field, "wording", f"{field}: {ours!r} instead of {theirs!r}")


def crash(operation, message):
    page = {"message": message, "exception": "ErrorException"}
    return finding(operation, "status", "", "500", "returned 500", 500, page)


def sent(value, operation, field, kind):
    request = Request("POST", "/x", "", (("Content-Type", "application/json"),), json.dumps({field: value}).encode())
    return Finding(Identity(operation, "rules", field, kind), f"{field} is {kind}", (Exchange(request, Response(200)),))


def rejected(operation, field, text):
    message = f"{field} is rejected although the rules accept it: {[text]}"
    return finding(operation, "rules", field, "rejected", message)


NOT_FOUND = [finding(f"{name}.show", "schema", field, kind, f"404 {field}", 404, {"message": "no row"})
             for name in ("agents", "queues", "routes")
             for field, kind in (("reason", "required"), ("message", "more"))]
INTEGERS = [worded("agents.create", "pkey", ["The pkey field must be an integer."], ["The pkey must be an integer."]),
            worded("tenants.create", "call_limit", ["The call limit field must be an integer."],
                   ["The call limit must be an integer."]),
            worded("trunks.create", "callerId", ["The caller id field must be an integer."],
                   ["The caller id must be an integer."])]
BOUNDS = [worded("agents.create", "passwd", ["The passwd field must be at least 1001."],
                 ["The passwd must be at least 1000."]),
          worded("agents.update", "pkey", ["The pkey field must be at least 5."], ["The pkey must be at least 7."])]
CRASHES = [crash("routes.list", "Undefined index: 'a1'"), crash("queues.list", "Undefined index: 'b2'")]
VARIABLE = [finding("ivrs.update", "rules", "name", kind, f"name is {kind}") for kind in ("accepted", "rejected")]
STRICTER = [rejected(name, field, f"The {field} may only contain letters and numbers.")
            for name, field in (("trunks.create", "tag"), ("agents.update", "nick"), ("routes.update", "desc"))]
SHORTER_LIST = [rejected(f"queues.{verb}", "devicerec", "The selected devicerec is invalid.")
                for verb in ("create", "update")]
WIDER = [finding(f"tenants.{verb}", "rules", "chanmax", "accepted", "chanmax breaks its rules but is not rejected")
         for verb in ("create", "update")]
LOST_UPDATE = [*(finding("cosrules.update", "stored", field, "changed", f"{field} should be 'b', is 'a'", 200)
                 for field in ("dialplan", "orideopen")),
               finding("cosrules.update", "unrequested", "active", "changed", "active should be 'NO', is 'YES'", 200)]
LOST_DELETION = [finding("greetings.list", "list", "", "stale", "'1001' was deleted but is still listed", 200),
                 finding("greetings.delete", "presence", "", "still there", "'1002' should not exist: 200", 200)]
RENAMED_PATH = [finding("firewalls.restart", "status", "", "405", "returned 405, documented: 200, 500", 405),
                finding("firewalls.list", "options", "", "allow", "Allow is ['GET'], expected ['GET', 'PUT']", 200),
                finding("firewalls.list", "method", "", "allow", "405 with Allow: GET, expected GET, PUT", 405)]
ANOTHER_METHOD = [finding("queues.create", "status", "", "405", "returned 405, documented: 201, 422", 405),
                  finding("queues.list", "options", "", "allow", "Allow is ['GET', 'PUT'], expected ['GET']", 200),
                  finding("queues.list", "method", "", "PUT", "PUT returned 422, expected 405", 422)]
LOST_ROW = [finding("daytimers.create", "link", "show", "404", "GET /daytimers/1 returned 404, expected 200", 404),
            finding("daytimers.list", "list", "", "missing", "'1' exists but is not listed", 200),
            finding("daytimers.delete", "answer", "", "404", "DELETE returned 404 for a valid request", 404),
            finding("daytimers.create", "stored", "id", "changed", "id was sent as '1' and is '2'", 201)]
KEYS = {"daytimers.create": "id"}
NESTED = [finding("phones.update", check, field, kind, f"{field} {kind}", 422,
                  {"errors": {"cfim": ["The cfim is wrong."]}})
          for check, field, kind in (("rules", "cfim", "accepted"), ("rules", "errors", "rejected"),
                                     ("schema", "*", "type"))]
ANOTHER_TYPE = [finding("globals.update", "schema", "EURL", "type", "200 EURL: 4 is not of type 'string'", 200),
                finding("globals.update", "stored", "EURL", "changed", "EURL was sent as 'a' and is 4", 200)]
ANOTHER_STATUS = [finding(f"astamis.{name}", check, "", "400", text, 400) for name in ("function", "function.id")
                  for check, text in (("status", "returned 400, documented: 404"),
                                      ("unknown-key", "GET of an unknown key returned 400, expected 404"))]
ANOTHER_ROW = [*(finding("ringgroups.create", "stored", field, "changed", f"{field} was sent as 'b' and is 'a'", 201)
                 for field in ("out", "obeydnd")),
               *(finding("ringgroups.create", "default", field, "changed", f"{field} should be None, is 'a'", 201)
                 for field in ("divert", "longdesc"))]
RENAMED_FIELD = [finding("backups.new", "schema", "log", "additionalProperties", "200 body: 'log' was unexpected", 200),
                 finding("backups.new", "schema", "Log", "required", "200 body: 'Log' is a required property", 200)]
MORE_FIELDS = [finding(name, "schema", "dialstring", "additionalProperties", "200: 'dialstring' was unexpected", 200)
               for name in ("extensions.list", "extensions.show", "extensions.update")]
NOT_TRIMMED = [sent(" A ", "routes.create", "active", "rejected"), sent(" A", "routes.update", "active", "rejected"),
               sent("NO ", "routes.create", "auth", "rejected"), sent("  ", "routes.create", "path2", "accepted")]
NOT_NULL = [sent("", "routes.create", "dialplan", "accepted"), sent("", "trunks.update", "peername", "accepted"),
            sent("", "trunks.update", "sipiaxpeer", "accepted")]
METHOD_TEXT = [finding(name, check, "", "wording", f"the message of 405 is 'No.', expected '{text}'", 405)
               for name, check, text in (("", "unknown-path", "The DELETE"), ("destinations.list", "method", "A PUT"))]
SINGLE = [finding("logs.list", "header", "Allow", "missing", "405 lacks the header Allow", 405)]


GROUPS = [NOT_FOUND, INTEGERS, BOUNDS, CRASHES, VARIABLE, STRICTER, SHORTER_LIST, WIDER, LOST_UPDATE,
          LOST_DELETION, RENAMED_PATH, ANOTHER_METHOD, LOST_ROW, NESTED, ANOTHER_TYPE,
          ANOTHER_STATUS, ANOTHER_ROW, RENAMED_FIELD, MORE_FIELDS, NOT_TRIMMED, NOT_NULL, METHOD_TEXT,
          SINGLE]


@pytest.mark.parametrize("group", GROUPS)
def test_findings_in_common_have_one_cause(group):
    (cause,) = causes_of(group, KEYS)
    assert cause.findings == tuple(group)


def test_different_causes_are_separate_and_no_finding_is_lost():
    findings = [item for group in GROUPS for item in group]
    causes = causes_of(findings, KEYS)
    assert sorted(str(item) for cause in causes for item in cause.findings) == sorted(map(str, findings))
    grouped = sorted(sorted(map(str, cause.findings)) for cause in causes)
    assert grouped == sorted(sorted(map(str, group)) for group in GROUPS)


def test_cause_lists_operations_and_fields():
    (cause,) = causes_of(NOT_FOUND, KEYS)
    assert cause.operations == ["agents.show", "queues.show", "routes.show"]
    assert cause.fields == ["reason", "message"]
    assert "404" in cause.title
