"""The faults over HTTP."""

from __future__ import annotations

from typing import Any

from sarkmock.control.bodies import ControlError, ControlRequest
from sarkmock.control.mock_control import MockControl
from sarkmock.faults import FaultError


def list_faults(mock: MockControl, request: ControlRequest) -> list[dict[str, Any]]:
    return [armed.content() for armed in mock.faults]


def add_fault(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    try:
        fault = mock.faults.add(request.body)
    except FaultError as error:
        raise ControlError(422, str(error)) from None
    return mock.faults[fault].content()


def clear_faults(mock: MockControl, request: ControlRequest) -> None:
    mock.faults.clear()


def show_fault(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    return mock.faults[fault_id(mock, request)].content()


def change_fault(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    name = fault_id(mock, request)
    if request.body.get("id", name) != name:
        raise ControlError(422, f"id: the path says {name}, the body {request.body['id']}", path=("id",))
    try:
        fault = mock.faults.change(name, request.body)
    except FaultError as error:
        raise ControlError(422, str(error)) from None
    return mock.faults[fault].content()


def remove_fault(mock: MockControl, request: ControlRequest) -> None:
    mock.faults.remove(fault_id(mock, request))


def fault_id(mock: MockControl, request: ControlRequest) -> str:
    """The id in the path."""
    name: str = request.path["fault"]
    try:
        return mock.faults[name].fault.id
    except FaultError as error:
        raise ControlError(404, str(error)) from None
