"""`check URL --profile auto`: the version that answers is found by few reads, and judges."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sarkmock_contracts.errors import CannotRun
from sarkmock_contracts.run import AUTO, NoWatcher, open_run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.safety.fingerprint import telling_reads

from sarkmock import SarkMock
from sarkmock.suite_api import profiles

MOST = 10
STRANGE = """\
overlay: 1.0.0
info: {title: A version that nobody knows, version: "6.1", x-extends: L10, x-date: 2026-01-01}
x-deviations: {other-words: {summary: It answers in other words., severity: cosmetic, reason: Made up for a test.}}
actions:
  - {target: "$['x-laravel']", update: {row-not-found: "No {model} has the key {key}"}, x-deviation: other-words}
"""


class Listener(NoWatcher):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        self.lines.append(text)


def options_for(box: SarkMock, **more: object) -> RunOptions:
    headers = [": ".join(pair) for pair in box.headers.items()]
    options = RunOptions.of({"url": box.url, "profile": AUTO, "header": headers})
    return replace(options, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", profiles())
def test_the_version_that_answers_judges(profile: str) -> None:
    heard = Listener()
    with SarkMock(profile=profile, tls=False) as box:
        run = open_run(options_for(box), watcher=heard)
        assert len(box.requests) <= MOST
        assert {request.method for request in box.requests} <= {"GET", "OPTIONS"}
    assert run.options.profile == run.version() == profile
    assert run.contract.document["info"] == box.engine.document["info"]
    count = len(telling_reads())
    assert heard.lines == [f"answers as {profile} ({count} of {count} facts)"]


def test_the_nearest_version_is_named_with_what_is_different(tmp_path: Path) -> None:
    file, heard = tmp_path / "strange.yaml", Listener()
    file.write_text(STRANGE, encoding="utf-8")
    with SarkMock(profile=str(file), tls=False) as box:
        run = open_run(options_for(box), watcher=heard)
    assert run.options.profile == "L10"
    first, *different, last = heard.lines
    assert first.startswith("answers as no published version; L10 is the nearest")
    assert any("GET /agents/zznosuchkey answers" in line and "not 404 message: No query results" in line
               for line in different)
    assert "sarkmock overlay" in last


@pytest.mark.parametrize("more", [{"url": None}, {"plan": True}])
def test_a_version_is_asked_of_a_target_alone(more: dict[str, object]) -> None:
    with SarkMock(tls=False) as box, pytest.raises(CannotRun, match="--profile auto asks a target"):
        open_run(options_for(box, **more))


def test_a_box_that_wants_a_token_says_so_and_how_to_give_one() -> None:
    with SarkMock(profile="L11", tls=False) as box:
        command = [sys.executable, "-m", "sarkmock", "check", box.url, "--profile", AUTO]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "wants an administrator's token: --token-env NAME, or --login USER" in ended.stderr
