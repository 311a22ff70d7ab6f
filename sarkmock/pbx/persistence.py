"""Keeps a state in a file across restarts.

Each save writes only what changed: pages of the tables' image, single files, and everything else as one part.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sarkmock.pbx.seed import Seed
from sarkmock.pbx.sql import OLDEST, layout
from sarkmock.pbx.state import PbxFile, State
from sarkmock.pbx.state_file import PartPlace, StateFile
from sarkmock.server.application import Application

STATE_FORMAT = 3
PAGE_SIZE = 4096
# Names of parts. All other parts are named by the path of a file, which begins with /.
TABLES_PART, MACHINE, SEED = "tables", "machine", "seed"
READING = ("GET", "HEAD", "OPTIONS")


class Storage:
    """An open state file. FileError if it cannot be used; the file is then left unchanged.

    ``salvage`` uses the readable part of a damaged file and keeps the original as FILE.damaged.
    """

    def __init__(self, file: Path, database: str = OLDEST, *, salvage: bool = False) -> None:
        self.seed: Seed | None = None
        self.file, self.undone = file, 0
        self._database = database
        self._seen: tuple[Any, ...] = (None, None, None, None)
        self._file = StateFile(file, version(database), self._accept, salvage)

    def _accept(self, parts: Mapping[PartPlace, bytes]) -> None:
        """Read the saved state; KeyError or ValueError if a part is missing or malformed."""
        if parts:
            self._memory = json.loads(parts[MACHINE, 0])
            self._image = image_of(parts, self._memory["pages"])
            self._files = {path: PbxFile(parts[path, 0], mtime) for path, mtime in self._memory["written"].items()}
            self.seed = Seed.of(json.loads(parts[SEED, 0]), self._database)

    def restore(self, state: State) -> None:
        """Load the saved state, if the file has one. ``seed`` is the seed that it started from."""
        if self.seed is not None:
            state.tables.restore(self._image)
            state.files = dict(self._files)
            state.restore_memory(self._memory)
            state.allow_token()

    def save(self, state: State) -> None:
        """Save what changed since the last save. On OSError, the state returns to the last save."""
        changes, files, memory = state.revision()
        seen = changes, state.origin, files, memory
        if seen == self._seen:
            return
        saved = self._file.parts
        parts = dict(self._parts(state, *seen))
        changed = {place: content for place, content in parts.items() if saved.get(place) != content}
        try:
            self._file.write(changed, saved.keys() - parts.keys())
        except OSError:
            self._undo(state)
            raise
        self._seen = seen

    def _undo(self, state: State) -> None:
        """Return the state to the last save."""
        _, origin, files, memory = self._seen
        if origin is not None:
            self.undone += 1
            state.origin = origin
            state.tables.restore(image_of(self._file.parts))
            state.files = dict(files)
            state.restore_memory(memory)
            self._seen = state.tables.changes, *self._seen[1:]

    def _parts(self, state: State, changes: int, origin: tuple[Seed, bytes], files: dict[str, PbxFile],
               memory: dict[str, Any]) -> Iterator[tuple[PartPlace, bytes]]:
        """Yield every part; parts that have not changed are taken from the file, not built again."""
        if changes == self._seen[0]:
            pages = {place: content for place, content in self._file.parts.items() if place[0] == TABLES_PART}
        else:
            image = state.tables.dump()
            pages = {(TABLES_PART, start // PAGE_SIZE): image[start:start + PAGE_SIZE]
                     for start in range(0, len(image), PAGE_SIZE)}
        yield from pages.items()
        is_same_image = self._seen[1] is not None and self._seen[1][0] is origin[0]
        yield (SEED, 0), self._file.parts[SEED, 0] if is_same_image else json.dumps(origin[0].content()).encode()
        written = {path: file.mtime for path, file in files.items()}
        yield (MACHINE, 0), json.dumps(memory | {"pages": len(pages), "written": written}).encode()
        yield from (((path, 0), file.content) for path, file in files.items())

    def close(self) -> None:
        self._file.close()


class Undone(OSError):
    """A change was undone because another one, made at the same time, could not be saved."""


class Kept:
    """WSGI middleware: sends each response after its changes are saved, or a 500 response if that fails."""

    def __init__(self, application: Application, state: State, storage: Storage,
                 lock: AbstractContextManager[Any]) -> None:
        self._application, self._state, self._storage, self._lock = application, state, storage, lock

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        undone = self._storage.undone
        try:
            answer = self._application(environ, start_response)
        except ConnectionError:  # a fault drops the connection: earlier changes of the request persist
            self._keep(undone)
            raise
        problem = self._keep(undone)
        if problem is None or (environ.get("REQUEST_METHOD") in READING and isinstance(problem, Undone)):
            return answer
        body = json.dumps({"message": f"The state cannot be saved: {problem}"}).encode()
        start_response("500 Internal Server Error", [("Content-Type", "application/json"),
                                                     ("Content-Length", str(len(body)))])
        return [body]

    def _keep(self, undone: int) -> OSError | None:
        try:
            with self._lock:
                self._storage.save(self._state)
                if self._storage.undone != undone:
                    return Undone("another change could not be saved, and this one was undone with it")
        except OSError as error:
            return error
        return None


def image_of(parts: Mapping[PartPlace, bytes], pages: int | None = None) -> bytes:
    """Join the pages of the tables' image."""
    count = sum(name == TABLES_PART for name, _ in parts) if pages is None else pages
    return b"".join(parts[TABLES_PART, number] for number in range(count))


def version(database: str) -> int:
    """Return one number for the file format and the layout of the tables in it."""
    return zlib.crc32(f"{STATE_FORMAT} {layout(database)}".encode()) & 0x7FFFFFFF
