"""The first look at a box: what its paths can do, and what can be read there without making anything."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..checks.smoke import standing
from ..client.admission import UNADMITTED
from ..client.http import Exchange, Request, Response, fill_path
from ..client.target import Client
from ..errors import Withheld
from ..safety.preflight import PROBE, tokenless_read
from .catalogue import Known, catalogue
from .facts import BOX, Fact
from .observer import ABSENT_ROW, REQUESTED, THERE, Observer, box_facts, get

UNKNOWN_KEY = "nosuchkey"


def is_plain_read(known: Known) -> bool:
    """Whether a GET of the path as it stands is harmless and tells whether it is there."""
    return known.method == "GET" and known.hazard == "read" and "{" not in known.path


def surveyed_paths(names: list[str]) -> list[str]:
    """Paths to send OPTIONS to: those with operations that a plain read does not show."""
    every = catalogue()
    return list(dict.fromkeys(every[name].path for name in names
                              if every[name].method != "GET" or every[name].hazard != "read"))


def survey_path(client: Client, path: str, prefix: str) -> Iterator[Fact]:
    """The operations that the box says a path has. GET always is one, for any path."""
    members = [known for known in catalogue().values() if known.path == path]
    try:
        exchange = client.send(Request("OPTIONS", fill_path(path, dict.fromkeys(names_in(path), prefix + UNKNOWN_KEY))))
    except Withheld:
        return
    methods = exchange.response.allow
    for known in members:
        if known.method != "GET":
            yield Fact(known.name, "reach", "", THERE if known.method in methods else ABSENT_ROW)


def ask_without_token(client: Client) -> Iterator[Fact]:
    """Whether clients need a token."""
    yield Fact(BOX, "token", "", client.send(tokenless_read(PROBE)).response.status in UNADMITTED)


def plain_read(observer: Observer, known: Known) -> Iterator[Fact]:
    """One GET of a path without parameters: whether it is there, and what it shows of what was there before."""
    exchange = observer.send(get(known.path))
    yield from box_facts(exchange.response)
    if observer.is_missing(exchange) or is_another(observer, known, exchange.response):
        yield Fact(known.name, "reach", "", ABSENT_ROW)
        return
    yield Fact(known.name, "reach", "", THERE)
    yield Fact(known.name, "part", "read", REQUESTED)
    yield from observer.answered(known, "read", exchange)


def is_another(observer: Observer, known: Known, response: Response) -> bool:
    """Whether a route with a parameter has answered 404 in the place of one that is not there: as to any name."""
    if response.status != 404:
        return False
    others = [other for other in catalogue().values() if other.method == "GET" and "{" in other.path
              and template_covers(other.path, known.path)]
    prefix = observer.fixtures.texts.prefix
    paths = [fill_path(other.path, dict.fromkeys(names_in(other.path), prefix + UNKNOWN_KEY)) for other in others]
    return any(observer.get(path).body == response.body for path in paths)


def template_covers(template: str, path: str) -> bool:
    """Whether a path is one of a template's."""
    steps, wanted = template.split("/"), path.split("/")
    return len(steps) == len(wanted) and all(map(suits, steps, wanted))


def suits(step: str, wanted: str) -> bool:
    """Whether a segment is that of a template, or begins with what stands there before a parameter."""
    fixed, parameter, _ = step.partition("{")
    return wanted.startswith(fixed) if parameter else step == wanted


def read_standing(observer: Observer, known: Known) -> Iterator[Fact]:
    """One GET of something that was there before; nothing if there is none."""
    operation = observer.operation(known)
    parameters = standing(observer.contract, observer.live, operation) if operation else {}
    if not parameters:
        return
    exchange = observer.send(get(fill_path(known.path, parameters)))
    yield from told_by(observer, known, "read", exchange)


def ask_unknown(observer: Observer, known: Known) -> Iterator[Fact]:
    """A key of nothing: the answer tells whether there is such a route, and what its refusals look like."""
    names = names_in(known.path)
    path = fill_path(known.path, dict.fromkeys(names, observer.fixtures.texts.prefix + UNKNOWN_KEY))
    exchange = observer.send(Request(known.method, path))
    yield from told_by(observer, known, "unknown key", exchange)


def names_in(path: str) -> list[str]:
    """The parameters of a path."""
    return re.findall(r"{(\w+)}", path)


def told_by(observer: Observer, known: Known, kind: str, exchange: Exchange) -> Iterator[Fact]:
    """What the first answer of an operation tells: that there is no such route, or how it answers."""
    if observer.is_missing(exchange):
        yield Fact(known.name, "reach", "", ABSENT_ROW)
        return
    yield Fact(known.name, "reach", "", THERE)
    yield Fact(known.name, "part", kind, REQUESTED)
    yield from observer.answered(known, kind, exchange)
