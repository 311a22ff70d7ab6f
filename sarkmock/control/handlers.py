"""The one table of the control plane: the document's operationId -> the function that answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sarkmock.control import documents, faults, journal, pbx, saved, state, tables
from sarkmock.control.messages import Asked, Problem
from sarkmock.control.mock_control import MockControl

OF_PROXY = frozenset(("health", "reset", "journal", "faults", "openapi", "control", "deviations", "profile.show"))
HANDLERS: dict[str, Callable[[MockControl, Asked], Any]] = {
    "health": lambda box, asked: {"status": "ok"},
    "reset": lambda box, asked: box.reset(),
    # journal
    "journal.list": journal.index,
    "journal.har": journal.har,
    "journal.show": journal.show,
    "journal.compare": journal.compare_profiles,
    "journal.clear": journal.clear,
    "journal.verify": journal.verify,
    # faults
    "faults.list": faults.index,
    "faults.add": faults.add,
    "faults.clear": faults.clear,
    "faults.show": faults.show,
    "faults.change": faults.change,
    "faults.remove": faults.remove,
    # state
    "state.show": state.show,
    "state.replace": state.replace,
    "state.change": state.change,
    "tables.list": tables.index,
    "rows.list": tables.show_all,
    "rows.replace": tables.replace_all,
    "rows.add": tables.add,
    "rows.change": tables.change_all,
    "rows.clear": tables.clear,
    "row.show": tables.show,
    "row.replace": tables.replace,
    "row.change": tables.change,
    "row.remove": tables.remove,
    "seed.list": state.seeds,
    "seed.start": state.start_over,
    "saved.list": saved.index,
    "saved.save": saved.save,
    "saved.load": state.load,
    # PBX
    "clock.show": pbx.clock,
    "clock.set": pbx.set_clock,
    "clock.freeze": pbx.freeze,
    "clock.run": pbx.run,
    "clock.advance": pbx.advance,
    "pbx.show": pbx.show,
    "pbx.change": pbx.change,
    "pbx.start": pbx.start,
    "pbx.stop": pbx.stop,
    # documents
    "profile.show": documents.profile,
    "profile.use": documents.use_profile,
    "openapi.yaml": documents.api_yaml,
    "openapi.json": documents.api_json,
    "control.yaml": documents.control_yaml,
    "control.json": documents.control_json,
    "deviations": documents.deviations,
}


def handler_of(mock: MockControl, endpoint: str) -> Callable[[MockControl, Asked], Any]:
    """The function that answers at an endpoint."""
    served = endpoint in OF_PROXY or endpoint.partition(".")[0] in OF_PROXY
    if mock.upstream and (endpoint == "journal.compare" or not served):
        return of_a_mock
    return HANDLERS[endpoint]


def of_a_mock(mock: MockControl, asked: Asked) -> None:
    """What only a mock has."""
    raise Problem(404, f"this is a proxy before {mock.upstream}, which has no state to show or change")
