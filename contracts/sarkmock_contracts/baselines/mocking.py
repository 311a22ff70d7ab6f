"""Documents made of the base and overlay actions, and what a mock of one looks like in a recording. Asks no box."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sarkmock.suite_api import (
    Document,
    Engine,
    OverlayError,
    Seed,
    State,
    apply_overlay,
    create_app,
    described,
    keys_of,
    load,
    references,
)

from ..client.target import Target
from ..client.transports import InProcess, SignedIn
from ..errors import Unfit
from ..safety.routing import HAZARDS
from .comparing import Comparison, compare_baselines
from .facts import Facts
from .files import Baseline
from .probes import DEPTHS
from .recording import BoxRecorder
from .severity import INFORMATIVE

MOCK_TOKEN = "1|embeddedmock"
NOW = 1_717_236_000  # the clock of a mock that is only looked at stands still
OverlayAction = Mapping[str, Any]
_factory = cache(Seed.factory)


def document_of(actions: Sequence[OverlayAction]) -> Document:
    """The base document with actions applied; Unfit if they do not fit together."""
    try:
        document: Document = apply_overlay(load(), list(actions))
    except OverlayError as error:
        raise Unfit(str(error)) from None
    for place in references(document):
        if not leads_somewhere(document, place):
            raise Unfit(f"nothing stands at #{place}")
    return document


def leads_somewhere(document: Any, place: str) -> bool:
    for key in keys_of(place):
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True


def recording_of(document: Document, like: Baseline) -> Facts:
    """What a mock of a document looks like, asked as a box was; Unfit if it cannot be served."""
    try:
        state = State(_factory(document["x-database"]), now=NOW, token=MOCK_TOKEN)
        target = Target(SignedIn(InProcess(create_app(Engine(document, state))), state))
        return BoxRecorder(target, DEPTHS[like.depth], frozenset(like.allowed), like.only).run()
    except (KeyError, ValueError, AttributeError, TypeError, AssertionError) as error:
        raise Unfit(f"a mock of it fails: {error!r}") from None


def profile_baseline(name: str, like: Baseline | None = None) -> Baseline:
    """What a mock of a profile looks like, asked as for another baseline. FileError if there is no such profile."""
    document = load(name)
    shape = like or Baseline("", "usual", HAZARDS, None, Facts())
    return Baseline(f"the profile {described(name).name}", shape.depth, shape.allowed, shape.only,
                    recording_of(document, shape), name=name)


def beside(document: Document, box: Baseline) -> Comparison:
    """How a box differs from a mock of a document."""
    mock = copy.copy(box)
    mock.facts, mock.recorded = recording_of(document, box), {}
    return compare_baselines(mock, box)


def distance(comparison: Comparison) -> int:
    """The number of differences."""
    return sum(one.level != INFORMATIVE for one in comparison.differences)
