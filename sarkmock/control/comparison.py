"""What another profile would answer to a request of the journal, beside what the mock's own one answers.

Both are asked on copies of what the PBX holds now, so that a difference is one of the profiles.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sarkmock.control.asking import Asked
from sarkmock.control.journal import message, of
from sarkmock.control.mock_control import MockControl
from sarkmock.control.problems import Problem
from sarkmock.http.engine import Engine, Program, Request
from sarkmock.http.wsgi import render
from sarkmock.journal.entries import Entry
from sarkmock.pbx.seed import Seed
from sarkmock.pbx.state import State
from sarkmock.spec.yaml12 import FileError

TOKEN = "1|administrator0compared"


def compare(mock: MockControl, asked: Asked) -> list[dict[str, Any]]:
    entry = of(mock).entry(asked.path["number"])
    if entry is None:
        raise Problem(404, f"there is no entry {asked.path['number']}")
    if not entry.whole:
        raise Problem(422, "the request was too long to be kept whole")
    if "profile" not in asked.query:
        raise Problem(422, "which profile? ?profile=NAME names it", path=("profile",))
    try:
        other = Program.of(asked.query["profile"])
    except FileError as error:
        raise Problem(422, str(error), path=("profile",)) from None
    with mock.engine.lock:
        seed, now = mock.engine.state.to_seed(), mock.engine.state.clock.now()
    return [answered(program, seed, now, entry) for program in (mock.engine.program, other)]


def answered(program: Program, seed: Seed, now: float, entry: Entry) -> dict[str, Any]:
    """The answer of a profile on a copy of the PBX."""
    if seed.database != program.database:
        seed = seed.fitted(program.database)
    state = State(seed, now=now, token=TOKEN if program.guarded else None)
    request = admitted(entry.request) if program.guarded else entry.request
    answer = render(Engine(program=program, state=state).handle(request), entry.method)
    return {"profile": program.profile, "status": answer.status,
            **message(dict(answer.headers), answer.body, len(answer.body))}


def admitted(request: Request) -> Request:
    """The request of an administrator."""
    others = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
    return replace(request, headers={**others, "Authorization": f"Bearer {TOKEN}"})
