"""Cases of a recording: which operations exist, what reads return, how each variable is validated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sarkmock.suite_api import Operation

from ..checks.smoke import existing_path
from ..client.http import Exchange, Request, Response, fill_path
from ..client.interrupts import UNADMITTED
from ..client.target import Client
from ..errors import Unavailable, Withheld
from ..fixtures import Body
from ..safety.fingerprint import fingerprint
from ..safety.preflight import TOKENLESS_READ
from .catalogue import CatalogueEntry, catalogue
from .facts import BOX, NOT_SENT, Fact
from .observer import (
    ABSENT_ROW,
    ANY_INPUT,
    HAS_CRASHED,
    NOT_TESTED,
    TESTED,
    THERE,
    WAS_ACCEPTED,
    WAS_REJECTED,
    Observer,
    box_facts,
    is_new_key,
    probe_packets,
    recorded_value,
    rejected_body,
    takes_files,
)

UNKNOWN_KEY = "nosuchkey"


def surveyed_paths(names: list[str]) -> list[str]:
    """Return the paths to send OPTIONS to: those with operations other than reads."""
    every = catalogue()
    return list(dict.fromkeys(every[name].path for name in names
                              if every[name].method != "GET" or every[name].hazard != "read"))


def survey_path(observer: Observer, path: str) -> Iterator[Fact]:
    """Yield which operations the Allow header lists for a path. GET is skipped, because it is listed for any path."""
    try:
        methods = observer.send(Request("OPTIONS", path_without_row(observer, path))).response.allow
    except Withheld:
        return
    for entry in catalogue().values():
        if entry.path == path and entry.method != "GET":
            yield Fact(entry.name, "reach", "", THERE if entry.method in methods else ABSENT_ROW)


def ask_box(client: Client) -> Iterator[Fact]:
    """Yield whether clients need a token, and the version if it is recognised exactly."""
    first = client.send(TOKENLESS_READ).response
    yield Fact(BOX, "token", "", first.status in UNADMITTED)
    recognised = fingerprint(client, first)
    if recognised.exact:
        yield Fact(BOX, "version", "", recognised.version)


def ask_plain_read(observer: Observer, entry: CatalogueEntry) -> Iterator[Fact]:
    """Send a GET to a path without parameters; yield whether it exists and the facts of its response."""
    exchange = observer.send(Request("GET", entry.path))
    yield from box_facts(exchange.response)
    if not observer.is_missing(exchange) and is_other_route(observer, entry, exchange.response):
        yield Fact(entry.name, "reach", "", ABSENT_ROW)
    else:
        yield from reach_facts(observer, entry, "read", exchange)


def is_other_route(observer: Observer, entry: CatalogueEntry, response: Response) -> bool:
    """Whether a 404 comes from a route with a parameter that matches the path, as its 404 for unknown keys is equal."""
    if response.status != 404:
        return False
    others = [other for other in catalogue().values() if other.method == entry.method == "GET" and "{" in other.path
              and other.path != entry.path and template_covers(other.path, entry.path)]
    return any(observer.get(path_without_row(observer, other.path)).body == response.body for other in others)


def template_covers(template: str, path: str) -> bool:
    """Whether a path matches a path template."""
    steps, wanted = template.split("/"), path.split("/")
    return len(steps) == len(wanted) and all(map(segment_suits, steps, wanted))


def segment_suits(step: str, wanted: str) -> bool:
    """Whether a segment equals that of a template, or starts with its text before a parameter."""
    fixed, parameter, _ = step.partition("{")
    return wanted.startswith(fixed) if parameter else step == wanted


def ask_existing(observer: Observer, entry: CatalogueEntry) -> Iterator[Fact]:
    """Send a GET for an existing item and yield its facts; nothing if there is no such item."""
    operation = observer.operation(entry)
    parameters = existing_path(observer.contract, observer.live, operation) if operation else {}
    if not parameters:
        return
    exchange = observer.send(Request("GET", fill_path(entry.path, parameters)))
    yield from reach_facts(observer, entry, "read", exchange)


def ask_unknown(observer: Observer, entry: CatalogueEntry) -> Iterator[Fact]:
    """Request an unknown key; yield whether the route exists and how it rejects the key."""
    exchange = observer.send(Request(entry.method, path_without_row(observer, entry.path)))
    if is_other_route(observer, entry, exchange.response):
        yield Fact(entry.name, "reach", "", ABSENT_ROW)
    else:
        yield from reach_facts(observer, entry, "unknown key", exchange)


def path_without_row(observer: Observer, template: str) -> str:
    """Return the path of a template with keys that no row has."""
    return re.sub(r"{\w+}", observer.fixtures.texts.prefix + UNKNOWN_KEY, template)


def reach_facts(observer: Observer, entry: CatalogueEntry, kind: str, exchange: Exchange) -> Iterator[Fact]:
    """Yield the facts of an operation's first response: whether the route exists, and how it responds."""
    if observer.is_missing(exchange):
        yield Fact(entry.name, "reach", "", ABSENT_ROW)
        return
    yield Fact(entry.name, "reach", "", THERE)
    yield Fact(entry.name, "part", kind, TESTED)
    yield from observer.answered(entry, kind, exchange)


