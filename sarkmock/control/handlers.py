"""The control plane's handlers by operationId, including those for documents, the journal and faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from sarkmock.control import MockControl, bodies, state, tables
from sarkmock.control.bodies import ControlError, ControlRequest, Text, instant
from sarkmock.faults import FaultError
from sarkmock.http.engine import ApiRequest, DatabaseMismatch, Engine, Program
from sarkmock.http.wsgi import render
from sarkmock.journal import CriteriaError, Entry, Journal, Notice, Reason
from sarkmock.pbx.seed import Place, Seed
from sarkmock.pbx.seeds import seed_names, seed_summary
from sarkmock.pbx.state import State
from sarkmock.redaction import redacted, shown_body
from sarkmock.spec import loading, profiles
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import unknown_name

YAML_TYPE = bodies.YAML_TYPES[0]
PAGING = ("after", "before", "limit")  # the parameters of the journal that are not filters


def profile(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    content = {"profile": mock.engine.program.profile, "profiles": profiles.profile_names()}
    return {**content, "upstream": mock.upstream} if mock.upstream else content


def use_profile(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    try:
        mock.engine.use(known_profile(request.body["profile"], ("profile",)))
    except DatabaseMismatch as error:
        raise ControlError(409, str(error), path=("profile",)) from None
    return profile(mock, request)


def known_profile(name: str, path: Place = ()) -> str:
    """Return the name of a shipped profile. Others are rejected, so that requests cannot make the mock read files."""
    result = profiles.package_profile(name)
    if result is None:
        raise ControlError(422, unknown_name("profile", name, profiles.profile_names()), path=path)
    return result


def list_deviations(mock: MockControl, request: ControlRequest) -> list[dict[str, Any]]:
    name = request.query.get("profile", profiles.product())
    return [asdict(deviation) for deviation in loading.deviations_of(known_profile(name))]


def list_entries(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    kept = journal_of(mock)
    entries = [entry_json(kept, entry) for entry in selected_entries(kept, request)]
    matching = len(matching_entries(kept, request, PAGING))
    return {"count": kept.count, "kept": len(kept), "matching": matching, "entries": entries}


def har(mock: MockControl, request: ControlRequest) -> Text:
    kept = journal_of(mock)
    return Text(kept.har(selected_entries(kept, request), request.origin), "application/json")


def selected_entries(kept: Journal, request: ControlRequest) -> list[Entry]:
    return matching_entries(kept, request, ("limit",))[-request.query.get("limit", 0):]


def matching_entries(kept: Journal, request: ControlRequest, ignored: tuple[str, ...]) -> list[Entry]:
    """Return the entries that match the query, without the ignored parameters."""
    criteria = {name: value for name, value in request.query.items() if name not in ignored}
    return kept.find(**criteria)


def show_entry(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    return entry_json(journal_of(mock), entry_in_path(mock, request))


def entry_in_path(mock: MockControl, request: ControlRequest) -> Entry:
    """Return the entry with the number in the path. ControlError 404 if the journal does not have it."""
    kept = journal_of(mock)
    entry = kept.entry(request.path["number"])
    if entry is None:
        there = f"no entry {request.path['number']}; the journal has {kept.count - len(kept) + 1} to {kept.count}"
        raise ControlError(404, there if kept else "the journal is empty")
    return entry


def verify(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    verdict = journal_of(mock).verify(**request.body)
    nearest = [{"number": entry.number, "request": redacted(str(entry)), "differences": redacted(differences)}
               for entry, differences in verdict.nearest]
    return {"ok": verdict.ok, "expected": redacted(verdict.expected),
            "found": [entry.number for entry in verdict.entries],
            "explanation": redacted(verdict.explanation), "nearest": nearest}


def journal_of(mock: MockControl) -> Journal:
    if mock.journal is None:
        raise ControlError(404, "the journal is disabled; start the mock with --journal N")
    return mock.journal


def entry_json(kept: Journal, entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number, "time": instant(entry.time), "received": instant(entry.received),
        "seconds": round(entry.seconds, 6), "delay": entry.delay, "method": entry.method, "path": redacted(entry.path),
        "query": redacted(entry.query), "operation": entry.operation, "status": entry.status,
        "fault": entry.fault or None,
        "why": [nonempty_parts(reason, {"text": redacted(reason.text)}) for reason in kept.why(entry)],
        "warnings": [nonempty_parts(warning, {"text": redacted(warning.text)}) for warning in kept.warnings(entry)],
        "request": message_json(entry.request_headers, entry.request_body, entry.sizes[0]),
        "response": message_json(entry.response_headers, entry.response_body, entry.sizes[1])}


def nonempty_parts(what: Reason | Notice, changed: dict[str, Any]) -> dict[str, Any]:
    """Return the nonempty fields of a reason or warning, with some of them replaced."""
    return {name: value for name, value in {**asdict(what), **changed}.items() if value}


def message_json(headers: dict[str, str], body: bytes, size: int) -> dict[str, Any]:
    return {"headers": redacted(headers), "size": size, "body": shown_body(body)}


COMPARING_TOKEN = "1|administrator0compared"


def compare_profiles(mock: MockControl, request: ControlRequest) -> list[dict[str, Any]]:
    """Return two profiles' responses to a request, each from a copy of the current state: only the profiles differ."""
    entry = entry_in_path(mock, request)
    if not entry.whole:
        raise ControlError(422, "the request was too long to be stored completely")
    if "profile" not in request.query:
        raise ControlError(422, "the query parameter profile is missing, as in ?profile=NAME", path=("profile",))
    try:
        compared = Program.of(request.query["profile"])
    except FileError as error:
        raise ControlError(422, str(error), path=("profile",)) from None
    state = mock.engine.copy()
    seed, now = state.to_seed(), state.clock.now()
    return [response_of_profile(program, seed, now, entry) for program in (mock.engine.program, compared)]


