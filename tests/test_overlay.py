"""Overlays: what an action does, and that one without effect is rejected."""

import pytest

from sarkmock.spec import overlay

DOCUMENT = {"paths": {"/a": {"get": {"tags": ["x"], "status": 200}}, "/b": {"get": {"status": 200}}}}


@pytest.mark.parametrize(("action", "expected"), [
    ({"target": "$.paths['/a'].get", "update": {"status": 201}}, {"tags": ["x"], "status": 201}),
    ({"target": "$.paths['/a'].get", "update": {"tags": ["y"]}}, {"tags": ["x", "y"], "status": 200}),
    ({"target": "$.paths['/a'].get.tags", "update": ["y"]}, {"tags": ["x", "y"], "status": 200}),
    ({"target": "$.paths['/a'].get.tags", "update": "y"}, {"tags": ["x", "y"], "status": 200}),
    ({"target": "$.paths['/a'].get.tags", "remove": True}, {"status": 200}),
    ({"target": "$.paths['/a'].get.tags[0]", "remove": True}, {"tags": [], "status": 200}),
    ({"target": "$.paths['/a'].get.status", "update": "200"}, {"tags": ["x"], "status": "200"}),
    ({"target": "$.paths['/a'].get", "update": {"status": {"x": 1}}}, {"tags": ["x"], "status": {"x": 1}}),
])
def test_an_action_changes_what_it_targets(action, expected):
    assert overlay.apply(DOCUMENT, [action])["paths"]["/a"]["get"] == expected


def test_one_action_reaches_every_match():
    changed = overlay.apply(DOCUMENT, [{"target": "$.paths[*].get", "update": {"status": 404}}])
    assert [item["get"]["status"] for item in changed["paths"].values()] == [404, 404]


def test_the_document_itself_stays_as_it_was():
    overlay.apply(DOCUMENT, [{"target": "$.paths['/a'].get.tags", "update": ["y"]}])
    assert DOCUMENT["paths"]["/a"]["get"] == {"tags": ["x"], "status": 200}


def test_matches_do_not_share_what_they_were_given():
    changed = overlay.apply(DOCUMENT, [{"target": "$.paths[*].get", "update": {"new": {"n": 1}}},
                                       {"target": "$.paths['/a'].get.new", "update": {"n": 2}}])
    assert changed["paths"]["/b"]["get"]["new"] == {"n": 1}


@pytest.mark.parametrize(("action", "problem"), [
    ({"target": "$.paths['/c']", "update": {"get": {}}}, "matches nothing"),
    ({"target": "$.paths['/c']", "remove": True}, "matches nothing"),
    ({"target": "$.paths['/a'].get", "update": {"status": 200}}, "changes nothing"),
    ({"target": "$.paths['/a'].get.status", "update": 200}, "changes nothing"),
    ({"target": "$.paths[", "update": {}}, "not a JSONPath"),
    ({"target": f"$.paths[{'9' * 1900}]", "update": {}}, "not a JSONPath"),
    ({"target": f"$.paths[?@.status == {'9' * 1900}]", "update": {}}, "not a JSONPath"),
    ({"target": f"${'.a' * 990}", "update": {}}, "not a JSONPath"),
    ({"target": f"${'.a' * 100_000}", "update": {}}, "longer than 2000 characters"),
    ({"target": f"$.paths[{'9' * 5000}]", "update": {}}, "longer than 2000 characters"),
    ({"target": "$", "remove": True}, "whole document"),
    ({"target": "$.paths['/a']"}, "needs update or remove"),
])
def test_an_action_without_effect_is_an_error_that_names_it(action, problem):
    good = {"target": "$.paths['/a'].get", "update": {"x": 1}}
    with pytest.raises(overlay.OverlayError, match=problem) as caught:
        overlay.apply(DOCUMENT, [good, action])
    assert caught.value.index == 1


def test_pointers_name_the_places_that_actions_touch():
    actions = [{"target": "$.paths[*].get.status", "update": 1}, {"target": "$.paths['/a'].get.tags", "remove": True}]
    assert [pointer for _, pointer in overlay.changed_pointers(DOCUMENT, actions)] == [
        "/paths/~1a/get/status", "/paths/~1b/get/status", "/paths/~1a/get/tags"]


def test_a_merge_changes_the_leaves_that_are_there_and_adds_the_rest_whole():
    present = {"b": {"c": 0, "d/e": [1]}}
    update = {"b": {"c": 1, "d/e": [2], "new": {"x": 1}}}
    assert list(overlay.changed_places(present, update, "/a")) == ["/a/b/c", "/a/b/d~1e", "/a/b/new"]
