"""Profiles of published versions respond as recorded: a sample of scenarios by default, all with `-m slow`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sarkmock_contracts.baselines import step_display
from sarkmock_contracts.baselines.facts import Baseline, Facts
from sarkmock_contracts.baselines.profile import profile_baseline, profile_from, write_profile
from sarkmock_contracts.checks import cases
from sarkmock_contracts.run import open_run
from sarkmock_contracts.run_options import RunOptions

from sarkmock import Engine, State
from sarkmock.http.engine import ApiRequest
from sarkmock.spec import yaml12
from sarkmock.spec.loading import deviations_of, load
from tests.fidelity import RECORDINGS, differences

NTH = 10  # every tenth scenario


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_sample_of_recording_matches(file: Path) -> None:
    assert [str(difference) for difference in differences(file, NTH)] == []


@pytest.mark.slow
@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_whole_recording_matches(file: Path) -> None:
    assert [str(difference) for difference in differences(file)] == []


@pytest.mark.slow
@pytest.mark.parametrize("hazards", [("read",), ("read", "write")], ids=lambda hazards: hazards[-1])
@pytest.mark.parametrize("file", [file for file in RECORDINGS if file.stem == "http.jsonl"],
                         ids=lambda file: str(file.parent.name))
def test_generated_overlay_matches_recording(file: Path, hazards: tuple[str, ...], tmp_path: Path) -> None:
    profile = tmp_path / "box.yaml"
    box = profile_baseline(file.parent.name, Baseline("", "quick", hazards, None, Facts()))
    start = time.monotonic()
    with step_display() as on_step:
        write_profile(profile_from(box, on_step=on_step), profile)
    assert time.monotonic() - start < 60
    assert [str(difference) for difference in differences(file, NTH, str(profile))] == []


NEW_VERSION = """\
overlay: 1.0.0
info: {title: A version that does not exist, version: "6.1", x-extends: L10, x-date: 2026-01-01}
x-without: [holidaytimers-crash, syscommands-start-stop]
x-deviations:
  other-answers: &fact {summary: It answers in other words., severity: cosmetic, reason: It was made up for a test.}
  agents-renamed: *fact
  route-checked: *fact
  app-rules-crash: *fact
actions:
  - {target: "$['x-laravel']", update: {fallback: {message: Nothing here}}, x-deviation: other-answers}
  - {target: "$['x-laravel']", update: {row-not-found: "No {model} has the key {key}"}, x-deviation: other-answers}
  - {target: "$['x-laravel']", update: {messages: laravel-7, trim: ascii}, x-deviation: other-answers}
  - {target: "$['x-laravel']", update: {throttle: 120, cors: origin}, x-deviation: other-answers}
  - {target: "$.paths", update: {"/operators": {get: {operationId: operators.list, tags: [Agents], summary: List them,
     x-hazard: read, x-action: show_example, responses: {"200": {description: None., content: {application/json: {
     schema: {type: array}, example: []}}}}}}}, x-deviation: agents-renamed}
  - {target: "$.paths['/agents'].get", remove: true, x-deviation: agents-renamed}
  - {target: "$.components.schemas.RouteCreate.properties.cluster", update: {x-rules: "required|exists:cluster,pkey"},
     x-deviation: route-checked}
  - {target: "$['x-missing-rules']", update: [sarkapp], x-deviation: app-rules-crash}
  - {target: "$.components.schemas.CustomAppCreate.properties.desc", update: {x-rules: sarkapp},
     x-deviation: app-rules-crash}
  - {target: "$.paths['/cosrules/{cosrule}'].get.responses['500'].content['application/json'].example",
     update: {message: Another message}, x-deviation: cosrule-show-crashes}
"""


WITHOUT_DOWNLOAD = """\
overlay: 1.0.0
info: {title: A version that does not exist, version: "6.1", x-extends: documented, x-date: 2026-01-01}
x-deviations: {operations-gone: {summary: Operations are gone., severity: breaks, reason: It was made up for a test.}}
actions:
  - {target: "$.paths['/snapshots/{snapshot}'].get", remove: true, x-deviation: operations-gone}
  - {target: "$.paths['/tenants'].post", remove: true, x-deviation: operations-gone}
  - {target: "$.paths['/cosopens/{cosopen}'].get", remove: true, x-deviation: operations-gone}
"""


def test_version_without_operations_that_others_need_is_judged(tmp_path: Path) -> None:
    """What needs a missing operation is skipped: a file to download, a row for another one, a linked operation."""
    file = tmp_path / "gone.yaml"
    file.write_text(WITHOUT_DOWNLOAD, encoding="utf-8")
    run = open_run(RunOptions(str(file)))
    for case in cases(run):
        if case.check.name in ("reads", "rules", "scenarios", "long-scenarios"):
            with run.watch():
                case.run(run)
    assert list(run.findings) == []
    assert "the profile has no operation tenants.create" in run.gaps.unavailable


def test_new_version_needs_only_an_overlay(tmp_path: Path) -> None:
    file = tmp_path / "fifth.yaml"
    file.write_text(NEW_VERSION, encoding="utf-8")
    assert len(yaml12.read(file)["actions"]) == 10
    profile = str(file)
    deviations, parents = ({deviation.id for deviation in deviations_of(name)} for name in (profile, "L10"))
    assert parents - deviations == {"holidaytimers-crash", "syscommands-start-stop"}
    assert deviations - parents == {"other-answers", "agents-renamed", "route-checked", "app-rules-crash"}
    engine = Engine(load(profile), State())

    def response(method: str, path: str, body: bytes = b"") -> tuple[int | None, Any]:
        reply = engine.handle(ApiRequest(method, path, "", {"Content-Type": "application/json"}, body))
        debug = isinstance(reply.body, dict) and "trace" in reply.body
        return reply.status, reply.body["message"] if debug else reply.body

    assert response("GET", "nosuch") == (404, {"message": "Nothing here"})
    assert response("GET", "tenants/x") == (404, "No Tenant has the key x")
    assert response("GET", "operators") == (200, [])
    assert response("GET", "agents") == (404, {"message": "Nothing here"})
    assert response("POST", "routes", b'{"pkey": "r", "cluster": "nosuch"}')[0] == 422
    assert response("POST", "customapps", b'{"pkey": "a", "cluster": "default", "desc": "x"}') == (
        500, "Method Illuminate\\Validation\\Validator::validateSarkapp does not exist.")
    assert response("GET", "cosrules/x") == (500, "Another message")
    assert response("GET", "holidaytimers") == (200, [])
    assert response("GET", "syscommands/pbxrunstate")[0] == 200
    assert response("GET", "customapps/any")[0] == 200
