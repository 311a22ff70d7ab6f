"""The ledger on disk: each row is written down before the request that creates it, and when it is removed.

JSON lines, each on the disk before the request it speaks of leaves. The head says how to reach the target and holds no
secret; values to be put back may be some, so only the owner can read the file, and the end of the clean-up erases them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from sarkmock.suite_api import redacted

from ..client.http import Response, bounded_json
from ..errors import BadLedger, CannotRun

LEDGER_VERSION = 1
SKEW = 300  # seconds by which the clock of a box may differ from ours
Undo = Sequence[Mapping[str, Any]]


@dataclass
class LedgerEntry:
    """Something that a request makes or changes, and the requests (or the search) that take it back."""

    operation: str
    collection: str
    key: str | None = None
    undo: Undo = ()
    number: int = 0
    state: str = "open"  # open: the answer is not known; made; void: nothing was made; gone: taken back
    until: int = 0  # the last second, by the target's clock, in which it can have been made; 0 in older ledgers
    digest: str = ""  # of the content of an uploaded file that is stored as it is

    @property
    def alive(self) -> bool:
        return self.state in ("open", "made")


@dataclass
class Ledger:
    """Entries in the order they were written; every change is a line in the file."""

    file: Path
    head: Mapping[str, Any]
    entries: list[LedgerEntry] = field(default_factory=list)
    complete: bool = False
    committed: bool = False
    inventory: Mapping[str, Any] | None = None
    _descriptor: int = -1

    @property
    def is_open(self) -> bool:
        """Whether something can be written down."""
        return self._descriptor >= 0

    # what there is

    def alive(self) -> list[LedgerEntry]:
        """What may still be there, newest first."""
        return [entry for entry in reversed(self.entries) if entry.alive]

    def cleanup_cost(self) -> int:
        """The requests that taking everything back will need: to look for it, each way to take it back, a commit."""
        steps = [step for entry in self.entries if entry.alive for step in entry.undo]
        return sum(len(step["any"]) if "any" in step else 2 for step in steps) + self.committed

    def owner(self, collection: str, key: str) -> LedgerEntry | None:
        """The entry of a row or file that this run has made and not yet removed."""
        return next((entry for entry in self.alive() if (entry.collection, entry.key) == (collection, key)), None)

    def replaced_paths(self) -> frozenset[str]:
        """Paths of values that the run has replaced, to store them again."""
        return frozenset(step["put"][1] for entry in self.entries for step in entry.undo if "put" in step)

    # what happens

    def begin(self, entry: LedgerEntry) -> LedgerEntry:
        """Before a request that makes or changes something."""
        entry.number, entry.until = len(self.entries) + 1, stamp() + SKEW
        self._write({"begin": asdict(entry)}, must=True)
        self.entries.append(entry)
        return entry

    def settle(self, entry: LedgerEntry, state: str, key: str | None = None, undo: Undo | None = None,
               until: int | None = None) -> None:
        """What has become of an entry."""
        changed = {"key": key, "undo": undo, "until": until}
        known = {name: value for name, value in changed.items() if value is not None}
        line = {"settle": entry.number, "state": state, **known}
        self._write(line)
        _settle(entry, line)

    def revive(self) -> None:
        """The target's state was replaced by an earlier one: anything that was ever made may be back."""
        self._write({"revived": True})
        _revive(self.entries)

    def note_commit(self) -> None:
        """The configuration was made from rows of this run: it must be made anew without them."""
        if not self.committed:
            self._write({"committed": True})
            self.committed = True

    def note_inventory(self, digests: Mapping[str, Any]) -> None:
        """What was there before, as digests."""
        self._write({"inventory": digests}, must=True)
        self.inventory = digests

    def finish(self) -> None:
        """Clean-up is complete: values that were kept to be put back are erased."""
        self.complete = True
        lines = [self._head_line(), {"complete": True, "entries": len(self.entries)}]
        os.ftruncate(self._descriptor, 0)
        for line in lines:
            self._write(line)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # the file

    def open(self) -> Ledger:
        """Begin a new file; one that is there is replaced only if its clean-up is complete."""
        with contextlib.suppress(FileNotFoundError):
            if self.file.stat().st_size and not read_ledger(self.file).complete:
                raise BadLedger(f"{self.file} belongs to a run that was not cleaned up: sarkmock cleanup {self.file}")
        self.head = redacted(dict(self.head))
        self._descriptor = open_locked(self.file, os.O_CREAT, "run", BadLedger)
        try:
            os.fchmod(self._descriptor, 0o600)  # of a file that was there before
            os.ftruncate(self._descriptor, 0)
        except OSError as error:
            raise BadLedger(f"{self.file}: {error.strerror}") from None
        self._write(self._head_line(), must=True)
        return self

    def _head_line(self) -> Mapping[str, Any]:
        return {"sarkmock": LEDGER_VERSION, **self.head}

    def _write(self, line: Mapping[str, Any], must: bool = False) -> None:
        """Add a line. BadLedger if it ``must`` be there before a request leaves, and cannot: nothing is made then.

        A line that says what has become of something may be missing: the file then says that it may be there.
        """
        try:
            append_line(self._descriptor, line)
        except OSError as error:
            if must:
                raise BadLedger(f"{self.file} cannot be written: {error.strerror}") from None


