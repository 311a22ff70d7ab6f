"""What is told of facts that differ: each kind of difference, its level, and what is nobody's change."""

from __future__ import annotations

import pytest
from sarkmock_contracts.baselines.catalogue import catalogue
from sarkmock_contracts.baselines.comparing import compare_baselines
from sarkmock_contracts.baselines.facts import Baseline, Fact, Facts
from sarkmock_contracts.baselines.severity import DIFFERENCE_KINDS, DIFFERENCE_LEVELS

ALL = ("read", "write", "operational")


def baseline(facts, milliseconds=None, **other):
    told = {"recorded": "2026-01-01T00:00:00Z", "seconds": 1, "requests": 1, "milliseconds": milliseconds or {}}
    settings = {"target": "https://pbx/api", "depth": "usual", "allowed": ALL, "only": None} | other
    return Baseline(settings["target"], settings["depth"], settings["allowed"], settings["only"], Facts(facts),
                    recorded=told, name=settings.get("name", "x.sark"))


def side(*facts):
    """Facts of GET /tenants, which is there."""
    return baseline([Fact("GET /tenants", "reach", "", "there"), *facts])


def pair(before, after):
    found = compare_baselines(side(*before), side(*after))
    return [(one.kind, one.of) for one in found.differences], found


def rows(**types):
    body = {"(body)": ["list"], "[]": ["object"], **{f"[].{name}": kinds for name, kinds in types.items()}}
    return [Fact("GET /tenants", "field", name, kinds, "tenants.create") for name, kinds in body.items()]


def rule(sent, verdict, *says):
    return Fact("GET /tenants", "rule", "name", verdict, "", sent, says)


@pytest.mark.parametrize(("before", "after", "told"), [
    (rows(a=["text"]), rows(a=["text"]), []),
    (rows(a=["text"]), rows(), [("field removed", "a")]),
    (rows(), rows(a=["text"]), [("field added", "a")]),
    (rows(a=["text"]), rows(a=["integer"]), [("field type changed", "a")]),
    (rows(a=["text"]), rows(a=["null", "text"]), [("field may be null", "a")]),
    (rows(a=["null", "text"]), rows(a=["text"]), [("field no longer null", "a")]),
    ([rule(1, "accepted")], [rule(1, "rejected", "No.")], [("rule tightened", "name")]),
    ([rule(1, "rejected", "No.")], [rule(1, "accepted")], [("rule loosened", "name")]),
    ([rule(1, "rejected", "No."), rule(2, "accepted")], [rule(1, "accepted"), rule(2, "rejected", "No.")],
     [("rule changed", "name")]),
    ([rule(1, "rejected", "No.")], [rule(1, "rejected", "Never.")], [("message changed", "name")]),
    ([rule(1, "accepted")], [rule(1, "crashed")], [("value now crashes", "name")]),
    ([rule(1, "rejected", "No.")], [rule(1, "crashed")], [("crash instead of rejection", "name")]),
    ([rule(1, "crashed")], [rule(1, "accepted")], [("value no longer crashes", "name")]),
    ([rule(1, "accepted")], [rule(True, "rejected")], []),
    ([rule("1", "accepted")], [rule(1, "rejected")], []),
])
def test_fields_and_rules(before, after, told):
    assert pair(before, after)[0] == told


@pytest.mark.parametrize(("before", "after", "kind"), [
    (200, 500, "now crashes"), (500, 200, "no longer crashes"), (200, 404, "now rejected"),
    (404, 200, "no longer rejected"), (201, 200, "success status changed"), (404, 409, "rejection status changed"),
    (500, 502, "crash status changed")])
def test_statuses(before, after, kind):
    told, _ = pair([Fact("GET /tenants", "status", "read", before)], [Fact("GET /tenants", "status", "read", after)])
    assert told == [(kind, "read")]


@pytest.mark.parametrize(("before", "after"), [(200, 503), (503, 200), (503, 404)])
def test_a_pbx_that_was_stopped_is_neither_broken_nor_mended(before, after):
    told, found = pair(*([Fact("GET /tenants", "status", "read", status)] for status in (before, after)))
    assert told == []
    assert "the PBX was not running" in (found.unreached[0].before, found.unreached[0].after)


