"""The report at the end of a run, on a terminal: what was covered, what is new in full, what is known in a line."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sarkmock import Operation, redacted

from ..client.curl import curl_line
from ..judge.verdicts import Judged, Outcome, page_lines
from ..run import Suite

STEPS = 12  # so many lines repeat a sequence; a longer one is told by its end
STYLES = {"breaks": "bold red", "surprises": "yellow", "cosmetic": "dim"}


def write_report(suite: Suite, console: Console | None = None) -> None:
    """Tables on a terminal, plain columns elsewhere."""
    console = console or Console()
    outcome = suite.outcome()
    console.print(coverage_table(suite, plain=not console.is_terminal))
    for line in (*failure_lines(suite, outcome), *listed_lines(outcome), *accepted_lines(outcome)):
        console.print(line, soft_wrap=True)
    for reason in sorted(suite.unasked):
        console.print(f"could not ask everything: {reason}", style="yellow", soft_wrap=True)
    console.print(closing_line(suite, outcome), soft_wrap=True)


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


def failure_lines(suite: Suite, outcome: Outcome) -> Iterator[Text]:
    """Every finding for which the run fails, by section of the page, the worst first."""
    for section in (*dict.fromkeys(operation.section for operation in suite.contract.operations), ""):
        found = [judged for judged in outcome.failures if section_of(suite, judged) == section]
        if found:
            yield Text(f"\n{section or 'Unknown paths'}", style="bold")
        for judged in sorted(found, key=lambda one: list(STYLES).index(one.severity)):
            yield from finding_lines(suite, judged)


def section_of(suite: Suite, judged: Judged) -> str:
    operation = suite.contract.by_id.get(judged.finding.identity.operation)
    return operation.section if operation else ""


def finding_lines(suite: Suite, judged: Judged) -> Iterator[Text]:
    """What was found, where the page speaks of it, and how to see it again."""
    finding = judged.finding
    lines = page_lines(suite.contract, finding)
    where = f", page line {', '.join(map(str, lines))}" if lines else ""
    yield Text.assemble((judged.status.upper(), "bold"), " ", (judged.severity, STYLES[judged.severity]), " ",
                        (str(finding.identity), "bold"))
    yield Text(f"  {redacted(finding.message)} ({finding.count}x{where})")
    if judged.acceptance and judged.status == "expired":
        yield Text(f"  was accepted until {judged.acceptance.expires}: {judged.acceptance.reason}")
    if judged.deviations:
        yield Text(f"  known: {', '.join(judged.deviations)}")
    for exchange in finding.evidence[-STEPS:]:
        yield Text(f"  {redacted(curl_line(suite.target.url, exchange.request))}", style="dim")


def listed_lines(outcome: Outcome) -> Iterator[Text]:
    """Listed deviations: a line each for those met and those fixed; how many more there are."""
    for status, title in (("known", "Known deviations"), ("fixed", "FIXED: listed, looked for and not met")):
        listed = outcome.deviations(status)
        if listed:
            yield Text(f"\n{title}", style="bold")
        for one in listed:
            count = sum(one.deviation.id in judged.deviations for judged in outcome.findings)
            severity = one.deviation.severity
            yield Text.assemble("  ", (f"{severity:10}", STYLES[severity]), one.deviation.id,
                                (f" ({count}x)" if count else ""), (f"  {one.deviation.summary}", "dim"))


def accepted_lines(outcome: Outcome) -> Iterator[Text]:
    """What a person accepted at this box."""
    accepted = outcome.of("accepted")
    if accepted:
        yield Text("\nAccepted at this box", style="bold")
    for judged in accepted:
        assert judged.acceptance is not None
        until = f" until {judged.acceptance.expires}" if judged.acceptance.expires else ""
        yield Text(f"  {judged.id}{until}: {judged.acceptance.reason}")
    for entry in outcome.unused:
        yield Text(f"  {entry.id} is accepted (line {entry.line}) and was not met", style="dim")


def target_name(suite: Suite) -> str:
    return suite.settings.url or f"embedded mock ({suite.settings.target_profile or suite.settings.profile})"


def closing_line(suite: Suite, outcome: Outcome) -> Text:
    """The verdict."""
    failures = [*outcome.failures, *suite.residue]
    counts = {status: len(outcome.of(status)) for status in ("known", "accepted")}
    counts["fixed"] = len(outcome.deviations("fixed"))
    found = (f"{len(outcome.failures)} findings" if outcome.failures else
             "no findings so far" if suite.stopped else "conforming")
    found += f", {len(suite.residue)} things not as before" if suite.residue else ""
    untested = [f"{len(suite.untested)} cases untested"] if suite.untested else []
    parts = [", ".join([found, *untested, *(f"{count} {status}" for status, count in counts.items() if count)]),
             f"{suite.target.requests} requests", f"{time.monotonic() - suite.began:.0f} s",
             f"seed {suite.settings.seed}", f"judged by {suite.settings.profile}",
             target_name(suite), f"answers as {suite.fingerprint}"]
    colour = "red" if failures else "yellow" if suite.stopped else "green"
    return Text("\n" + " · ".join(map(str, redacted(parts))), style=f"bold {colour}")
