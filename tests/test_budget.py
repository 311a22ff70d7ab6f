"""What requests tell: the plan is what is sent, a budget is kept, and a small one finds most."""

import json
from collections import Counter
from math import inf

import pytest
from sarkmock_contracts.checks import CHECKS
from sarkmock_contracts.checks.boundary_sweep import NEIGHBOURS, SWEEP_PARTS, Sweep
from sarkmock_contracts.client.http import Request
from sarkmock_contracts.client.interrupts import WRITE_RESERVE, Budget, Speed, duration_text, parse_seconds
from sarkmock_contracts.errors import CannotRun, NewFindings, Spent
from sarkmock_contracts.judge.findings import Identity
from sarkmock_contracts.judge.oracle import rule_messages
from sarkmock_contracts.plugin.plan import plan_lines, plan_of
from sarkmock_contracts.run import Run, embedded_transport, open_run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.safety import Caution
from sarkmock_contracts.safety.gate import Permissions
from sarkmock_contracts.spec.contract import Contract, contract_of

from sarkmock.suite_api import deviations_of, load
from tests.contract_runs import Listener
from tests.guarded import ended
from tests.mutants.generated import Mutated, Mutation
from tests.test_pace import Box, tenants

READS, RULES, BOUNDARIES, DEVIATIONS = 60, 300, 1200, 1500
# What the whole suite does not show either: IVRs that the product does not let anybody create, parts of a restore.
HIDDEN = {"backup-greetings-not-restored", "backup-restore-name-in-body", "ivr-timeout-crashes",
          "ivr-timeoutrouteclass-crashes", "ivr-update-pkey", "ivr-options-unchecked", "ivr-z-updater"}



CHEAP = ("reads", "rules", "undocumented-paths", "undocumented-fields", "unknown-rows", "scenarios", "boundary-sweep",
         "links", "smoke", "options", "unknown-paths", "framework", "foreign-values", "array-for-text",
         "disruptive", "rows", "run-state")
TO_THE_SWEEP = [check.name for check in CHECKS][:[check.name for check in CHECKS].index("boundary-sweep") + 1]


def cases(suite, *names):
    """The cases of some checks: those up to OPTIONS, which make and remove little."""
    return [case for check in CHECKS if check.name in (names or CHEAP) for case in check.cases(suite)]


def run(suite, chosen):
    for case in chosen:
        try:
            with suite.watch():
                case.run(suite)
        except (NewFindings, Spent):
            continue


def finished(suite):
    """The requests of a run, with those that remove what it made."""
    with suite.budget.removing():
        suite.fixtures.sweep(keep_fixtures=False)
    return suite.target.requests


@pytest.fixture
def product():
    """The published product, judged by the documentation."""
    return open_run(RunOptions(target_profile="shipped"))


def test_everything_readable_is_judged_within_60(product):
    run(product, cases(product, "reads"))
    assert finished(product) <= READS
    readable = [one for one in product.chosen() if one.hazard == "read" and not one.parameters]
    assert all(any(name == one.id for name, _ in product.coverage.statuses) for one in readable)
    lists = {one.table.name for one in readable if one.table and product.live.rows(one.table.name)}
    shows = [one for one in product.chosen() if one.id.endswith(".show") and one.table and one.table.name in lists]
    assert {"tenants.show", "templates.show"} <= {one.id for one in shows}
    assert all(product.coverage.answered(one) for one in shows if one.id in ("tenants.show", "templates.show"))


def test_every_rule_accepts_once_and_rejects_once_within_300():
    seen, contract = set(), contract_of("documented")
    suite = open_run(RunOptions(), watcher=Listener(lambda exchange: seen.update(messages(contract, exchange))))
    run(suite, cases(suite, "reads", "rules"))
    assert finished(suite) <= RULES
    rules = set(suite.coverage.rules(suite.chosen()))
    assert rules - suite.coverage.accepted == set()
    assert rules - suite.coverage.rejected == set()
    wanted = {(operation.id, name, message) for operation in suite.chosen() for name in operation.rules
              for message in rule_messages(operation, name)}
    assert wanted - seen == set()
    assert not list(suite.findings)


def messages(contract, exchange):
    operation, answer = contract.operation_of(exchange.request), exchange.response.json
    if operation is not None and exchange.response.status == 422 and isinstance(answer, dict):
        yield from ((operation.id, name, message) for name, found in answer.items() for message in found)


@pytest.mark.slow
def test_all_boundaries_within_1200():
    sent = {}
    listener = Listener(lambda exchange: note(contract_of("documented"), sent, exchange))
    product = open_run(RunOptions(target_profile="shipped"), watcher=listener)
    run(product, cases(product, *TO_THE_SWEEP))
    assert finished(product) <= BOUNDARIES
    missing = [(name, value) for name, values in boundaries(product).items() for value in values
               if repr(value) not in sent.get(name, ())]
    assert missing == []


@pytest.mark.slow
def test_a_run_cut_short_finds_nothing_that_is_not_listed(product):
    """However few requests: what crashes in a packed request is told by the one value that brings it about."""
    for case in cases(product, *CHEAP[:8]):
        run(product, [case])
        assert product.outcome().failures == [], str(case)


