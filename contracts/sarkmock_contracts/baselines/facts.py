"""Facts and their files: the baseline, and the checkpoint of an unfinished recording."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sarkmock.suite_api import dotted, read_whole, shortened, write_whole

from ..client.http import bounded_json
from ..errors import BadBaseline, CannotRun, file_errors
from ..safety.ledger import append_line, line_validator, open_locked, whole_lines
from .catalogue import request_digest

BOX = "*"  # the operation of facts about the box as a whole
NOT_SENT: Mapping[str, Any] = {"absent": True}  # stands for an absent variable
_UNSET = object()


@dataclass(frozen=True)
class Fact:
    """One observation: operation, kind of fact, subject and observed value.

    ``by`` is the place where it was seen, ``sent`` the value of a variable, ``says`` the messages of the response.
    """

    op: str
    fact: str
    of: str
    is_: Any
    by: str = ""
    sent: Any = _UNSET
    says: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """The identity of a fact: facts with equal keys are about the same thing."""
        return self.op, self.fact, self.of, self.by, "" if self.sent is _UNSET else canonical_json(self.sent)

    @property
    def has_value(self) -> bool:
        return self.sent is not _UNSET

    def line(self) -> dict[str, Any]:
        """Return the fact as a line of a baseline."""
        result: dict[str, Any] = {"op": self.op, "fact": self.fact, "of": self.of}
        if self.by:
            result["by"] = self.by
        if self.has_value:
            result["sent"] = self.sent
        result["is"] = self.is_
        if self.says:
            result["says"] = list(self.says)
        return result


def fact_of_line(line: Mapping[str, Any]) -> Fact:
    return Fact(line["op"], line["fact"], line["of"], line["is"], line.get("by", ""), line.get("sent", _UNSET),
                tuple(line.get("says", ())))


# What version 1 of the format calls kinds of requests, and what it calls values.
REQUESTS_OF_VERSION_1 = {
    "asked": "valid request", "minimal": "minimal request", "everything": "full request", "refused": "rejected",
    "made again": "repeated create", "once more": "repeated delete",
    "own row once removed": "deleted row", "own row": "created row"}
VALUES_OF_VERSION_1 = {"asked": "tested", "refused": "rejected"}


def renamed(fact: Fact) -> Fact:
    """Return a fact of version 1 in the words of the current version."""
    if fact.fact in ("status", "type", "header", "error"):
        former = next((kind for kind in REQUESTS_OF_VERSION_1 if f"{fact.of} ".startswith(f"{kind} ")), None)
        return replace(fact, of=REQUESTS_OF_VERSION_1[former] + fact.of.removeprefix(former)) if former else fact
    if fact.fact in ("part", "rule"):
        of = "hazard" if (fact.fact, fact.of) == ("part", "asking") else fact.of
        return replace(fact, of=of, is_=VALUES_OF_VERSION_1.get(fact.is_, fact.is_))
    return fact


def canonical_json(value: Any) -> str:
    """Return JSON text that distinguishes true from 1, and 1 from 1.0."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


