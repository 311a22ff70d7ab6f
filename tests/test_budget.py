"""What requests tell: the plan is what is sent, a budget is kept, and a small one finds most."""

import json
from math import inf

import pytest
from sarkmock_contracts.checks.boundary_sweep import check_edges
from sarkmock_contracts.checks.links import check_links
from sarkmock_contracts.checks.minimal_rules import check_rules
from sarkmock_contracts.checks.protocol import check_options
from sarkmock_contracts.checks.reads import check_read
from sarkmock_contracts.checks.scenarios import stories
from sarkmock_contracts.checks.smoke import check_answers
from sarkmock_contracts.checks.undocumented import check_strange_fields, check_strange_paths, check_unknown_names
from sarkmock_contracts.client.budget import Budget, Speed, Spent, seconds_of
from sarkmock_contracts.client.http import Request
from sarkmock_contracts.client.transports import CannotRun
from sarkmock_contracts.judge.oracle import rule_messages
from sarkmock_contracts.plugin.plan import Case, minutes, plan_lines, rehearse
from sarkmock_contracts.run import FoundSomething, Settings, open_suite
from sarkmock_contracts.spec.contract import Contract

from sarkmock import deviations, load
from tests.test_pace import Box, tenants

READS, RULES, BOUNDARIES, DEVIATIONS = 60, 300, 1200, 1500
HAZARDS = ("read", "write", "operational", "disruptive")
# What the whole suite does not show either: IVRs that the product does not let anybody create, parts of a restore.
HIDDEN = {"backup-greetings-not-restored", "backup-restore-name-in-body", "ivr-timeoutrouteclass-crashes",
          "ivr-update-pkey", "ivr-options-unchecked", "ivr-z-updater"}



def each(part, check, operations):
    """A case for every operation, as the tests of a part are."""
    ordered = sorted(operations, key=lambda one: (HAZARDS.index(one.hazard), bool(one.parameters and part == "reads")))

    def case(operation):
        def run(suite, _):
            with suite.watch():
                check(suite, operation)
        return Case(part, f"{part}::{operation.id}", run)
    return [case(operation) for operation in ordered]


def cases(suite):
    """The parts of a run up to OPTIONS, in their order."""
    every = suite.chosen()
    judged = [one for one in every if one.rules]
    read = [one for one in every if one.hazard == "read"]
    named = [one for one in read if one.parameters and one.method == "GET"]
    watched = [Case("stories", story.__name__, told(story)) for story in stories(suite)]
    return [*each("reads", check_read, read), *each("rules", check_rules, judged),
            Case("strangers", "paths", told(check_strange_paths)), *each("fields", check_strange_fields, judged),
            *each("names", check_unknown_names, named), *watched, *each("edges", check_edges, judged),
            *each("links", check_links, [one for one in every if suite.contract.links_from(one)]),
            *each("answers", check_answers, every),
            *each("options", check_options, [one for one in every if suite.first_of_path(one)])]


def told(story):
    def run(suite, _):
        with suite.watch():
            story(suite)
    return run


def run(suite, chosen):
    for case in chosen:
        try:
            case.run(suite, None)
        except (FoundSomething, Spent):
            continue


def parts(suite, *names):
    return [case for case in cases(suite) if case.part in names]


def finished(suite):
    """The requests of a run, with those that remove what it made."""
    with suite.budget.removing():
        suite.stock.sweep(keep_fixtures=False)
    return suite.target.requests


@pytest.fixture
def product():
    """The published product, judged by the page."""
    return open_suite(Settings(target_profile="shipped"))


def test_everything_readable_is_judged_within_60(product):
    run(product, parts(product, "reads"))
    assert finished(product) <= READS
    readable = [one for one in product.chosen() if one.hazard == "read" and not one.parameters]
    assert all(any(name == one.id for name, _ in product.tally.statuses) for one in readable)
    lists = {one.table.name for one in readable if one.table and product.live.rows(one.table.name)}
    shows = [one for one in product.chosen() if one.id.endswith(".show") and one.table and one.table.name in lists]
    assert {"tenants.show", "templates.show"} <= {one.id for one in shows}
    assert all(product.tally.answered(one) for one in shows if one.id in ("tenants.show", "templates.show"))