ARRAY = ["a"]
SINGLE_VALUE = 3  # crashes of a variable after which it is no longer tried
RULES_PART = "rules"


def ask_rules(observer: Observer, entry: CatalogueEntry) -> Iterator[Fact]:
    """Yield the facts about the variables of an operation."""
    operation = observer.operation(entry)
    if operation is None:
        return
    if operation.table and operation.key and not observer.fixtures.fixture(operation):
        yield Fact(entry.name, "part", RULES_PART, "no row of the run to test with")
        return
    asker = Asker(observer, entry, operation)
    yield from asker.facts()
    observer.fixtures.sweep()


class Asker:
    """Sends packets of values to one operation, and splits packets that crash."""

    def __init__(self, observer: Observer, entry: CatalogueEntry, operation: Operation) -> None:
        self.observer, self.entry, self.operation = observer, entry, operation
        left_out = observer.fixtures.unrestorable(operation)
        self.fields = [field for field in entry.fields if field not in left_out]
        self.key: Body = {}  # reused until a row with it is created
        self.deadly: dict[str, int] = {}
        self.unsent = ""  # why the last withheld request was not sent

    def facts(self) -> Iterator[Fact]:
        nothing = self.send({}, with_key=False)
        if crash := self.crash_of_any_input(nothing):
            yield Fact(self.entry.name, "part", RULES_PART, "crashes for any input")
            yield Fact(self.entry.name, "status", ANY_INPUT, crash)
            return
        facts = list(self.of_variables(nothing))
        yield Fact(self.entry.name, "part", RULES_PART, TESTED if facts else self.unsent or TESTED)
        yield from facts

    def of_variables(self, nothing: Exchange | None) -> Iterator[Fact]:
        if nothing is not None:
            yield from self.of_nothing(nothing.response)
        for packet in probe_packets(self.entry, self.fields, self.observer.depth):
            yield from self.packet(packet)
        yield from self.array()

    def crash_of_any_input(self, nothing: Exchange | None) -> int | None:
        """Return the status if an empty and a minimal body crash; one that must be rejected, if both are withheld."""
        if nothing is not None and nothing.response.status < 500:
            return None
        try:
            exchange = self.send(self.observer.fixtures.minimal(self.operation), with_key=False)
        except Unavailable:
            return None
        if exchange is None and nothing is None:
            exchange = self.send(self.filled(rejected_body(self.entry, self.observer.depth)), with_key=False)
        return exchange.response.status if exchange is not None and exchange.response.status >= 500 else None

    def of_nothing(self, response: Response) -> Iterator[Fact]:
        """Yield the verdicts on absent variables from the response to an empty body."""
        yield Fact(self.entry.name, "status", "nothing sent", response.status)
        named = response.rejected
        if response.ok or named:
            for field in self.fields:
                yield self.fact(field, NOT_SENT, WAS_REJECTED if field in named else WAS_ACCEPTED, named.get(field, ()))

    def packet(self, packet: Mapping[str, Any]) -> Iterator[Fact]:
        lonely = {field: value for field, value in packet.items() if field in self.deadly}
        yield from self.observe({field: value for field, value in packet.items() if field not in lonely})
        for field, value in lonely.items():
            if self.deadly[field] < SINGLE_VALUE:
                yield from self.observe({field: value})

    def observe(self, packet: Mapping[str, Any]) -> Iterator[Fact]:
        """Send a packet and yield the verdict on each value; split it in halves if the response shows none."""
        filled = self.filled(packet)
        exchange = self.send(filled) if filled else None
        if exchange is None:
            return
        named = exchange.response.rejected
        if exchange.response.ok or named:
            if named:
                yield Fact(self.entry.name, "status", "rejected", exchange.response.status)
            for field in filled:
                verdict = WAS_REJECTED if field in named else WAS_ACCEPTED
                yield self.fact(field, recorded_value(packet[field]), verdict, named.get(field, ()))
        elif len(filled) == 1:
            yield from self.of_one(packet, next(iter(filled)), exchange.response)
        else:
            names = list(filled)
            for half in (names[: len(names) // 2], names[len(names) // 2:]):
                yield from self.observe({field: packet[field] for field in half})

    def of_one(self, packet: Mapping[str, Any], field: str, response: Response) -> Iterator[Fact]:
        """Yield the verdict on a single value whose response neither accepts nor rejects it by name."""
        if response.status == 404:
            return  # the row is gone, so there is no verdict
        crashed = response.status >= 500
        if crashed:
            self.deadly[field] = self.deadly.get(field, 0) + 1
        yield self.fact(field, recorded_value(packet[field]), HAS_CRASHED if crashed else f"answered {response.status}")

    def array(self) -> Iterator[Fact]:
        """Yield the verdict on an array as the value of the first suitable variable."""
        if takes_files(self.entry, self.observer.depth):
            return
        fields = [name for name in self.fields if not is_new_key(self.entry, name) and name not in self.deadly]
        if fields:
            yield from self.observe({fields[0]: ARRAY})

    # requests

    def filled(self, packet: Mapping[str, Any]) -> Body:
        """Return a packet with its placeholders replaced, without values that are unavailable."""
        result: Body = {}
        for field, value in packet.items():
            try:
                result[field] = self.observer.fixtures.value(self.operation, field, value)
            except Unavailable:
                continue
        return result

    def send(self, body: Body, with_key: bool = True) -> Exchange | None:
        """Send a body and return the exchange; None if it was withheld. Remove a created row and retire its key."""
        fixtures = self.observer.fixtures
        try:
            key = self.new_key() if with_key and self.operation.method == "POST" else {}
            exchange = self.observer.send(fixtures.request(self.operation, {**key, **body}))
        except (Withheld, Unavailable) as reason:
            why = "withheld" if isinstance(reason, Withheld) else NOT_TESTED
            self.unsent = f"{why}: {self.observer.plain(str(reason))}"
            return None
        if exchange.response.ok:
            self.key = {}
            fixtures.sweep()
        return exchange

    def new_key(self) -> Body:
        if not self.key:
            self.key = self.observer.fixtures.fresh_fields(self.operation)
        return self.key

    def fact(self, field: str, sent: Any, verdict: str, messages: Any = ()) -> Fact:
        texts = messages if isinstance(messages, (list, tuple)) else [messages]
        return Fact(self.entry.name, "rule", field, verdict, "", sent,
                    tuple(self.observer.plain(str(message)) for message in texts))
