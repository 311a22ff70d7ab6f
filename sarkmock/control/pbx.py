"""The PBX and its clock over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sarkmock.control.asking import Asked
from sarkmock.control.box import Box
from sarkmock.control.problems import Problem
from sarkmock.control.times import instant
from sarkmock.state import Clock

# What SQLite's and PHP's dates can show.
FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC).timestamp(), datetime(9999, 12, 30, tzinfo=UTC).timestamp()
TIMES = ("boot_seconds", "ring_seconds", "call_seconds")


def show(box: Box, asked: Asked) -> dict[str, Any]:
    with box.engine.lock:
        pbx = box.engine.state.pbx
        return {"running": pbx.running, "up_since": None if pbx.up_since is None else instant(pbx.up_since),
                "calls": len(pbx.channels()) // 2, **{name: getattr(pbx, name) for name in TIMES}}


def change(box: Box, asked: Asked) -> dict[str, Any]:
    with box.engine.lock:
        for name, seconds in asked.body.items():
            setattr(box.engine.state.pbx, name, float(seconds))
    return show(box, asked)


def start(box: Box, asked: Asked) -> dict[str, Any]:
    with box.engine.lock:
        if not box.engine.state.pbx.running:
            box.engine.state.pbx.start()
    return show(box, asked)


def stop(box: Box, asked: Asked) -> dict[str, Any]:
    with box.engine.lock:
        box.engine.state.pbx.stop()
    return show(box, asked)


def clock(box: Box, asked: Asked) -> dict[str, Any]:
    with box.engine.lock:
        return told(box.engine.state.clock)


def set_clock(box: Box, asked: Asked) -> dict[str, Any]:
    second = bounded(seconds_of(asked.body["now"]), "now")
    with box.engine.lock:
        box.engine.state.clock.set(second)
        return told(box.engine.state.clock)


def freeze(box: Box, asked: Asked) -> dict[str, Any]:
    with box.engine.lock:
        box.engine.state.clock.freeze()
        return told(box.engine.state.clock)


def run(box: Box, asked: Asked) -> dict[str, Any]:
    with box.engine.lock:
        box.engine.state.clock.run()
        return told(box.engine.state.clock)


def advance(box: Box, asked: Asked) -> dict[str, Any]:
    with box.engine.lock:
        it = box.engine.state.clock
        bounded(it.now() + asked.body["seconds"], "seconds")
        it.advance(asked.body["seconds"])
        return told(it)


def told(it: Clock) -> dict[str, Any]:
    now = it.now()
    return {"now": instant(now), "seconds": now, "frozen": it.frozen is not None}


def seconds_of(value: float | str) -> float:
    if not isinstance(value, str):
        return float(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Problem(422, f"now: {value!r} is no date and time such as 2026-03-29T01:59:50Z", path=("now",)) from None
    if moment.tzinfo is None:
        raise Problem(422, f"now: {value} lacks its zone, such as Z or +01:00", path=("now",))
    try:
        return moment.timestamp()
    except OverflowError:
        return float("inf")


def bounded(second: float, name: str) -> float:
    if not FIRST <= second <= LAST:
        raise Problem(422, f"{name}: that is beyond the years 1 to 9999", path=(name,))
    return second
