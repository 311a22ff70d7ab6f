"""Differences between facts: each kind, its level, and differences that are not changes."""

from __future__ import annotations

import pytest
from sarkmock_contracts.baselines.catalogue import catalogue
from sarkmock_contracts.baselines.comparing import compare_baselines
from sarkmock_contracts.baselines.facts import Baseline, Fact, Facts
from sarkmock_contracts.baselines.severity import DIFFERENCE_KINDS, DIFFERENCE_LEVELS

ALL = ("read", "write", "operational")


def baseline(facts, milliseconds=None, **other):
    metadata = {"recorded": "2026-01-01T00:00:00Z", "seconds": 1, "requests": 1, "milliseconds": milliseconds or {}}
    settings = {"target": "https://pbx/api", "depth": "usual", "allowed": ALL, "only": None} | other
    return Baseline(settings["target"], settings["depth"], settings["allowed"], settings["only"], Facts(facts),
                    recorded=metadata, name=settings.get("name", "x.sark"))


def side(*facts):
    """Facts of GET /tenants, which is there."""
    return baseline([Fact("GET /tenants", "reach", "", "there"), *facts])


def pair(before, after):
    comparison = compare_baselines(side(*before), side(*after))
    return [(difference.kind, difference.of) for difference in comparison.differences], comparison


def rows(**types):
    body = {"(body)": ["list"], "[]": ["object"], **{f"[].{name}": kinds for name, kinds in types.items()}}
    return [Fact("GET /tenants", "field", name, kinds, "tenants.create") for name, kinds in body.items()]


def rule(sent, verdict, *says):
    return Fact("GET /tenants", "rule", "name", verdict, "", sent, says)


