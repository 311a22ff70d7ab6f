"""Handlers for the state: save, load and reset; the clock, the PBX and its calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sarkmock.atomic import write_whole
from sarkmock.control import MockControl
from sarkmock.control.bodies import ControlError, ControlRequest, instant
from sarkmock.pbx.asterisk import DURATIONS
from sarkmock.pbx.seed import Seed, SeedError
from sarkmock.pbx.seeds import load_seed, seed_names
from sarkmock.pbx.state import Clock, State
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import unknown_name


def show_state(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    return mock.engine.copy().to_seed().content()


def replace_state(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    mock.engine.hold(seed_in_body(mock, request.body))
    return show_state(mock, request)


def change_state(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    def merge(state: State) -> None:
        state.hold(seed_in_body(mock, state_with(state.to_seed().content(), request.body)))

    mock.engine.rewrite(merge)
    return show_state(mock, request)


def state_with(content: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge changes into a state: tables are replaced, files and AstDB entries are merged; null removes an entry."""
    families = {**content["astdb"], **{family: merged_entries(content["astdb"].get(family, {}), entries)
                                       for family, entries in changes.get("astdb", {}).items()}}
    return {"tables": {**content["tables"], **changes.get("tables", {})},
            "files": merged_entries(content["files"], changes.get("files", {})),
            "astdb": families, "pbx": changes.get("pbx", content["pbx"])}


def merged_entries(entries: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**entries, **changes}.items() if value is not None}


def seed_in_body(mock: MockControl, content: Any) -> Seed:
    """Return the seed in a body, without the API's rules. ControlError with the place of the first error."""
    try:
        return load_seed({"unchecked": True, **content}, mock.engine.document)
    except SeedError as error:
        raise ControlError(422, str(error), path=error.place) from None


def start_over(mock: MockControl, request: ControlRequest) -> None:
    seed = seed_named(mock, request.body["seed"]) if "seed" in request.body else read_saved(mock, request.body["file"])
    mock.engine.reseed(seed)


def seed_named(mock: MockControl, name: str) -> Seed:
    if name not in seed_names():
        raise ControlError(422, unknown_name("seed", name, seed_names()), path=("seed",))
    return load_seed(name, mock.engine.document)


def read_saved(mock: MockControl, name: str) -> Seed:
    file = file_of(mock, name, must_exist=True)
    try:
        return load_seed(file, mock.engine.document)
    except FileError as error:
        raise ControlError(422, f"{file.name}: {error.problem}", path=("file",), line=error.line) from None


STATE_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml")


def save_state(mock: MockControl, request: ControlRequest) -> None:
    """Save the state to a file, marked unchecked: its rows may break the API's rules and must be restored unchanged."""
    file = file_of(mock, request.body["file"])
    seed = mock.engine.copy().to_seed()
    try:
        write_whole(file, replace(seed, unchecked=True).text().encode(), private=True)
    except OSError as error:
        raise ControlError(409, f"{file.name} cannot be written: {error.strerror}") from None


def saved_names(where: Path) -> list[str]:
    return sorted(file.name for file in where.iterdir() if file.is_file() and STATE_FILE_NAME.fullmatch(file.name))


def file_of(mock: MockControl, name: str, *, must_exist: bool = False) -> Path:
    """Return the path of a file in the directory for states. ControlError if the name is not one of a file in it."""
    where = directory(mock)
    if not STATE_FILE_NAME.fullmatch(name):
        raise ControlError(422, f"file: {name!r} must consist of letters, digits, dots and dashes and end in .yaml",
                           path=("file",))
    file = where / name
    if not file.resolve().is_relative_to(where.resolve()):
        raise ControlError(422, f"file: {name} is outside of the directory for states", path=("file",))
    if must_exist and not file.is_file():
        raise ControlError(404, unknown_name("file", name, saved_names(where)), path=("file",))
    return file


def directory(mock: MockControl) -> Path:
    if mock.control is None or mock.control.directory is None:
        raise ControlError(404, "no directory for states; start the mock with --save-dir DIRECTORY")
    if not mock.control.directory.is_dir():
        raise ControlError(404, "the directory for states no longer exists")
    return mock.control.directory


# The range of SQLite's and PHP's dates.
EARLIEST_TIME, LATEST_TIME = datetime(1, 1, 2, tzinfo=UTC).timestamp(), datetime(9999, 12, 30, tzinfo=UTC).timestamp()


def show_pbx(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    with mock.engine.lock:
        pbx = mock.engine.state.pbx
        return {"running": pbx.running, "up_since": None if pbx.up_since is None else instant(pbx.up_since),
                "calls": len(pbx.channels()) // 2, **{name: getattr(pbx, name) for name in DURATIONS}}


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


def on_clock(change: Callable[[Clock, Any], object]) -> Callable[[MockControl, ControlRequest], dict[str, Any]]:
    """Make a handler that changes the clock according to the request's body, and returns the clock."""
    def handler(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
        with mock.engine.lock:
            clock = mock.engine.state.clock
            change(clock, request.body)
            now = clock.now()
        return {"now": instant(now), "seconds": now, "frozen": clock.frozen is not None}
    return handler


def set_clock(clock: Clock, body: Mapping[str, Any]) -> None:
    clock.set(bounded_time(parse_time(body["now"]), "now"))


def advance(clock: Clock, body: Mapping[str, Any]) -> None:
    bounded_time(clock.now() + body["seconds"], "seconds")
    clock.advance(body["seconds"])


def parse_time(value: float | str) -> float:
    if not isinstance(value, str):
        return float(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ControlError(422, f"now: {value!r} is not a date and time such as 2026-03-29T01:59:50Z",
                           path=("now",)) from None
    if moment.tzinfo is None:
        raise ControlError(422, f"now: {value} lacks a time zone, such as Z or +01:00", path=("now",))
    try:
        return moment.timestamp()
    except OverflowError:
        return float("inf")


def bounded_time(second: float, name: str) -> float:
    if not EARLIEST_TIME <= second <= LATEST_TIME:
        raise ControlError(422, f"{name}: out of range; the year must be 1 to 9999", path=(name,))
    return second
