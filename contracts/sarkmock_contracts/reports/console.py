"""The report on the terminal at the end of a run: coverage, new findings in full, known deviations in one line each."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sarkmock.suite_api import Operation, counted, printable, redacted

from ..judge.causes import SHOWN, Cause
from ..judge.findings import SEVERITIES, evidence_weight
from ..judge.verdicts import Classified, Outcome, causes, documentation_lines, worst_severity
from ..run import Run
from .data import SHOWN_STEPS, reproduction_script

NAMED_CAUSES = 8  # names listed per cause
STYLES = {"breaks": "bold red", "surprises": "yellow", "cosmetic": "dim"}


def write_report(run: Run, outcome: Outcome | None = None, console: Console | None = None,
                 whole: bool = True) -> None:
    """Print the report: tables on a terminal, plain columns elsewhere. `whole` includes sections without responses."""
    console, outcome = console or Console(), outcome or run.outcome()
    console.print(coverage_table(run, plain=not console.is_terminal, whole=whole))
    for line in (*failure_lines(run, outcome), *listed_lines(outcome), *accepted_lines(outcome)):
        console.print(line, soft_wrap=True)
    for reason in sorted(run.gaps.unavailable):
        console.print(printable(f"not tested: {reason}"), style="yellow", soft_wrap=True)
    console.print(closing_line(run, outcome), soft_wrap=True)


def coverage_table(run: Run, plain: bool, whole: bool) -> Table:
    """Return the table of tested operations and rules by section of the documentation."""
    table = Table(box=None if plain else box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("section", "operations", "rules", "accepted", "rejected", "findings"):
        table.add_column(heading, justify="left" if heading == "section" else "right")
    chosen = run.chosen()
    for section in dict.fromkeys(operation.section for operation in chosen
                                 if whole or run.coverage.answered(operation)):
        table.add_row(*coverage_row(run, section, [operation for operation in chosen if operation.section == section]))
    if not plain:
        table.add_section()
    table.add_row(*coverage_row(run, "all", chosen))
    return table


def coverage_row(run: Run, title: str, operations: list[Operation]) -> list[str]:
    """Return the row of a section: operations with responses, and fields seen accepted and rejected."""
    rules = set(run.coverage.rules(operations))
    ids = {operation.id for operation in operations}
    answered = sum(run.coverage.answered(operation) for operation in operations)
    findings = sum(finding.identity.operation in ids or title == "all" for finding in run.findings)
    return [title, f"{answered}/{len(operations)}", str(len(rules)), str(len(rules & run.coverage.accepted)),
            str(len(rules & run.coverage.rejected)), str(findings)]


def failure_lines(run: Run, outcome: Outcome) -> Iterator[Text]:
    """Yield the first causes for which the run fails, the worst first."""
    grouped = causes(outcome)
    if grouped:
        yield Text()
    for cause, members in grouped[:SHOWN]:
        if len(members) > 1:
            yield from cause_lines(cause, members)
        yield from finding_lines(run, min(members, key=example_rank))
    if len(grouped) > SHOWN:
        yield Text(f"and {len(grouped) - SHOWN} more causes: --report DIR writes all of them", style="bold")


def example_rank(judged: Classified) -> tuple[bool, int, tuple[int, int]]:
    """Return a sort key for the findings of a cause: those with evidence, the worst, the simplest first."""
    evidence = judged.finding.evidence
    return not evidence, SEVERITIES.index(judged.severity), evidence_weight(evidence)


def printable_text(value: object) -> str:
    """Return a text from the target, redacted and escaped for a terminal."""
    return printable(str(redacted(value)))


def cause_lines(cause: Cause, members: list[Classified]) -> Iterator[Text]:
    """Yield the lines of a cause with several findings, which introduce one of them as an example."""
    severity = worst_severity(members)
    yield Text.assemble((counted(len(members), "finding"), "bold"), " ", (severity, STYLES[severity]), " ",
                        (printable_text(cause.title), "bold"))
    yield Text(f"  in {listed_names(cause.operations)}")
    if cause.fields:
        yield Text(f"  of {listed_names(cause.fields)}")
    yield Text("  for example:")


def listed_names(names: list[str], most: int = NAMED_CAUSES) -> str:
    """Return the first names, and the number of the others."""
    return printable(", ".join(names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")


def finding_lines(run: Run, judged: Classified) -> Iterator[Text]:
    """Yield the lines of a finding: message, lines of the documentation, and requests to reproduce it."""
    finding = judged.finding
    lines = documentation_lines(run.contract, finding)
    judge = f", judged by {finding.profile}" if finding.profile else ""
    where = judge + (f", documentation line {', '.join(map(str, lines))}" if lines else "")
    yield Text.assemble((judged.status.upper(), "bold"), " ", (judged.severity, STYLES[judged.severity]), " ",
                        (printable(str(finding.identity)), "bold"))
    yield Text(f"  {printable_text(finding.message)} ({finding.count}x{where})")
    if judged.acceptance and judged.status == "expired":
        yield Text(f"  was accepted until {judged.acceptance.expires}: {judged.acceptance.reason}")
    if judged.deviations:
        yield Text(f"  known: {', '.join(judged.deviations)}")
    requests = reproduction_script(run, finding)
    if len(requests) > SHOWN_STEPS:
        cut = f"  the last {SHOWN_STEPS} of {len(requests)} requests; --report DIR writes all of them"
        yield Text(cut, style="dim")
    for line in requests[-SHOWN_STEPS:]:
        yield Text(f"  {printable(line)}", style="dim")


def listed_lines(outcome: Outcome) -> Iterator[Text]:
    """Yield known and fixed deviations, the worst first, in one line each; if there are many, the rest by name."""
    titles = {"known": "Known deviations", "fixed": "FIXED: known deviations that this target no longer has"}
    for status, title in titles.items():
        listed = sorted(outcome.deviations(status), key=lambda entry: SEVERITIES.index(entry.deviation.severity))
        if listed:
            yield Text(f"\n{title}", style="bold")
        for entry in listed[:SHOWN]:
            count = sum(entry.deviation.id in judged.deviations for judged in outcome.findings)
            severity = entry.deviation.severity
            yield Text.assemble("  ", (f"{severity:10}", STYLES[severity]), entry.deviation.id,
                                (f" ({count}x)" if count else ""), (f"  {entry.deviation.summary}", "dim"))
        if listed[SHOWN:]:
            names = ", ".join(entry.deviation.id for entry in listed[SHOWN:])
            yield Text(f"  and {len(listed) - SHOWN} more, which --report DIR describes: {names}", style="dim")


def accepted_lines(outcome: Outcome) -> Iterator[Text]:
    """Yield the accepted findings of this box, and unused entries of the allowlist."""
    accepted = outcome.of("accepted")
    if accepted:
        yield Text("\nAccepted at this box", style="bold")
    for judged in accepted:
        assert judged.acceptance is not None
        until = f" until {judged.acceptance.expires}" if judged.acceptance.expires else ""
        yield Text(printable(f"  {judged.id}{until}: {judged.acceptance.reason}"))
    for entry in outcome.unused:
        yield Text(f"  {entry.id} is accepted (line {entry.line}) but did not occur", style="dim")


def closing_line(run: Run, outcome: Outcome) -> Text:
    """Return the last line, with the verdict."""
    failures = [*outcome.failures, *run.residue]
    counts = {status: len(outcome.of(status)) for status in ("known", "accepted")}
    counts["fixed"] = len(outcome.deviations("fixed"))
    result = (counted(len(outcome.failures), "finding") if outcome.failures else
              "no findings so far" if run.gaps.ending or run.gaps.untested else
              "conforming" if run.target.requests else "nothing to judge")
    result += f", {counted(len(run.residue), 'change')} not restored" if run.residue else ""
    untested = [f"{counted(len(run.gaps.untested), 'case')} untested"] if run.gaps.untested else []
    ending = [run.gaps.ending] if run.gaps.ending else []
    others = [f"{count} {status}" for status, count in counts.items() if count]
    target = run.options.url or f"embedded mock ({run.options.target_profile or run.options.profile})"
    parts = [", ".join([*ending, result, *untested, *others]),
             counted(run.target.requests, "request"), f"{time.monotonic() - run.began:.0f} s",
             f"seed {run.options.random_seed}", f"judged by {run.options.profile}",
             target, f"recognised as {run.fingerprint}"]
    colour = "red" if failures else "yellow" if run.gaps.ending or run.gaps.untested else "green"
    return Text("\n" + " · ".join(map(printable_text, parts)), style=f"bold {colour}")
