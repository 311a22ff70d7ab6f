"""Replay of whole exchanges, recorded on a box without a web server, with the shipped profile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import replay, wire


def test_shipped_matches_every_recorded_exchange() -> None:
    differences = wire.differences(replay.read(wire.FILE), replay.engine_for("shipped"))
    assert [str(difference) for difference in differences] == []


def recorded(**changes: object) -> dict[str, object]:
    response = {"status": 404, "content_type": "application/json", "body": {"reason": "Not Found!"}, "headers": {
        "Content-Type": "application/json", "Cache-Control": "no-cache, private"}}
    request = {"method": "GET", "path": "/tenants/x"}
    return {"scenario": "a", "step": 0, "request": request, "response": response | changes}


@pytest.mark.parametrize(("changes", "aspect"), [
    ({}, []), ({"status": 200}, ["status"]), ({"body": {"reason": "Gone"}}, ["body"]),
    ({"headers": {"Content-Type": "text/html"}}, ["Content-Type"]),
    ({"headers": {"Content-Type": "application/json", "Allow": "GET"}}, ["Allow"]),
])
def test_every_part_of_a_response_is_compared(changes: dict[str, object], aspect: list[str]) -> None:
    differences = wire.differences([recorded(**changes)], replay.engine_for("shipped"))
    assert [difference.aspect for difference in differences] == aspect


def test_difference_fails_the_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "wrong.jsonl"
    file.write_text(json.dumps(recorded(status=200)), encoding="utf-8")
    assert wire.main([str(file), "-v"]) == 1
    assert "a/0 status" in capsys.readouterr().out
    file.write_text(json.dumps(recorded()), encoding="utf-8")
    assert wire.main([str(file)]) == 0