class Facts:
    """Facts by key. Of several facts with the same key, the first counts."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self.by_key: dict[tuple[str, ...], Fact] = {}
        for fact in facts:
            self.by_key.setdefault(fact.key, fact)

    def __iter__(self) -> Any:
        return iter(self.by_key.values())

    def __len__(self) -> int:
        return len(self.by_key)

    def get(self, op: str, fact: str, of: str = "", by: str = "") -> Any:
        """Return the observed value of a fact without sent value; None if there is no such fact."""
        match = self.by_key.get((op, fact, of, by, ""))
        return match.is_ if match else None

    def of(self, op: str, fact: str) -> list[Fact]:
        """Return all facts of one kind of an operation."""
        return [match for match in self.by_key.values() if (match.op, match.fact) == (op, fact)]


BASELINE_VERSION = 2
READABLE_VERSIONS = (1, 2)
BASELINE_FORMAT = "sarkmock-baseline"
BASELINE_SCHEMA = Path(__file__).with_name("baseline.schema.json")


@dataclass
class Baseline:
    """A recording: its target, depth, date and facts."""

    target: str
    depth: str
    allowed: tuple[str, ...]
    only: str | None
    facts: Facts
    tables: str = field(default_factory=request_digest)
    recorded: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""  # its name in reports

    @property
    def milliseconds(self) -> Mapping[str, float]:
        """The median response time by operation."""
        return dict(self.recorded.get("milliseconds", {}))

    def head(self) -> dict[str, Any]:
        """Return the first line of the file."""
        return {BASELINE_FORMAT: BASELINE_VERSION, "target": self.target, "tables": self.tables, "depth": self.depth,
                "allowed": list(self.allowed), "only": self.only}

    def lines(self) -> Iterator[Mapping[str, Any]]:
        yield self.head()
        yield self.recorded
        yield from (fact.line() for fact in self.facts)
        yield {"end": len(self.facts)}


def baseline_text(baseline: Baseline) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in baseline.lines())


def write_baseline(baseline: Baseline, file: Path) -> None:
    with file_errors(file):
        write_whole(file, baseline_text(baseline).encode())


def read_baseline(file: Path) -> Baseline:
    """Read a baseline; raise BadBaseline with file and line if it is invalid."""
    lines = list(_json_lines(file))
    if not lines or not isinstance(lines[0], dict) or BASELINE_FORMAT not in lines[0]:
        first = f'{{"{BASELINE_FORMAT}": {BASELINE_VERSION}, ...}}'
        raise BadBaseline(f"{file}: not a baseline: the first line is not {first}")
    version = lines[0][BASELINE_FORMAT]
    if version not in READABLE_VERSIONS:
        raise BadBaseline(f"{file}: a baseline of version {version!r}; "
                          f"this sarkmock reads versions {READABLE_VERSIONS[0]} to {READABLE_VERSIONS[-1]}")
    for number, line in enumerate(lines, 1):
        _check(file, number, line)
    if "end" not in lines[-1] or "recorded" not in lines[min(1, len(lines) - 1)]:
        raise BadBaseline(f"{file}:{len(lines)}: the file is truncated; record it again")
    facts = [_fact(file, number, line) for number, line in enumerate(lines[2:-1], 3)]
    if version == 1:
        facts = list(map(renamed, facts))
    if lines[-1]["end"] != len(facts):
        raise BadBaseline(f"{file}: has {len(facts)} facts instead of {lines[-1]['end']}: lines were removed or added")
    head = lines[0]
    return Baseline(head["target"], head["depth"], tuple(head["allowed"]), head["only"], Facts(facts), head["tables"],
                    lines[1], str(file))


def _fact(file: Path, number: int, line: Mapping[str, Any]) -> Fact:
    if "fact" not in line:
        raise BadBaseline(f"{file}:{number}: not a fact")
    return fact_of_line(line)


def _json_lines(file: Path) -> Iterator[Any]:
    try:
        text = read_whole(file).decode()
    except UnicodeDecodeError:
        raise BadBaseline(f"{file}: not a baseline: not a text file") from None
    except OSError as error:
        raise BadBaseline(f"{file}: {error.strerror}") from None
    for number, line in enumerate(text.split("\n")[:-1] if text.endswith("\n") else text.split("\n"), 1):
        value = bounded_json(line.encode())
        if value is None:
            problem = "the first line is not JSON" if number == 1 else "the file is truncated or damaged"
            raise BadBaseline(f"{file}:{number}: not a baseline: {problem}")
        yield value


def _check(file: Path, number: int, line: Any) -> None:
    keys = (("head", BASELINE_FORMAT), ("recorded", "recorded"), ("end", "end"), ("fact", "fact"))
    kind = next((name for name, key in keys if isinstance(line, dict) and key in line), None)
    if kind is None:
        raise BadBaseline(f"{file}:{number}: not a line of a baseline")
    for error in line_validator(BASELINE_SCHEMA, kind).iter_errors(line):
        place = dotted(error.instance_path)
        raise BadBaseline(f"{file}:{number}: {f'{place}: ' if place else ''}{shortened(error.message)}")


CHECKPOINT_FORMAT = "sarkmock-partial"


class Checkpoint:
    """The checkpoint file next to the baseline, locked by one recording at a time."""

    def __init__(self, file: Path, head: Mapping[str, Any]) -> None:
        self.file = file
        self.done: dict[str, list[Fact]] = {}
        self.ledger: str | None = None
        self._descriptor = open_locked(file, os.O_CREAT, "recording", CannotRun)
        try:
            self._go_on(head)
        except CannotRun:
            os.close(self._descriptor)
            raise

    def _go_on(self, head: Mapping[str, Any]) -> None:
        content = self.file.read_bytes()
        os.ftruncate(self._descriptor, content.rfind(b"\n") + 1)  # drop a line that a kill cut short
        lines = list(whole_lines(content))
        for number, line in lines:
            if number == 1 and line is not None and line.get(CHECKPOINT_FORMAT) != dict(head):
                raise CannotRun(f"{self.file} was started with different options; use the same options or delete it")
            if line is None or not line_validator(BASELINE_SCHEMA, "checkpoint").is_valid(line):
                raise BadBaseline(f"{self.file}:{number}: not a line of a recording; delete the file to start again")
            self.ledger = line.get("ledger", self.ledger)
            if "case" in line:
                self.done[line["case"]] = [fact_of_line(fact) for fact in line["facts"]]
        if not lines:
            self._write({CHECKPOINT_FORMAT: dict(head)})

    def note_ledger(self, ledger: Path) -> None:
        """Record the path of this run's ledger."""
        self.ledger = str(ledger.absolute())
        self._write({"ledger": self.ledger})

    def note(self, case: str, facts: Iterable[Fact]) -> None:
        """Record a finished case with its facts."""
        self._write({"case": case, "facts": [fact.line() for fact in facts]})

    def _write(self, line: Mapping[str, Any]) -> None:
        with file_errors(self.file):
            append_line(self._descriptor, line)

    def finish(self) -> None:
        """Delete the checkpoint, because the baseline is written."""
        self.file.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close the file; delete it if there is nothing to resume."""
        if self._descriptor < 0:
            return
        if not self.done and self.ledger is None:
            self.file.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1
