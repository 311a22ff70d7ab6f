"""Disk cache of values computed from the package's own files, because parsing them takes most of the start-up time.

An entry is a file in the user's cache directory, tied to the content of those files. A missing, stale, damaged or
insecure entry (writable by others, or of another owner) is recomputed. If no entry can be stored, there is no caching.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sarkmock import __version__
from sarkmock.atomic import write_whole
from sarkmock.spec.data_files import openapi_dir, seed_file

CachedValue = TypeVar("CachedValue")
LARGEST = 2**25  # bytes
WRITABLE_BY_OTHERS = 0o022


def cached_value(name: str, make: Callable[[], CachedValue]) -> CachedValue:
    """Return the cached result of ``make``, a JSON-serialisable value. Callers must not modify it."""
    directory, digest = cache_directory(), sources_digest()
    if directory is None:
        return make()
    file = directory / f"{name}.json"
    result = read_entry(file, digest)
    if result is None:
        result = make()
        write_entry(file, digest, result)
    return result  # type: ignore[no-any-return]


def cache_directory() -> Path | None:
    """Return the directory of this version's cached files; None if the user has no home or cache directory."""
    configured = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or ""
    try:
        home = Path(configured) if Path(configured).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return home / "sarkmock" / __version__


@cache
def sources_digest() -> str:
    """Return a digest of the document, overlay and seed files, and of the code that reads them."""
    digest = hashlib.sha256()
    seeds, code = seed_file("factory").parent.glob("*.yaml"), Path(__file__).parent.glob("*.py")
    for file in sorted([*openapi_dir().rglob("*.yaml"), *openapi_dir().glob("*.json"), *seeds, *code]):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def read_entry(file: Path, digest: str) -> Any:
    """Return the value of an entry; None if it is missing, invalid, insecure or has another digest."""
    try:
        with file.open("rb") as stream:
            facts = os.fstat(stream.fileno())
            if hasattr(os, "geteuid") and (facts.st_uid != os.geteuid() or facts.st_mode & WRITABLE_BY_OTHERS):
                return None
            content = stream.read(LARGEST)
        written, value = json.loads(content)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return value if written == digest else None


def write_entry(file: Path, digest: str, value: Any) -> None:
    """Store a value, unless JSON does not preserve it or the source files have changed in the meantime."""
    sources_digest.cache_clear()
    content = json.dumps([digest, value], separators=(",", ":"))
    if sources_digest() == digest and json.loads(content)[1] == value:
        with suppress(OSError):
            file.parent.mkdir(0o700, parents=True, exist_ok=True)
            write_whole(file, content.encode(), private=True)
