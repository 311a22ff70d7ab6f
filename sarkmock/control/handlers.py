"""The one table of the control plane: the document's operationId -> the function that answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sarkmock.control import documents, faults, journal, pbx, state, tables
from sarkmock.control.bodies import ControlError, ControlRequest
from sarkmock.control.mock_control import MockControl

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
    "faults.list": faults.list_faults,
    "faults.add": faults.add_fault,
    "faults.clear": faults.clear_faults,
    "faults.show": faults.show_fault,
    "faults.change": faults.change_fault,
    "faults.remove": faults.remove_fault,
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
    "clock.show": pbx.clock,
    "clock.set": pbx.set_clock,
    "clock.freeze": pbx.freeze,
    "clock.run": pbx.run_clock,
    "clock.advance": pbx.advance,
    "pbx.show": pbx.show_pbx,
    "pbx.change": pbx.change_pbx,
    "pbx.start": pbx.start_asterisk,
    "pbx.stop": pbx.stop_asterisk,
    # documents
    "profile.show": documents.profile,
    "profile.use": documents.use_profile,
    "openapi.yaml": documents.api_yaml,
    "openapi.json": documents.api_json,
    "control.yaml": documents.control_yaml,
    "control.json": documents.control_json,
    "deviations": documents.list_deviations,
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
