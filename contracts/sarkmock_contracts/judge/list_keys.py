"""Keys of lists: a row that is listed with a wrong key is recognised by its other columns."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Container
from dataclasses import replace
from typing import Any

from ..client.http import Response
from ..spec.operation_data import key_text
from .agreement import mask_volatile


def with_known_keys(key: str, shown: Response, expected: Response, former: Container[str] = ()) -> Response:
    """Return a list in which rows that differ from expected ones in nothing but the column ``key`` have their keys.

    If all keys are as expected, it is the list itself. A row with a ``former`` key is another one: a list may be stale.
    """
    if [row.get(key) for row in shown.rows] == [row.get(key) for row in expected.rows]:
        return shown
    columns = sorted({name for row in expected.rows for name in row} - {key})

    def others(row: dict[str, Any]) -> str:
        return repr([mask_volatile(name, row.get(name)) for name in columns])

    listed = {(key_text(row.get(key)), others(row)) for row in shown.rows}
    known = {(key_text(row.get(key)), others(row)) for row in expected.rows}
    present = {text for text, _ in known}
    lacking: defaultdict[str, deque[Any]] = defaultdict(deque)
    for row in expected.rows:
        if row.get(key) is not None and (key_text(row[key]), others(row)) not in listed:
            lacking[others(row)].append(row[key])

    def is_wrong(text: str, rest: str) -> bool:
        return (text, rest) not in known and (text in present or text not in former)

    rows = [{**row, key: lacking[others(row)].popleft()}
            if is_wrong(key_text(row.get(key)), others(row)) and lacking[others(row)] else row for row in shown.rows]
    return shown if rows == shown.rows else replace(shown, body=json.dumps(rows).encode())
