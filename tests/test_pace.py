"""Rate limiting and network errors during a run, with a simulated clock."""

import json
from types import SimpleNamespace

import pytest
from sarkmock_contracts.checks import cases
from sarkmock_contracts.client.formats import Cassette, CassetteRecorder
from sarkmock_contracts.client.http import Request, Response
from sarkmock_contracts.client.rate_limit import RateLimit, Timer, retry_after, seconds_each
from sarkmock_contracts.client.transports import InProcess
from sarkmock_contracts.errors import CannotRun, Lost, NoAnswer, StaysAway
from sarkmock_contracts.plugin.plan import Planning
from sarkmock_contracts.run import Run
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine, create_app
from sarkmock.pbx.state import State
from sarkmock.suite_api import load
from tests.boxes import NOW

TENANTS = Request("GET", "/tenants")
RESET = NoAnswer("reset", sent=True)
REJECTED = NoAnswer("rejected", sent=False)
GATEWAY = Response(503, (("Content-Type", "text/html"),), b"<h1>Service Unavailable</h1>")


class Time:
    """A simulated clock, which also advances the box's clock. A request takes 0.1 seconds."""

    def __init__(self, engine=None):
        self.engine, self.slept = engine, []
        self.passed = 0.0

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds):
        self.passed += seconds
        if self.engine:
            self.engine.state.clock.advance(seconds)

    @property
    def clock(self):
        return Timer(lambda: self.passed, self.sleep)


class Box:
    """A mock with scripted faults: an exception before or after the request is handled, or another response."""

    def __init__(self, throttle=None, profile="documented"):
        self.engine = Engine(load(profile), State(now=NOW))
        self.time = Time(self.engine)
        self.transport = InProcess(create_app(self.engine, throttle))
        self.url, self.base = self.transport.url, self.transport.base
        self.script, self.seen = [], []
        self.rejections = 0  # responses with 429

    def send(self, request):
        self.time.advance(0.1)
        self.seen.append(request)
        fault, carried_out = self.script.pop(0) if self.script else (None, True)
        response = self.transport.send(request) if carried_out else None
        if isinstance(fault, Exception):
            raise fault
        answer = fault or response
        self.rejections += answer.status == 429
        return answer

    def paced(self, rate="auto"):
        return RateLimit(self, rate, self.time.clock)

    def suite(self, settings=None):
        limit = RateLimit(self, "auto", self.time.clock, lambda request: bool(suite._may_repeat(request)))
        suite = Run(contract_of("documented"), limit, settings)
        suite.get("/tenants")
        return suite


def test_rate_limit_of_box_is_never_exceeded():
    box = Box(throttle=60)
    paced = box.paced()
    answers = [paced.send(TENANTS).status for _ in range(400)]
    assert set(answers) == {200}
    assert box.rejections == 0
    assert 6 * 60 <= box.time.passed <= 6 * 62 + 10


def test_window_used_by_another_client_costs_one_rejection():
    box = Box(throttle=60)
    for _ in range(45):
        box.transport.send(TENANTS)
    box.time.advance(50)
    paced = box.paced()
    assert {paced.send(TENANTS).status for _ in range(200)} == {200}
    assert box.rejections <= 1


def test_rejections_caused_by_other_clients_are_waited_for():
    box = Box(throttle=5)
    paced = box.paced()
    for _ in range(6):
        assert paced.send(TENANTS).status == 200
        for _ in range(5):
            box.transport.send(TENANTS)
    assert 0 < box.rejections <= 6


def test_box_without_rate_limit_is_not_throttled():
    box = Box()
    paced = box.paced()
    for _ in range(200):
        paced.send(TENANTS)
    assert box.time.slept == []


@pytest.mark.parametrize(("rate", "seconds"), [("auto", 0), ("60/m", 1), ("2/s", 0.5), ("90/h", 40)])
def test_rate_formats(rate, seconds):
    assert seconds_each(rate) == seconds


@pytest.mark.parametrize("rate", ["60", "0/m", "60/d", "-1/m", "fast", "1.5/s", ""])
def test_invalid_rate_is_rejected(rate):
    with pytest.raises(CannotRun, match="--rate"):
        seconds_each(rate)


def test_configured_rate_is_even():
    box = Box()
    paced = box.paced("30/m")
    for _ in range(10):
        paced.send(TENANTS)
    assert box.time.passed == pytest.approx(9 * 2 + 0.1)


@pytest.mark.parametrize("trouble", [REJECTED, RESET, GATEWAY, Response(502, (), b""), Response(504, (), b"")])
def test_temporary_network_failure_is_retried(trouble):
    box = Box()
    paced = box.paced()
    paced.send(TENANTS)
    box.script = [(trouble, False)] * 4
    assert paced.send(TENANTS).status == 200
    assert paced.troubles == 4


def test_503_of_the_api_is_a_response():
    box = Box()
    box.engine.state.pbx.stop()
    paced = box.paced()
    for method in ("GET", "HEAD"):  # the response to HEAD has no body that identifies the API
        assert paced.send(Request(method, "/astamis/CoreStatus")).status == 503
    assert paced.troubles == 0


def test_maintenance_mode_is_waited_for():
    box = Box()
    paced = box.paced()
    paced.send(TENANTS)
    box.script = [(Response(503, (("Retry-After", "60"),), b'{"message": "Service Unavailable"}'), False)]
    assert paced.send(TENANTS).status == 200


def test_unreachable_box_is_given_up_once():
    box = Box()
    paced = box.paced()
    paced.send(TENANTS)
    box.script = [(REJECTED, False)] * 50
    with pytest.raises(StaysAway, match="rejected"):
        paced.send(TENANTS)
    waited = box.time.passed
    assert waited < 120
    with pytest.raises(StaysAway):
        paced.send(TENANTS)
    assert box.time.passed < waited + 1


