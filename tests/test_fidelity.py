"""Replay of the recorded exchanges: `shipped` responds as recorded, `documented` differs only by listed deviations."""

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
# Operations that need a running Asterisk, or would have stopped the recorded box.
UNRECORDED = {
    "extensions.create.vxt", "firewalls.ipv6.restart", "logs.cdrs.all", "logs.cdrs.limit",
    "syscommands.commit", "syscommands.pbxstart", "syscommands.pbxstop", "syscommands.reboot",
}


@cache
def verdict() -> fidelity.Verdict:
    return fidelity.judge(exchange for file in FILES for exchange in replay.read(file))


def test_shipped_matches_every_recorded_exchange() -> None:
    assert [str(difference) for difference in verdict().shipped] == []


def test_documented_differs_only_where_deviations_apply() -> None:
    assert [str(difference) for difference in verdict().unexplained] == []


def test_documented_matches_most_exchanges() -> None:
    """Otherwise the test above would prove little."""
    assert len(verdict().documented) < sum(verdict().exchanges.values()) / 2


def test_every_recorded_operation_is_replayed() -> None:
    engine = Engine(loading.load("shipped"), State())
    replayed = {name for file in FILES for exchange in replay.read(file) for name in operations_of(engine, exchange)}
    missing = {operation.id for operation in engine.operations} - replayed
    assert {name for name in missing if not name.startswith("astamis.")} == UNRECORDED


def operations_of(engine: Engine, exchange: replay.Exchange) -> set[str]:
    request = exchange["request"]
    return {operation.id for operation in engine.operations
            if operation.method == request["method"] and fidelity.matches(operation.path, request["path"])}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_exchanges_are_well_formed(file: Path) -> None:
    for exchange in replay.read(file):
        assert list(exchange) == ["selection", "scenario", "step", "request", "response"]
        assert set(exchange["response"]) == {"status", "content_type", "body"}


def test_selections_are_sorted() -> None:
    for file in FILES:
        positions = [(item["selection"], item["scenario"], item["step"]) for item in replay.read(file)]
        assert positions == sorted(positions, key=lambda position: (position[0], position[2]))


@pytest.fixture
def engine() -> Engine:
    return Engine(loading.load("shipped"), State())


def recorded(status: int, body: object) -> list[dict[str, object]]:
    return [{"scenario": 1, "step": 0, "request": {"method": "GET", "path": "/tenants/acme"},
             "response": {"status": status, "content_type": "application/json", "body": body}}]


@pytest.mark.parametrize(("status", "body", "matches"), [
    (404, {"reason": "Not Found!"}, True), (404, {"reason": "Gone"}, False), (410, {"reason": "Not Found!"}, False)])
def test_wrong_response_is_a_difference(engine: Engine, status: int, body: object, matches: bool) -> None:
    assert (replay.replay(recorded(status, body), engine) == []) is matches


@pytest.mark.parametrize(("first", "second", "equal"), [
    ({"passwd": "a"}, {"passwd": "b"}, True),
    ({"pkey": "dateSeg12"}, {"pkey": "dateSeg7"}, True),
    ({"sarkbak.12.zip": {"filesize": 1}}, {"sarkbak.7.zip": {"filesize": 2}}, True),
    ({"sarkbak.12.zip": {}, "sarkbak.13.zip": {}}, {"sarkbak.7.zip": {}}, False),
    (["sark.db.12 not found"], ["sark.db.7 not found"], True),
    ({"a": 1}, {"a": True}, False), ({"a": 1}, {"a": "1"}, False), ({"a": 1}, {"a": 1.0}, False),
    ([1, 2], [2, 1], False), ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
])
def test_only_volatile_values_are_masked(first: object, second: object, equal: bool) -> None:
    assert (replay.canonical(replay.mask(first)) == replay.canonical(replay.mask(second))) is equal


def test_overlapping_pointers() -> None:
    assert fidelity.overlap("/paths/~1x", "/paths/~1x/get")
    assert not fidelity.overlap("/paths/~1x/get", "/paths/~1x/put")
    assert not fidelity.overlap("/paths/~1x", "/paths/~1xy")


def test_file_with_a_difference_fails(tmp_path: Path) -> None:
    file = tmp_path / "wrong.jsonl"
    file.write_text(json.dumps(recorded(200, {})[0]), encoding="utf-8")
    assert fidelity.main([str(file)]) == 1
    file.write_text(json.dumps(recorded(404, {"reason": "Not Found!"})[0]), encoding="utf-8")
    assert fidelity.main([str(file)]) == 0


def test_replay_of_one_profile_counts_by_resource(capsys: pytest.CaptureFixture[str]) -> None:
    agents = next(file for file in FILES if file.stem == "agents")
    assert replay.main([str(agents), "--profile", "shipped"]) == 0
    count = len(replay.read(agents))
    assert f"{'all':20} {count:5} of {count:5}   100.0%" in capsys.readouterr().out
    assert replay.main([str(agents), "--profile", "documented", "--resource", "agents", "-v"]) == 1
    assert "expected [" in capsys.readouterr().out


def test_readme_states_number_of_exchanges() -> None:
    readme = (ROOT / "contracts" / "exchanges" / "README.md").read_text(encoding="utf-8")
    assert f": {sum(len(replay.read(file)) for file in FILES)} of them" in readme
