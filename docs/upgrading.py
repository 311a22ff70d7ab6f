"""Writes docs/upgrading.md: what each published version changes for clients of the previous one.

    python docs/upgrading.py

The causes are the deviations that one version has and the other has not; the differences are those that
`sarkmock compare` measures between mocks of both. The introductions are written by hand, below.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sarkmock_contracts import baselines
from sarkmock_contracts.baselines.report import describe_comparison
from sarkmock_contracts.judge.findings import SEVERITIES

from sarkmock.suite_api import Deviation, describe_profile, deviations_of

STEPS = {
    ("2020-06", "2024-06"): """\
Almost nothing breaks. Extensions get passwords and no longer show their Asterisk stanza, tenants can have a local area
and a dial plan again, and WebRTC extensions are new. Only a client that reads `sipiaxfriend` of an extension has to
change.""",
    ("2024-06", "L10"): """\
The framework is newer, and most differences are its messages: those of rules, of 404 and of 405. A client that only
shows messages still works; one that compares them, or reads `reason` of a 404, has to change. This version also has
faults: downloads, non recurring timers, custom apps and some single operations do not work at all. The PBX is started
and stopped by other paths.""",
    ("L10", "L11"): """\
Every client has to change, because every request needs a bearer token. Log in with `POST /auth/login` and send the
token in `Authorization`; without it every path returns 404 or 405, not 401. Ring groups, templates and the functions
of chan_sip are removed. No tenant can be created, uploads are lost, and inbound routes cannot be directed to a
destination. The database is that of SARK 6.5, so rows have new columns.""",
}
INTRODUCTION = """\
# What an upgrade changes

Each section says what one published version changes for clients of the previous one. [](explanation/profiles.md)
describes the versions. *New* and *Gone* are the deviations from the documentation that only one of the two has.
*Measured* is the result of comparing a mock of each:

<!-- not run: it exits with 1, because something breaks -->
```console
$ sarkmock compare 2024-06 L10
```

To see what concerns your client, list what it uses. The exit code is 1 if something breaks it:

```yaml
# client.yaml
- GET /tenants
- operation: POST /extensions/mailbox
  sends: [pkey, cluster]
- GET /backups/{backup}
```

<!-- not run: it exits with 1, because something breaks -->
```console
$ sarkmock compare 2024-06 L10 --clients client.yaml
```

[](tutorial/guard-an-upgrade.md) shows how to record such a file, and how to compare boxes of your own.

To try your client with the newer version, serve it: `sarkmock serve --profile L10`."""


def page() -> str:
    blocks = [block for step, text in STEPS.items() for block in section(*step, text)]
    return "\n\n".join([INTRODUCTION, *blocks]) + "\n"


def section(before: str, after: str, text: str) -> Iterator[str]:
    old, new = ({deviation.id: deviation for deviation in deviations_of(name)} for name in (before, after))
    yield f"## From {before} to {after}"
    yield f"{released(before)} {released(after)}"
    yield text
    yield from causes("New", (deviation for name, deviation in new.items() if name not in old))
    yield from causes("Gone", (deviation for name, deviation in old.items() if name not in new))
    yield from measured(before, after)


def released(name: str) -> str:
    profile = describe_profile(name)
    return f"{name}: published {profile.date}, {profile.framework}."


def causes(title: str, deviations: Iterable[Deviation]) -> Iterator[str]:
    """The worst first."""
    ranked = sorted(deviations, key=lambda deviation: (SEVERITIES.index(deviation.severity), deviation.id))
    if ranked:
        yield f"### {title}"
        yield "\n".join(f"- **{deviation.severity}**: {deviation.summary}" for deviation in ranked)


def measured(before: str, after: str) -> Iterator[str]:
    """What `compare` finds, by cause."""
    first, other, _ = baselines.compared_sides(before, after, lambda: sys.exit("both are profiles"))
    causes_of_both = describe_comparison(baselines.compare_with(first, other, []))["causes"]
    yield "### Measured"
    rows = ["| level | difference | count | for example |", "| --- | --- | --- | --- |"]
    rows += [f"| {cause['level']} | {cause['kind'] if len(cause['differences']) == 1 else cause['title']} "
             f"| {len(cause['differences'])} | {example(cause)} |" for cause in causes_of_both]
    yield "\n".join(rows)


def example(cause: Mapping[str, Any]) -> str:
    return f"`{cause['operations'][0]}`" + (f", {cause['of'][0]}" if cause["of"] else "")


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")
