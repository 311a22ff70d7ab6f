"""Attribution: find the known deviations whose document predicts exactly this response.

A deviation changes places of the document and a finding concerns places of it, which gives the candidates. Prediction
decides: a mock of the base document with that deviation, or of the profile if several act together, answers the same
request in the same state.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property, partial

from sarkmock.suite_api import (
    BASE,
    Deviation,
    Operation,
    load,
    load_with_deviation,
    product,
)

from ..client.http import Exchange, Request, Response
from ..spec.contract import Contract
from .agreement import (
    OF_COLUMN,
    OF_ROWS,
    OF_RULES,
    agrees,
    agrees_throughout,
    differing_parts,
    is_crash,
    is_same,
    judged,
    offers,
    same_of_field,
    same_row,
)
from .effects import UNKNOWN_PATH, Effects
from .findings import Finding, Identity, places
from .models import Model, Models
from .oracle import Problem
from .replica import Replica

MOST_WAITING, WAITING_BYTES = 2_000, 64 << 20  # exchanges queued until a prediction is needed
WITHOUT_EFFECT = {401, 403, 404, 405, 422}  # the request was rejected before it could change anything
NEEDING = OF_RULES | {"answer", "link"}  # checks of findings that no deviation explains if the document predicts them
OF_LACKING = {"rules", "messages", "crash", "answer", "status"}  # checks that show that a row is missing


class Attribution:
    """Compares responses with the predictions of known deviations."""

    def __init__(self, contract: Contract, version: Callable[[], str], profile: str = BASE,
                 unlike: set[str] | None = None, max_bytes: int = WAITING_BYTES) -> None:
        self._max_bytes = max_bytes
        self.contract, self.profile = contract, profile
        self.unlike = set() if unlike is None else unlike  # places where the responses differ from those of the version
        self._known: Sequence[Deviation] = ()
        self._explained: Counter[str] = Counter()
        self._version = version  # the profile that the target appears to have, once recognised
        self._waiting: deque[Exchange] = deque()
        self._bytes = 0  # of the exchanges that are waiting
        self._named: dict[Identity, tuple[str, ...]] = {}
        self._effects = Effects(contract, ())

    @cached_property
    def replica(self) -> Replica:
        return Replica(load(self._version()))

    @cached_property
    def _models(self) -> Models:
        return Models(self.replica.leader, self._version(), self.profile, self.contract.document)

    def observe(self, exchange: Exchange) -> None:
        """Record an exchange of the run. Call this for every exchange, in order."""
        self._waiting.append(exchange)
        self._bytes += exchange.weight
        while not self.known and self.profile == BASE and self._is_full:
            self._bytes -= self._waiting.popleft().weight  # unlikely to be needed
        if self._is_full or self.is_other_version:
            self._follow()

    def shown(self, exchange: Exchange) -> Response:
        """Return the response of the last exchange; if it is a list, with the keys that its rows really have."""
        if not isinstance(exchange.response.json, list):
            return exchange.response
        self._follow()
        return self.replica.shown

    @property
    def _is_full(self) -> bool:
        return len(self._waiting) > MOST_WAITING or self._bytes > self._max_bytes

    @property
    def is_other_version(self) -> bool:
        """Whether the target is known to be another version than the judging document's."""
        return bool(self._known) and self._version() != self.profile

    def settable(self, table: str) -> frozenset[str]:
        """Return the columns of a table that requests can set in the target's version."""
        return self.replica.leader.contract.settable(table)

    @property
    def may_crash(self) -> bool:
        """Whether the target's version is a published one, in which requests of a check may crash."""
        return self.is_other_version or self.profile != BASE

    def expected(self, *exchanges: Exchange) -> Response:
        """Return the response of a mock of the judging document to a request of the run, in the state of that moment.

        For several exchanges: the response to the last one, if all of them had been sent to the mock.
        """
        self._follow()
        return self.replica.answers(self._models.profile(self.profile), exchanges)[-1]

    def is_foreseen(self, exchange: Exchange) -> bool:
        """Whether the target's version responds like this."""
        return is_same(exchange.response, self._answer(self.replica.leader, exchange))

    def succeeds(self, exchange: Exchange) -> bool:
        """Whether the target's version responds with success, so that the rows after it are known."""
        return self._answer(self.replica.leader, exchange).ok

    def expected_at_another_time(self, exchange: Exchange) -> Response:
        """Return the response of a mock of the judging document a day later and with other random values."""
        self._follow()
        return self.replica.answer_at_another_time(self._models.profile(self.profile), exchange)

    def _answer(self, model: Model, exchange: Exchange) -> Response:
        self._follow()
        return self.replica.answer(model, exchange)

    def is_unforeseen_crash(self, exchange: Exchange) -> bool:
        """Whether the target crashes where the judging version does not. Its document allows any operation to crash."""
        return self.profile != BASE and is_crash(exchange.response) and not is_crash(self.expected(exchange))

    def separating(self, exchange: Exchange, named: Collection[str]) -> tuple[str, ...]:
        """Return the deviations, other than the named ones, that a response of the version depends on; else none."""
        if not self.is_other_version:
            return ()
        affecting = self._effects.of_request(exchange.request, self.replica.leader.contract)
        candidates = [deviation for deviation in affecting if deviation.id not in named]
        if not candidates or not is_same(exchange.response, self._answer(self._models.profile(self._whole), exchange)):
            return ()
        without = {each.id: differing_parts(exchange.response, self._answer(
            self._models.toggled(self._whole, each.id), exchange)) for each in candidates}
        foreign = differing_parts(exchange.response, self.expected(exchange)) if any(without.values()) else set()
        return tuple(name for name, parts in without.items() if foreign & parts)

    def predict(self, request: Request) -> Exchange:
        """Return the exchange that the target's version is expected to have for a request now. Sends nothing."""
        self._follow()
        return Exchange(request, self.replica.predict(request))

    def _follow(self) -> None:
        for exchange in self._waiting:
            if not self._known and exchange.response.status in WITHOUT_EFFECT:
                self.replica.pass_over(exchange)
            elif not self.replica.observe(exchange):
                self.unlike.add(self._place_of(exchange.request))
                if exchange.request.method != "GET" or not exchange.response.ok:  # data shows nothing of the framework
                    self.unlike.add(UNKNOWN_PATH)
        self._waiting.clear()
        self._bytes = 0

    def _place_of(self, request: Request) -> str:
        """Return the place of the request's operation in the judging document, or else by the version's document."""
        operation = self.contract.operation_of(request) or self.replica.leader.operation(request)
        return self.contract.place(operation) if operation is not None else UNKNOWN_PATH

    def is_expected(self, finding: Finding) -> bool:
        """Whether the judging published version responds like this: its mock knows more than its document."""
        if self.profile == BASE or not finding.evidence:
            return False
        self._follow()
        model = self._models.profile(self.profile)
        return self._answers(model, finding) and self._leads_up(model, finding)

    def _leads_up(self, model: Model, finding: Finding) -> bool:
        """Whether a mock gives the same statuses before the last response."""
        return all(exchange.response.status == self.replica.answer(model, exchange).status
                   for exchange in finding.evidence[:-1] if self.replica.remembers(exchange))

    def lacks_rows(self, finding: Finding) -> bool:
        """Whether missing rows of tables that no list shows (carriers, phone vendors) explain the finding."""
        if finding.identity.check not in OF_LACKING or not finding.evidence:
            return False
        self._follow()
        models = [self._models.profile(name) for name in dict.fromkeys((self._version(), self.profile))]
        return not any(self._predicts(model, finding) for model in models) and any(
            self._predicts(model, finding, model.contract.hidden_tables) for model in models)

    def explain(self, finding: Finding) -> tuple[str, ...]:
        """Return the deviations that predict the response; empty if no known document predicts it."""
        if not self.known or not finding.evidence:
            return ()
        self._follow()
        judging = self._models.profile(self.profile)
        if finding.identity.check in NEEDING and self._predicts(judging, finding) and self._leads_up(judging, finding):
            return ()  # the response needs no deviation
        if finding.identity in self._named and self._version() != BASE and self._predicts(self.replica.leader, finding):
            return self._named[finding.identity]  # the usual case: one prediction is enough
        concerned = set(places(self.contract, finding))
        near = [deviation for deviation in self.known if deviation.touches(concerned)]
        single = [deviation.id for deviation in near if self._is(deviation, finding)]
        if not single and self._predicts(self._models.profile(self._whole), finding):  # several, or an indirect one
            single = (self._needed([*near, *self._effects.everywhere], finding) or self._from_afar(finding)
                      or self._needed(self._effects.of_evidence(finding.evidence), finding)
                      or [each.id for each in near] or [self._whole])
        if single:
            self._named[finding.identity] = tuple(single)
        return tuple(single)

    def standing(self, finding: Finding, witnesses: Iterable[Exchange],
                 contradicts: Callable[[Contract, Exchange, str], bool]) -> tuple[str, ...]:
        """Return the deviations of a finding that no other response refutes. A target has a deviation or does not."""
        left, field = finding.deviations, finding.identity.field

        def refutes(exchange: Exchange, model: Model) -> bool:
            return contradicts(model.contract, exchange, field) or self._speaks_against(model, exchange, field)

        for exchange in witnesses if left else ():
            left = self._unrefuted(finding, left, partial(refutes, exchange))
        return left

    def agreeing(self, finding: Finding, messages: bool = False) -> tuple[str, ...]:
        """Return the deviations of a finding that the other columns of its response do not refute.

        If ``messages`` is true, a deviation is refuted by the error messages of two or more other variables instead.
        """
        exchange, most = finding.evidence[-1], 1 if messages else 0

        def refutes(model: Model) -> bool:
            expected = self.replica.answer(model, exchange)
            shown = {name for it in (exchange.response, expected) for name in (it.rejected if messages else it.fields)}
            crashes = self.replica.remembers(exchange) and judged(exchange.response) and is_crash(expected)
            return crashes or all(sum(self._speaks_against(model, exchange, name, gone) for name in shown) > most
                                  for gone in self.contract.lacking_tables(exchange.request))

        return self._unrefuted(finding, finding.deviations, refutes)

    def elsewhere(self, request: Request) -> Iterable[Operation]:
        """Return the operations that only the version's document has for a request."""
        return self._models.profile(self._whole).operations_beyond(self.contract, request) if self._named else ()

    def answered(self, finding: Finding, operation: Operation, exchange: Exchange) -> tuple[str, ...]:
        """Return the deviations of a finding that a response does not refute by its status, or by Allow for OPTIONS."""
        def refutes(model: Model) -> bool:
            shown, ours, theirs = (offers(operation.method, exchange.request, response) for response in (
                exchange.response, self.expected(exchange), self.replica.answer(model, exchange)))
            return shown == ours != theirs

        self._follow()
        left = finding.deviations
        return self._unrefuted(finding, left, refutes) if self.replica.remembers(exchange) else left

    def _unrefuted(self, finding: Finding, names: tuple[str, ...], refutes: Callable[[Model], bool]) -> tuple[str, ...]:
        """Return the deviations that are not refuted; all of them if the profile with all of them is not refuted.

        Without the refuted ones the profile, or else each of the others by itself, must still predict the response.
        """
        if not refutes(self._models.profile(self._whole)):
            return names
        left = tuple(name for name in names if not refutes(self._model(name)))
        gone = [name for name in names if name not in left]
        if not gone or not left or self._predicts(self._models.toggled(self._whole, *gone), finding):
            return left
        return tuple(name for name in left if self._predicts(self._model(name), finding))

    def _speaks_against(self, model: Model, exchange: Exchange, field: str, lacking: Collection[str] = ()) -> bool:
        """Whether a response agrees with the judging document's mock on a variable and disagrees with the model's."""
        self._follow()
        return self.replica.remembers(exchange) and (
            not same_of_field(exchange.response, self.replica.answer(model, exchange, lacking), field)
            and same_of_field(exchange.response, self.expected(exchange), field))

    @property
    def _whole(self) -> str:
        """The name of the profile that has all the deviations."""
        return product() if self._version() == BASE == self.profile else self._version()

    @property
    def known(self) -> Sequence[Deviation]:
        """The deviations that can explain a finding."""
        return self._known

    @known.setter
    def known(self, known: Sequence[Deviation]) -> None:
        self._known = known
        self._named.clear()
        self._effects = Effects(self.contract, known)
        for name in ("_models", "replica"):  # they depend on the version assumed before
            self.__dict__.pop(name, None)

    def is_refuted(self, deviation: Deviation) -> bool:
        """Whether a deviation concerns places where the target did not respond as its version does."""
        return self._effects.touches(deviation, self.unlike)

    def _needed(self, candidates: Sequence[Deviation], finding: Finding) -> list[str]:
        """Return the ids of the deviations without which the profile predicts a different response."""
        return [deviation.id for deviation in dict.fromkeys(candidates)
                if not self._predicts(self._models.toggled(self._whole, deviation.id), finding)]

    def _from_afar(self, finding: Finding) -> list[str]:
        """Return a deviation of something that the operation refers to. Try those that explained others first."""
        operation = self.contract.by_id.get(finding.identity.operation)
        affecting = self._effects.everywhere if operation is None else self._effects.of_operation(operation)
        for deviation in sorted(affecting, key=lambda candidate: -self._explained[candidate.id]):
            if self._is(deviation, finding):
                self._explained[deviation.id] += 1
                return [deviation.id]
        return []

    def _is(self, deviation: Deviation, finding: Finding) -> bool:
        """Whether the document with a deviation predicts the response and the document without it does not."""
        if not self._predicts(self._models.having(deviation), finding):
            return False
        without = load_with_deviation(deviation.id)[0]
        is_judging = self.profile == BASE and without["info"] == self.contract.document["info"]
        return is_judging or not self._predicts(self._models.lacking(deviation), finding)

    def _model(self, name: str) -> Model:
        """Return the model of a deviation, or of a profile that explains a finding by itself."""
        deviation = next((candidate for candidate in self._known if candidate.id == name), None)
        return self._models.having(deviation) if deviation else self._models.profile(name)

    def _predicts(self, model: Model, finding: Finding, without: Collection[str] = ()) -> bool:
        """Whether the mock of a document gives this response and the document allows it."""
        problem = Problem(*finding.identity[1:], finding.message)
        return self._answers(model, finding, without) and model.allows(problem, finding.evidence[-1])

    def _answers(self, model: Model, finding: Finding, without: Collection[str] = ()) -> bool:
        """Whether a mock gives this response, in the aspects that the finding concerns."""
        problem = Problem(*finding.identity[1:], finding.message)
        *before, last = finding.evidence
        if before and problem.check in OF_ROWS:
            made, *_, expected = self.replica.answers(model, finding.evidence, alone=True)
            listing = self.contract.by_id[finding.identity.operation]
            return made.ok and same_row(listing, before[0], last.response, expected)
        if before and problem.check == "behaviour":
            return agrees(problem, last, self.replica.answers(model, finding.evidence)[-1])
        answered = [self.replica.answer(model, exchange, without if exchange is last else ())
                    for exchange in finding.evidence]
        shown = self.contract.operation_of(last.request)
        key = shown.table.key if shown is not None and shown.table is not None else ""
        return agrees_throughout(problem, finding.evidence, answered, key) or (
            bool(before) and problem.check in OF_COLUMN  # the row as this model would have written it
            and agrees_throughout(problem, finding.evidence,
                                  self.replica.answers(model, finding.evidence, alone=True), key))