@pytest.mark.parametrize(("before", "after", "expected"), [
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
def test_differences_of_fields_and_rules(before, after, expected):
    assert pair(before, after)[0] == expected


@pytest.mark.parametrize(("before", "after", "kind"), [
    (200, 500, "now crashes"), (500, 200, "no longer crashes"), (200, 404, "now rejected"),
    (404, 200, "no longer rejected"), (201, 200, "success status changed"), (404, 409, "rejection status changed"),
    (500, 502, "crash status changed")])
def test_differences_of_statuses(before, after, kind):
    differences, _ = pair([Fact("GET /tenants", "status", "read", before)],
                          [Fact("GET /tenants", "status", "read", after)])
    assert differences == [(kind, "read")]


@pytest.mark.parametrize(("before", "after"), [(200, 503), (503, 200), (503, 404)])
def test_stopped_pbx_is_not_a_difference(before, after):
    differences, comparison = pair(*([Fact("GET /tenants", "status", "read", status)] for status in (before, after)))
    assert differences == []
    assert "the PBX was not running" in (comparison.unreached[0].before, comparison.unreached[0].after)


@pytest.mark.parametrize(("verdict", "expected"), [
    ("crashed", ["value now crashes"]), ("accepted", ["field type changed"])])
def test_type_of_derived_column_depends_on_acceptance_of_its_field(verdict, expected):
    """An inbound route returns routeclassopen as a number if the request has openroute, and as text without it."""
    def recorded(says, kind):
        op, by = "PUT /inboundroutes/{inboundroute}", "inboundroutes.update"
        return baseline([Fact(op, "reach", "", "there"), Fact(op, "field", "(body)", ["object"], by),
                         Fact(op, "field", "routeclassopen", [kind], by),
                         Fact(op, "rule", "openroute", says, "", "Operator", ())])
    comparison = compare_baselines(recorded("accepted", "integer"), recorded(verdict, "text"))
    assert [difference.kind for difference in comparison.differences] == expected


def standing(**types):
    return [Fact("GET /tenants", "field", name, kinds, "read")
            for name, kinds in {"(body)": ["list"], "[]": ["object"], **types}.items()]


@pytest.mark.parametrize(("before", "after", "expected"), [
    (standing(**{"[].a": ["text"]}), standing(**{"[].a": ["null"]}), []),
    (standing(**{"[].a": ["text"]}), standing(), [("field removed", "a")]),
    (standing(**{"[].a": ["text"]}), [Fact("GET /tenants", "field", "(body)", ["list"], "read")], []),
    (standing(**{"[].a": ["text"]}), standing(**{"[].a": ["integer"]}), [("field type changed", "a")]),
])
def test_existing_rows_may_differ_in_nullability(before, after, expected):
    assert pair(before, after)[0] == expected


def test_moved_added_and_removed_operations():
    before = [Fact("GET /globals", "reach", "", "there"), Fact("GET /sysglobals", "reach", "", "absent"),
              Fact("GET /logs", "reach", "", "absent"), Fact("GET /agents", "reach", "", "there")]
    after = [Fact("GET /globals", "reach", "", "absent"), Fact("GET /sysglobals", "reach", "", "there"),
             Fact("GET /logs", "reach", "", "there"), Fact("GET /agents", "reach", "", "absent")]
    comparison = compare_baselines(baseline(before), baseline(after))
    assert {(difference.kind, difference.op) for difference in comparison.differences} == {
        ("operation moved", "GET /globals"), ("operation added", "GET /logs"), ("operation removed", "GET /agents")}


def test_moved_operation_is_compared_at_its_new_path():
    before = [Fact("GET /globals", "reach", "", "there"), Fact("GET /globals", "status", "read", 200)]
    after = [Fact("GET /globals", "reach", "", "absent"), Fact("GET /sysglobals", "reach", "", "there"),
             Fact("GET /sysglobals", "status", "read", 500)]
    before.append(Fact("GET /sysglobals", "reach", "", "absent"))
    assert [difference.kind for difference in compare_baselines(baseline(before), baseline(after)).differences] == [
        "operation moved", "now crashes"]


@pytest.mark.parametrize(("before", "after"), [("there", "not reached"), ("not reached", "absent")])
def test_unreached_operation_is_neither_removed_nor_added(before, after):
    comparison = compare_baselines(*(baseline([Fact("GET /tenants", "reach", "", is_)]) for is_ in (before, after)))
    assert comparison.differences == []
    assert [(difference.op, difference.before, difference.after)
            for difference in comparison.unreached] == [("GET /tenants", before, after)]


def test_part_tested_in_one_recording_only_is_not_compared():
    crashes = [Fact("GET /tenants", "part", "read", "tested"), Fact("GET /tenants", "status", "read", 500)]
    differences, comparison = pair(crashes, [Fact("GET /tenants", "part", "read", "not tested")])
    assert differences == []
    assert [(difference.part, difference.before, difference.after)
            for difference in comparison.unreached] == [("read", "tested", "not tested")]


@pytest.mark.parametrize(("op", "of", "statuses", "kinds"), [
    ("GET /astamis/Agents", "read", (200, 404), []), ("GET /astamis/Agents", "read", (404, 200), []),
    ("GET /astamis/Agents", "unknown key", (200, 404), ["now rejected"]),
    ("GET /agents", "read", (200, 404), ["now rejected"]),
    ("GET /astamis/Agents", "read", (200, 500), ["now crashes"])])
def test_404_of_empty_ami_list_is_not_a_rejection(op, of, statuses, kinds):
    """A box without agents returns the same 404. It is listed as not compared."""
    differences, comparison = pair(*(
        [Fact(op, "reach", "", "there"), Fact(op, "part", of, "tested"), Fact(op, "status", of, status)]
        for status in statuses))
    assert [kind for kind, *_ in differences] == kinds
    empty = [difference for difference in comparison.unreached
             if "the list was empty" in (difference.before, difference.after)]
    assert bool(empty) == (not kinds)


def test_content_type_of_empty_call_records_is_not_compared():
    sides = ([Fact("GET /logs/cdrs", "reach", "", "there"), Fact("GET /logs/cdrs", "status", "read", 200),
              Fact("GET /logs/cdrs", "type", "read", kind)] for kind in ("text/csv", "application/x-empty"))
    assert pair(*sides)[0] == []


def test_depth_of_debug_page_is_not_compared():
    def side(*names):
        op = "GET /agents/{agent}"
        return [Fact(op, "reach", "", "there"), Fact(op, "status", "unknown key", 404),
                *(Fact(op, "error", f"unknown key {name}", ["text"]) for name in names)]

    assert pair(side("message", "trace"), side("message", "trace", "trace[]", "trace[].file"))[0] == []
    assert [kind for kind, *_ in pair(side("message", "trace"), side("reason"))[0]] == ["error form changed"]


def test_error_form_with_the_same_fields_shows_changed_types():
    sides = ([Fact("GET /tenants", "status", "unknown key", 404),
              *(Fact("GET /tenants", "error", f"unknown key {name}", types)
                for name, types in {"(body)": ["object"], "reason": types}.items())]
             for types in (["text"], ["null", "list"]))
    [difference] = pair(*sides)[1].differences
    assert (difference.before, difference.after) == ("(body), reason (text)", "(body), reason (null or list)")


def test_differences_of_rate_limit_and_server_header():
    before = [Fact("*", "limit", "requests a minute", 60), Fact("*", "header", "Server", "Apache/2.4.38")]
    after = [Fact("*", "limit", "requests a minute", 30), Fact("*", "header", "Server", "Apache/2.4.59")]
    assert [difference.kind for difference in compare_baselines(baseline(before), baseline(after)).differences] == [
        "limit lowered", "server changed"]
    assert next(difference.kind
                for difference in compare_baselines(baseline(after), baseline(before)).differences) == "limit raised"


@pytest.mark.parametrize(("before", "after", "expected"), [
    (False, True, ["token needed"]), (True, False, ["token no longer needed"]), (True, True, []), (False, False, [])])
def test_differences_of_token_requirement(before, after, expected):
    sides = (baseline([Fact("*", "token", "", needed)]) for needed in (before, after))
    assert [difference.kind for difference in compare_baselines(*sides).differences] == expected


@pytest.mark.parametrize(("now", "reach", "expected"), [
    (900, "there", ["slower"]), (150, "there", []), (100, "there", []), (900, "absent", []), (900, "not reached", [])])
def test_response_time_is_compared_by_factor(now, reach, expected):
    times = ({"GET /tenants": 100}, {"GET /tenants": now})
    facts = [Fact("GET /tenants", "reach", "", reach)]
    comparison = compare_baselines(*(baseline(facts, milliseconds) for milliseconds in times))
    assert [difference.kind for difference in comparison.differences] == expected
    assert all(difference.level == "informative" for difference in comparison.differences)


def test_generally_slower_box_is_one_difference():
    """An operation that is much slower than the others is reported separately."""
    names = [op for op in catalogue() if op.startswith("GET")][:12]
    facts = [Fact(op, "reach", "", "there") for op in names]
    times = {op: 20 + number for number, op in enumerate(names)}
    later = {op: milliseconds * (8 if number else 80) for number, (op, milliseconds) in enumerate(times.items())}
    comparison = compare_baselines(baseline(facts, times), baseline(facts, later)).differences
    assert [(difference.kind, difference.op) for difference in comparison] == [("slower", "*"), ("slower", names[0])]


def test_slower_crash_is_reported_only_as_crash():
    sides = (baseline([Fact("GET /tenants", "reach", "", "there"), Fact("GET /tenants", "status", "read", status)],
                      {"GET /tenants": milliseconds}) for status, milliseconds in ((200, 100), (500, 900)))
    assert [difference.kind for difference in compare_baselines(*sides).differences] == ["now crashes"]


def test_kinds_have_level_and_reason():
    assert {level for level, _ in DIFFERENCE_KINDS.values()} == set(DIFFERENCE_LEVELS)
    assert all(len(reason) > 10 for _, reason in DIFFERENCE_KINDS.values())


def order(*orders):
    return [Fact("GET /tenants", "sequence", "order of rows", list(orders), "tenants.create")]


def default(value):
    return [Fact("GET /tenants", "default", "a", value, "tenants.create")]


def effect(value):
    return [Fact("GET /tenants", "sequence", "takes effect", value, "tenants.create")]


def empty(kind):
    return [Fact("GET /tenants", "field", "(body)", [kind], "tenants.create")]


ALWAYS_CRASHES = [Fact("GET /tenants", "part", "rules", "crashes for any input"),
                  Fact("GET /tenants", "status", "any input", 500)]
VALIDATES = [Fact("GET /tenants", "part", "rules", "tested"), Fact("GET /tenants", "status", "nothing sent", 422)]


@pytest.mark.parametrize(("before", "after", "expected"), [
    (order("by key"), order("by key", "as created"), []),  # keys that the server draws may be in order by chance
    (order("by key"), order("by key, descending"), ["list order changed"]),
    (order("by key"), order("another"), ["list order changed"]),
    (default("NO"), default("NO"), []),
    (default("NO"), default("YES"), ["default changed"]),
    (default(None), default(""), ["default changed"]),
    (default(1) + rows(a=["integer"]), default("1") + rows(a=["text"]), ["field type changed"]),
    (effect(True), effect(False), ["delete without effect"]),
    (effect(False), effect(True), ["delete takes effect"]),
    (empty("list"), empty("object"), ["field type changed"]),
    (empty("list"), [*empty("object"), Fact("GET /tenants", "field", "a", ["text"], "tenants.create")], []),
    (VALIDATES, ALWAYS_CRASHES, ["now crashes"]),
    (ALWAYS_CRASHES, VALIDATES, ["no longer crashes"]),
])
def test_differences_of_effects_and_values(before, after, expected):
    assert [kind for kind, _ in pair(before, after)[0]] == expected
