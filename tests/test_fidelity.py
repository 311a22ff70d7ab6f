"""The recorded exchanges, replayed: shipped answers as the product, documented differs only where a deviation says."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from sarkmock.http.engine import Engine
from sarkmock.pbx.state import State
from sarkmock.spec import loading
from tests import fidelity, replay
from tests.fidelity import FILES

ROOT = Path(__file__).parent.parent
# What needs a live Asterisk, or would have stopped the box that was recorded.
UNRECORDED = {
    "extensions.create.vxt", "firewalls.ipv6.restart", "logs.cdrs.all", "logs.cdrs.limit",
    "syscommands.commit", "syscommands.pbxstart", "syscommands.pbxstop", "syscommands.reboot",
}


@cache
def verdict() -> fidelity.Verdict:
    return fidelity.judge(exchange for file in FILES for exchange in replay.read(file))


def test_shipped_answers_every_exchange_as_recorded() -> None:
    assert [str(difference) for difference in verdict().shipped] == []


def test_documented_differs_only_where_a_deviation_touches() -> None:
    assert [str(difference) for difference in verdict().unexplained] == []


def test_documented_agrees_with_most() -> None:
    """Else the test above would prove little."""
    assert len(verdict().documented) < sum(verdict().exchanges.values()) / 2


def test_every_recorded_operation_is_replayed() -> None:
    engine = Engine(loading.load("shipped"), State())
    asked = {name for file in FILES for exchange in replay.read(file) for name in operation(engine, exchange)}
    missing = {known.id for known in engine.operations} - asked
    assert {name for name in missing if not name.startswith("astamis.")} == UNRECORDED


def operation(engine: Engine, exchange: replay.Exchange) -> set[str]:
    request = exchange["request"]
    return {found.id for found in engine.operations
            if found.method == request["method"] and fidelity.matches(found.path, request["path"])}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_exchanges_are_well_formed(file: Path) -> None:
    for exchange in replay.read(file):
        assert list(exchange) == ["selection", "scenario", "step", "request", "response"]
        assert set(exchange["response"]) == {"status", "content_type", "body"}


def test_selections_follow_one_another() -> None:
    for file in FILES:
        places = [(item["selection"], item["scenario"], item["step"]) for item in replay.read(file)]
        assert places == sorted(places, key=lambda place: (place[0], place[2]))


@pytest.fixture
def engine() -> Engine:
    return Engine(loading.load("shipped"), State())


def recorded(status: int, body: object) -> list[dict[str, object]]:
    return [{"scenario": 1, "step": 0, "request": {"method": "GET", "path": "/tenants/acme"},
             "response": {"status": status, "content_type": "application/json", "body": body}}]


@pytest.mark.parametrize(("status", "body", "agree"), [
    (404, {"reason": "Not Found!"}, True), (404, {"reason": "Gone"}, False), (410, {"reason": "Not Found!"}, False)])
def test_a_wrong_answer_is_a_difference(engine: Engine, status: int, body: object, agree: bool) -> None:
    assert (replay.replay(recorded(status, body), engine) == []) is agree


@pytest.mark.parametrize(("one", "other", "equal"), [
    ({"passwd": "a"}, {"passwd": "b"}, True),
    ({"pkey": "dateSeg12"}, {"pkey": "dateSeg7"}, True),
    ({"sarkbak.12.zip": {"filesize": 1}}, {"sarkbak.7.zip": {"filesize": 2}}, True),
    ({"sarkbak.12.zip": {}, "sarkbak.13.zip": {}}, {"sarkbak.7.zip": {}}, False),
    (["sark.db.12 not found"], ["sark.db.7 not found"], True),
    ({"a": 1}, {"a": True}, False), ({"a": 1}, {"a": "1"}, False), ({"a": 1}, {"a": 1.0}, False),
    ([1, 2], [2, 1], False), ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
])
def test_only_what_is_volatile_is_masked(one: object, other: object, equal: bool) -> None:
    assert (replay.canonical(replay.mask(one)) == replay.canonical(replay.mask(other))) is equal


def test_places_and_what_lies_in_them() -> None:
    assert fidelity.overlap("/paths/~1x", "/paths/~1x/get")
    assert not fidelity.overlap("/paths/~1x/get", "/paths/~1x/put")
    assert not fidelity.overlap("/paths/~1x", "/paths/~1xy")


def test_a_file_with_a_difference_fails(tmp_path: Path) -> None:
    file = tmp_path / "wrong.jsonl"
    file.write_text(json.dumps(recorded(200, {})[0]), encoding="utf-8")
    assert fidelity.main([str(file)]) == 1
    file.write_text(json.dumps(recorded(404, {"reason": "Not Found!"})[0]), encoding="utf-8")
    assert fidelity.main([str(file)]) == 0


def test_one_profile_is_told_by_resource(capsys: pytest.CaptureFixture[str]) -> None:
    agents = next(file for file in FILES if file.stem == "agents")
    assert replay.main([str(agents), "--profile", "shipped"]) == 0
    count = len(replay.read(agents))
    assert f"{'all':20} {count:5} of {count:5}   100.0%" in capsys.readouterr().out
    assert replay.main([str(agents), "--profile", "documented", "--resource", "agents", "-v"]) == 1
    assert "expected [" in capsys.readouterr().out


def test_the_readme_of_the_exchanges_counts_them() -> None:
    readme = (ROOT / "contracts" / "exchanges" / "README.md").read_text(encoding="utf-8")
    assert f": {sum(len(replay.read(file)) for file in FILES)} of them" in readme