def test_every_rule_accepts_once_and_refuses_once_within_300():
    suite = open_suite(Settings())
    seen = set()
    suite.target.witnesses.append(lambda exchange: seen.update(messages(suite, exchange)))
    run(suite, parts(suite, "reads", "rules"))
    assert finished(suite) <= RULES
    rules = set(suite.tally.rules(suite.chosen()))
    assert rules - suite.tally.accepted == set()
    assert rules - suite.tally.refused == set()
    wanted = {(operation.id, name, message) for operation in suite.chosen() for name in operation.rules
              for message in rule_messages(operation, name)}
    assert wanted - seen == set()
    assert not list(suite.ledger)


def messages(suite, exchange):
    operation, answer = suite.operation_of(exchange.request), exchange.response.json
    if operation is not None and exchange.response.status == 422 and isinstance(answer, dict):
        yield from ((operation.id, name, message) for name, found in answer.items() for message in found)


def test_all_boundaries_within_1200(product):
    sent = {}
    product.target.witnesses.append(lambda exchange: note(product, sent, exchange))
    run(product, parts(product, "reads", "rules", "strangers", "fields", "names", "stories", "edges"))
    assert finished(product) <= BOUNDARIES
    missing = [(name, value) for name, values in boundaries(product).items() for value in values
               if repr(value) not in sent.get(name, ())]
    assert missing == []


def test_a_run_cut_short_finds_nothing_that_is_not_listed(product):
    """However few requests: what crashes in a packed request is told by the one value that brings it about."""
    for case in parts(product, "reads", "rules", "strangers", "fields", "names", "stories", "edges", "links"):
        run(product, [case])
        assert product.outcome().failures == [], case.name


@pytest.mark.parametrize("section", [None, *Contract(load()).sections])
def test_nothing_is_new_and_nothing_is_fixed_on_the_product(section):
    suite = open_suite(Settings(target_profile="shipped", only=section))
    run(suite, cases(suite))
    assert [judged.id for judged in suite.outcome().failures] == []
    assert [listed.deviation.id for listed in suite.outcome().deviations("fixed")] == []


def test_a_section_is_judged_alone():
    """What the run needs of other sections is asked, and not judged."""
    suite = open_suite(Settings(target_profile="shipped", only="Queues"))
    run(suite, cases(suite))
    assert suite.tally.statuses["trunks.list", 200] or suite.tally.statuses["globals.list", 404]
    assert {finding.identity.operation.partition(".")[0] for finding in suite.ledger} - {""} == {"queues"}


def speaking(suite):
    """The operations that the product has, and that do not crash whatever is sent."""
    given = {operation.id: {status for name, status in suite.tally.statuses if name == operation.id}
             for operation in suite.chosen()}
    return [operation for operation in suite.chosen() if not given[operation.id] <= {404, 405, 500}]


def boundaries(suite):
    """By table and field with its rules: every value of the hand-written tables that can be sent as it is."""
    found = {}
    for operation in speaking(suite):
        for name, rules in operation.rules.items():
            bounds = suite.stock.bounds(operation, name)
            values = [value for value in [*bounds.accept, *bounds.reject] if isinstance(value, (str, int, float))]
            found.setdefault(place(operation, name, rules), values)
    return found


def place(operation, name, rules):
    return (operation.table.name if operation.table else operation.id, name, str(rules))


def note(suite, sent, exchange):
    operation = suite.operation_of(exchange.request)
    if operation is not None and operation.rules and exchange.request.content_type == "application/json":
        for name, value in json.loads(exchange.request.body).items():
            if name in operation.rules:
                sent.setdefault(place(operation, name, operation.rules[name]), set()).add(repr(value))


def test_all_deviations_that_show_within_1500(product):
    run(product, cases(product))
    assert finished(product) <= DEVIATIONS
    seen = {name for finding in product.ledger for name in finding.deviations}
    assert {deviation.id for deviation in deviations("shipped")} - seen <= HIDDEN


