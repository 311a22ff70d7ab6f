"""The state of a PBX: tables, files, AstDB, run state, clock and random numbers.

Time, keys and passwords come from the clock and from seeded random numbers, so runs are repeatable. ``reset``
restores the seed exactly.
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
    """The PBX's clock: real time, which can be moved or frozen."""

    def __init__(self, frozen: float | None = None) -> None:
        self._start = frozen
        self.reset()

    def reset(self) -> None:
        self.offset = 0.0
        self.frozen = self._start

    def start(self) -> float:
        """Return the time of `now` right after a reset."""
        return time.time() if self._start is None else self._start

    def now(self) -> float:
        """Return the current time in epoch seconds."""
        return (time.time() if self.frozen is None else self.frozen) + self.offset

    def advance(self, seconds: float) -> None:
        self.offset += seconds

    def set(self, second: float) -> None:
        """Set the current time in epoch seconds; a running clock runs on from there."""
        if self.frozen is None:
            self.offset = second - time.time()
        else:
            self.frozen, self.offset = second, 0.0

    def freeze(self) -> None:
        """Freeze the clock at the current time."""
        self.frozen, self.offset = self.now(), 0.0

    def run(self) -> None:
        """Let the clock run on from its current time."""
        self.frozen, self.offset = None, self.now() - time.time()

    def stamp(self) -> str:
        """Return the current time as SQLite's datetime('now') writes it: UTC, without a zone."""
        return stamp_of(self.now())


