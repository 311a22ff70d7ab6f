"""Profiles that extend other profiles: inheritance, errors in overlay files, and profile metadata."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sarkmock import Engine, FileError, State, profile_names
from sarkmock.cli import cli
from sarkmock.control.bodies import control_document
from sarkmock.http.engine import ApiRequest
from sarkmock.spec import yaml12
from sarkmock.spec.profiles import describe_profile, overlay_files, product
from sarkmock.suite_api import deviations_of, load

NOTE = {"summary": "One sentence for users.", "severity": "cosmetic", "reason": "Because it was seen."}


def overlay(folder: Path, name: str, **content: Any) -> str:
    """Write an overlay file and return its path, which is the profile's name."""
    parts = {"overlay": "1.0.0", "info": {"title": name, "version": "1"}, "x-deviations": {}, "actions": [], **content}
    file = folder / f"{name}.yaml"
    file.write_text(yaml12.dump(parts), encoding="utf-8")
    return str(file)


def info(extends: str, key: str = "x-extends") -> dict[str, str]:
    return {"title": "mine", "version": "1", key: extends}


def words(deviation: str, **facts: Any) -> dict[str, Any]:
    """An action that changes the framework's wording of errors."""
    return {"target": "$['x-laravel']", "update": facts, "x-deviation": deviation}


def action(target: str, update: dict[str, Any]) -> dict[str, Any]:
    return {"target": target, "update": update, "x-deviation": "debug-pages"}


def respond(profile: str, method: str, path: str, body: bytes = b"") -> tuple[int | None, Any]:
    request = ApiRequest(method, path, "", {"Content-Type": "application/json"}, body)
    reply = Engine(load(profile), State()).handle(request)
    return reply.status, reply.body


def ids(profile: str) -> list[str]:
    return [deviation.id for deviation in deviations_of(profile)]


@pytest.mark.parametrize("key", ["x-extends", "extends"])
@pytest.mark.parametrize("parent", ["shipped", "2024-06"])
def test_profile_inherits_and_adds_deviations(tmp_path: Path, key: str, parent: str) -> None:
    name = overlay(tmp_path, "mine", info=info(parent, key), **{"x-deviations": {"other-words": NOTE}},
                   actions=[words("other-words", fallback={"message": "Nothing here"})])
    assert ids(name) == [*ids("shipped"), "other-words"]
    assert {deviation.id: deviation.profile for deviation in deviations_of(name)} == {
        **dict.fromkeys(ids("shipped"), "shipped"), "other-words": name}
    assert respond(name, "GET", "nosuch") == (404, {"message": "Nothing here"})
    assert respond(name, "GET", "sysglobals")[0] == 200
    assert describe_profile(name).extends == "shipped"


def test_x_without_removes_inherited_deviation(tmp_path: Path) -> None:
    name = overlay(tmp_path, "mine", info=info("shipped"), **{"x-without": ["trunk-delete"],
                   "x-deviations": {"other-words": NOTE}}, actions=[words("other-words", trim="unicode")])
    assert set(ids("shipped")) - set(ids(name)) == {"trunk-delete"}
    assert respond(name, "DELETE", "trunks/x")[0] == 405
    assert respond("shipped", "DELETE", "trunks/x")[0] == 404


def test_inherited_deviation_can_be_replaced_or_extended(tmp_path: Path) -> None:
    delete = {"target": "$.paths['/tenants/{tenant}'].delete['x-after']", "remove": True}
    name = overlay(tmp_path, "mine", info=info("shipped"), **{"x-without": ["tenant-delete-unchecked"],
                   "x-deviations": {"tenant-delete-unchecked": NOTE}}, actions=[
                       {**delete, "x-deviation": "tenant-delete-unchecked"},
                       words("debug-pages", trim="unicode")])
    deviations = {deviation.id: deviation for deviation in deviations_of(name)}
    assert set(deviations) == set(ids("shipped"))
    assert deviations["tenant-delete-unchecked"].summary == NOTE["summary"]
    assert deviations["tenant-delete-unchecked"].profile == name
    assert deviations["debug-pages"].profile == "shipped"
    assert deviations["debug-pages"].pointers[-1] == "/x-laravel/trim"
    assert respond(name, "DELETE", "tenants/default")[0] == 204


def test_extends_path_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    first = overlay(tmp_path, "first", info=info("shipped"), **{"x-deviations": {"first-words": NOTE}},
                    actions=[words("first-words", throttle=30)])
    second = overlay(tmp_path / "deep", "second", info=info("../first.yaml"),
                     **{"x-deviations": {"second-words": NOTE}}, actions=[words("second-words", trim="unicode")])
    assert ids(second) == [*ids(first), "second-words"]
    assert load(second)["x-laravel"]["throttle"] == 30
    assert [file.stem for file in overlay_files(second)] == ["shipped", "first", "second"]


