"""The file of `proxy --clients`, for `compare --clients`: what clients use, added to over days."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from sarkmock.suite_api import read_input, write_whole

from ..baselines.clients import Names, Use, of_list, operation_meant, read_names, read_text, traffic_of
from ..client.http import Exchange
from ..errors import CannotRun
from ..safety.routing import method_of

CLIENTS_HEAD = """\
# What clients use of the SARK API, for `sarkmock compare --clients`. `sarkmock proxy --clients` adds what it sees:
# operations, the variables that were sent, the fields that were there to be read.
"""
EVERY = 1.0  # seconds between two versions of the file
MOST_NAMES, LONGEST_NAME = 500, 100  # a client may send anything


class ClientsFile:
    """A list of uses in a file; `saw` adds to it, and `save` merges it with what stands there now."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._uses = {use.op: use for use in read_uses(file)}
        self._changed, self._saved = False, 0.0
        if not file.parent.is_dir():
            raise CannotRun(f"--clients {file}: there is no directory {file.parent}")

    def saw(self, exchange: Exchange) -> None:
        """Add what an exchange uses."""
        use = use_of_exchange(exchange)
        if use is None:
            return
        merged = merge(self._uses.get(use.op), use)
        if merged != self._uses.get(use.op):
            self._uses[use.op] = merged
            self._changed = True
        if self._changed and time.monotonic() - self._saved > EVERY:
            self.save()

    def save(self) -> None:
        """Write the file, if there is news. CannotRun if that cannot be."""
        if not self._changed:
            return
        self._saved = time.monotonic()
        for use in read_uses(self.file):  # others may have written
            self._uses[use.op] = merge(use, self._uses.get(use.op) or use)
        try:
            write_whole(self.file, clients_text(self._uses.values()).encode())
        except OSError as error:
            raise CannotRun(f"--clients {self.file}: {error.strerror}") from None
        self._changed = False


def read_uses(file: Path) -> list[Use]:
    """The list in a file; nothing if there is no file yet. CannotRun if it is something else."""
    if not file.exists():
        return []
    text = read_text(file)
    if traffic_of(file, text) is not None:
        raise CannotRun(f"--clients {file}: is a recording of traffic, to which nothing is added; name another file")
    return list(of_list(file, text))


def use_of_exchange(exchange: Exchange) -> Use | None:
    """The operation, what was sent, and what a good answer shows; None if no version has the operation."""
    request, response = exchange.request, exchange.response
    method = method_of(request)
    op = operation_meant("GET" if method == "HEAD" else method, request.path)
    if op is None:
        return None
    sent, _ = read_input(request.method, request.content_type, request.query, request.body)
    read = read_names(response.body.decode("utf-8", "replace")) if response.ok else set()
    unknown = not read and (not response.ok or response.json == [])
    return Use(op, bounded(sent), None if unknown else bounded(read))


def merge(known: Use | None, seen: Use) -> Use:
    """All that is used. Any variable that may be sent stays so; fields are any until some are seen."""
    if known is None:
        return seen
    sends = None if known.sends is None or seen.sends is None else union(known.sends, seen.sends)
    reads = union(known.reads, seen.reads) if known.reads and seen.reads else known.reads or seen.reads
    return Use(known.op, sends, reads)


def union(one: frozenset[str], other: frozenset[str]) -> Names:
    return bounded([*sorted(one), *sorted(other - one)])


def bounded(names: Iterable[object]) -> frozenset[str]:
    return frozenset([str(name) for name in names if len(str(name)) <= LONGEST_NAME][:MOST_NAMES])


def clients_text(uses: Iterable[Use]) -> str:
    entries = [dict(entry_of(use)) for use in sorted(uses, key=lambda use: use.op.split(" ")[::-1])]
    text = yaml.safe_dump(entries, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
    return CLIENTS_HEAD + text


def entry_of(use: Use) -> Iterator[tuple[str, str | list[str]]]:
    yield "operation", use.op
    for key in ("sends", "reads"):
        names: Names = getattr(use, key)
        if names is not None:
            yield key, sorted(names)
