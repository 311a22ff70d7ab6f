"""The state of a PBX: tables, files, AstDB, run state, clock and random number generator.

Time, keys and passwords come from the clock and the rng, so a run can be repeated. ``reset`` restores the seed
exactly.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import floor
from typing import Any

from sarkmock.pbx.accounts import USERS, add_administrator_token
from sarkmock.pbx.asterisk import Pbx
from sarkmock.pbx.database import Database, Row
from sarkmock.pbx.seed import STAMPS, Seed


@dataclass(frozen=True, slots=True)
class PbxFile:
    """A file of the PBX: its bytes and when it was written (epoch seconds)."""

    content: bytes
    mtime: float


class Clock:
    """The PBX's clock: real time, moved or held still on demand."""

    def __init__(self, frozen: float | None = None) -> None:
        self._start = frozen
        self.reset()

    def reset(self) -> None:
        self.offset = 0.0
        self.frozen = self._start

    def start(self) -> float:
        """What `now` is after a reset."""
        return time.time() if self._start is None else self._start

    def now(self) -> float:
        """Epoch seconds."""
        return (time.time() if self.frozen is None else self.frozen) + self.offset

    def advance(self, seconds: float) -> None:
        self.offset += seconds

    def set(self, second: float) -> None:
        """Make it that epoch second now; a clock that runs runs on from there."""
        if self.frozen is None:
            self.offset = second - time.time()
        else:
            self.frozen, self.offset = second, 0.0

    def freeze(self) -> None:
        """Hold still."""
        self.frozen, self.offset = self.now(), 0.0

    def run(self) -> None:
        """Run on from where it stands."""
        self.frozen, self.offset = None, self.now() - time.time()

    def stamp(self) -> str:
        """Now as SQLite's datetime('now') writes it: UTC, no zone."""
        return stamp_of(self.now())


class State:
    """The state of one PBX. ``now`` holds the clock still at that epoch second.

    ``token`` is an administrator's from the start, and again after each reset, where the database has users.
    """

    def __init__(self, seed: Seed | None = None, *, rng: int = 0, now: float | None = None,
                 token: str | None = None) -> None:
        seed = seed or Seed.factory()
        self.tables = Database(seed.database)
        self.files: dict[str, PbxFile] = {}
        self.astdb: dict[tuple[str, str], str] = {}
        self.clock = Clock(now)
        self.rng = random.Random(rng)
        self.pbx = Pbx(self.clock)
        self._dice = rng
        self.token = token if self.tables.has(USERS) else None
        self.reseed(seed)

    def reseed(self, seed: Seed, image: bytes | None = None) -> None:
        """Start over from a seed of the same database, which `reset` goes back to from now on.

        ``image`` are its tables, if `database_image` made them already. sqlite3.IntegrityError if it has a key twice;
        nothing is changed then.
        """
        image = image or database_image(seed, self.clock.start(), self.token)
        self.seed, self._image = seed, image
        self.reset()

    @property
    def origin(self) -> tuple[Seed, bytes]:
        """What `reset` goes back to: the seed, and the tables made of it."""
        return self.seed, self._image

    @origin.setter
    def origin(self, origin: tuple[Seed, bytes]) -> None:
        self.seed, self._image = origin

    def reset(self) -> None:
        """Back to the seed, exactly."""
        self.tables.rewind(self._image)
        self.clock.reset()
        self.rng.seed(self._dice)
        written = self.clock.now()
        self.files = {path: PbxFile(content, written) for path, content in self.seed.files.items()}
        self.astdb = dict(self.seed.astdb)
        self.pbx.reset(running=self.seed.running, calls=self.seed.calls)

    def hold(self, seed: Seed, image: bytes | None = None) -> None:
        """Hold what a seed says, from now on; clock and random numbers go on, and `reset` restores what it did before.

        ``image`` are its tables, if `database_image` made them already. sqlite3.IntegrityError if it has a key twice;
        nothing is changed then.
        """
        written = self.clock.now()
        self.tables.restore(image or database_image(seed, written, self.token))
        self.files = {path: self._kept(path, content) or PbxFile(content, written)
                      for path, content in seed.files.items()}
        self.astdb = dict(seed.astdb)
        if seed.running != self.pbx.running or seed.calls:
            self.pbx.reset(running=seed.running, calls=seed.calls)

    def allow_token(self) -> None:
        """Let the token in again, where the tables were replaced."""
        if self.token:
            add_administrator_token(self.tables, self.token, self.clock.stamp())

    def _kept(self, path: str, content: bytes) -> PbxFile | None:
        """The file at a path, if that is its content."""
        file = self.files.get(path)
        return file if file and file.content == content else None

    def insert(self, table: str, row: Row) -> Row:
        """Add a row as a seed does, and return what the database made of it; sqlite3.IntegrityError for a taken key."""
        number = self.tables.insert(table, stamps(self.tables, table, self.clock.stamp()) | row)
        return self.tables.rows(table, {"rowid": number})[0]

    def memory(self) -> dict[str, Any]:
        """All but tables and files, as values that JSON knows: AstDB, clock, random number generator and the PBX."""
        version, numbers, gauss = self.rng.getstate()
        return {"astdb": [[*place, value] for place, value in self.astdb.items()], "pbx": self.pbx.memory(),
                "clock": [self.clock.offset, self.clock.frozen], "dice": [version, list(numbers), gauss]}

    def restore_memory(self, memory: Mapping[str, Any]) -> None:
        """Go back to what `memory` gave."""
        self.astdb = {(family, key): value for family, key, value in memory["astdb"]}
        self.clock.offset, self.clock.frozen = memory["clock"]
        version, numbers, gauss = memory["dice"]
        self.rng.setstate((version, tuple(numbers), gauss))
        self.pbx.restore_memory(memory["pbx"])

    def copy(self) -> State:
        """The same tables, files, AstDB and PBX once more; clock and random number generator are shared."""
        twin = copy.copy(self)
        twin.tables = Database(self.tables.name, self.tables.dump())
        twin.files = dict(self.files)
        twin.pbx = copy.copy(self.pbx)
        twin.restore_memory(self.memory())
        return twin

    def copy_from(self, other: State) -> None:
        """Hold what another state of the same database holds."""
        self.tables.restore(other.tables.dump())
        self.files = dict(other.files)
        self.restore_memory(other.memory())

    def revision(self) -> tuple[Any, ...]:
        """What is equal as long as nothing is changed."""
        return self.tables.changes, self.files.copy(), self.memory()

    def to_seed(self) -> Seed:
        """A seed with the present state, empty tables included; without calls, clock and random number generator."""
        tables = {table: self.tables.rows(table) for table in self.tables.tables()}
        files = {path: file.content for path, file in self.files.items()}
        return Seed(tables, files, dict(self.astdb), running=self.pbx.running, database=self.tables.name)


def database_image(seed: Seed, now: float, token: str | None) -> bytes:
    """The image of a database with the seed's rows; what they do not say of their time stamps is now."""
    tables, stamp = Database(seed.database), stamp_of(now)
    for table, rows in seed.tables.items():
        stamped = stamps(tables, table, stamp)
        for row in rows:
            tables.insert(table, stamped | row)
    if token:
        add_administrator_token(tables, token, stamp)
    return tables.dump()


def stamps(tables: Database, table: str, stamp: str) -> Row:
    """The time stamps of a row of which nothing is said of them."""
    return {name: stamp for name in STAMPS if name in tables.columns(table)}


def stamp_of(second: float) -> str:
    """An epoch second as SQLite's datetime() writes it: UTC, no zone."""
    return whole_second(floor(second))


@lru_cache(maxsize=8)
def whole_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
