"""The table of the control plane (operationId -> handler), and the handlers that serve documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sarkmock.control import MockControl, bodies, journal, state, tables
from sarkmock.control.bodies import ControlError, ControlRequest, Path, Text
from sarkmock.http.engine import DatabaseMismatch
from sarkmock.spec import loading, profiles
from sarkmock.suggest import unknown

YAML_TYPE = "application/yaml"


def api_yaml(mock: MockControl, request: ControlRequest) -> Text:
    return Text(mock.engine.program.yaml, YAML_TYPE)


def api_json(mock: MockControl, request: ControlRequest) -> Any:
    return mock.engine.document


def control_yaml(mock: MockControl, request: ControlRequest) -> Text:
    return Text(bodies.control_document_yaml(), YAML_TYPE)


def control_json(mock: MockControl, request: ControlRequest) -> Any:
    return bodies.control_document()


def profile(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    known = {"profile": mock.engine.program.profile, "profiles": profiles.profiles()}
    return {**known, "upstream": mock.upstream} if mock.upstream else known


def use_profile(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    try:
        mock.engine.use(known_profile(request.body["profile"], ("profile",)))
    except DatabaseMismatch as error:
        raise ControlError(409, str(error), path=("profile",)) from None
    return profile(mock, request)


def known_profile(name: str, path: Path = ()) -> str:
    """The name of a profile; no request makes the mock read other files."""
    found = profiles.package_profile(name)
    if found is None:
        raise ControlError(422, unknown("profile", name, profiles.profiles()), path=path)
    return found


def list_deviations(mock: MockControl, request: ControlRequest) -> list[dict[str, Any]]:
    name = request.query.get("profile", profiles.product())
    return [asdict(deviation) for deviation in loading.deviations_of(known_profile(name))]


OF_PROXY = frozenset(("health", "reset", "journal", "faults", "openapi", "control", "deviations", "profile.show"))
HANDLERS: dict[str, Callable[[MockControl, ControlRequest], Any]] = {
    "health": lambda mock, _: {"status": "ok"},
    "reset": lambda mock, _: mock.reset(),
    # journal
    "journal.list": journal.list_entries,
    "journal.har": journal.har,
    "journal.show": journal.show_entry,
    "journal.compare": journal.compare_profiles,
    "journal.clear": journal.clear_journal,
    "journal.verify": journal.verify,
    # faults
    "faults.list": journal.list_faults,
    "faults.add": journal.add_fault,
    "faults.clear": journal.clear_faults,
    "faults.show": journal.show_fault,
    "faults.change": journal.change_fault,
    "faults.remove": journal.remove_fault,
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
    "seed.list": state.list_seeds,
    "seed.start": state.start_over,
    "saved.list": state.list_saved,
    "saved.save": state.save_state,
    "saved.load": state.load_state,
    # PBX
    "clock.show": state.clock,
    "clock.set": state.set_clock,
    "clock.freeze": state.freeze,
    "clock.run": state.run_clock,
    "clock.advance": state.advance,
    "pbx.show": state.show_pbx,
    "pbx.change": state.change_pbx,
    "pbx.start": state.start_asterisk,
    "pbx.stop": state.stop_asterisk,
    # documents
    "profile.show": profile,
    "profile.use": use_profile,
    "openapi.yaml": api_yaml,
    "openapi.json": api_json,
    "control.yaml": control_yaml,
    "control.json": control_json,
    "deviations": list_deviations,
}


def handler_of(mock: MockControl, endpoint: str) -> Callable[[MockControl, ControlRequest], Any]:
    """The function that answers at an endpoint."""
    served = endpoint in OF_PROXY or endpoint.partition(".")[0] in OF_PROXY
    if mock.upstream and (endpoint == "journal.compare" or not served):
        return of_a_mock
    return HANDLERS[endpoint]


def of_a_mock(mock: MockControl, request: ControlRequest) -> None:
    """What only a mock has."""
    raise ControlError(404, f"this is a proxy before {mock.upstream}, which has no state to show or change")