@pytest.mark.slow
@pytest.mark.parametrize("section", [None, *Contract(load()).sections])
def test_nothing_is_new_and_nothing_is_fixed_on_the_product(section):
    suite = open_run(RunOptions(target_profile="shipped", only=section))
    run(suite, cases(suite))
    assert [judged.id for judged in suite.outcome().failures] == []
    assert [listed.deviation.id for listed in suite.outcome().deviations("fixed")] == []


def test_a_section_is_judged_alone():
    """What the run needs of other sections is asked, and not judged."""
    suite = open_run(RunOptions(target_profile="shipped", only="Queues"))
    run(suite, cases(suite))
    assert any(not name.startswith("queues.") for name, _ in suite.coverage.statuses)
    assert {finding.identity.operation.partition(".")[0] for finding in suite.findings} - {""} == {"queues"}


def speaking(suite):
    """The operations that the product has, and that do not crash whatever is sent."""
    given = {operation.id: {status for name, status in suite.coverage.statuses if name == operation.id}
             for operation in suite.chosen()}
    return [operation for operation in suite.chosen() if not given[operation.id] <= {404, 405, 500}]


def boundaries(suite):
    """By table and field with its rules: every value of the hand-written tables that can be sent as it is, but for
    fields of which the product dies whatever is sent."""
    found = {}
    for operation in speaking(suite):
        for name, rules in operation.rules.items():
            if suite.findings.of(Identity(operation.id, "status", name, "500")):
                continue
            bounds = suite.fixtures.bounds(operation, name)
            rejected = bounds.reject[:NEIGHBOURS] if bounds.foreign else bounds.reject
            values = [value for value in [*bounds.accept, *rejected] if isinstance(value, (str, int, float))]
            found.setdefault(place(operation, name, rules), values)
    return found


def place(operation, name, rules):
    return (operation.table.name if operation.table else operation.id, name, str(rules))


def note(contract, sent, exchange):
    operation = contract.operation_of(exchange.request)
    if operation is not None and operation.rules and exchange.request.content_type == "application/json":
        for name, value in json.loads(exchange.request.body).items():
            if name in operation.rules:
                sent.setdefault(place(operation, name, operation.rules[name]), set()).add(repr(value))


@pytest.mark.slow
def test_all_deviations_that_show_within_1500():
    suite = open_run(RunOptions(target_profile="shipped", budget=DEVIATIONS))
    run(suite, cases(suite))
    assert finished(suite) <= DEVIATIONS
    seen = {name for finding in suite.outcome().findings for name in finding.deviations}
    assert {deviation.id for deviation in deviations_of("shipped") if not deviation.unseen} - seen <= HIDDEN


@pytest.mark.slow
def test_half_of_the_deviations_within_300(product):
    run(product, cases(product, "reads", "rules", "undocumented-paths", "undocumented-fields"))
    assert finished(product) <= 300
    assert len({name for finding in product.findings for name in finding.deviations}) >= 34


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_the_plan_is_what_is_sent(profile):
    suite = open_run(RunOptions(target_profile=profile))
    plan = plan_of(suite, cases(suite))
    run(suite, cases(suite))
    assert finished(suite) == pytest.approx(plan.requests, rel=0.1)


