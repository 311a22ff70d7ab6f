"""The faults over HTTP."""

from __future__ import annotations

from typing import Any

from sarkmock.control.messages import Asked, Problem
from sarkmock.control.mock_control import MockControl
from sarkmock.faults import FaultError


def index(mock: MockControl, asked: Asked) -> list[dict[str, Any]]:
    return [armed.content() for armed in mock.faults]


def add(mock: MockControl, asked: Asked) -> dict[str, Any]:
    try:
        fault = mock.faults.add(asked.body)
    except FaultError as error:
        raise Problem(422, str(error)) from None
    return mock.faults[fault].content()


def clear(mock: MockControl, asked: Asked) -> None:
    mock.faults.clear()


def show(mock: MockControl, asked: Asked) -> dict[str, Any]:
    return mock.faults[must_exist(mock, asked)].content()


def change(mock: MockControl, asked: Asked) -> dict[str, Any]:
    name = must_exist(mock, asked)
    if asked.body.get("id", name) != name:
        raise Problem(422, f"id: the path says {name}, the body {asked.body['id']}", path=("id",))
    try:
        fault = mock.faults.change(name, asked.body)
    except FaultError as error:
        raise Problem(422, str(error)) from None
    return mock.faults[fault].content()


def remove(mock: MockControl, asked: Asked) -> None:
    mock.faults.remove(must_exist(mock, asked))


def must_exist(mock: MockControl, asked: Asked) -> str:
    """The id in the path."""
    name: str = asked.path["fault"]
    try:
        return mock.faults[name].fault.id
    except FaultError as error:
        raise Problem(404, str(error)) from None
