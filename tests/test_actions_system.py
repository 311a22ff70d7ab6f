"""System commands and their effect on AMI functions, called through an engine."""

from __future__ import annotations

import pytest

from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.pbx.state import State
from sarkmock.spec import loading

NOT_RUNNING = (503, {"message": "PBX not running"})


@pytest.fixture(params=["documented", "shipped"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(loading.load(request.param), State(now=1_700_000_000))


def command(engine: Engine, name: str) -> tuple[int | None, object]:
    return get(engine, f"syscommands/{name}")


def get(engine: Engine, path: str) -> tuple[int | None, object]:
    reply = engine.handle(ApiRequest("GET", path))
    return reply.status, reply.body


def test_run_state_follows_stop_and_start(engine: Engine) -> None:
    assert command(engine, "pbxrunstate") == (200, {"pbxrunstate": True})
    assert command(engine, "pbxstart") == (503, {"message": "PBX already running"})
    assert command(engine, "pbxstop") == (200, {"message": "PBX stopped"})
    assert command(engine, "pbxrunstate") == (200, {"pbxrunstate": False})
    assert command(engine, "pbxstop") == NOT_RUNNING
    assert command(engine, "pbxstart") == (200, {"message": "PBX started"})
    assert command(engine, "pbxrunstate") == (200, {"pbxrunstate": True})


def test_pbx_is_down_during_reboot(engine: Engine) -> None:
    engine.state.pbx.boot_seconds = 90
    assert command(engine, "reboot") == (200, {"message": "Reboot issued"})
    assert command(engine, "pbxrunstate") == (200, {"pbxrunstate": False})
    assert get(engine, "astamis/CoreStatus") == NOT_RUNNING
    engine.state.clock.advance(90)
    assert command(engine, "pbxrunstate") == (200, {"pbxrunstate": True})
    assert command(engine, "pbxstop") == (200, {"message": "PBX stopped"})


def test_pbx_can_be_started_during_reboot(engine: Engine) -> None:
    command(engine, "reboot")
    assert command(engine, "pbxstart") == (200, {"message": "PBX started"})
    assert command(engine, "pbxrunstate") == (200, {"pbxrunstate": True})


def test_commit_reloads_a_running_pbx(engine: Engine) -> None:
    engine.state.clock.advance(60)
    assert command(engine, "commit") == (200, {"message": "System Commit issued"})
    assert engine.state.pbx.reloaded == 1_700_000_060


def test_commit_works_with_stopped_pbx(engine: Engine) -> None:
    command(engine, "pbxstop")
    assert command(engine, "commit") == (200, {"message": "System Commit issued"})
    assert command(engine, "pbxrunstate") == (200, {"pbxrunstate": False})


def test_unknown_command_is_404(engine: Engine) -> None:
    assert command(engine, "nosuch")[0] == 404
    assert command(engine, "Commit")[0] == 404


def test_commands_are_listed_in_published_versions_only() -> None:
    documented, shipped = (Engine(loading.load(profile)) for profile in ("documented", "shipped"))
    assert get(documented, "syscommands")[0] == 404
    status, body = get(shipped, "syscommands")
    assert status == 200
    assert isinstance(body, dict)
    assert list(body) == ["commit", "reboot", "pbxstart", "pbxstop", "pbxrunstate"]