def reopen_ledger(file: Path) -> Ledger:
    """The ledger of a run that has ended, to finish its clean-up."""
    descriptor = open_locked(file, 0, "run", BadLedger)
    try:
        ledger = read_ledger(file)
        if ledger.complete:
            raise BadLedger(f"{file}: its clean-up is already complete")
        whole = file.read_bytes().rpartition(b"\n")[0]
        os.ftruncate(descriptor, len(whole) + 1)  # a line that a kill cut short was never acted upon
    except BaseException:
        os.close(descriptor)
        raise
    ledger._descriptor = descriptor
    return ledger


def open_locked(file: Path, flags: int, user: str, problem: type[CannotRun]) -> int:
    """The descriptor of a file that one process at a time may have open."""
    try:
        descriptor = os.open(file, flags | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise problem(f"{file}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise problem(f"{file} is in use by a {user} that has not ended") from None
    return descriptor


def append_line(descriptor: int, line: Mapping[str, Any]) -> None:
    """Add a line of JSON, which is on the disk when this returns; OSError if it cannot be written."""
    content, size = json.dumps(line).encode() + b"\n", os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)  # half a line would spoil the next
        raise


def read_ledger(file: Path) -> Ledger:
    """What a ledger says; BadLedger names file and line."""
    lines = list(_lines(file))
    if not lines or not line_checker("head").is_valid(lines[0][1]):
        raise BadLedger(f"{file}:1: is not a ledger of sarkmock check")
    ledger = Ledger(file, {name: value for name, value in lines[0][1].items() if name != "sarkmock"})
    for number, line in lines[1:]:
        if not line_checker("entry").is_valid(line) or line.get("settle", 0) > len(ledger.entries):
            raise BadLedger(f"{file}:{number}: is not a ledger entry")
        _replay(ledger, line)
    return ledger


@cache
def line_checker(kind: str) -> jsonschema_rs.Validator:
    """The compiled definition of a kind of line."""
    schema = json.loads(Path(__file__).with_name("ledger.schema.json").read_text(encoding="utf-8"))
    return jsonschema_rs.validator_for({"$defs": schema["$defs"], "$ref": f"#/$defs/{kind}"})


def _lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadLedger(f"{file}: {error.strerror}") from None
    for number, line in whole_lines(content):
        if line is None:
            raise BadLedger(f"{file}:{number}: is not a JSON object")
        yield number, line


def whole_lines(content: bytes) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Lines of JSON objects by number, None for any other; the last line may have been cut short by a kill."""
    for number, line in enumerate(content.rpartition(b"\n")[0].splitlines(), 1):
        value = bounded_json(line)
        yield number, value if isinstance(value, dict) else None


def _replay(ledger: Ledger, line: Mapping[str, Any]) -> None:
    match line:
        case {"begin": entry}:
            ledger.entries.append(LedgerEntry(**entry))
        case {"settle": number}:
            _settle(ledger.entries[number - 1], line)
        case {"revived": True}:
            _revive(ledger.entries)
        case {"committed": True}:
            ledger.committed = True
        case {"inventory": digests}:
            ledger.inventory = digests
        case {"complete": True}:
            ledger.complete = True


def _settle(entry: LedgerEntry, line: Mapping[str, Any]) -> None:
    entry.state = line["state"]
    entry.key = line.get("key", entry.key)
    entry.undo = line.get("undo", entry.undo)
    entry.until = line.get("until", entry.until)


def _revive(entries: list[LedgerEntry]) -> None:
    for entry in entries:
        if entry.state == "gone":
            entry.state = "open"


def content_digest(content: bytes) -> str:
    """What tells the content of a file from any other."""
    return hashlib.sha256(content).hexdigest()


def removal_request(collection: str, key: str) -> Undo:
    """The request that deletes a row or a file."""
    return [{"any": [["DELETE", f"/{collection}/{quote(key, safe='')}"]]}]


def keys_with_prefix(step: Mapping[str, Any], response: Response) -> list[str]:
    """The keys of rows in which a text begins with the run's prefix."""
    rows = response.json if isinstance(response.json, list) else []
    return [str(row[step["key"]]) for row in rows if isinstance(row, dict) and step["key"] in row
            and any(isinstance(value, str) and value.startswith(step["holds"]) for value in row.values())]


def added_names(step: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The names that were not there before a command."""
    return [name for name in names if name not in step["before"]]


def made_until(entry: LedgerEntry, response: Response) -> int | None:
    """The last second, by the target's clock, in which an answered request can have made something."""
    try:
        answered = parsedate_to_datetime(response.header("Date") or "")
    except ValueError:
        return None
    return int(answered.timestamp()) + stamp() - (entry.until - SKEW) + 1


def stamp() -> int:
    """Now, in whole seconds."""
    return int(time.time())
