"""Keeps a state in a file, so that it outlives the process.

Only what has changed is written: pages of the tables' image, files one by one, all else as one part.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sarkmock.pbx.database import OLDEST, layout
from sarkmock.pbx.seed import Seed
from sarkmock.pbx.state import File, State
from sarkmock.pbx.state_file import Place, StateFile

FORMAT = 1
PAGE = 4096
TABLES, MACHINE, SEED = "tables", "machine", "seed"  # names of parts; the others are paths of files, and begin with /
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Storage:
    """A state file in use. FileError if it cannot be used; it is left as it is then."""

    def __init__(self, file: Path, database: str = OLDEST) -> None:
        self.seed: Seed | None = None
        self._database = database
        self._seen: tuple[Any, ...] = (None, None, None, None)
        self._file = StateFile(file, version(database), self._accept)

    def _accept(self, parts: dict[Place, bytes]) -> None:
        """Read what was kept; KeyError or ValueError if it is not all there."""
        self._saved = parts
        if parts:
            self._memory = json.loads(parts[MACHINE, 0])
            self._image = b"".join(parts[TABLES, number] for number in range(self._memory["pages"]))
            self._files = {path: File(parts[path, 0], mtime) for path, mtime in self._memory["written"].items()}
            self.seed = Seed.of(json.loads(parts[SEED, 0]), self._database)

    def restore(self, state: State) -> None:
        """Make a state what the file holds, if it holds anything: ``seed`` is what it started from."""
        if self.seed is not None:
            state.tables.restore(self._image)
            state.files = dict(self._files)
            state.recall(self._memory)
            state.admit()

    def save(self, state: State) -> None:
        """Keep what has changed since the last time; OSError if that cannot be done."""
        seen = state.tables.changes, state.seed, state.files.copy(), state.memory()
        if seen == self._seen:
            return
        parts = dict(self._parts(state, *seen))
        changed = {place: content for place, content in parts.items() if self._saved.get(place) != content}
        self._file.write(changed, self._saved.keys() - parts.keys())
        self._saved, self._seen = parts, seen

    def _parts(self, state: State, changes: int, seed: Seed, files: dict[str, File],
               memory: dict[str, Any]) -> Iterator[tuple[Place, bytes]]:
        """Everything; what is as it was is not made anew."""
        if changes == self._seen[0]:
            pages = {place: content for place, content in self._saved.items() if place[0] == TABLES}
        else:
            image = state.tables.dump()
            pages = {(TABLES, start // PAGE): image[start:start + PAGE] for start in range(0, len(image), PAGE)}
        yield from pages.items()
        yield (SEED, 0), self._saved[SEED, 0] if seed is self._seen[1] else json.dumps(seed.content()).encode()
        written = {path: file.mtime for path, file in files.items()}
        yield (MACHINE, 0), json.dumps(memory | {"pages": len(pages), "written": written}).encode()
        yield from (((path, 0), file.content) for path, file in files.items())

    def close(self) -> None:
        self._file.close()


class Kept:
    """An application whose answers leave when their changes are kept; one that cannot be kept is answered 500."""

    def __init__(self, application: Application, state: State, storage: Storage,
                 lock: AbstractContextManager[Any]) -> None:
        self._application, self._state, self._storage, self._lock = application, state, storage, lock

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            answer = self._application(environ, start_response)
        except ConnectionError:  # a fault drops the connection: what was done before it stays done
            self._keep()
            raise
        problem = self._keep()
        if problem is None:
            return answer
        body = json.dumps({"message": f"The state cannot be kept: {problem}"}).encode()
        start_response("500 Internal Server Error", [("Content-Type", "application/json"),
                                                     ("Content-Length", str(len(body)))])
        return [body]

    def _keep(self) -> OSError | None:
        try:
            with self._lock:
                self._storage.save(self._state)
        except OSError as error:
            return error
        return None


def version(database: str) -> int:
    """The format of the file and the layout of the tables in it, as one number."""
    return zlib.crc32(f"{FORMAT} {layout(database)}".encode()) & 0x7FFFFFFF