@pytest.mark.parametrize(("verdict", "told"), [
    ("crashed", ["value now crashes"]), ("accepted", ["field type changed"])])
def test_a_column_that_the_server_sets_for_a_variable_depends_on_its_acceptance(verdict, told):
    """An inbound route has the class of its open route as a number if the request names the route, else as a text."""
    def recorded(says, kind):
        op, by = "PUT /inboundroutes/{inboundroute}", "inboundroutes.update"
        return baseline([Fact(op, "reach", "", "there"), Fact(op, "field", "(body)", ["object"], by),
                         Fact(op, "field", "routeclassopen", [kind], by),
                         Fact(op, "rule", "openroute", says, "", "Operator", ())])
    found = compare_baselines(recorded("accepted", "integer"), recorded(verdict, "text"))
    assert [one.kind for one in found.differences] == told


def standing(**types):
    return [Fact("GET /tenants", "field", name, kinds, "read")
            for name, kinds in {"(body)": ["list"], "[]": ["object"], **types}.items()]


@pytest.mark.parametrize(("before", "after", "told"), [
    (standing(**{"[].a": ["text"]}), standing(**{"[].a": ["null"]}), []),
    (standing(**{"[].a": ["text"]}), standing(), [("field removed", "a")]),
    (standing(**{"[].a": ["text"]}), [Fact("GET /tenants", "field", "(body)", ["list"], "read")], []),
    (standing(**{"[].a": ["text"]}), standing(**{"[].a": ["integer"]}), [("field type changed", "a")]),
])
def test_rows_that_were_there_may_be_others(before, after, told):
    assert pair(before, after)[0] == told


def test_places():
    before = [Fact("GET /globals", "reach", "", "there"), Fact("GET /sysglobals", "reach", "", "absent"),
              Fact("GET /logs", "reach", "", "absent"), Fact("GET /agents", "reach", "", "there")]
    after = [Fact("GET /globals", "reach", "", "absent"), Fact("GET /sysglobals", "reach", "", "there"),
             Fact("GET /logs", "reach", "", "there"), Fact("GET /agents", "reach", "", "absent")]
    found = compare_baselines(baseline(before), baseline(after))
    assert {(one.kind, one.op) for one in found.differences} == {
        ("operation moved", "GET /globals"), ("operation added", "GET /logs"), ("operation removed", "GET /agents")}


def test_what_moved_is_compared_where_it_is():
    before = [Fact("GET /globals", "reach", "", "there"), Fact("GET /globals", "status", "read", 200)]
    after = [Fact("GET /globals", "reach", "", "absent"), Fact("GET /sysglobals", "reach", "", "there"),
             Fact("GET /sysglobals", "status", "read", 500)]
    before.append(Fact("GET /sysglobals", "reach", "", "absent"))
    assert [one.kind for one in compare_baselines(baseline(before), baseline(after)).differences] == [
        "operation moved", "now crashes"]


@pytest.mark.parametrize(("before", "after"), [("there", "not reached"), ("not reached", "absent")])
def test_not_reached_is_neither_gone_nor_new(before, after):
    found = compare_baselines(*(baseline([Fact("GET /tenants", "reach", "", is_)]) for is_ in (before, after)))
    assert found.differences == []
    assert [(one.op, one.before, one.after) for one in found.unreached] == [("GET /tenants", before, after)]


def test_what_was_asked_in_one_alone_is_not_fixed():
    crashes = [Fact("GET /tenants", "part", "read", "tested"), Fact("GET /tenants", "status", "read", 500)]
    told, found = pair(crashes, [Fact("GET /tenants", "part", "read", "not tested")])
    assert told == []
    assert [(one.part, one.before, one.after) for one in found.unreached] == [("read", "tested", "not tested")]


@pytest.mark.parametrize(("op", "of", "statuses", "kinds"), [
    ("GET /astamis/Agents", "read", (200, 404), []), ("GET /astamis/Agents", "read", (404, 200), []),
    ("GET /astamis/Agents", "unknown key", (200, 404), ["now rejected"]),
    ("GET /agents", "read", (200, 404), ["now rejected"]),
    ("GET /astamis/Agents", "read", (200, 500), ["now crashes"])])
