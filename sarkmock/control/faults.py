"""The faults over HTTP."""

from __future__ import annotations

from typing import Any

from sarkmock.control.messages import Asked, ControlError
from sarkmock.control.mock_control import MockControl
from sarkmock.faults import FaultError


def list_faults(mock: MockControl, asked: Asked) -> list[dict[str, Any]]:
    return [armed.content() for armed in mock.faults]


def add_fault(mock: MockControl, asked: Asked) -> dict[str, Any]:
    try:
        fault = mock.faults.add(asked.body)
    except FaultError as error:
        raise ControlError(422, str(error)) from None
    return mock.faults[fault].content()


def clear_faults(mock: MockControl, asked: Asked) -> None:
    mock.faults.clear()


def show_fault(mock: MockControl, asked: Asked) -> dict[str, Any]:
    return mock.faults[fault_id(mock, asked)].content()


def change_fault(mock: MockControl, asked: Asked) -> dict[str, Any]:
    name = fault_id(mock, asked)
    if asked.body.get("id", name) != name:
        raise ControlError(422, f"id: the path says {name}, the body {asked.body['id']}", path=("id",))
    try:
        fault = mock.faults.change(name, asked.body)
    except FaultError as error:
        raise ControlError(422, str(error)) from None
    return mock.faults[fault].content()


def remove_fault(mock: MockControl, asked: Asked) -> None:
    mock.faults.remove(fault_id(mock, asked))


def fault_id(mock: MockControl, asked: Asked) -> str:
    """The id in the path."""
    name: str = asked.path["fault"]
    try:
        return mock.faults[name].fault.id
    except FaultError as error:
        raise ControlError(404, str(error)) from None
