"""Requests that caused findings in earlier runs, stored in Hypothesis example databases and sent first.

A database is a directory that can be shared or committed, a Redis server for several machines, or the artifact of a CI
job on GitHub.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from hypothesis.database import (
    DirectoryBasedExampleDatabase,
    ExampleDatabase,
    GitHubArtifactDatabase,
    MultiplexedDatabase,
    ReadOnlyDatabase,
)

from ..client.http import Request, header
from ..errors import CannotRun


class Examples:
    """Stored requests by operation. Without a database it stores nothing and is empty."""

    def __init__(self, places: Iterable[str] = ()) -> None:
        opened = [open_database(place) for place in places]
        self._database = MultiplexedDatabase(*opened) if opened else None

    def save(self, operation: str, request: Request) -> None:
        """Store a request that caused a finding. Skip requests with a token of their own: they only test that token."""
        if self._database is not None and header(request.headers, "Authorization") is None:
            self._database.save(database_key(operation), request_text(request))

    def requests(self, operation: str) -> Iterator[Request]:
        """Yield the stored requests of an operation, in the same order on every machine."""
        if self._database is not None:
            yield from map(read_example, sorted(self._database.fetch(database_key(operation))))


def open_database(place: str) -> ExampleDatabase:
    """Open the database that a user names: a directory, redis://..., or github:OWNER/REPOSITORY."""
    if place.startswith(("redis://", "rediss://", "unix://")):
        return redis_database(place)
    if place.startswith("github:"):
        owner, _, repository = place.removeprefix("github:").partition("/")
        if not owner or not repository:
            raise CannotRun(f"--example-database {place}: write github:OWNER/REPOSITORY")
        return ReadOnlyDatabase(GitHubArtifactDatabase(owner, repository))
    if urlsplit(place).scheme:
        raise CannotRun(f"--example-database {place}: a directory, redis://HOST, or github:OWNER/REPOSITORY")
    if Path(place).exists() and not Path(place).is_dir():
        raise CannotRun(f"--example-database {place}: not a directory")
    return DirectoryBasedExampleDatabase(place)


def redis_database(place: str) -> ExampleDatabase:
    """Open a Redis database. Raise CannotRun if it cannot be used, where Hypothesis would continue without it."""
    try:
        redis = import_module("redis")
        database = import_module("hypothesis.extra.redis")
    except ImportError:
        raise CannotRun("--example-database redis://...: pip install 'sarkmock[redis]'") from None
    try:
        client = redis.Redis.from_url(place)
        client.ping()
    except (redis.RedisError, ValueError) as error:
        scheme, _, rest = place.partition("://")
        raise CannotRun(f"--example-database {scheme}://{rest.rpartition('@')[2]}: {error}") from None
    database = database.RedisExampleDatabase(client, key_prefix=b"sarkmock:")
    return cast(ExampleDatabase, database)


def database_key(operation: str) -> bytes:
    return f"sarkmock {operation}".encode()


def request_text(request: Request) -> bytes:
    """Serialize a request. Equal requests give equal text."""
    body = b64encode(request.body).decode()
    return json.dumps([request.method, request.path, request.query, request.headers, body]).encode()


def read_example(text: bytes) -> Request:
    method, path, query, headers, body = json.loads(text)
    return Request(method, path, query, tuple((name, value) for name, value in headers), b64decode(body))