def test_half_of_the_deviations_within_300(product):
    run(product, parts(product, "reads", "rules", "strangers", "fields"))
    assert finished(product) <= 300
    assert len({name for finding in product.ledger for name in finding.deviations}) >= 34


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_the_plan_is_what_is_sent(profile):
    suite = open_suite(Settings(target_profile=profile))
    plan = rehearse(suite, cases(suite))
    run(suite, cases(suite))
    assert finished(suite) == pytest.approx(plan.requests, rel=0.15)


def test_the_plan_for_a_box_behind_a_limit_holds():
    """A run at 60 a minute: no refusal, no finding, and the time that was told."""
    box = Box(throttle=60)
    suite = box.suite()
    chosen = parts(suite, "reads", "rules", "stories")
    plan = rehearse(suite, chosen)
    began = box.time.passed
    told_time = suite.speed.seconds(plan.requests)
    run(suite, chosen)
    assert finished(suite) == pytest.approx(plan.requests, rel=0.15)
    assert suite.paced.refusals <= 2
    assert not list(suite.ledger)
    assert box.time.passed - began == pytest.approx(told_time, rel=0.15)


@pytest.mark.parametrize("requests", [40, 100, 250, 600])
def test_a_budget_is_kept_and_everything_removed(requests):
    box = Box()
    before = tenants(box)
    suite = box.suite(Settings(budget=requests))
    run(suite, cases(suite))
    assert requests * 0.9 <= finished(suite) <= requests
    assert tenants(box) == before
    assert suite.unjudged


def test_a_plan_leaves_out_what_does_not_fit():
    suite = open_suite(Settings(budget=100))
    plan = rehearse(suite, cases(suite), 100)
    assert plan.requests <= 100
    assert len(plan.costs) + len(plan.beyond) == len(cases(suite))
    lines = list(plan_lines(plan, {}, Speed(60), settled=False))
    assert any("beyond the budget" in line for line in lines)
    assert "60 requests a minute, unless the target tells otherwise" in lines[-1]


def test_a_budget_allows_removing_always():
    suite = open_suite(Settings(budget=1))  # has looked at the target already
    with pytest.raises(Spent):
        suite.target.get("/tenants")
    with suite.budget.removing():
        assert suite.target.get("/tenants").status == 200
    with pytest.raises(Spent):
        suite.target.get("/tenants")


def test_a_time_is_kept():
    box = Box()
    suite = box.suite()
    budget = Budget(suite.target, None, 60, lambda: 0, lambda: box.time.passed)
    budget.guard(Request("GET", "/tenants"))
    assert budget.left == inf
    box.time.pass_by(60)
    with pytest.raises(Spent):
        budget.guard(Request("GET", "/tenants"))


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), ("30", 30), (None, None)])
def test_a_time_is_a_number_and_a_unit(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5 m", "-1m", "0", "0m", "1d", "soon"])
def test_any_other_time_is_a_mistake(text):
    with pytest.raises(CannotRun, match="--max-time"):
        seconds_of(text)


def test_how_long_requests_take():
    assert Speed(60, latency=0).seconds(60) == 0
    assert Speed(60, latency=0).seconds(61) == 61
    assert Speed(60, latency=0).seconds(1500) == 24 * 61
    assert Speed(None, each=2, latency=0).seconds(10) == 18
    assert Speed(None, latency=0.5).seconds(10) == 5
    assert Speed(60).requests(120) == 120
    assert Speed(None, each=2).requests(10) == 6
    assert [minutes(seconds) for seconds in (5, 65, 7260)] == ["5 s", "1:05 min", "2:01 h"]


def test_a_run_that_left_cases_out_says_of_nothing_that_it_is_fixed(product):
    run(product, parts(product, "reads", "rules"))
    assert product.outcome().deviations("fixed")
    product.untested.append("test_edges::test_edges[agents.create]")
    assert not product.outcome().deviations("fixed")
