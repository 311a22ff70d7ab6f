"""What clients use: operations, variables they send and fields they read; from a list or from recorded traffic."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from sarkmock.suite_api import (
    DROPPED_COMMENT,
    FileError,
    locked_directory,
    profile_names,
    unknown_name,
    write_whole,
    yaml12,
)

from ..client.http import Exchange, Response, bounded_json
from ..errors import CannotRun, check_directory, file_errors
from ..safety.routing import method_of
from ..spec.contract import contract_of
from .catalogue import ANY_NAME, catalogue, fields_of_answers
from .facts import BOX
from .severity import THE_ANSWER, Difference

USE_KEYS = ("operation", "sends", "reads")
OF_SENT = ("rule", "message", "value", "variable", "crash instead")
OF_READ = ("field",)
Names = frozenset[str] | None  # None: any name may be used


@dataclass(frozen=True)
class Use:
    """An operation that a client calls, the variables it sends and the fields it reads."""

    op: str
    sends: Names = None
    reads: Names = None

    def concerns(self, difference: Difference) -> bool:
        """Whether the client can notice a difference."""
        if difference.op not in (BOX, self.op):
            return False
        if difference.kind.startswith(OF_SENT):
            return self.sends is None or difference.of in self.sends
        if difference.kind.startswith(OF_READ):
            first = difference.of.partition(".")[0].rstrip("[]")
            of_all = first in ("", ANY_NAME, THE_ANSWER)  # each row, each entry of a map, the whole response
            return self.reads is None or of_all or bool({difference.of, first} & self.reads)
        return True


def mark_concerned(differences: Iterable[Difference], uses: Iterable[Use]) -> list[Difference]:
    """Return the differences, with those marked that concern the client."""
    client = list(uses)
    return [difference.for_client() if any(use.concerns(difference) for use in client) else difference
            for difference in differences]


def read_clients(file: Path) -> list[Use]:
    """Read a YAML or JSON list of uses, or a HAR file or journal of traffic; raise CannotRun with file and line."""
    text = read_text(file)
    traffic = traffic_of(file, text)
    uses = list(uses_of(traffic) if traffic is not None else uses_of_list(file, text))
    if not uses:
        what = "contains no request of the API" if traffic is not None else "the list is empty"
        raise CannotRun(f"{file}: {what}")
    return uses


def read_text(file: Path) -> str:
    try:
        return yaml12.text_of(file)
    except FileError as error:
        raise CannotRun(str(error)) from None


# a list


def uses_of_list(file: Path, text: str) -> Iterator[Use]:
    try:
        entries, node = yaml12.parse(text, file), yaml12.tree(file)
    except FileError as error:
        raise CannotRun(str(error)) from None
    if node is None:
        return
    if not isinstance(entries, list):
        raise CannotRun(f"{file}:{node.start_mark.line + 1}: expected a list of operations, a HAR file, or a journal")
    for place, item in zip(node.value, entries, strict=True):
        yield use_of(f"{file}:{place.start_mark.line + 1}", item)


def use_of(place: str, item: Any) -> Use:
    """Return the use that an entry of the list describes."""
    entry = {"operation": item} if isinstance(item, str) else item
    if not isinstance(entry, dict) or not isinstance(entry.get("operation"), str):
        raise CannotRun(f"{place}: expected an operation such as GET /tenants, "
                        f"or a mapping with the keys {', '.join(USE_KEYS)}")
    unknown = [str(name) for name in entry if name not in USE_KEYS]
    if unknown:
        raise CannotRun(f"{place}: {unknown_name('key', unknown[0], USE_KEYS)}")
    return Use(operation_named(place, entry["operation"]), *(name_set(place, entry, key) for key in USE_KEYS[1:]))


def operation_named(place: str, text: str) -> str:
    """Return the name of the operation with this method and path, or with this id."""
    wanted = " ".join(text.split())
    for name, entry in catalogue().items():
        if wanted == name or wanted in entry.ids:
            return name
    every = [*catalogue(), *(name for entry in catalogue().values() for name in entry.ids)]
    raise CannotRun(f"{place}: {unknown_name('operation', text, every)}")


def name_set(place: str, entry: Mapping[str, Any], key: str) -> Names:
    names = entry.get(key)
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CannotRun(f"{place}: {key}: expected a list of names")
    return frozenset(names)


# traffic: a HAR file or the journal of the mock


@dataclass(frozen=True)
class Exchanged:
    """The parts of an exchange that show what a client uses."""

    method: str
    url: str
    sent: frozenset[str]
    good: bool
    body: str


def traffic_of(file: Path, text: str) -> list[Exchanged] | None:
    """Return the exchanges of a HAR file or a response of /_mock/journal; None if the text is neither.

    Raise CannotRun if requests are missing, because what they use would count as unused.
    """
    try:
        archive = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(archive, dict):
        return None
    log = archive.get("log")
    entries, read = archive.get("entries"), exchange_of_journal
    if isinstance(log, dict):
        entries, read = log.get("entries"), exchange_of_har
    if not isinstance(entries, list):
        return None
    missing = missing_entries(archive, log, entries)
    if missing:
        raise CannotRun(f"{file}: {missing} requests are missing, so it is unknown what the client uses; "
                        f"run its tests with a larger --journal, or export without filter and limit")
    traffic = []
    for number, entry in enumerate(entries, 1):
        try:
            traffic.append(read(entry))
        except (AttributeError, TypeError, ValueError):
            raise CannotRun(f"{file}: entry {number} is not an entry of a HAR file or of the journal") from None
    return traffic


def missing_entries(archive: Mapping[str, Any], log: Any, entries: Sized) -> int:
    """Return the number of requests that a journal, or a HAR file made from one, declares as missing."""
    if isinstance(log, dict):
        dropped, _, text = str(log.get("comment") or "").partition(" ")
        return int(dropped) if dropped.isdecimal() and len(dropped) < 10 and text == DROPPED_COMMENT else 0
    count = archive.get("count")
    return max(count - len(entries), 0) if isinstance(count, int) else 0


def exchange_of_har(entry: Mapping[str, Any]) -> Exchanged:
    request, response = (entry.get(side) or {} for side in ("request", "response"))
    post = request.get("postData") or {}
    named = {str(field.get("name")) for key in (post.get("params"), request.get("queryString")) for field in key or ()}
    status = response.get("status")
    return Exchanged(str(request.get("method", "")).upper(), str(request.get("url", "")),
                     frozenset(named | sent_names(str(post.get("text") or ""))),
                     not isinstance(status, int) or status < 300,
                     str((response.get("content") or {}).get("text") or ""))


def exchange_of_journal(entry: Mapping[str, Any]) -> Exchanged:
    request, response = (entry.get(side) or {} for side in ("request", "response"))
    named = set(dict(parse_qsl(str(entry.get("query") or ""))))
    status = entry.get("status")
    return Exchanged(str(entry.get("method", "")).upper(), str(entry.get("path", "")),
                     frozenset(named | sent_names(str(request.get("body") or ""))),
                     isinstance(status, int) and status < 300, str(response.get("body") or ""))


def uses_of(traffic: Iterable[Exchanged]) -> Iterator[Use]:
    """Yield one use per operation, merged over all its exchanges."""
    sent: dict[str, set[str]] = {}
    read: dict[str, set[str]] = {}
    for exchanged in traffic:
        op = operation_at(exchanged.method, exchanged.url)
        if op is not None:
            sent.setdefault(op, set()).update(exchanged.sent)
            read.setdefault(op, set()).update(read_names(op, exchanged.body) if exchanged.good else ())
    for op in sent:
        yield Use(op, frozenset(sent[op]), frozenset(read[op]) or None)


def operation_at(method: str, url: str) -> str | None:
    """Return the name of the operation that a URL matches under any base path; None if there is none."""
    try:
        steps = urlsplit(url).path.strip("/").split("/")
    except ValueError:  # not a URL
        return None
    operations = (operation_of(method, "/" + "/".join(steps[first:])) for first in range(len(steps)))
    return next(filter(None, operations), None)


def operation_of(method: str, path: str) -> str | None:
    """Return the name of the operation that a request matches in any version; None if there is none."""
    for profile in profile_names():
        operation = contract_of(profile).router.operation(method, path)
        if operation is not None:
            return operation.name
    return None


def sent_names(text: str) -> set[str]:
    """Return the variable names of a JSON or form body."""
    body = bounded_json(text.encode("utf-8", "surrogatepass"))
    if body is None and "=" in text and "\n" not in text:
        body = dict(parse_qsl(text))
    return set(body) if isinstance(body, dict) else set()


def read_names(op: str, text: str) -> set[str]:
    """Return the field names of a response, or of the rows of a list. ANY_NAME stands for those that are data."""
    response, fields = Response(200, (), text.encode("utf-8", "surrogatepass")), fields_of_answers(op)
    return {name if fields is None or name in fields else ANY_NAME for row in response.rows for name in row}


# the list that `sarkmock proxy --clients` extends

CLIENTS_HEAD = """\
# What clients use of the SARK API, for `sarkmock compare --clients`. `sarkmock proxy --clients` adds what it sees:
# operations, the variables that were sent, the fields that were there to be read (*: names that are data).
"""
EVERY = 1.0  # seconds between two writes of the file
MOST_NAMES, LONGEST_NAME = 500, 100  # limits, because a client may send anything


class ClientsFile:
    """A list of uses in a file. `observe` adds to it, and `save` merges it with the current content of the file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._uses = {use.op: use for use in read_uses(file)}
        self._changed, self._saved = False, 0.0
        check_directory(file, "--clients ")

    def observe(self, exchange: Exchange) -> None:
        """Add the use that an exchange shows."""
        use = use_of_exchange(exchange)
        if use is None:
            return
        merged = merge_uses(self._uses.get(use.op), use)
        if merged != self._uses.get(use.op):
            self._uses[use.op] = merged
            self._changed = True
        if self._changed and time.monotonic() - self._saved > EVERY:
            self.save()

    def save(self) -> None:
        """Write the file if the list has changed; raise CannotRun if that fails."""
        if not self._changed:
            return
        self._saved = time.monotonic()
        with file_errors(f"--clients {self.file}"), locked_directory(self.file.resolve().parent):
            for use in read_uses(self.file):  # another process may have written it
                self._uses[use.op] = merge_uses(use, self._uses.get(use.op) or use)
            write_whole(self.file, clients_text(self._uses.values()).encode())
        self._changed = False


