"""Overlays: the effect of actions. An action without effect is rejected."""

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
def test_action_changes_its_target(action, expected):
    assert overlay.apply(DOCUMENT, [action])["paths"]["/a"]["get"] == expected


def test_action_applies_to_every_match():
    changed = overlay.apply(DOCUMENT, [{"target": "$.paths[*].get", "update": {"status": 404}}])
    assert [item["get"]["status"] for item in changed["paths"].values()] == [404, 404]


def test_original_document_is_not_modified():
    overlay.apply(DOCUMENT, [{"target": "$.paths['/a'].get.tags", "update": ["y"]}])
    assert DOCUMENT["paths"]["/a"]["get"] == {"tags": ["x"], "status": 200}


def test_matches_do_not_share_values():
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
def test_action_without_effect_is_an_error(action, problem):
    good = {"target": "$.paths['/a'].get", "update": {"x": 1}}
    with pytest.raises(overlay.OverlayError, match=problem) as caught:
        overlay.apply(DOCUMENT, [good, action])
    assert caught.value.index == 1


def test_changed_pointers_of_actions():
    actions = [{"target": "$.paths[*].get.status", "update": 1}, {"target": "$.paths['/a'].get.tags", "remove": True}]
    assert [pointer for _, pointer in overlay.changed_pointers(DOCUMENT, actions)] == [
        "/paths/~1a/get/status", "/paths/~1b/get/status", "/paths/~1a/get/tags"]


def test_merge_reports_changed_leaves_and_added_subtrees():
    present = {"b": {"c": 0, "d/e": [1]}}
    update = {"b": {"c": 1, "d/e": [2], "new": {"x": 1}}}
    assert list(overlay.changed_places(present, update, "/a")) == ["/a/b/c", "/a/b/d~1e", "/a/b/new"]
