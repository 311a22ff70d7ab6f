"""Judge every exchange by the document, and collect findings and coverage."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sarkmock.suite_api import BASE, Deviation, Operation, is_rule_message

from ..client.http import Exchange, Response
from ..client.target import Client
from ..errors import Unanswered
from ..spec.contract import Contract, in_section
from ..spec.operation_data import LiveTables
from .agreement import OF_RULES, OF_WHOLE_ANSWER, JudgedAnswers, columns
from .attribution import Attribution
from .coverage import Coverage, Gaps
from .findings import FINDING_TYPES, Finding, Findings, Identity
from .listings import Listings
from .oracle import Problem, Verdict, conformance_problems, rule_messages, verdict, verdict_problems
from .preparation import History
from .row_model import UNSHOWN, BlamedProblem, column_problems
from .texts import check_problems, text_problems
from .verdicts import Lists

PBX_DOWN = 503  # the product checks that the PBX runs before it does anything
OF_FORM = {"body", "schema", "content-type", "header"}  # checks of the form of a response
OF_STATUS = {"status", "answer", "unknown-key"}  # checks that responses to other requests may refute
RUN_STATE = "syscommands.pbxrunstate"
# The product waits 60 ms for Asterisk, and then crashes: it cannot even build its error response, or finds no value.
LATE = re.compile(r"App\\CustomClasses\\Response|strpos\(\)")


@dataclass(frozen=True)
class Judged(Exchange):
    """An exchange and its problems. ``excused``: the response is a crash that the document predicts.

    ``corrected``: a list with the keys that its rows really have, if the response shows wrong ones.
    """

    problems: tuple[Problem, ...] = ()
    excused: bool = False
    corrected: Response | None = None

    @property
    def shown(self) -> Response:
        return self.corrected or self.response


class Judge:
    """Finds the problems of exchanges, explains them by deviations, and collects them."""

    def __init__(self, contract: Contract, live: LiveTables, client: Client, lists: Lists | None = None,
                 only: str | None = None, version: Callable[[], str] = lambda: BASE, profile: str = BASE,
                 confirm: Callable[[], None] = lambda: None, stored: Container[tuple[str, str]] = ()) -> None:
        self.confirm = confirm  # called before a finding is new: raises if the target no longer admits the run
        self.contract, self.live, self.client, self.only = contract, live, client, only
        self.lists = lists or Lists()
        self.coverage = Coverage(contract.operations)
        self.attribution = Attribution(contract, version, profile, self.coverage.unlike)
        self.attribution.known = self.lists.known
        self.requests = 0
        self.findings = Findings()
        self.gaps = Gaps()
        self.samples: dict[tuple[str, int], Judged] = {}  # the first exchange of each operation and status
        self.crashing: set[Identity] = set()  # crashes that occur without a suspect variable
        self.history = History(contract)
        self.witnesses = JudgedAnswers(live, stored)
        self._separating: list[Finding] = []
        self._asked_run_state = False
        self.listings = Listings(contract, self.attribution.settable)

    def observe(self, exchange: Exchange) -> None:
        """Show an exchange to the models of the target."""
        if exchange.response.status == PBX_DOWN and not self._asked_run_state:
            self._is_stopped()  # if others have stopped the PBX, the models must know it before they see this response
        self.attribution.observe(exchange)

    def judge(self, exchange: Exchange, shown: Response | None = None) -> Judged:
        """Compare an exchange, which the models have observed, with the document and record it.

        ``shown``: a list with the keys that its rows really have, if the response shows wrong ones.
        """
        self.requests += 1
        operation = self.contract.operation_of(exchange.request)
        if operation is None:
            for other in self.attribution.elsewhere(exchange.request):
                self._bear_witness_of_status(other, exchange, FINDING_TYPES)
            return Judged(exchange.request, exchange.response)
        self.history.observe(operation, exchange)
        if self.live.can_fetch and exchange.response.ok and operation.hazard != "read":
            self.listings.observe(operation, exchange, self.attribution.succeeds(exchange))
        expected = self._verdict(operation, exchange)
        excused = expected is not None and expected.excuses(exchange.response)
        candidates = (self._blamed(operation, problem, expected)
                      for problem in self._problems(operation, exchange, expected))
        problems = tuple(problem for problem in candidates if self.report(operation.id, problem, exchange))
        self.listings.doubt(operation, problems)
        if not problems:
            for blamed, problem, evidence in self._of_rows(operation, exchange, shown or exchange.response):
                self.report(blamed.id, problem, *evidence)
        self._separate(operation, exchange)
        judged = Judged(exchange.request, exchange.response, problems, excused, shown)
        if expected is not None:
            self._bear_witness(operation, judged)
        if not problems:
            self._bear_witness_of_status(operation, judged, OF_STATUS)
        self.samples.setdefault((operation.id, exchange.response.status), judged)
        self.coverage.observe(operation, exchange, expected)
        return judged

    def report(self, operation: str, problem: Problem, *evidence: Exchange) -> bool:
        """Add a problem to the findings; False if it is outside the run's scope or does not count."""
        known = self.contract.by_id.get(operation)
        if known is not None and self.only is not None and not in_section(known, self.only):
            return False
        if reason := self._asterisk_is_unavailable(operation, problem, evidence):
            self.gaps.unavailable.add(reason)
            return False
        identity = Identity(operation, problem.check, problem.field, problem.kind)
        finding = Finding(identity, problem.message, evidence, request=self.requests)
        if self.attribution.is_expected(finding):
            return False
        if self.attribution.lacks_rows(finding):
            self.gaps.unavailable.add(f"{operation}: the target lacks a row that no list shows")
            return False
        if not self.findings.of(identity):
            self.confirm()
        finding.deviations = self.attribution.explain(finding)
        if is_of_variable(identity) and not self.findings.is_explained_by(identity, finding.deviations):
            witnesses = self.witnesses.speaking_of(operation, problem.field)
            finding.deviations = self.attribution.standing(finding, witnesses, self.witnesses.contradicts)
            if finding.deviations and problem.check in OF_RULES:
                finding.deviations = self.attribution.agreeing(finding, messages=True)
        elif finding.deviations and problem.check == "schema":
            finding.deviations = self.attribution.agreeing(finding)
        elif finding.deviations and problem.check in OF_WHOLE_ANSWER:
            named = self.findings.named.union(finding.deviations)
            finding.deviations += self.attribution.separating(evidence[-1], named)
        self._enter(finding)
        return True

    def _separate(self, operation: Operation, exchange: Exchange) -> None:
        """Record a response that only another version gives, although the document may allow it."""
        seen = {name for finding in self._separating for name in finding.deviations}
        names = self.attribution.separating(exchange, self.findings.named | seen)
        if names and (self.only is None or in_section(operation, self.only)):
            identity = Identity(operation.id, "behaviour", "", "another version")
            text = f"returned {exchange.response.status}, as another version does"
            self._separating.append(Finding(identity, text, (exchange,), deviations=names, request=self.requests))

    def conclude(self) -> None:
        """Turn recorded differences between versions into findings, unless other findings name their deviations."""
        for finding in self._separating:
            unnamed = tuple(name for name in finding.deviations if name not in self.findings.named)
            if unnamed:
                self._enter(replace(finding, deviations=unnamed))
        self._separating.clear()

    def _enter(self, finding: Finding) -> None:
        kept = self.findings.add(finding)
        if kept.evidence is finding.evidence:
            rejected = finding.identity.check in OF_RULES and not finding.evidence[-1].response.ok
            self.findings.keep(kept, self.history.leading_to(finding.evidence, rejected=rejected))

    def _bear_witness(self, operation: Operation, judged: Judged) -> None:
        """Check whether a response refutes the deviations of earlier findings about its variables."""
        wrong = {problem.field for problem in judged.problems}
        self.witnesses.observe(operation, judged, wrong)
        for finding in self.findings.known_of(operation.id, FINDING_TYPES):
            if is_of_variable(finding.identity) and finding.identity.field not in wrong:
                self._reattribute(finding, self.attribution.standing(finding, [judged], self.witnesses.contradicts))

    def _bear_witness_of_status(self, operation: Operation, exchange: Exchange, checks: Collection[str]) -> None:
        """Check whether a response refutes deviations by its status, or by Allow: the operation may not exist there."""
        for finding in self.findings.known_of(operation.id, checks):
            self._reattribute(finding, self.attribution.answered(finding, operation, exchange))

    def _reattribute(self, finding: Finding, left: tuple[str, ...]) -> None:
        if left != finding.deviations:
            self.findings.attribute(finding, left)

    def expect(self, known: tuple[Deviation, ...]) -> None:
        """Set the deviations that the target is known to have, and explain the findings so far by them."""
        self.lists = replace(self.lists, known=known)
        self.attribution.known = known
        for finding in list(self.findings):
            self.findings.attribute(finding, self.attribution.explain(finding))

    def is_new(self, finding: Finding) -> bool:
        """Whether the run fails because of a finding."""
        return not self.lists.tolerates(finding)

    def is_first_crash(self, operation: Operation, status: int) -> bool:
        """Whether a crash was just found for the first time and nothing explains it."""
        findings = self.findings.of(Identity(operation.id, "status", "", str(status)))
        return any(finding.count == 1 and self.is_new(finding) for finding in findings)

    def _verdict(self, operation: Operation, exchange: Exchange) -> Verdict | None:
        if not operation.rules or exchange.response.status in (404, 405):
            return None  # without rules, or rejected before the rules apply
        return verdict(self.contract, operation, exchange.request, self.live)

    def _is_of_hidden_row(self, operation: Operation, problem: Problem, exchange: Exchange) -> bool:
        """Whether an accepted value names a row that no list shows. A mock with the rows of the run accepts it."""
        return (problem.kind == "accepted" and problem.field in self.contract.asking(operation)
                and self.attribution.expected(exchange).ok)

    def _problems(self, operation: Operation, exchange: Exchange, expected: Verdict | None) -> Iterator[Problem]:
        """Yield the problems of an exchange. The form of a crash that the rules explain is not judged."""
        of_rules: list[Problem] = []
        if expected is not None:
            of_rules += (problem
                         for problem in verdict_problems(self.contract, operation, expected, exchange.response)
                         if not self._is_of_hidden_row(operation, problem, exchange))
            of_rules += self._rule_messages_beyond(operation, exchange, expected)
            yield from of_rules
            if expected.excuses(exchange.response):
                return
        of_form = (list(conformance_problems(self.contract, operation, exchange))
                   or list(text_problems(self.contract, operation, exchange)))
        yield from of_form
        if not of_form and self.attribution.is_unforeseen_crash(exchange):
            text = f"returned {exchange.response.status}, though nothing in the request is known to crash this version"
            yield Problem("status", "", str(exchange.response.status), text)
        elif not of_form and not of_rules and self.live.can_fetch:
            yield from self._unpredicted(operation, exchange)

    def _unpredicted(self, operation: Operation, exchange: Exchange) -> Iterator[Problem]:
        """Yield where checks beyond the rules, and columns that no request determines, are not as predicted.

        They depend on rows: if lists were never shown, only a response that has changed nothing can be predicted.
        """
        problems: list[Problem] = []
        if operation.checks:
            problems += check_problems(operation, exchange.response, self.attribution.expected(exchange))
        problems += self._of_columns(operation, exchange)
        if problems and not self.live.know_all():
            problems = [] if exchange.response.ok else list(check_problems(
                operation, exchange.response, self.attribution.predict(exchange.request).response))
        yield from problems

    def _of_columns(self, operation: Operation, exchange: Exchange) -> Iterator[Problem]:
        """Yield columns whose value or type is not the one that the judging version shows, except random values."""
        if exchange.response.ok and not self.attribution.is_foreseen(exchange):
            problems = list(column_problems(operation, exchange, self.attribution.expected(exchange)))
            random = self._random_columns(exchange, [problem.field for problem in problems])
            yield from (problem for problem in problems if problem.field not in random)

    def _of_rows(self, operation: Operation, exchange: Exchange, shown: Response) -> Iterator[BlamedProblem]:
        """Yield differences from the rows that the judging version shows, except random values."""
        if exchange.response.ok and self.live.can_fetch and (
                self.listings.may_differ(operation) or not self.attribution.is_foreseen(exchange)):
            problems = list(self.listings.problems(operation, exchange, shown, self.attribution.expected(exchange)))
            random = self._random_columns(exchange, [problem.field for _, problem, _ in problems])
            yield from (each for each in problems if each[1].field not in random)

    def _random_columns(self, exchange: Exchange, names: Collection[str]) -> set[str]:
        """Return the columns for which the judging version would show another value at another time."""
        if not any(names):
            return set()
        expected, other = self.attribution.expected(exchange), self.attribution.expected_at_another_time(exchange)
        return {name for name in filter(None, names) if columns(other.json, name) != columns(expected.json, name)}

    def _rule_messages_beyond(self, operation: Operation, exchange: Exchange, expected: Verdict) -> Iterator[Problem]:
        """Yield messages of rules, for fields that a check may name, that neither the rules nor the checks give."""
        rejected = exchange.response.rejected
        for name in operation.rules.keys() & rejected.keys() & self.contract.may_name(operation):
            known = {*expected.errors.get(name, ()), *rule_messages(operation, name)}
            others = [message for message in map(str, rejected[name]) if message not in known
                      and is_rule_message(name, message)]
            if others and expected.crash is None:
                predicted = self.attribution.expected(exchange).rejected.get(name, ())
                if not all(message in predicted for message in others):
                    yield Problem("messages", name, "wording", f"{name}: no rule and no check returns {others}")

    def _blamed(self, operation: Operation, problem: Problem, expected: Verdict | None) -> Problem:
        """Blame a crash on a variable that is known to cause it, or on the only variable that can.

        A required variable is a suspect only if its rules reject the value, or that it is absent.
        """
        if problem.check != "status" or int(problem.kind) < 500 or expected is None:
            return problem
        bare = Identity(operation.id, *problem[:3])
        required = self.contract.required(operation)
        sent = {**expected.sent, **expected.errors}
        suspects = [name for name in sent if name not in required or name in expected.errors]
        guilty = [name for name in suspects if self.findings.of(bare._replace(field=name))]
        if not suspects:
            self.crashing.add(bare)
        elif not guilty and len(suspects) == 1 and bare not in self.crashing:
            self.findings.forget(bare)  # found before with several variables at once
            guilty = suspects
        return problem._replace(field=guilty[0]) if guilty else problem

    def _asterisk_is_unavailable(self, operation: str, problem: Problem, evidence: Sequence[Exchange]) -> str:
        """Return why Asterisk did not serve a request; empty if that is not the problem."""
        if not self._is_of_rejection(operation, problem, evidence) and self._pbx_is_down(evidence):
            return "the PBX is stopped"
        if self._asterisk_was_late(evidence):
            return "Asterisk did not respond in time to some requests, which crashed"
        return ""

    def _is_of_rejection(self, operation: str, problem: Problem, evidence: Sequence[Exchange]) -> bool:
        """Whether the problem is how, or when, the target reports that its PBX is stopped."""
        known = self.contract.by_id.get(operation)
        documented = known is not None and str(PBX_DOWN) in known.spec["responses"]
        return problem.check == "run-state" or (documented and problem.check in OF_FORM and len(evidence) == 1)

    def _pbx_is_down(self, evidence: Iterable[Exchange]) -> bool:
        """Whether a 503 in the evidence is justified: the box reports that its PBX is stopped."""
        return any(exchange.response.status == PBX_DOWN for exchange in evidence) and self._is_stopped()

    def _is_stopped(self) -> bool:
        self._asked_run_state = True
        state = self.contract.by_id.get(RUN_STATE)
        if state is None:
            return False
        with suppress(Unanswered):
            return bool(self.client.get(state.path).json == {"pbxrunstate": False})
        return False

    def _asterisk_was_late(self, evidence: Sequence[Exchange]) -> bool:
        """Whether the last response is the crash of a request that Asterisk did not answer in time, as it does now."""
        fields = evidence[-1].response.fields if evidence else {}
        if not (str(fields.get("file")).endswith("/Ami.php") and LATE.search(str(fields.get("message")))):
            return False
        with suppress(Unanswered):
            return self.client.get("/astamis/CoreStatus").ok
        return False


def is_of_variable(identity: Identity) -> bool:
    """Whether other responses about the same variable can refute the deviations of a finding."""
    return identity.check in OF_RULES or identity.kind == UNSHOWN