@pytest.mark.slow
def test_the_plan_for_a_box_behind_a_limit_holds(tmp_path):
    """A run at 60 a minute: no rejection, no finding, and the time that was told."""
    box = Box(throttle=60)
    caution = Caution(Permissions(frozenset({"read", "write", "operational"})), ledger=str(tmp_path / "ledger"))
    suite = Run(Contract(load("documented")), box, RunOptions(url=box.url, caution=caution), clock=box.time.clock)
    with suite.budget.removing():
        suite.get("/tenants")
    chosen = cases(suite, "reads", "rules", "scenarios")
    plan = plan_of(suite, chosen)
    began = box.time.passed
    told_time = suite.speed.seconds(plan.requests)
    with suite.budget.removing():
        suite.safety.begin()
    run(suite, chosen)
    assert ended(suite) == []
    assert suite.target.requests == pytest.approx(plan.requests, rel=0.15)
    assert suite.rate_limit.rejections <= 2
    assert not list(suite.findings)
    assert box.time.passed - began == pytest.approx(told_time, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("requests", [40, 100, 250, 600])
def test_a_budget_is_kept_and_everything_removed(requests):
    box = Box()
    before = tenants(box)
    suite = box.suite(RunOptions(budget=requests))
    run(suite, cases(suite))
    assert requests * 0.9 <= finished(suite) <= requests
    assert tenants(box) == before
    assert suite.gaps.unanswered


def test_a_plan_leaves_out_what_does_not_fit():
    suite = open_run(RunOptions(budget=100))
    plan = plan_of(suite, cases(suite), 100)
    assert plan.requests <= 100
    assert len(plan.costs) + len(plan.beyond) == len(cases(suite))
    lines = list(plan_lines(plan, Speed(60), settled=False))
    assert any("beyond the budget" in line for line in lines)
    assert "60 requests a minute, unless the target reports another limit" in lines[-1]


def test_a_budget_allows_removing_always():
    suite = open_run(RunOptions(budget=1))  # has looked at the target already
    with pytest.raises(Spent):
        suite.get("/tenants")
    with suite.budget.removing():
        assert suite.get("/tenants").status == 200
    with pytest.raises(Spent):
        suite.get("/tenants")


@pytest.mark.parametrize("path", [operation.path for operation in Contract(load()).operations
                                  if operation.method == "GET" and operation.hazard != "read"])
def test_a_get_that_creates_something_leaves_budget_for_its_removal(path):
    suite = open_run(RunOptions(budget=WRITE_RESERVE))  # has looked at the target already
    with pytest.raises(Spent):
        suite.get(path)
    assert suite.get("/tenants").status == 200


def test_a_time_is_kept():
    box = Box()
    suite = box.suite()
    budget = Budget(suite.target.transport, None, 60, lambda: 0, lambda: 0, lambda: box.time.passed)
    budget.send(Request("GET", "/tenants"))
    assert budget.left == inf
    box.time.pass_by(60)
    with pytest.raises(Spent):
        budget.send(Request("GET", "/tenants"))


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), ("30", 30), (None, None)])
def test_a_time_is_a_number_and_a_unit(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5 m", "-1m", "0", "0m", "1d", "soon"])
def test_any_other_time_is_a_mistake(text):
    with pytest.raises(CannotRun, match="--max-time"):
        parse_seconds(text)


def test_how_long_requests_take():
    assert Speed(60, latency=0).seconds(60) == 0
    assert Speed(60, latency=0).seconds(61) == 61
    assert Speed(60, latency=0).seconds(1500) == 24 * 61
    assert Speed(None, each=2, latency=0).seconds(10) == 18
    assert Speed(None, latency=0.5).seconds(10) == 5
    assert Speed(60).requests(120) == 120
    assert Speed(None, each=2).requests(10) == 6
    assert [duration_text(seconds) for seconds in (5, 65, 7260)] == ["5 s", "1:05 min", "2:01 h"]


@pytest.mark.slow
def test_a_run_that_left_cases_out_says_of_nothing_that_it_is_fixed():
    """The box is as documented, although the published product was expected."""
    suite = Run(contract_of("documented"), embedded_transport("documented"), RunOptions(target_profile="shipped"))
    run(suite, cases(suite, "reads", "rules"))
    assert suite.outcome().deviations("fixed")
    suite.gaps.untested.append("boundary-sweep:agents.create")
    assert not suite.outcome().deviations("fixed")


@pytest.mark.parametrize("budget", [150, 300, 600])
def test_a_budget_leaves_all_sections_judged_about_equally_deep(budget):
    """Of no section is a larger share of the packets sent than of another, but for the packet that its turn brings."""
    suite = open_run(RunOptions(budget=budget))
    chosen = cases(suite, "reads", "rules", "boundary-sweep")
    done = Counter()
    for case in chosen:
        before = suite.target.requests
        run(suite, [case])
        if suite.target.requests > before and suite.budget.left >= WRITE_RESERVE and case.check.parts > 1:
            done[case.operation.id, case.check.name] = case.part + 1
    with suite.budget.removing():
        reached = [done[operation.id, "boundary-sweep"] for operation in suite.chosen()
                   if operation.rules and suite.shared(Sweep, operation).turns >= SWEEP_PARTS]
    assert max(reached) - min(reached) <= 1
    assert max(reached) >= (budget == 600)


def test_a_value_that_a_list_has_lost_is_found_within_1200():
    """Every listed value is accepted once, also among many others."""
    mutation = Mutation("value lost", "Page", frozenset({"ringgroups.create", "ringgroups.update"}), "grouptype",
                        without_page)
    options = RunOptions(profile="shipped", target_profile="a box", budget=BOUNDARIES)
    suite = Run(Contract(load("shipped")), Mutated("shipped", mutation), options)
    run(suite, cases(suite))
    assert {finding.identity.field for finding in suite.findings} == {"grouptype"}


def without_page(document):
    for name in ("RingGroupCreate", "RingGroupUpdate"):
        variable = document["components"]["schemas"][name]["properties"]["grouptype"]
        rules = variable["x-rules"]
        variable["x-rules"] = rules.replace(",Page", "").replace("Page,", "")
        assert variable["x-rules"] != rules


def test_a_wait_that_outlasts_the_time_is_not_begun():
    box = Box()
    suite = box.suite()
    waits = [30.0]
    budget = Budget(suite.target.transport, None, 60, lambda: 0, lambda: 0, lambda: box.time.passed, lambda: waits[0])
    budget.send(Request("GET", "/tenants"))
    waits[0] = 61.0
    with pytest.raises(Spent):
        budget.send(Request("GET", "/tenants"))
    with budget.removing():
        budget.send(Request("DELETE", "/tenants/mine"))