def response_of_profile(program: Program, seed: Seed, now: float, entry: Entry) -> dict[str, Any]:
    """Return a profile's response to a request on a copy of the state."""
    if seed.database != program.database:
        seed = seed.for_database(program.database)
    state = State(seed, now=now, token=COMPARING_TOKEN if program.guarded else None)
    request = with_administrator_token(entry.request) if program.guarded else entry.request
    answer = render(Engine(program=program, state=state).handle(request), entry.method)
    return {"profile": program.profile, "status": answer.status,
            **message_json(dict(answer.headers), answer.body, len(answer.body))}


def with_administrator_token(request: ApiRequest) -> ApiRequest:
    """Return the request with an administrator's token."""
    others = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
    return replace(request, headers={**others, "Authorization": f"Bearer {COMPARING_TOKEN}"})


def add_fault(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    return mock.faults[mock.faults.add(request.body)].content()


def change_fault(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    name = fault_id(mock, request)
    if request.body.get("id", name) != name:
        raise ControlError(422, f"id: the path has {name}, the body {request.body['id']}", path=("id",))
    return mock.faults[mock.faults.change(name, request.body)].content()


def fault_id(mock: MockControl, request: ControlRequest) -> str:
    """Return the id in the path. ControlError 404 if there is no such fault."""
    name: str = request.path["fault"]
    try:
        return mock.faults[name].fault.id
    except FaultError as error:
        raise ControlError(404, str(error)) from None


OF_PROXY = frozenset(("health", "reset", "journal", "faults", "openapi", "control", "deviations", "profile.show"))
HANDLERS: dict[str, Callable[[MockControl, ControlRequest], Any]] = {
    "health": lambda mock, _: {"status": "ok"},
    "reset": lambda mock, _: mock.reset(),
    # journal
    "journal.list": list_entries,
    "journal.har": har,
    "journal.show": show_entry,
    "journal.compare": compare_profiles,
    "journal.clear": lambda mock, _: journal_of(mock).clear(),
    "journal.verify": verify,
    # faults
    "faults.list": lambda mock, _: [armed.content() for armed in mock.faults],
    "faults.add": add_fault,
    "faults.clear": lambda mock, _: mock.faults.clear(),
    "faults.show": lambda mock, request: mock.faults[fault_id(mock, request)].content(),
    "faults.change": change_fault,
    "faults.remove": lambda mock, request: mock.faults.remove(fault_id(mock, request)),
    # state
    "state.show": state.show_state,
    "state.replace": state.replace_state,
    "state.change": state.change_state,
    "tables.list": tables.list_tables,
    "rows.list": tables.show_all,
    "rows.replace": tables.replace_all,
    "rows.add": tables.add_rows,
    "rows.change": tables.change_all,
    "rows.clear": tables.clear_rows,
    "row.show": tables.show_table_row,
    "row.replace": tables.replace_row,
    "row.change": tables.change_row,
    "row.remove": tables.remove_row,
    "seed.list": lambda *_: [{"name": name, "description": seed_summary(name)} for name in seed_names()],
    "seed.start": state.start_over,
    "saved.list": lambda mock, _: state.saved_names(state.directory(mock)),
    "saved.save": state.save_state,
    "saved.load": lambda mock, request: mock.engine.hold(state.read_saved(mock, request.body["file"])),
    # PBX
    "clock.show": state.on_clock(lambda clock, _: None),
    "clock.set": state.on_clock(state.set_clock),
    "clock.freeze": state.on_clock(lambda clock, _: clock.freeze()),
    "clock.run": state.on_clock(lambda clock, _: clock.run()),
    "clock.advance": state.on_clock(state.advance),
    "pbx.show": state.show_pbx,
    "pbx.change": state.change_pbx,
    "pbx.start": state.start_asterisk,
    "pbx.stop": state.stop_asterisk,
    # documents
    "profile.show": profile,
    "profile.use": use_profile,
    "openapi.yaml": lambda mock, _: Text(mock.engine.program.yaml, YAML_TYPE),
    "openapi.json": lambda mock, _: mock.engine.document,
    "control.yaml": lambda *_: Text(bodies.control_document_yaml(), YAML_TYPE),
    "control.json": lambda *_: bodies.control_document(),
    "deviations": list_deviations,
}


def handle(mock: MockControl, endpoint: str, request: ControlRequest) -> Any:
    """Return the result of an endpoint. A proxy has only some of them; ControlError 422 for faults and criteria."""
    served = endpoint in OF_PROXY or endpoint.partition(".")[0] in OF_PROXY
    if mock.upstream and (endpoint == "journal.compare" or not served):
        raise ControlError(404, f"a proxy has no state; requests are forwarded to {mock.upstream}")
    try:
        return HANDLERS[endpoint](mock, request)
    except (CriteriaError, FaultError) as error:
        raise ControlError(422, str(error)) from None