@pytest.mark.parametrize(("extends", "content", "problem"), [
    ("shiped", {}, r"mine.yaml:\d+: info.x-extends: unknown profile 'shiped'; did you mean shipped"),
    ("nosuch.yaml", {}, r"mine.yaml:\d+: info.x-extends: file not found: .*nosuch.yaml"),
    ("shipped", {"acts": []}, r"mine.yaml:\d+: acts: unknown key 'acts'; did you mean actions"),
    ("shipped", {"info": {**info("shipped"), "x-datum": "2026"}}, r"mine.yaml:\d+: info.x-datum: unknown key"),
    ("shipped", {"actions": [{**words("debug-pages", trim="unicode"), "updat": {}}]},
     r"mine.yaml:\d+: actions.0.updat: unknown key 'updat'; did you mean update"),
    ("shipped", {"actions": [action("$..[", {"x": 1})]}, r"mine.yaml:\d+: .*is not a JSONPath: unexpected"),
    ("shipped", {"actions": [action("$.paths.nosuch", {"x": 1})]}, r"mine.yaml:\d+: action 1 .*matches nothing"),
    ("shipped", {"actions": [action("$.paths['/agents'].get", {"x-hazrd": "read"})]},
     r"mine.yaml:\d+: /paths/~1agents/get: unknown key 'x-hazrd'; did you mean x-hazard"),
    ("shipped", {"actions": [action("$", {"x-hazrd": "read"})]}, r"mine.yaml:\d+: document: unknown key 'x-hazrd'"),
    ("shipped", {"actions": [action("$.paths['/agents'].get", {"x-hazard": "none"})]},
     r"mine.yaml:\d+: /paths/~1agents/get/x-hazard: .*none"),
    ("mine.yaml", {}, r"mine.yaml:\d+: the profiles extend one another: mine -> mine"),
    ("shipped", {"x-without": ["trunk-delet"]},
     r"mine.yaml:\d+: x-without: unknown deviation 'trunk-delet'; did you mean trunk-delete"),
    ("shipped", {"actions": [words("nosuch", trim="unicode")]}, r"mine.yaml:\d+: .*'nosuch' is not listed"),
    ("shipped", {"actions": [words("debug-pages", trim="ascii")]}, r"mine.yaml:\d+: action 1 .*changes nothing"),
    ("shipped", {"actions": [words("debug-pages", trim="none")]}, r"mine.yaml:\d+: /x-laravel: .*none"),
])
def test_invalid_overlay_is_reported_with_file_and_line(tmp_path: Path, extends: str, content: dict[str, Any],
                                                        problem: str) -> None:
    content = {"info": info(extends), "actions": [words("debug-pages", trim="unicode")], **content}
    name = overlay(tmp_path, "mine", **content)
    for command in ("deviations", "check", "spec"):
        error = CliRunner().invoke(cli, [command, "--profile", name], standalone_mode=False).exception
        assert isinstance(error, FileError), command
        assert re.search(problem, str(error))


@pytest.mark.parametrize("text", ["", "- a", "7"])
def test_file_that_is_not_an_overlay_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(FileError, match=r"mine.yaml(:1)?: must be a mapping with overlay, info, x-deviations"):
        load(str(file))


def test_profile_metadata() -> None:
    for name in profile_names():
        profile = describe_profile(name)
        assert profile.name == name
        assert all((profile.title, profile.line, profile.framework, profile.date)), name
        assert profile.extends is None or profile.extends in profile_names()
    dates = [describe_profile(name).date for name in profile_names()]
    assert dates == sorted(dates)
    assert describe_profile(product()).default
    assert load("2024-06") == load("shipped")
    assert Engine(profile="2024-06").program.profile == "shipped"


@pytest.mark.parametrize(("key", "value", "request_", "status", "body"), [
    ("fallback", {"message": "Nothing"}, ("GET", "nosuch"), 404, {"message": "Nothing"}),
    ("row-not-found", {"gone": 1}, ("GET", "agents/7"), 404, {"reason": "Not Found!", "gone": 1}),
    ("row-not-found", "No {model} {key}", ("GET", "agents/7"), 404, "No Agent 7"),
    ("route-not-found", "No {path}", ("GET", ""), 404, "No api"),
    ("method-not-allowed", "{method} {path}: {allowed}", ("PUT", "agents"), 405, "PUT api/agents: GET, HEAD, POST"),
    ("messages", "laravel-10", ("POST", "tenants", b'{"pkey": "x", "description": "x", "abstimeout": "y"}'), 422,
     {"abstimeout": ["The abstimeout field must be an integer."]}),
    ("trim", "unicode", ("POST", "tenants", '{"pkey": "\u3000", "description": "x"}'.encode()), 422,
     {"pkey": ["The pkey field is required."]}),
])
def test_framework_behaviour_is_defined_by_the_document(tmp_path: Path, key: str, value: Any, request_: tuple[Any, ...],
                                                        status: int, body: Any) -> None:
    name = overlay(tmp_path, "mine", info=info("documented"), **{"x-deviations": {"other-words": NOTE}},
                   actions=[words("other-words", **{key: value})])
    actual = respond(name, *request_)
    assert actual[0] == status
    assert (actual[1]["message"] if isinstance(body, str) else actual[1]) == body


@pytest.mark.parametrize("name", [*profile_names(), "control"])
def test_descriptions_are_not_truncated_by_a_comma(name: str) -> None:
    """An unquoted comma in a YAML flow mapping turns what follows into a key without a value."""
    document = control_document() if name == "control" else load(name)
    pending: list[Any] = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            assert [key for key, item in value.items() if item is None and " " in key] == []
            pending += value.values()
        elif isinstance(value, list):
            pending += value
