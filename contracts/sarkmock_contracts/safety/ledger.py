"""The ledger on disk: records each row before the request that creates it, and when it is removed.

The file consists of JSON lines, each synced to disk before its request is sent. The head describes how to connect to
the target and holds no secrets. Values to be restored may be secrets, so only the owner can read the file, and the
end of the clean-up erases them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from getpass import getuser
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from urllib.parse import quote, urlsplit

import jsonschema_rs

from sarkmock.suite_api import lock_exclusively, redacted

from ..client.http import Response, bounded_json
from ..client.transports import EMBEDDED_URL
from ..errors import BadLedger, CannotRun

LEDGER_VERSION = 1
LEDGER_SCHEMA = Path(__file__).with_name("ledger.schema.json")
SKEW = 300  # seconds by which the clock of a box may differ from the local one
Undo = Sequence[Mapping[str, Any]]


@dataclass
class LedgerEntry:
    """Something that a request creates or changes, and the requests (or the search) that undo it."""

    operation: str
    collection: str
    key: str | None = None
    undo: Undo = ()
    number: int = 0
    state: str = "open"  # open: the response is not known; made; void: nothing was made; gone: removed again
    until: int = 0  # latest possible time of creation by the target's clock, in seconds; 0 in older ledgers
    digest: str = ""  # of the content of an uploaded file that is stored unchanged

    @property
    def alive(self) -> bool:
        return self.state in ("open", "made")


@dataclass
class Ledger:
    """The entries in the order they were written. Every change appends a line to the file."""

    file: Path
    head: Mapping[str, Any]
    entries: list[LedgerEntry] = field(default_factory=list)
    complete: bool = False
    committed: bool = False
    inventory: Mapping[str, Any] | None = None
    _alive: dict[int, LedgerEntry] = field(default_factory=dict, repr=False, compare=False)  # by number
    _descriptor: int = -1
    _target_lock: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False, compare=False)

    @property
    def is_open(self) -> bool:
        """Whether entries can be written."""
        return self._descriptor >= 0

    # queries

    def alive(self) -> list[LedgerEntry]:
        """Return the entries that may still exist on the target, newest first."""
        return [self._alive[number] for number in sorted(self._alive, reverse=True)]

    def cleanup_cost(self) -> int:
        """Return an estimate of the requests that the clean-up needs: searches, undo requests and a commit."""
        steps = [step for entry in self._alive.values() for step in entry.undo]
        return sum(len(step["any"]) if "any" in step else 2 for step in steps) + self.committed

    def owner(self, collection: str, key: str) -> LedgerEntry | None:
        """Return the entry of a row or file that this run has created and not yet removed."""
        return next((entry for entry in self.alive() if (entry.collection, entry.key) == (collection, key)), None)

    def replaced_paths(self) -> frozenset[str]:
        """Return the paths of settings that the run has replaced and must restore."""
        return frozenset(step["put"][1] for entry in self.entries for step in entry.undo if "put" in step)

    # changes

    def begin(self, entry: LedgerEntry) -> LedgerEntry:
        """Record an entry before the request that creates or changes something. Return what `settle` changes."""
        entry.number, entry.until = len(self.entries) + 1, stamp() + SKEW
        self._write({"begin": asdict(entry)}, must=True)
        return self.entries[-1]

    def settle(self, entry: LedgerEntry, state: str, key: str | None = None, undo: Undo | None = None,
               until: int | None = None) -> None:
        """Record the new state of an entry, and its key, undo steps and time if they are known now."""
        values = {"key": key, "undo": undo, "until": until}
        changed = {name: value for name, value in values.items() if value is not None}
        self._write({"settle": entry.number, "state": state, **changed})

    def revive(self) -> None:
        """Reopen all removed entries, because the target was restored to an earlier state that may contain them."""
        self._write({"revived": True})

    def note_commit(self) -> None:
        """Record that a commit may have written rows of this run into the configuration: clean-up must commit again."""
        if not self.committed:
            self._write({"committed": True})

    def note_inventory(self, digests: Mapping[str, Any]) -> None:
        """Record the target snapshot as digests."""
        self._write({"inventory": digests}, must=True)

    def finish(self) -> None:
        """Mark the clean-up as complete, and erase all entries with the values that were kept for restoring."""
        lines = [self._head_line(), {"complete": True, "entries": len(self.entries)}]
        os.ftruncate(self._descriptor, 0)
        for line in lines:
            self._write(line)

    def apply(self, line: Mapping[str, Any]) -> None:
        """Change what is recorded as a line of the file says."""
        match line:
            case {"begin": fields}:
                self.entries.append(LedgerEntry(**fields))
                self._track(len(self.entries))
            case {"settle": number}:
                entry = self.entries[number - 1]
                entry.state, entry.key = line["state"], line.get("key", entry.key)
                entry.undo, entry.until = line.get("undo", entry.undo), line.get("until", entry.until)
                self._track(number)
            case {"revived": True}:
                for number, entry in enumerate(self.entries, 1):
                    entry.state = "open" if entry.state == "gone" else entry.state
                    self._track(number)
            case {"committed": True}:
                self.committed = True
            case {"inventory": digests}:
                self.inventory = digests
            case {"complete": True}:
                self.complete = True

    def _track(self, number: int) -> None:
        entry = self.entries[number - 1]
        if entry.alive:
            self._alive[number] = entry
        else:
            self._alive.pop(number, None)

    def close(self) -> None:
        if self.is_open:
            os.close(self._descriptor)
        self._descriptor = -1
        self._target_lock.close()

    # the file

    def open(self) -> Ledger:
        """Start a new file, and lock the target until `close`. Raise BadLedger if either belongs to another run.

        Two writing runs at one target would restore each other's settings.
        """
        with contextlib.suppress(FileNotFoundError):
            if self.file.stat().st_size and not read_ledger(self.file).complete:
                raise BadLedger(f"{self.file} belongs to a run that was not cleaned up: sarkmock cleanup {self.file}")
        url, self.head = self.head.get("url", EMBEDDED_URL), redacted(dict(self.head))
        try:
            if url != EMBEDDED_URL:  # no other run can reach that
                self._target_lock.enter_context(target_lock(url))
            self._descriptor = open_locked(self.file, os.O_CREAT, "run", BadLedger)
            self.file.chmod(0o600)  # the file may have existed before
            os.ftruncate(self._descriptor, 0)
        except BadLedger:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise BadLedger(f"{self.file}: {error.strerror}") from None
        self._write(self._head_line(), must=True)
        return self

    def _head_line(self) -> Mapping[str, Any]:
        return {"sarkmock": LEDGER_VERSION, **self.head}

    def _write(self, line: Mapping[str, Any], must: bool = False) -> None:
        """Append a line and apply it. If it ``must`` precede a request and cannot be written, raise BadLedger.

        Other lines may be missing: the entry then stays open, and clean-up looks for it.
        """
        try:
            append_line(self._descriptor, line)
        except OSError as error:
            if must:
                raise BadLedger(f"{self.file} cannot be written: {error.strerror}") from None
        self.apply(line)


def reopen_ledger(file: Path) -> Ledger:
    """Open the ledger of a run that has ended, to finish its clean-up."""
    descriptor = open_locked(file, 0, "run", BadLedger)
    try:
        ledger = read_ledger(file)
        if ledger.complete:
            raise BadLedger(f"{file}: its clean-up is already complete")
        whole = file.read_bytes().rpartition(b"\n")[0]
        os.ftruncate(descriptor, len(whole) + 1)  # drop a line that a kill cut short: its request was not sent
    except BaseException:
        os.close(descriptor)
        raise
    ledger._descriptor = descriptor
    return ledger


@contextlib.contextmanager
def target_lock(url: str) -> Iterator[None]:
    """Hold the lock on a target for writing."""
    parts = urlsplit(url)
    place = content_digest(f"{parts.netloc.lower()}{parts.path}".encode())[:16]
    user = os.getuid() if hasattr(os, "getuid") else getuser()
    file, holder = Path(gettempdir()) / f"sarkmock-{user}-{place}.lock", f"run at {redacted(url)}"
    while not os.fstat(descriptor := open_locked(file, os.O_CREAT, holder, BadLedger)).st_nlink:
        os.close(descriptor)  # another run ended and deleted the file before it was locked here
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not delete an open file
            file.unlink()
        os.close(descriptor)


def open_locked(file: Path, flags: int, user: str, problem: type[CannotRun]) -> int:
    """Open a file under an exclusive lock and return its descriptor; raise ``problem`` if that fails."""
    if file.exists() and not file.is_file():
        raise problem(f"{file}: not a file")
    try:
        descriptor = os.open(file, flags | os.O_RDWR | os.O_APPEND, 0o600)
    except OSError as error:
        raise problem(f"{file}: {error.strerror}") from None
    try:
        lock_exclusively(descriptor)
    except OSError:
        os.close(descriptor)
        raise problem(f"{file} is in use by an unfinished {user}") from None
    return descriptor


def append_line(descriptor: int, line: Mapping[str, Any]) -> None:
    """Append a line of JSON and sync it to disk; raise OSError if it cannot be written."""
    content, size = json.dumps(line).encode() + b"\n", os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)  # a partial line would corrupt the next one
        raise


def read_ledger(file: Path) -> Ledger:
    """Read a ledger; raise BadLedger with file and line if it is invalid."""
    lines = list(_json_objects(file))
    if not lines or not line_validator(LEDGER_SCHEMA, "head").is_valid(lines[0][1]):
        raise BadLedger(f"{file}:1: not a ledger of sarkmock check")
    ledger = Ledger(file, {name: value for name, value in lines[0][1].items() if name != "sarkmock"})
    for number, line in lines[1:]:
        if not line_validator(LEDGER_SCHEMA, "entry").is_valid(line) or line.get("settle", 0) > len(ledger.entries):
            raise BadLedger(f"{file}:{number}: not a ledger entry")
        ledger.apply(line)
    return ledger


@cache
def line_validator(schema: Path, kind: str) -> jsonschema_rs.Validator:
    """Return a compiled definition of a schema file: that of a kind of line in a file of JSON lines."""
    definitions = json.loads(schema.read_text(encoding="utf-8"))["$defs"]
    return jsonschema_rs.validator_for({"$defs": definitions, "$ref": f"#/$defs/{kind}"})


def _json_objects(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if file.exists() and not file.is_file():
        raise BadLedger(f"{file}: not a file")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadLedger(f"{file}: {error.strerror}") from None
    for number, line in whole_lines(content):
        if line is None:
            raise BadLedger(f"{file}:{number}: not a JSON object")
        yield number, line


def whole_lines(content: bytes) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the number and JSON object of each complete line, None for other content. Skip a truncated last line."""
    for number, line in enumerate(content.rpartition(b"\n")[0].splitlines(), 1):
        value = bounded_json(line)
        yield number, value if isinstance(value, dict) else None


