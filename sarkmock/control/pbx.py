"""The PBX and its clock over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sarkmock.control.bodies import ControlError, ControlRequest, instant
from sarkmock.control.mock_control import MockControl
from sarkmock.pbx.state import Clock

# What SQLite's and PHP's dates can show.
EARLIEST_TIME, LATEST_TIME = datetime(1, 1, 2, tzinfo=UTC).timestamp(), datetime(9999, 12, 30, tzinfo=UTC).timestamp()
TIMES = ("boot_seconds", "ring_seconds", "call_seconds")


def show_pbx(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    with mock.engine.lock:
        pbx = mock.engine.state.pbx
        return {"running": pbx.running, "up_since": None if pbx.up_since is None else instant(pbx.up_since),
                "calls": len(pbx.channels()) // 2, **{name: getattr(pbx, name) for name in TIMES}}


def change_pbx(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    with mock.engine.lock:
        for name, seconds in request.body.items():
            setattr(mock.engine.state.pbx, name, float(seconds))
    return show_pbx(mock, request)


def start_asterisk(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    with mock.engine.lock:
        if not mock.engine.state.pbx.running:
            mock.engine.state.pbx.start()
    return show_pbx(mock, request)


def stop_asterisk(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    with mock.engine.lock:
        mock.engine.state.pbx.stop()
    return show_pbx(mock, request)


def clock(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    with mock.engine.lock:
        return clock_state(mock.engine.state.clock)


def set_clock(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    second = bounded_time(parse_duration(request.body["now"]), "now")
    with mock.engine.lock:
        mock.engine.state.clock.set(second)
        return clock_state(mock.engine.state.clock)


def freeze(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    with mock.engine.lock:
        mock.engine.state.clock.freeze()
        return clock_state(mock.engine.state.clock)


def run_clock(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    with mock.engine.lock:
        mock.engine.state.clock.run()
        return clock_state(mock.engine.state.clock)


def advance(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    with mock.engine.lock:
        it = mock.engine.state.clock
        bounded_time(it.now() + request.body["seconds"], "seconds")
        it.advance(request.body["seconds"])
        return clock_state(it)


def clock_state(it: Clock) -> dict[str, Any]:
    now = it.now()
    return {"now": instant(now), "seconds": now, "frozen": it.frozen is not None}


def parse_duration(value: float | str) -> float:
    if not isinstance(value, str):
        return float(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ControlError(422, f"now: {value!r} is not a date and time such as 2026-03-29T01:59:50Z",
                      path=("now",)) from None
    if moment.tzinfo is None:
        raise ControlError(422, f"now: {value} lacks its zone, such as Z or +01:00", path=("now",))
    try:
        return moment.timestamp()
    except OverflowError:
        return float("inf")


def bounded_time(second: float, name: str) -> float:
    if not EARLIEST_TIME <= second <= LATEST_TIME:
        raise ControlError(422, f"{name}: that is beyond the years 1 to 9999", path=(name,))
    return second
