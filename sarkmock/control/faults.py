"""The faults over HTTP."""

from __future__ import annotations

from typing import Any

from sarkmock.control.asking import Asked
from sarkmock.control.box import Box
from sarkmock.control.problems import Problem
from sarkmock.faults import FaultError


def index(box: Box, asked: Asked) -> list[dict[str, Any]]:
    return [armed.content() for armed in box.faults]


def add(box: Box, asked: Asked) -> dict[str, Any]:
    try:
        fault = box.faults.add(asked.body)
    except FaultError as error:
        raise Problem(422, str(error)) from None
    return box.faults[fault].content()


def clear(box: Box, asked: Asked) -> None:
    box.faults.clear()


def show(box: Box, asked: Asked) -> dict[str, Any]:
    return box.faults[must_exist(box, asked)].content()


def change(box: Box, asked: Asked) -> dict[str, Any]:
    name = must_exist(box, asked)
    if asked.body.get("id", name) != name:
        raise Problem(422, f"id: the path says {name}, the body {asked.body['id']}", path=("id",))
    try:
        fault = box.faults.change(name, asked.body)
    except FaultError as error:
        raise Problem(422, str(error)) from None
    return box.faults[fault].content()


def remove(box: Box, asked: Asked) -> None:
    box.faults.remove(must_exist(box, asked))


def must_exist(box: Box, asked: Asked) -> str:
    """The id in the path."""
    name: str = asked.path["fault"]
    try:
        return box.faults[name].fault.id
    except FaultError as error:
        raise Problem(404, str(error)) from None