def content_digest(content: bytes) -> str:
    """Return the SHA-256 digest of a file's content."""
    return hashlib.sha256(content).hexdigest()


def removal_request(collection: str, key: str) -> Undo:
    """Return the undo steps that delete a row or a file."""
    return [{"any": [["DELETE", f"/{collection}/{quote(key, safe='')}"]]}]


def keys_with_prefix(step: Mapping[str, Any], response: Response) -> list[str]:
    """Return the keys of listed rows in which a text begins with the prefix in ``step["holds"]``."""
    rows = response.json if isinstance(response.json, list) else []
    return [str(row[step["key"]]) for row in rows if isinstance(row, dict) and step["key"] in row
            and any(isinstance(value, str) and value.startswith(step["holds"]) for value in row.values())]


def added_names(step: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the names that were not listed before a command."""
    return [name for name in names if name not in step["before"]]


def made_until(entry: LedgerEntry, response: Response) -> int | None:
    """Return the latest possible time of creation, by the target's clock, from a response; None if unknown."""
    try:
        answered = parsedate_to_datetime(response.header("Date") or "")
    except ValueError:
        return None
    return int(answered.timestamp()) + stamp() - (entry.until - SKEW) + 1


def stamp() -> int:
    """Return the current time in whole seconds."""
    return int(time.time())
