"""Baselines on disk: written whole or not at all, read line by line against baseline.schema.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from sarkmock.suite_api import write_whole

from ..errors import BadBaseline, CannotRun
from .catalogue import request_digest
from .facts import Fact, Facts, of_line

BASELINE_VERSION = 1
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
    name: str = ""  # what reports call it

    @property
    def milliseconds(self) -> Mapping[str, float]:
        """The median of the answers of an operation."""
        return dict(self.recorded.get("milliseconds", {}))

    def head(self) -> dict[str, Any]:
        """The first line."""
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
    try:
        write_whole(file, baseline_text(baseline).encode())
    except OSError as error:
        raise CannotRun(f"{file}: {error.strerror}") from None


def read_baseline(file: Path) -> Baseline:
    """A baseline; BadBaseline names file and line."""
    lines = list(_lines(file))
    if not lines or not isinstance(lines[0], dict) or BASELINE_FORMAT not in lines[0]:
        first = f'{{"{BASELINE_FORMAT}": {BASELINE_VERSION}, ...}}'
        raise BadBaseline(f"{file}: is not a baseline: its first line is not {first}")
    if lines[0][BASELINE_FORMAT] != BASELINE_VERSION:
        raise BadBaseline(f"{file}: is a baseline of version {lines[0][BASELINE_FORMAT]!r}; "
                          f"this sarkmock reads version {BASELINE_VERSION}")
    for number, line in enumerate(lines, 1):
        _check(file, number, line)
    if "end" not in lines[-1] or "recorded" not in lines[min(1, len(lines) - 1)]:
        raise BadBaseline(f"{file}:{len(lines)}: is cut short: record it again")
    facts = [_fact(file, number, line) for number, line in enumerate(lines[2:-1], 3)]
    if lines[-1]["end"] != len(facts):
        raise BadBaseline(f"{file}: has {len(facts)} facts of {lines[-1]['end']}: lines are missing, or were added")
    head = lines[0]
    return Baseline(head["target"], head["depth"], tuple(head["allowed"]), head["only"], Facts(facts), head["tables"],
                    lines[1], str(file))


def _fact(file: Path, number: int, line: Mapping[str, Any]) -> Fact:
    if "fact" not in line:
        raise BadBaseline(f"{file}:{number}: is not a fact")
    return of_line(line)


def _lines(file: Path) -> Iterator[Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadBaseline(f"{file}: is not a baseline: it is not a text file") from None
    except OSError as error:
        raise BadBaseline(f"{file}: {error.strerror}") from None
    for number, line in enumerate(text.split("\n")[:-1] if text.endswith("\n") else text.split("\n"), 1):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            problem = "its first line is not JSON" if number == 1 else "it is cut short or damaged"
            raise BadBaseline(f"{file}:{number}: is not a baseline: {problem}") from None


def _check(file: Path, number: int, line: Any) -> None:
    keys = (("head", BASELINE_FORMAT), ("recorded", "recorded"), ("end", "end"), ("fact", "fact"))
    kind = next((name for name, key in keys
                 if isinstance(line, dict) and key in line), None)
    if kind is None:
        raise BadBaseline(f"{file}:{number}: is not a line of a baseline")
    for error in line_validator(kind).iter_errors(line):
        place = ".".join(map(str, error.instance_path))
        raise BadBaseline(f"{file}:{number}: {f'{place}: ' if place else ''}{error.message}")


@cache
def line_validator(kind: str) -> jsonschema_rs.Validator:
    """The compiled definition of a kind of line."""
    definitions = json.loads(BASELINE_SCHEMA.read_text(encoding="utf-8"))["$defs"]
    return jsonschema_rs.validator_for({"$defs": definitions, "$ref": f"#/$defs/{kind}"})