def test_a_list_of_asterisks_without_entries_is_no_rejection(op, of, statuses, kinds):
    """The same 404 comes from a box that has no agent, and is listed as not compared."""
    told, found = pair(*(
        [Fact(op, "reach", "", "there"), Fact(op, "part", of, "tested"), Fact(op, "status", of, status)]
        for status in statuses))
    assert [kind for kind, *_ in told] == kinds
    nothing = [one for one in found.unreached if "the list was empty" in (one.before, one.after)]
    assert bool(nothing) == (not kinds)


def test_call_records_without_a_call_have_no_type():
    sides = ([Fact("GET /logs/cdrs", "reach", "", "there"), Fact("GET /logs/cdrs", "status", "read", 200),
              Fact("GET /logs/cdrs", "type", "read", kind)] for kind in ("text/csv", "application/x-empty"))
    assert pair(*sides)[0] == []


def test_how_deep_a_debug_page_goes_is_no_form():
    def side(*names):
        op = "GET /agents/{agent}"
        return [Fact(op, "reach", "", "there"), Fact(op, "status", "unknown key", 404),
                *(Fact(op, "error", f"unknown key {name}", ["text"]) for name in names)]

    assert pair(side("message", "trace"), side("message", "trace", "trace[]", "trace[].file"))[0] == []
    assert [kind for kind, *_ in pair(side("message", "trace"), side("reason"))[0]] == ["error form changed"]


def test_limits_and_servers():
    before = [Fact("*", "limit", "requests a minute", 60), Fact("*", "header", "Server", "Apache/2.4.38")]
    after = [Fact("*", "limit", "requests a minute", 30), Fact("*", "header", "Server", "Apache/2.4.59")]
    assert [one.kind for one in compare_baselines(baseline(before), baseline(after)).differences] == [
        "limit lowered", "server changed"]
    assert next(one.kind for one in compare_baselines(baseline(after), baseline(before)).differences) == "limit raised"


@pytest.mark.parametrize(("before", "after", "told"), [
    (False, True, ["token needed"]), (True, False, ["token no longer needed"]), (True, True, []), (False, False, [])])
def test_whether_a_token_is_needed(before, after, told):
    sides = (baseline([Fact("*", "token", "", needed)]) for needed in (before, after))
    assert [one.kind for one in compare_baselines(*sides).differences] == told


@pytest.mark.parametrize(("now", "reach", "told"), [
    (900, "there", ["slower"]), (150, "there", []), (100, "there", []), (900, "absent", []), (900, "not reached", [])])
def test_slower_by_a_factor(now, reach, told):
    times = ({"GET /tenants": 100}, {"GET /tenants": now})
    facts = [Fact("GET /tenants", "reach", "", reach)]
    found = compare_baselines(*(baseline(facts, milliseconds) for milliseconds in times))
    assert [one.kind for one in found.differences] == told
    assert all(one.level == "informative" for one in found.differences)


def test_a_box_that_is_slower_throughout_is_one_difference():
    """A busy machine, a longer way: what is slower by far more than the rest is reported beside it."""
    names = [op for op in catalogue() if op.startswith("GET")][:12]
    facts = [Fact(op, "reach", "", "there") for op in names]
    times = {op: 20 + number for number, op in enumerate(names)}
    later = {op: milliseconds * (8 if number else 80) for number, (op, milliseconds) in enumerate(times.items())}
    found = compare_baselines(baseline(facts, times), baseline(facts, later)).differences
    assert [(one.kind, one.op) for one in found] == [("slower", "*"), ("slower", names[0])]


def test_that_a_crash_takes_longer_is_no_difference_by_itself():
    sides = (baseline([Fact("GET /tenants", "reach", "", "there"), Fact("GET /tenants", "status", "read", status)],
                      {"GET /tenants": milliseconds}) for status, milliseconds in ((200, 100), (500, 900)))
    assert [one.kind for one in compare_baselines(*sides).differences] == ["now crashes"]


def test_levels_and_reasons():
    assert {level for level, _ in DIFFERENCE_KINDS.values()} == set(DIFFERENCE_LEVELS)
    assert all(len(reason) > 10 for _, reason in DIFFERENCE_KINDS.values())
