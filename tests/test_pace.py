"""The pace of a run at a box that limits its clients, and a network that fails, by a clock that only tests move."""

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
from sarkmock_contracts.spec.contract import Contract

from sarkmock import Engine, create_app
from sarkmock.pbx.state import State
from sarkmock.suite_api import load
from tests.boxes import NOW

TENANTS = Request("GET", "/tenants")
RESET = NoAnswer("reset", sent=True)
REJECTED = NoAnswer("rejected", sent=False)
GATEWAY = Response(503, (("Content-Type", "text/html"),), b"<h1>Service Unavailable</h1>")


class Time:
    """Moves when somebody sleeps, and takes the box's clock along; a request takes a tenth of a second."""

    def __init__(self, engine=None):
        self.engine, self.slept = engine, []
        self.passed = 0.0

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds):
        self.passed += seconds
        if self.engine:
            self.engine.state.clock.advance(seconds)

    @property
    def clock(self):
        return Timer(lambda: self.passed, self.sleep)


class Box:
    """A mock whose answers can be replaced: an exception before it is asked, a lost answer, another answer."""

    def __init__(self, throttle=None, profile="documented"):
        self.engine = Engine(load(profile), State(now=NOW))
        self.time = Time(self.engine)
        self.transport = InProcess(create_app(self.engine, throttle))
        self.url, self.base = self.transport.url, self.transport.base
        self.script, self.seen, self.limit = [], [], None

    def send(self, request):
        self.time.pass_by(0.1)
        self.seen.append(request)
        fault, carried_out = self.script.pop(0) if self.script else (None, True)
        response = self.transport.send(request) if carried_out else None
        if isinstance(fault, Exception):
            raise fault
        return fault or response

    def paced(self, rate="auto"):
        return RateLimit(self, rate, self.time.clock)

    def suite(self, settings=None):
        self.limit = RateLimit(self, "auto", self.time.clock, lambda request: bool(suite._may_repeat(request)))
        suite = Run(Contract(load("documented")), self.limit, settings)
        suite.get("/tenants")
        return suite


def test_a_box_that_limits_is_never_asked_too_often():
    box = Box(throttle=60)
    paced = box.paced()
    answers = [paced.send(TENANTS).status for _ in range(400)]
    assert set(answers) == {200}
    assert paced.rejections == 0
    assert 6 * 60 <= box.time.passed <= 6 * 62 + 10


def test_a_window_that_somebody_else_began_costs_one_rejection_at_most():
    box = Box(throttle=60)
    for _ in range(45):
        box.transport.send(TENANTS)
    box.time.pass_by(50)
    paced = box.paced()
    assert {paced.send(TENANTS).status for _ in range(200)} == {200}
    assert paced.rejections <= 1


def test_what_others_take_costs_rejections_that_are_waited_for():
    box = Box(throttle=5)
    paced = box.paced()
    for _ in range(6):
        assert paced.send(TENANTS).status == 200
        for _ in range(5):
            box.transport.send(TENANTS)
    assert 0 < paced.rejections <= 6


def test_a_box_without_limit_is_not_waited_for():
    box = Box()
    paced = box.paced()
    for _ in range(200):
        paced.send(TENANTS)
    assert box.time.slept == []


@pytest.mark.parametrize(("rate", "seconds"), [("auto", 0), ("60/m", 1), ("2/s", 0.5), ("90/h", 40)])
def test_a_rate_is_a_number_and_a_unit(rate, seconds):
    assert seconds_each(rate) == seconds


@pytest.mark.parametrize("rate", ["60", "0/m", "60/d", "-1/m", "fast", "1.5/s", ""])
def test_any_other_rate_is_a_mistake(rate):
    with pytest.raises(CannotRun, match="--rate"):
        seconds_each(rate)


def test_a_rate_of_ones_own_is_even():
    box = Box()
    paced = box.paced("30/m")
    for _ in range(10):
        paced.send(TENANTS)
    assert box.time.passed == pytest.approx(9 * 2 + 0.1)


@pytest.mark.parametrize("trouble", [REJECTED, RESET, GATEWAY, Response(502, (), b""), Response(504, (), b"")])
def test_a_network_that_fails_for_a_while_is_survived(trouble):
    box = Box()
    paced = box.paced()
    paced.send(TENANTS)
    box.script = [(trouble, False)] * 4
    assert paced.send(TENANTS).status == 200
    assert paced.troubles == 4


