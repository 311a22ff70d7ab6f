"""The report at the end of a run: what was covered by section, and every finding with a line that repeats it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.curl import curl_line
from contracts.known import explain
from contracts.ledger import Finding
from contracts.suite import Suite
from sarkmock import Deviation, Operation, deviations

STEPS = 12  # so many lines repeat a sequence; a longer one is told by its end


def write_report(suite: Suite, console: Console | None = None) -> None:
    """Tables on a terminal, plain columns elsewhere."""
    console = console or Console()
    explain(suite.contract, others_deviations(suite), suite.ledger)
    console.print(coverage_table(suite, plain=not console.is_terminal))
    for finding in suite.ledger:
        for line in finding_lines(suite, finding):
            console.print(line, soft_wrap=True)
    for reason in sorted(suite.unasked):
        console.print(f"could not ask everything: {reason}", style="yellow", soft_wrap=True)
    console.print(closing_line(suite), soft_wrap=True)


def coverage_table(suite: Suite, plain: bool) -> Table:
    """Operations and rules by section of the page."""
    table = Table(box=None if plain else box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("section", "operations", "rules", "accepted", "refused", "findings"):
        table.add_column(heading, justify="left" if heading == "section" else "right")
    chosen = suite.chosen()
    for section in dict.fromkeys(operation.section for operation in chosen):
        table.add_row(*row(suite, section, [operation for operation in chosen if operation.section == section]))
    if not plain:
        table.add_section()
    table.add_row(*row(suite, "all", chosen))
    return table


def row(suite: Suite, title: str, operations: list[Operation]) -> list[str]:
    """Answered operations, and fields seen accepted and refused, of all there are."""
    rules = set(suite.tally.rules(operations))
    ids = {operation.id for operation in operations}
    answered = sum(suite.tally.answered(operation) for operation in operations)
    found = sum(finding.identity.operation in ids or title == "all" for finding in suite.ledger)
    return [title, f"{answered}/{len(operations)}", str(len(rules)), str(len(rules & suite.tally.accepted)),
            str(len(rules & suite.tally.refused)), str(found)]


def finding_lines(suite: Suite, finding: Finding) -> Iterable[Text]:
    """What was found, where the page speaks of it, and how to see it again."""
    operation = suite.contract.by_id.get(finding.identity.operation)
    head = Text(str(finding.identity), style="bold red")
    if finding.deviations:
        head = Text(f"{finding.identity} (known: {', '.join(finding.deviations)})", style="yellow")
    yield head
    where = f", page line {', '.join(map(str, operation.source))}" if operation and operation.source else ""
    yield Text(f"  {finding.message} ({finding.count}x{where})")
    for exchange in finding.evidence[-STEPS:]:
        yield Text(f"  {curl_line(suite.target.url, exchange.request)}", style="dim")


def others_deviations(suite: Suite) -> Sequence[Deviation]:
    """What the profile that the embedded mock runs is known to do otherwise than the one that judges."""
    target = suite.settings.target_profile
    return deviations(target) if target is not None and target != suite.settings.profile else ()


def target_name(suite: Suite) -> str:
    return suite.settings.url or f"embedded mock ({suite.settings.target_profile or suite.settings.profile})"


def closing_line(suite: Suite) -> Text:
    """The verdict."""
    known = sum(bool(finding.deviations) for finding in suite.ledger)
    verdict = f"{len(suite.ledger)} findings" if len(suite.ledger) else "conforming"
    parts = [f"{verdict}{f', {known} of them known deviations' if known else ''}", f"{suite.target.requests} requests",
             f"{time.monotonic() - suite.began:.0f} s", f"seed {suite.settings.seed}",
             f"judged by {suite.settings.profile}", target_name(suite)]
    return Text(" · ".join(parts), style="bold red" if len(suite.ledger) else "bold green")
