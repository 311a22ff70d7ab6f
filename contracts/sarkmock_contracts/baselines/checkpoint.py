"""A recording that is not finished: every case on disk as soon as it is done, so that it can go on after a kill."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import BadBaseline, CannotRun
from .facts import Fact, of_line
from .files import line_validator

CHECKPOINT_FORMAT = "sarkmock-partial"


class Partial:
    """The file beside the baseline; only one recording at a time can hold it."""

    def __init__(self, file: Path, head: Mapping[str, Any]) -> None:
        self.file = file
        self.done: dict[str, list[Fact]] = {}
        self.ledger: str | None = None
        try:
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CannotRun(f"{file}: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise CannotRun(f"{file} is in use by a recording that is still going") from None
        try:
            self._go_on(head)
        except CannotRun:
            os.close(self._descriptor)
            raise

    def _go_on(self, head: Mapping[str, Any]) -> None:
        content = self.file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]  # a line that a kill cut short was not done
        os.ftruncate(self._descriptor, len(whole))
        lines = [self._line(number, text) for number, text in enumerate(whole.splitlines(), 1)]
        if not lines:
            self._write({CHECKPOINT_FORMAT: dict(head)})
            return
        if lines[0].get(CHECKPOINT_FORMAT) != dict(head):
            raise CannotRun(f"{self.file} was started with different options; use the same options or delete it")
        for number, line in enumerate(lines[1:], 2):
            self._take(number, line)

    def _line(self, number: int, text: bytes) -> dict[str, Any]:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if not isinstance(line, dict):
            raise self._damaged(number)
        return line

    def _damaged(self, number: int) -> BadBaseline:
        return BadBaseline(f"{self.file}:{number}: is not a line of a recording; delete the file to start again")

    def _take(self, number: int, line: Mapping[str, Any]) -> None:
        self.ledger = line.get("ledger", self.ledger)
        if "case" in line:
            facts = line.get("facts", ())
            if not all(line_validator("fact").is_valid(fact) for fact in facts):
                raise self._damaged(number)
            self.done[line["case"]] = [of_line(fact) for fact in facts]

    def note_ledger(self, ledger: Path) -> None:
        """Where it stands what this run makes."""
        self.ledger = str(ledger.absolute())
        self._write({"ledger": self.ledger})

    def note(self, case: str, facts: Iterable[Fact]) -> None:
        """A case is done."""
        self._write({"case": case, "facts": [fact.line() for fact in facts]})

    def _write(self, line: Mapping[str, Any]) -> None:
        os.write(self._descriptor, json.dumps(line, ensure_ascii=False).encode() + b"\n")
        os.fsync(self._descriptor)

    def finish(self) -> None:
        """The baseline is written: nothing is left to go on with."""
        self.file.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave it for the next run, if there is anything to go on with."""
        if self._descriptor < 0:
            return
        if not self.done and self.ledger is None:
            self.file.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1