def test_the_apis_own_503_is_an_answer():
    box = Box()
    box.engine.state.pbx.stop()
    paced = box.paced()
    for method in ("GET", "HEAD"):  # the answer to HEAD has no body to tell it by
        assert paced.send(Request(method, "/astamis/CoreStatus")).status == 503
    assert paced.troubles == 0


def test_maintenance_is_waited_for():
    box = Box()
    paced = box.paced()
    paced.send(TENANTS)
    box.script = [(Response(503, (("Retry-After", "60"),), b'{"message": "Service Unavailable"}'), False)]
    assert paced.send(TENANTS).status == 200


def test_a_box_that_stays_away_is_given_up_and_not_waited_for_again():
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


def test_a_box_that_never_answered_is_not_waited_for():
    box = Box()
    box.script = [(REJECTED, False)]
    with pytest.raises(CannotRun, match="rejected"):
        box.paced().send(TENANTS)
    assert box.time.slept == []


def test_a_box_that_rejects_for_ever_is_given_up():
    box = Box()
    box.script = [(Response(429, (("Retry-After", "60"),), b""), False)] * 20
    with pytest.raises(StaysAway, match="429"):
        box.paced().send(TENANTS)


def test_nobody_waits_for_an_hour():
    box = Box()
    box.script = [(Response(429, (("Retry-After", "3600"),), b""), False)]
    with pytest.raises(StaysAway, match="Retry-After 3600"):
        box.paced().send(TENANTS)
    assert box.time.slept == []


def test_retry_after_may_be_a_date():
    assert retry_after(Response(429, (("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"),))) == 0
    assert retry_after(Response(429, (("Retry-After", "soon"),))) == 60


def create(suite):
    operation = suite.contract.by_id["tenants.create"]
    return suite.fixtures.request(operation, suite.fixtures.minimal(operation))


def tenants(box):
    return len(box.engine.state.tables.rows("cluster"))


def test_a_create_that_was_not_carried_out_is_repeated():
    box = Box()
    suite = box.suite()
    box.script = [(RESET, False)]
    assert suite.send(create(suite)).response.status == 201
    assert [request.method for request in box.seen[-3:]] == ["POST", "GET", "POST"]
    assert not len(suite.findings)


def test_a_create_that_was_carried_out_is_not_repeated_and_is_cleaned_up():
    box = Box()
    suite = box.suite()
    before = tenants(box)
    box.script = [(RESET, True)]
    with suite.watch():
        suite.send(create(suite))
    assert [request.method for request in box.seen if request.method != "GET"] == ["POST", "DELETE"]
    assert tenants(box) == before
    assert len(suite.gaps.unanswered) == 1
    assert "/tenants" in suite.gaps.unanswered[0]
    assert not len(suite.findings)


def test_a_create_whose_key_the_server_makes_is_never_repeated():
    box = Box()
    suite = box.suite()
    operation = suite.contract.by_id["holidaytimers.create"]
    request = suite.fixtures.request(operation, suite.fixtures.minimal(operation))
    box.script = [(RESET, True)]
    with pytest.raises(Lost):
        suite.send(request)
    assert [request.method for request in box.seen].count("POST") == 1


@pytest.mark.parametrize(("carried_out", "deletes"), [(False, 2), (True, 1)])
def test_a_delete_is_repeated_only_while_the_row_is_there(carried_out, deletes):
    box = Box()
    suite = box.suite()
    made = suite.fixtures.make(suite.contract.by_id["tenants.create"])
    box.script = [(RESET, carried_out)]
    with suite.watch():
        suite.send(Request("DELETE", made.delete))
    assert [request.method for request in box.seen].count("DELETE") == deletes
    assert not len(suite.findings)


@pytest.mark.parametrize("path", ["/backups/new", "/syscommands/commit", "/syscommands/reboot"])
def test_a_get_that_does_something_is_not_repeated(path):
    box = Box()
    suite = box.suite()
    box.script = [(RESET, True)]
    with pytest.raises(Lost):
        suite.send(Request("GET", path))
    assert [request.path for request in box.seen].count(path) == 1


def test_trouble_is_no_deviation_whoever_meets_it():
    box = Box(throttle=60)
    suite = box.suite()
    fine = (None, True)
    box.script = [fine, (GATEWAY, False), fine, (REJECTED, False), fine, (RESET, False), fine] * 10
    for operation in suite.contract.operations[:40]:
        if operation.hazard == "read":
            with suite.watch():
                suite.send(suite.fixtures.request(operation))
    assert not len(suite.findings)
    assert box.limit.rejections <= 2


def test_every_attempt_is_in_the_record_of_traffic(tmp_path):
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


def test_a_run_stops_when_the_target_is_gone():
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
