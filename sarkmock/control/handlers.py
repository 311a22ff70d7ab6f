"""The one table of the control plane: the document's operationId -> the function that answers. Knows no Flask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sarkmock.control import documents, faults, journal
from sarkmock.control.asking import Asked
from sarkmock.control.box import Box

HANDLERS: dict[str, Callable[[Box, Asked], Any]] = {
    "health": lambda box, asked: {"status": "ok"},
    "reset": lambda box, asked: box.reset(),
    # journal
    "journal.list": journal.index,
    "journal.show": journal.show,
    "journal.clear": journal.clear,
    "journal.verify": journal.verify,
    # faults
    "faults.list": faults.index,
    "faults.add": faults.add,
    "faults.clear": faults.clear,
    "faults.show": faults.show,
    "faults.change": faults.change,
    "faults.remove": faults.remove,
    # documents
    "openapi.yaml": documents.api_yaml,
    "openapi.json": documents.api_json,
    "control.yaml": documents.control_yaml,
    "control.json": documents.control_json,
    "deviations": documents.deviations,
}
