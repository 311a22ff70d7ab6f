"""What a client uses: operations, variables it sends, fields it reads; from a list or traffic."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sarkmock.suite_api import FileError, MethodNotAllowed, PageNotFound, profiles, yaml12

from ..errors import CannotRun
from ..spec.contract import contract_of
from .catalogue import catalogue
from .facts import BOX
from .severity import Difference

USE_KEYS = ("operation", "sends", "reads")
OF_SENT = ("rule", "message", "value", "variable", "crash instead")
OF_READ = ("field",)
Names = frozenset[str] | None  # None: any may be used
DROPPED_NOTE = "older requests were dropped from the journal"  # in the comment of a HAR file of the mock's


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
            return self.reads is None or bool({difference.of, difference.of.partition(".")[0]} & self.reads)
        return True


def mark_concerned(differences: Iterable[Difference], uses: Iterable[Use]) -> list[Difference]:
    """The differences, those marked that concern the client."""
    known = list(uses)
    return [one.for_client() if any(use.concerns(one) for use in known) else one for one in differences]


def read_clients(file: Path) -> list[Use]:
    """A YAML or JSON list of what a client uses, or a HAR file of its traffic; CannotRun names file and line."""
    text = read_text(file)
    traffic = traffic_of(file, text)
    uses = list(uses_of(traffic) if traffic is not None else of_list(file, text))
    if not uses:
        what = "no request in it is one of the API's" if traffic is not None else "lists nothing that a client uses"
        raise CannotRun(f"{file}: {what}")
    return uses


def read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRun(f"{file}: {getattr(error, 'strerror', None) or 'is not a text file'}") from None


# a list


def of_list(file: Path, text: str) -> Iterator[Use]:
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
    """An entry of the list."""
    entry = {"operation": item} if isinstance(item, str) else item
    if not isinstance(entry, dict) or not isinstance(entry.get("operation"), str):
        raise CannotRun(f"{place}: an entry is an operation like GET /tenants, or has the keys {', '.join(USE_KEYS)}")
    strange = [str(name) for name in entry if name not in USE_KEYS]
    if strange:
        raise CannotRun(f"{place}: {strange[0]}: unknown key; known: {', '.join(USE_KEYS)}")
    return Use(operation_named(place, entry["operation"]), *(name_set(place, entry, key) for key in USE_KEYS[1:]))


def operation_named(place: str, text: str) -> str:
    """The operation of that method and path, or of that id."""
    wanted = " ".join(text.split())
    for name, known in catalogue().items():
        if wanted == name or wanted in known.ids:
            return name
    every = [*catalogue(), *(name for known in catalogue().values() for name in known.ids)]
    near = difflib.get_close_matches(wanted, every, 1)
    raise CannotRun(f"{place}: there is no operation {text}" + (f"; is it {near[0]}?" if near else ""))


def name_set(place: str, entry: Mapping[str, Any], key: str) -> Names:
    found = entry.get(key)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise CannotRun(f"{place}: {key}: expected a list of names")
    return frozenset(found)


# traffic: a HAR file, or the journal of the mock


@dataclass(frozen=True)
class Exchanged:
    """A request of the client and its answer, as far as they tell what is used."""

    method: str
    url: str
    sent: frozenset[str]
    good: bool
    body: str


def traffic_of(file: Path, text: str) -> list[Exchanged] | None:
    """What a HAR file, or the answer of /_mock/journal, holds; None if the text is neither. CannotRun if it is not all
    of the traffic: what a client does in the rest would count as unused."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    log = found.get("log")
    entries, read = (log.get("entries"), of_har) if isinstance(log, dict) else (found.get("entries"), of_journal)
    if not isinstance(entries, list):
        return None
    missing = missing_entries(found, log, entries)
    if missing:
        raise CannotRun(f"{file}: {missing} requests are missing, so what the client uses is not known; "
                        f"run its tests with a larger --journal, or export without filter and limit")
    return [read(entry) for entry in entries if isinstance(entry, dict)]


def missing_entries(found: Mapping[str, Any], log: Any, entries: Sized) -> int:
    """How many requests a journal or an archive of one says that it does not hold."""
    if isinstance(log, dict):
        dropped, _, text = str(log.get("comment") or "").partition(" ")
        return int(dropped) if dropped.isdecimal() and len(dropped) < 10 and text == DROPPED_NOTE else 0
    count = found.get("count")
    return max(count - len(entries), 0) if isinstance(count, int) else 0


def of_har(entry: Mapping[str, Any]) -> Exchanged:
    request, response = (entry.get(side) or {} for side in ("request", "response"))
    post = request.get("postData") or {}
    named = {str(one.get("name")) for key in (post.get("params"), request.get("queryString")) for one in key or ()}
    status = response.get("status")
    return Exchanged(str(request.get("method", "")).upper(), str(request.get("url", "")),
                     frozenset(named | sent_names(str(post.get("text") or ""))),
                     not isinstance(status, int) or status < 300,
                     str((response.get("content") or {}).get("text") or ""))


def of_journal(entry: Mapping[str, Any]) -> Exchanged:
    request, response = (entry.get(side) or {} for side in ("request", "response"))
    named = set(dict(parse_qsl(str(entry.get("query") or ""))))
    status = entry.get("status")
    return Exchanged(str(entry.get("method", "")).upper(), str(entry.get("path", "")),
                     frozenset(named | sent_names(str(request.get("body") or ""))),
                     isinstance(status, int) and status < 300, str(response.get("body") or ""))


def uses_of(traffic: Iterable[Exchanged]) -> Iterator[Use]:
    """What each operation was sent and has answered, all requests taken together."""
    sent: dict[str, set[str]] = {}
    read: dict[str, set[str]] = {}
    for one in traffic:
        op = operation_at(one.method, one.url)
        if op is not None:
            sent.setdefault(op, set()).update(one.sent)
            read.setdefault(op, set()).update(read_names(one.body) if one.good else ())
    for op in sent:
        yield Use(op, frozenset(sent[op]), frozenset(read[op]) or None)


def operation_at(method: str, url: str) -> str | None:
    """The operation that a URL means, under any base path."""
    steps = urlsplit(url).path.strip("/").split("/")
    found = (operation_meant(method, "/" + "/".join(steps[first:])) for first in range(len(steps)))
    return next(filter(None, found), None)


def operation_meant(method: str, path: str) -> str | None:
    """The operation that a request means in any version; None if there is none."""
    for profile in profiles():
        try:
            found, _ = contract_of(profile).router.find(method, path)
        except (PageNotFound, MethodNotAllowed):
            continue
        return f"{found.method} {found.path}"
    return None


def sent_names(text: str) -> set[str]:
    """The variables of a body, JSON or form."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = dict(parse_qsl(text)) if "=" in text and "\n" not in text else {}
    return set(body) if isinstance(body, dict) else set()


def read_names(text: str) -> set[str]:
    """The fields of an answer, or of the rows of a list."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return set()
    rows = body if isinstance(body, list) else [body]
    return {name for row in rows if isinstance(row, dict) for name in row}
