"""Opens the shadow of a box: finds its version, imports its state, reads lists again. Sends reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sarkmock.suite_api import load, redacted, write_whole

from ..baselines.severity import DIFFERENCE_LEVELS
from ..client.formats import curl_line
from ..client.http import Request, Response
from ..client.rate_limit import RateLimit
from ..client.transports import Access, OverHttp
from ..errors import CannotRun, Unanswered
from ..reports.data import as_json, exchanged
from ..state_import.importing import Wanted, guarded_reader, read_state, version_behind
from .shadow import SAME, UNSURE, Shadow, ShadowCause

NAMED = 6  # operations of one cause
READ = Wanted(secrets=True, archives=False)  # it stays in memory


def recognised_upstream(url: str, access: Access, rate: str, tell: Callable[[str], None]) -> str:
    """The profile of the version that answers, or the nearest one; few reads tell."""
    try:
        found = version_behind(guarded_reader(RateLimit(OverHttp(url, access), rate)), access)
    except Unanswered as reason:
        raise CannotRun(str(reason)) from None
    for line in found.lines():
        tell(f"{redacted(url)} {line}" if line.startswith("answers") else line)
    return found.nearest


def open_shadow(name: str, url: str, access: Access, rate: str, version: str | None,
                tell: Callable[[str], None]) -> Shadow:
    """A shadow that begins in the state of the box. ``version`` is the box's, if that is known."""
    document = load(name)
    reader = guarded_reader(RateLimit(OverHttp(url, access), rate))
    tell(f"reading the state of {redacted(url)} for the shadow {name}")
    try:
        found = version_behind(reader, access).nearest
        reader.profile = version or found
        seed = read_state(reader, READ)
    except Unanswered as reason:
        raise CannotRun(str(reason)) from None
    tell(f"{redacted(url)} answers as {reader.profile}; {name} is asked beside it ({reader.target.requests} requests)")

    def reread(path: str) -> Response:
        return reader.target.send(Request("GET", path)).response
    return Shadow(name, document, load(reader.profile), seed, reread)


def cause_line(shadow: Shadow, cause: ShadowCause) -> str:
    """A difference as it is met."""
    one = cause.difference
    what = f"{one.kind}{f' ({one.of})' if one.of else ''}"
    change = " -> ".join(str(value) for value in (one.before, one.after) if value is not None)
    return str(redacted(f"{shadow.name} {one.level} {one.op}: {what}{f': {change}' if change else ''}"))


def sorted_causes(shadow: Shadow) -> list[ShadowCause]:
    """The worst first, then what was met most."""
    return sorted(shadow.causes.values(),
                  key=lambda cause: (DIFFERENCE_LEVELS.index(cause.difference.level), -cause.count))


def totals(shadow: Shadow) -> dict[str, int]:
    return {level: shadow.counts[level] for level in (SAME, *reversed(DIFFERENCE_LEVELS[:3]), UNSURE)}


def shadow_lines(shadow: Shadow, url: str) -> Iterator[str]:
    """The whole comparison for people."""
    counts = ", ".join(f"{count} {level}" for level, count in totals(shadow).items() if count) or "no answers"
    yield f"As {shadow.name} would have answered: {counts}"
    for cause in sorted_causes(shadow):
        yield f"  {cause_line(shadow, cause)} ({cause.count}x in {where(cause)})"
        yield f"    {cause.difference.reason}"
        yield f"    {redacted(curl_line(url, cause.exchange.request))}"


def where(cause: ShadowCause) -> str:
    more = len(cause.operations) - NAMED
    return ", ".join(list(cause.operations)[:NAMED]) + (f" and {more} more" if more > 0 else "")


def shadow_data(shadow: Shadow, url: str) -> dict[str, Any]:
    """The comparison as plain data, without secrets."""
    return {"format": "sarkmock-shadow/1", "shadow": shadow.name, "answers": totals(shadow), "causes": [
        {"level": cause.difference.level, "kind": cause.difference.kind, "of": cause.difference.of,
         "before": redacted(cause.difference.before), "after": redacted(cause.difference.after),
         "reason": cause.difference.reason, "operations": cause.operations,
         **exchanged(url, cause.exchange, {}, of_client=True), "shadow_status": cause.answer.status}
        for cause in sorted_causes(shadow)]}


def write_shadow(shadow: Shadow, url: str, directory: Path) -> None:
    """The comparison as JSON and as text."""
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(directory / "shadow.json", as_json(shadow_data(shadow, url)).encode("utf-8", "backslashreplace"))
    text = "".join(f"{line}\n" for line in shadow_lines(shadow, url))
    write_whole(directory / "shadow.txt", text.encode("utf-8", "backslashreplace"))
