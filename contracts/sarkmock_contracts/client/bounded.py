"""Limits for what a box sends: seconds for a whole response, bytes, and levels of JSON."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

MOST_BYTES = 64 << 20  # of a body; a backup may be large
JSON_LEVELS = 100
LARGEST_NUMBER = 10**9  # in a header: seconds, requests
_LONG_INTEGER = re.compile(rb"[0-9]{300}")

Computed = TypeVar("Computed")


class TooSlow(Exception):
    """An answer did not end in time."""


def within_time(seconds: float, call: Callable[[], Computed]) -> Computed:
    """What a call returns or raises; TooSlow if it takes longer. It then goes on in its thread, unobserved."""
    outcome: list[Callable[[], Computed]] = []
    done = threading.Event()

    def run() -> None:
        try:
            value = call()
        except BaseException as error:
            outcome.append(_raising(error))
        else:
            outcome.append(lambda: value)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    if not done.wait(seconds):
        raise TooSlow
    return outcome[0]()


def _raising(error: BaseException) -> Callable[[], Any]:
    def raises() -> Any:
        raise error
    return raises


def first_bytes(chunks: Iterable[bytes]) -> bytes:
    """The beginning of a body, which is all of it unless it is vast."""
    found, size = [], 0
    for chunk in chunks:
        found.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            break
    return b"".join(found)[:MOST_BYTES]


def bounded_json(body: bytes) -> Any:
    """The value of a JSON text; None if it is invalid, too deeply nested or has integers of hundreds of digits."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    deep = body.count(b"[") + body.count(b"{") > JSON_LEVELS and _is_deep(value)
    return None if deep or _LONG_INTEGER.search(body) else value


def _is_deep(value: Any) -> bool:
    members = [value]
    for _ in range(JSON_LEVELS):
        members = [inner for member in members if isinstance(member, (dict, list))
                   for inner in (member.values() if isinstance(member, dict) else member)]
    return any(isinstance(member, (dict, list)) for member in members)


def number_in_header(text: str | None) -> int | None:
    """The whole number in a header; a vast one is a large one."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text) < 10 else LARGEST_NUMBER
