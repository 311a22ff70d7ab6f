"""The target snapshot: every row, file and setting in the target's lists, before and after a run. Sends only reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sarkmock.suite_api import Operation, is_secret, redacted

from ..client.http import Response
from ..client.target import Client
from ..fixtures.keys import folded_key
from ..spec.contract import Contract, is_plain_read
from ..spec.operation_data import recipe

Items = dict[str, Any]  # by key, or by their whole text where several items share a key
Inventory = dict[str, Items]
Changed = Callable[[str, Any, Any], Iterator[str]]  # arguments: name of an item, its old value, its new value
VANISHING = ("z_updated", "z_updater")


def lists(contracts: Sequence[Contract]) -> dict[str, str | None]:
    """Return the paths of lists whose items can be written in any profile, with the key field of their items."""
    operations = [operation for contract in contracts for operation in contract.operations]
    result: dict[str, str | None] = {}
    for operation in operations:
        if is_plain_read(operation) and _is_written(operation, operations):
            table = operation.table
            result.setdefault(operation.path, table.key if table else recipe("rows_of", operation.id).get("key"))
    return result


def _is_written(listing: Operation, operations: Sequence[Operation]) -> bool:
    """Whether a method other than GET exists for the path of a list or of its items."""
    item, depth = listing.path + "/{", listing.path.count("/") + 1
    written = (operation.path for operation in operations if operation.method != "GET")
    return any(path == listing.path or (path.startswith(item) and path.count("/") == depth) for path in written)


def take_snapshot_of(client: Client, paths: Mapping[str, str | None]) -> Inventory:
    """Return the items of every list that the target has, by path."""
    responses = {path: client.get(path) for path in paths}
    return {path: items_of(response.json, paths[path]) for path, response in responses.items()
            if shows_something(response)}


def shows_something(response: Response) -> bool:
    """Whether a response is a list: JSON, or an empty body (a list without rows), but not an HTML page."""
    return response.ok and (response.json is not None or not response.body.strip())


def items_of(content: Any, key: str | None = None) -> Items:
    """Return the items of a response: rows by key, names by themselves, settings by name."""
    if isinstance(content, dict):
        return dict(content)
    rows = content if isinstance(content, list) else [content]
    whole = [row if isinstance(row, str) else json.dumps(row, sort_keys=True) for row in rows]
    names = [str(row[key]) if isinstance(row, dict) and key in row else text
             for row, text in zip(rows, whole, strict=True)]
    if len(set(names)) < len(names):
        names = whole
    return dict(zip(names, rows, strict=True))


def keys_of_snapshot(inventory: Inventory, paths: Mapping[str, str | None]) -> frozenset[str]:
    """Return every key in use over all lists, as `folded_key` writes it. Rows of several tenants may share a key."""
    named = ((key, item.get(paths.get(path)) if isinstance(item, dict) else None)
             for path, items in inventory.items() for key, item in items.items())
    return frozenset(folded_key(key if name is None else str(name)) for key, name in named)


def missing_keys(before: Inventory, paths: Mapping[str, str | None], path: str, response: Response) -> list[str]:
    """Return the keys that a list showed before the run and no longer shows."""
    if path not in before or not shows_something(response):
        return []
    now = {path: items_of(response.json, paths[path])}
    return sorted(keys_of_snapshot({path: before[path]}, paths) - keys_of_snapshot(now, paths))


def changed_columns(name: str, was: Any, now: Any) -> Iterator[str]:
    """Yield a line for each changed column of an item."""
    if not isinstance(was, dict) or not isinstance(now, dict):
        if was != now:
            secret = is_secret(name.rpartition(" ")[2])
            yield f"{name} has changed" if secret else f"{name} was {redacted(was)!r} and is {redacted(now)!r}"
        return
    for column in sorted(was.keys() | now.keys()):
        if was.get(column) != now.get(column):
            yield from changed_columns(f"{name} {column}", was.get(column), now.get(column))


def snapshot_differences(before: Mapping[str, Items], after: Inventory, put_back: frozenset[str],
                         changed: Changed = changed_columns) -> Iterator[str]:
    """Yield a line for each difference, except in the time stamps (`VANISHING`) of restored settings."""
    for path, was in before.items():
        now = after.get(path)
        if now is None:
            yield f"{path} can no longer be read"
            continue
        yield from (f"{path}: {redacted(key)} is new or left over" for key in now if key not in was)
        yield from (f"{path}: {redacted(key)} is gone" for key in was if key not in now)
        for key in was.keys() & now.keys():
            if path not in put_back or key not in VANISHING:
                yield from changed(f"{path}: {redacted(key)}", was[key], now[key])


def snapshot_digests(inventory: Inventory) -> Inventory:
    """Return the inventory as stored in a file: items as digests without secrets, as short secrets could be guessed."""
    return {path: {redacted(key): _digest(path, key, item) for key, item in items.items()}
            for path, items in inventory.items()}


def _digest(path: str, key: str, item: Any) -> str:
    if isinstance(item, dict):
        item = {name: value for name, value in item.items() if not is_secret(name)}
    text = "" if is_secret(key) else json.dumps(item, sort_keys=True)
    return hashlib.sha256(f"{path} {text}".encode()).hexdigest()[:16]


def digest_differences(before: Mapping[str, Items], after: Inventory, put_back: frozenset[str]) -> Iterator[str]:
    """Yield the differences from the digests of a file: which items differ, but not in which columns."""
    def changed(name: str, was: str, now: str) -> Iterator[str]:
        if was != now:
            yield f"{name} has changed"

    return snapshot_differences(before, snapshot_digests(after), put_back, changed)
