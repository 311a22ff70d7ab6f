"""`serve --watch`: reloads files that change, without a restart.

A loop that looks at times and sizes: a handful of files does not need a library, and every file system can do it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import click

from sarkmock.http.engine import Engine, Program
from sarkmock.pbx.seeds import load_seed, seed_names
from sarkmock.spec.data_files import openapi_dir
from sarkmock.spec.loading import forget
from sarkmock.spec.profiles import overlay_files
from sarkmock.spec.yaml12 import FileError

INTERVAL = 0.25  # seconds between two looks
Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass
class WatchedFiles:
    """Files that belong together, and what reads them again; ``name`` is for people."""

    name: str
    files: list[Path]
    reload: Callable[[], None]
    _seen: Signature = field(init=False)
    _before: Signature = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self._before = self.signature()

    def signature(self) -> Signature:
        return tuple(map(look_at, self.files))

    def look(self) -> str | None:
        """Read the files again if they have changed and stand still; what to tell a person then."""
        now = self.signature()
        settled, self._before = now == self._before, now
        if now == self._seen or not settled:
            return None
        self._seen = now
        try:
            self.reload()
        except (FileError, ValueError) as error:
            return f"{' '.join(str(error).split())}; the mock goes on with what it had"
        return f"{self.name} has changed and is served now"


def look_at(file: Path) -> tuple[int, int, int] | None:
    """What changes when a file does; None if it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def watch(engine: Engine, profile: str, seed: str | None, tell: Callable[[str], None]) -> None:
    """Watch what a mock was made from, in a thread that ends with the process."""
    threading.Thread(target=watch_files, args=(list(watched(engine, profile, seed)), tell), daemon=True).start()


def watch_files(found: list[WatchedFiles], tell: Callable[[str], None]) -> None:
    while True:
        time.sleep(INTERVAL)
        for one in found:
            said = one.look()
            if said:
                tell(said)


def watched(engine: Engine, profile: str, seed: str | None) -> Iterable[WatchedFiles]:
    """The document with its overlay, and the seed if it is a file."""
    def read_document() -> None:
        forget()
        Program.of.cache_clear()
        engine.use(profile)

    def read_seed() -> None:
        engine.reseed(load_seed(str(seed), engine.document))

    own = sorted(openapi_dir().rglob("*.yaml"))
    overlays = [file for file in overlay_files(profile) if file not in own]
    yield WatchedFiles(profile if overlays else "the document", [*own, *overlays], read_document)
    if seed is not None and seed not in seed_names():
        yield WatchedFiles(seed, [Path(seed)], read_seed)


def report_line(line: str) -> None:
    """One line on stderr."""
    click.echo(f"sarkmock: {line}", err=True)