def read_uses(file: Path) -> list[Use]:
    """Read the list from a file, empty if the file does not exist; raise CannotRun if it is not a list."""
    if not file.exists():
        return []
    text = read_text(file)
    if traffic_of(file, text) is not None:
        raise CannotRun(f"--clients {file}: is a recording of traffic and cannot be extended; name another file")
    return list(uses_of_list(file, text))


def use_of_exchange(exchange: Exchange) -> Use | None:
    """Return operation, sent variables and fields of a successful response; None if no version has the operation."""
    request, response = exchange.request, exchange.response
    method = method_of(request)
    op = operation_of("GET" if method == "HEAD" else method, request.path)
    if op is None:
        return None
    sent = request.variables
    read = read_names(op, response.body.decode("utf-8", "replace")) if response.ok else set()
    unknown = not read and (not response.ok or response.json == [])
    return Use(op, limit_names(sent), None if unknown else limit_names(read))


def merge_uses(before: Use | None, seen: Use) -> Use:
    """Merge two uses. ``sends`` stays None if it is None in either; ``reads`` takes the names of either."""
    if before is None:
        return seen
    sends = None if before.sends is None or seen.sends is None else union_of_names(before.sends, seen.sends)
    reads = union_of_names(before.reads, seen.reads) if before.reads and seen.reads else before.reads or seen.reads
    return Use(before.op, sends, reads)


def union_of_names(names: frozenset[str], more: frozenset[str]) -> Names:
    return limit_names([*sorted(names), *sorted(more - names)])


def limit_names(names: Iterable[object]) -> frozenset[str]:
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