def test_first_request_is_not_retried():
    box = Box()
    box.script = [(REJECTED, False)]
    with pytest.raises(CannotRun, match="rejected"):
        box.paced().send(TENANTS)
    assert box.time.slept == []


def test_endless_429_is_given_up():
    box = Box()
    box.script = [(Response(429, (("Retry-After", "60"),), b""), False)] * 20
    with pytest.raises(StaysAway, match="429"):
        box.paced().send(TENANTS)


def test_long_retry_after_is_not_waited_for():
    box = Box()
    box.script = [(Response(429, (("Retry-After", "3600"),), b""), False)]
    with pytest.raises(StaysAway, match="Retry-After 3600"):
        box.paced().send(TENANTS)
    assert box.time.slept == []


@pytest.mark.parametrize(("text", "seconds"), [
    ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", 60), ("", 60), ("-1", 60), ("1.5", 60), ("1e308", 60), ("nan", 60),
    ("Mon, 01 Jan 99999 00:00:00 GMT", 60), ("Wed, 21 Oct 2095 07:28:00 +9999", 60), ("\u0663", 60), ("9" * 5000, 1e9)])
def test_odd_retry_after_is_a_bounded_number(text, seconds):
    assert retry_after(Response(429, (("Retry-After", text),))) == seconds


def test_long_waits_are_announced(capsys):
    box = Box()
    box.script = [(Response(429, (("Retry-After", seconds),), b""), False) for seconds in ("1", "-1")]
    box.paced().send(TENANTS)
    assert capsys.readouterr().err == "waiting 1:00 min for the target\n"


def create_request(suite):
    operation = suite.contract.by_id["tenants.create"]
    return suite.fixtures.request(operation, suite.fixtures.minimal(operation))


def tenants(box):
    return len(box.engine.state.tables.rows("cluster"))


def test_create_that_had_no_effect_is_retried():
    box = Box()
    suite = box.suite()
    box.script = [(RESET, False)]
    assert suite.send(create_request(suite)).response.status == 201
    assert [request.method for request in box.seen[-3:]] == ["POST", "GET", "POST"]
    assert not len(suite.findings)


def test_create_that_took_effect_is_not_retried_and_cleaned_up():
    box = Box()
    suite = box.suite()
    before = tenants(box)
    box.script = [(RESET, True)]
    with suite.watch():
        suite.send(create_request(suite))
    assert [request.method for request in box.seen if request.method != "GET"] == ["POST", "DELETE"]
    assert tenants(box) == before
    assert len(suite.gaps.unanswered) == 1
    assert "/tenants" in suite.gaps.unanswered[0]
    assert not len(suite.findings)


def test_create_with_generated_key_is_never_retried():
    box = Box()
    suite = box.suite()
    operation = suite.contract.by_id["holidaytimers.create"]
    request = suite.fixtures.request(operation, suite.fixtures.minimal(operation))
    box.script = [(RESET, True)]
    with pytest.raises(Lost):
        suite.send(request)
    assert [request.method for request in box.seen].count("POST") == 1


@pytest.mark.parametrize(("carried_out", "deletes"), [(False, 2), (True, 1)])
def test_delete_is_retried_only_while_row_exists(carried_out, deletes):
    box = Box()
    suite = box.suite()
    row = suite.fixtures.make(suite.contract.by_id["tenants.create"])
    box.script = [(RESET, carried_out)]
    with suite.watch():
        suite.send(Request("DELETE", row.delete))
    assert [request.method for request in box.seen].count("DELETE") == deletes
    assert not len(suite.findings)


@pytest.mark.parametrize("path", ["/backups/new", "/syscommands/commit", "/syscommands/reboot"])
def test_get_with_side_effect_is_not_retried(path):
    box = Box()
    suite = box.suite()
    box.script = [(RESET, True)]
    with pytest.raises(Lost):
        suite.send(Request("GET", path))
    assert [request.path for request in box.seen].count(path) == 1


def test_network_failures_are_not_findings():
    box = Box(throttle=60)
    suite = box.suite()
    fine = (None, True)
    box.script = [fine, (GATEWAY, False), fine, (REJECTED, False), fine, (RESET, False), fine] * 10
    for operation in suite.contract.operations[:40]:
        if operation.hazard == "read":
            with suite.watch():
                suite.send(suite.fixtures.request(operation))
    assert not len(suite.findings)
    assert box.rejections <= 2


def test_every_attempt_is_recorded_in_har(tmp_path):
    box = Box()
    cassette = Cassette(tmp_path / "traffic.har")
    paced = RateLimit(CassetteRecorder(box, cassette), "auto", box.time.clock)
    box.script = [(REJECTED, False), (GATEWAY, False), (Response(429, (("Retry-After", "1"),), b""), False)]
    paced.answered = True
    assert paced.send(TENANTS).ok
    cassette.close()
    entries = json.loads((tmp_path / "traffic.har").read_text())["log"]["entries"]
    assert [entry["response"]["status"] for entry in entries] == [0, 503, 429, 200]
    assert entries[0]["comment"]


def test_run_stops_when_target_is_gone():
    box = Box()
    suite = box.suite()
    planning, session = Planning(suite), SimpleNamespace()
    case = next(case for case in cases(suite) if case.check.name == "reads")
    item = SimpleNamespace(session=session, callspec=SimpleNamespace(params={"case": case}))
    box.script = [(REJECTED, False)] * 50
    steps = planning.pytest_runtest_protocol(item)
    next(steps)
    with suite.watch():
        suite.get("/tenants")
    with pytest.raises(StopIteration):
        next(steps)
    assert suite.gaps.stopped
    assert next(planning.untested()).startswith("stopped: rejected (")
