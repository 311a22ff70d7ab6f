"""Operations that make no rows, asked once as the document says: uploads, commits, commands, downloads."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Unavailable, Withheld
from ..judge.judge import RUN_STATE
from .catalogue import Known
from .facts import Fact
from .observer import ABSENT_ROW, REQUESTED, THERE, Observer, get

ANSWER_PART = "answer"
START = "syscommands.pbxstart"


def ask_once(observer: Observer, known: Known) -> Iterator[Fact]:
    """One request with what the operation needs."""
    operation = observer.operation(known)
    if operation is None:
        return
    if operation.table and operation.key and operation.method != "GET" and not observer.fixtures.fixture(operation):
        yield Fact(known.name, "part", ANSWER_PART, "no row of the run's own to try it on")
        return
    makes = operation.method == "POST" and operation.table is not None
    part = "sequence" if makes else ANSWER_PART
    try:
        body = observer.fixtures.minimal(operation) if operation.rules else None
        exchange = observer.send(observer.fixtures.request(operation, body))
    except Unavailable as reason:
        yield Fact(known.name, "part", part, f"not asked: {observer.plain(str(reason))}")
        return
    except Withheld as reason:
        yield Fact(known.name, "part", part, f"withheld: {observer.plain(str(reason))}")
        return
    if observer.is_missing(exchange):
        yield Fact(known.name, "reach", "", ABSENT_ROW)
        return
    yield Fact(known.name, "reach", "", THERE)
    yield Fact(known.name, "part", part, REQUESTED)
    yield from observer.answered(known, "minimal" if makes else "asked", exchange, operation.id if makes else "")
    if operation.hazard == "disruptive":
        start_again(observer)
    observer.fixtures.sweep()


def start_again(observer: Observer) -> None:
    """Start the PBX if something stopped it."""
    asked, start = (observer.contract.by_id.get(name) for name in (RUN_STATE, START))
    if asked is not None and start is not None:
        state = observer.get(asked.path).json
        if isinstance(state, dict) and state.get("pbxrunstate") is False:
            observer.send(get(start.path))