class State:
    """The state of one PBX. ``now`` freezes the clock at that epoch second.

    ``token`` is a valid administrator token from the start and after each reset, if the database has users.
    """

    def __init__(self, seed: Seed | None = None, *, random_seed: int = 0, now: float | None = None,
                 token: str | None = None) -> None:
        seed = seed or Seed.factory()
        self.tables = Database(seed.database)
        self.files: dict[str, PbxFile] = {}
        self.astdb: dict[tuple[str, str], str] = {}
        self.clock = Clock(now)
        self.pbx = Pbx(self.clock)
        self._random_seed, self._drawn = random_seed, 0
        self.token = token if self.tables.has(USERS) else None
        self.reseed(seed)

    def reseed(self, seed: Seed, image: bytes | None = None) -> None:
        """Start over from another seed for the same database; later calls of `reset` return to it.

        ``image`` is the seed's database, if `database_image` made it already. Raises sqlite3.IntegrityError if a key
        occurs twice, and then changes nothing.
        """
        image = image or database_image(seed, self.clock.start(), self.token)
        self.seed, self._image = seed, image
        self.reset()

    @property
    def origin(self) -> tuple[Seed, bytes]:
        """The seed, and its database image, that `reset` returns to."""
        return self.seed, self._image

    @origin.setter
    def origin(self, origin: tuple[Seed, bytes]) -> None:
        self.seed, self._image = origin

    def reset(self) -> None:
        """Restore the seed exactly."""
        self.tables.rewind(self._image)
        self.clock.reset()
        self._drawn = 0
        written = self.clock.now()
        self.files = {path: PbxFile(content, written) for path, content in self.seed.files.items()}
        self.astdb = dict(self.seed.astdb)
        self.pbx.reset(running=self.seed.running, calls=self.seed.calls)

    def hold(self, seed: Seed, image: bytes | None = None) -> None:
        """Take on the content of a seed. Clock and random numbers go on, and `reset` still restores the original seed.

        ``image`` is the seed's database, if `database_image` made it already. Raises sqlite3.IntegrityError if a key
        occurs twice, and then changes nothing.
        """
        written = self.clock.now()
        self.tables.restore(image or database_image(seed, written, self.token))
        self.files = {path: self._kept(path, content) or PbxFile(content, written)
                      for path, content in seed.files.items()}
        self.astdb = dict(seed.astdb)
        if seed.running != self.pbx.running or seed.calls:
            self.pbx.reset(running=seed.running, calls=seed.calls)

    def allow_token(self) -> None:
        """Add the administrator token again after the tables were replaced."""
        if self.token:
            add_administrator_token(self.tables, self.token, self.clock.stamp())

    def _kept(self, path: str, content: bytes) -> PbxFile | None:
        """Return the file at a path if it has this content already."""
        file = self.files.get(path)
        return file if file and file.content == content else None

    def insert(self, table: str, row: Row) -> Row:
        """Insert a row with default time stamps and return it as stored; sqlite3.IntegrityError for a duplicate key."""
        number = self.tables.insert(table, stamps(self.tables, table, self.clock.stamp()) | row)
        return self.tables.rows(table, {"rowid": number})[0]

    def draw(self) -> random.Random:
        """Return the generator for the next random value. Each has its own, so that the state only counts them."""
        self._drawn += 1
        return random.Random(f"{self._random_seed}/{self._drawn}")

    def memory(self) -> dict[str, Any]:
        """Return AstDB, clock, number of random values and the PBX's run state as JSON values; not tables and files."""
        return {"astdb": [[*place, value] for place, value in self.astdb.items()], "pbx": self.pbx.memory(),
                "clock": [self.clock.offset, self.clock.frozen], "drawn": self._drawn}

    def restore_memory(self, memory: Mapping[str, Any]) -> None:
        """Restore what `memory` returned."""
        self.astdb = {(family, key): value for family, key, value in memory["astdb"]}
        self.clock.offset, self.clock.frozen = memory["clock"]
        self._drawn = memory["drawn"]
        self.pbx.restore_memory(memory["pbx"])

    def copy(self) -> State:
        """Copy tables, files, AstDB, the PBX and the number of random values; the clock is shared."""
        twin = copy.copy(self)
        twin.tables = Database(self.tables.name, self.tables.dump())
        twin.files = dict(self.files)
        twin.pbx = copy.copy(self.pbx)
        twin.restore_memory(self.memory())
        return twin

    def copy_from(self, other: State) -> None:
        """Take on the content of another state of the same database."""
        self.tables.restore(other.tables.dump())
        self.files = dict(other.files)
        self.restore_memory(other.memory())

    def revision(self) -> tuple[Any, ...]:
        """Return a value that stays equal as long as nothing changes."""
        return self.tables.changes, self.files.copy(), self.memory()

    def to_seed(self) -> Seed:
        """Return the current state as a seed, empty tables included; calls, clock and random numbers are left out."""
        tables = {table: self.tables.rows(table) for table in self.tables.tables()}
        files = {path: file.content for path, file in self.files.items()}
        return Seed(tables, files, dict(self.astdb), running=self.pbx.running, database=self.tables.name)


def database_image(seed: Seed, now: float, token: str | None) -> bytes:
    """Return the database image of a seed. Time stamps that a row omits are set to ``now``."""
    is_factory = seed is Seed.factory(seed.database)
    return factory_image(seed.database, stamp_of(now), token) if is_factory else _image(seed, stamp_of(now), token)


@lru_cache(maxsize=8)
def factory_image(database: str, stamp: str, token: str | None) -> bytes:
    return _image(Seed.factory(database), stamp, token)


def _image(seed: Seed, stamp: str, token: str | None) -> bytes:
    tables = Database(seed.database)
    for table, rows in seed.tables.items():
        stamped = stamps(tables, table, stamp)
        for row in rows:
            tables.insert(table, stamped | row)
    if token:
        add_administrator_token(tables, token, stamp)
    return tables.dump()


def stamps(tables: Database, table: str, stamp: str) -> Row:
    """Return the default time stamps for a new row of a table."""
    return {name: stamp for name in STAMPS if name in tables.columns(table)}


def stamp_of(second: float) -> str:
    """Format an epoch second as SQLite's datetime() does: UTC, without a zone."""
    return whole_second(floor(second))


@lru_cache(maxsize=8)
def whole_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
