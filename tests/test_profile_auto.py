"""The profile `auto`: a few reads recognise the version of the box, which is then used for judging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sarkmock_contracts import baselines
from sarkmock_contracts.baselines.comparing import compare_baselines
from sarkmock_contracts.baselines.facts import Baseline, Facts, write_baseline
from sarkmock_contracts.baselines.profile import profile_baseline
from sarkmock_contracts.client import rate_limit
from sarkmock_contracts.client.http import Exchange, Request, Response
from sarkmock_contracts.client.rate_limit import Timer
from sarkmock_contracts.client.target import Client
from sarkmock_contracts.client.transports import Access
from sarkmock_contracts.errors import CannotRun
from sarkmock_contracts.proxy.running import recognised_options
from sarkmock_contracts.run import Watcher, open_run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.safety import Caution
from sarkmock_contracts.safety.fingerprint import AUTO, answers_to, distinguishing_reads, fingerprint, mock_of

from sarkmock import SarkMock
from sarkmock.suite_api import profile_names

MOST = 10
RECORDED = {"recorded": "2026-01-01T00:00:00Z", "seconds": 1, "requests": 1, "milliseconds": {}}
STRANGE = """\
overlay: 1.0.0
info: {title: An unknown version, version: "6.1", x-extends: L10, x-date: 2026-01-01}
x-deviations: {other-words: {summary: It uses another wording., severity: cosmetic, reason: Made up for a test.}}
actions:
  - {target: "$['x-laravel']", update: {row-not-found: "No {model} has the key {key}"}, x-deviation: other-words}
"""


class Listener(Watcher):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def announce(self, text: str) -> None:
        self.lines.append(text)


def options_for(box: SarkMock, **changes: object) -> RunOptions:
    headers = [": ".join(pair) for pair in box.headers.items()]
    options = RunOptions.of({"url": box.url, "profile": AUTO, "header": headers})
    return replace(options, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", profile_names())
def test_recognised_version_is_used_for_judging(profile: str) -> None:
    listener = Listener()
    with SarkMock(profile=profile, tls=False) as box:
        run = open_run(options_for(box), watcher=listener)
        assert len(box.requests) <= MOST
        assert {request.method for request in box.requests} <= {"GET", "OPTIONS"}
    assert run.options.profile == run.version() == profile
    assert run.contract.document["info"] == box.engine.document["info"]
    count = len(distinguishing_reads())
    assert listener.lines == [f"recognised as {profile} ({count} of {count} facts)"]


@pytest.mark.parametrize("profile", profile_names())
@pytest.mark.parametrize("judging", [AUTO, "documented"])
def test_version_is_recognised_over_https(profile: str, judging: str) -> None:
    listener = Listener()
    with SarkMock(profile=profile) as box:
        run = open_run(options_for(box, profile=judging), watcher=listener)
        assert len(box.requests) <= MOST
    assert (run.options.profile, run.version()) == (profile if judging == AUTO else judging, profile)
    assert [line.partition(" (")[0] for line in listener.lines] == [f"recognised as {profile}"]


def test_slow_box_is_recognised() -> None:
    listener = Listener()
    with SarkMock(profile="L11", faults="latency=0.3") as box:
        run = open_run(options_for(box), watcher=listener)
    assert run.options.profile == "L11"
    assert len(listener.lines) == 1


def test_box_with_rate_limit_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another client has used up the current rate limit window. The run waits for the next one."""
    listener, waits = Listener(), list[float]()
    with SarkMock(profile="L10", throttle=60, now=1717236000) as box:
        def wait(seconds: float) -> None:
            waits.append(seconds)
            box.state.clock.advance(seconds)

        monkeypatch.setattr(rate_limit, "Timer", lambda: Timer(box.state.clock.now, wait))
        session = box.session()
        for _ in range(58):
            session.get(f"{box.url}/tenants", headers=box.headers)
        run = open_run(options_for(box), watcher=listener)
        assert 429 not in {entry.answer.status for entry in box.requests}
    assert run.options.profile == "L10"
    assert len(listener.lines) == 1
    assert 0 < sum(waits) < 75


def test_nearest_version_is_reported_with_differences(tmp_path: Path) -> None:
    file, listener = tmp_path / "strange.yaml", Listener()
    file.write_text(STRANGE, encoding="utf-8")
    with SarkMock(profile=str(file), tls=False) as box:
        run = open_run(options_for(box), watcher=listener)
    assert run.options.profile == "L10"
    first, *different, last = listener.lines
    assert first.startswith("matches no published version; L10 is the nearest")
    assert any("GET /agents/zznosuchkey returned" in line and "expected 404 message: No query results" in line
               for line in different)
    assert "sarkmock overlay" in last


class OneChange(Client):
    """A box of a profile that responds differently to one request, with another status or as another profile does."""

    def __init__(self, profile: str, changed: Request, as_profile: str | None) -> None:
        self.box, self.changed, self.as_profile = mock_of(profile), changed, as_profile

    def send(self, request: Request) -> Exchange:
        if request != self.changed:
            return Exchange(request, self.box.send(request))
        return Exchange(request, mock_of(self.as_profile).send(request) if self.as_profile else Response(418))


@pytest.mark.parametrize("profile", profile_names())
@pytest.mark.parametrize("changed", distinguishing_reads(), ids=lambda read: f"{read.method}-{read.path}")
def test_one_change_is_not_taken_for_another_version(profile: str, changed: Request) -> None:
    strange = OneChange(profile, changed, None)
    assert fingerprint(strange, strange.get("/tenants")).version == profile
    for other in profile_names():
        if answers_to(changed)[other] != answers_to(changed)[profile]:
            mixed = OneChange(profile, changed, other)
            assert not fingerprint(mixed, mixed.get("/tenants")).exact


@pytest.mark.parametrize("changes", [{"url": None}, {"plan": True}])
def test_auto_needs_a_target_url(changes: dict[str, object]) -> None:
    with SarkMock(tls=False) as box, pytest.raises(CannotRun, match="--profile auto needs the URL of a target"):
        open_run(options_for(box, **changes))


TOKEN_REQUIRED = "this SARK needs an administrator's token: --token-env NAME, or --login USER"
UNKNOWN_TOKEN = "--token-env BOX: this SARK rejects the token; it was revoked, has expired, or belongs to another box"
WORKER = {"name": "Mary", "email": "mary@example.com", "password": "x"}


@pytest.fixture(scope="module")
def locked() -> Iterator[SarkMock]:
    """A box that requires a token."""
    with SarkMock(profile="L11", tls=False) as box:
        yield box


def rejection(box: SarkMock, url: str, **access: object) -> str:
    """The error message for a URL, after at most ten requests, all of them reads."""
    box.requests.clear()
    caution = Caution(access=Access(**access))  # type: ignore[arg-type]
    with pytest.raises(CannotRun) as error:
        open_run(RunOptions(profile=AUTO, url=url, caution=caution))
    assert len(box.requests) <= MOST
    assert {request.method for request in box.requests} <= {"GET", "OPTIONS"}
    return str(error.value)


@pytest.mark.parametrize(("base", "message"), [
    ("/api", f"{{url}}: {TOKEN_REQUIRED}"), ("/api/", f"{{url}}: {TOKEN_REQUIRED}"),
    ("", f"no API at the base path /; it is at {{url}}, and {TOKEN_REQUIRED}"),
    ("/v1", f"no API at the base path /v1; it is at {{url}}, and {TOKEN_REQUIRED}"),
    ("/api/v1", f"no API at the base path /api/v1; it is at {{url}}, and {TOKEN_REQUIRED}"),
    ("/api/api", f"no API at the base path /api/api; it is at {{url}}, and {TOKEN_REQUIRED}")])
def test_missing_token_is_explained(locked: SarkMock, base: str, message: str) -> None:
    assert rejection(locked, locked.url.removesuffix("/api") + base).endswith(message.format(url=locked.url))


@pytest.mark.parametrize(("token", "message"), [
    ("9|nosuchtoken", UNKNOWN_TOKEN),
    ("nobar", "--token-env BOX: not a token of SARK; they look like 1|SECRET"),
    ("{mary}", "--token-env BOX: mary@example.com is not an administrator, which this SARK requires")])
def test_rejected_token_is_explained(locked: SarkMock, monkeypatch: pytest.MonkeyPatch, token: str,
                                     message: str) -> None:
    locked.reset()
    made = locked.session().post(locked.url + "/auth/register", json=WORKER, headers=locked.headers).json()
    monkeypatch.setenv("BOX", token.format(mary=made["accessToken"]))
    assert rejection(locked, locked.url, token_env="BOX") == f"{locked.url}: {message}"


def test_valid_token_is_not_blamed_for_an_error() -> None:
    with SarkMock(profile="L11", tls=False, faults="tenants.list:status=500") as box:
        header = f"Authorization: {box.headers['Authorization']}"
        assert "/tenants returned 500 (Internal Server Error)" in rejection(box, box.url, headers=(header,))


def test_rejected_token_in_header_names_header(locked: SarkMock) -> None:
    message = rejection(locked, locked.url, headers=("Authorization: Bearer 9|nosuchtoken",))
    assert message == f"{locked.url}: {UNKNOWN_TOKEN.replace('--token-env BOX', '--header Authorization')}"


def test_reads_that_recognise_the_version_are_not_new_findings() -> None:
    """The reads that recognise L10 must not be reported as new findings."""
    with SarkMock(profile="L10", tls=False) as box:
        run = open_run(options_for(box, profile="documented"))
        for path in ("/agents/zznosuchkey", "/coscloses/zznosuchkey"):
            run.get(path)
    assert run.outcome().deviations("known")
    assert [str(judged.finding) for judged in run.outcome().of("new")] == []


# compare, overlay and proxy


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline of an L10 box."""
    file = tmp_path_factory.mktemp("auto") / "box.sark"
    recording = profile_baseline("L10", Baseline("http://pbx/api", "quick", ("read",), None, Facts()))
    write_baseline(replace(recording, recorded=RECORDED), file)
    return file


@pytest.mark.parametrize("order", [1, -1])
def test_compare_uses_profile_of_other_side(recorded: Path, order: int) -> None:
    names = [AUTO, str(recorded)][::order]
    *both, _ = baselines.compared_sides(*names, lambda: pytest.fail("nothing is to be recorded"))
    assert both[::order][0].name == "L10"
    assert compare_baselines(*both).differences == []


@pytest.mark.parametrize("names", [(AUTO, AUTO), (AUTO, "L10"), ("L10", AUTO)])
def test_compare_with_auto_needs_a_baseline(names: tuple[str, str]) -> None:
    with pytest.raises(CannotRun, match="auto recognises the version of a box"):
        baselines.compared_sides(*names, lambda: pytest.fail("nothing is to be recorded"))


@pytest.mark.parametrize(("profile", "nearest"), [(AUTO, "L10"), ("L10", "L10"), ("shipped", "shipped")])
def test_overlay_extends_nearest_profile(recorded: Path, tmp_path: Path, profile: str, nearest: str) -> None:
    first, *_ = baselines.make_profile(recorded, tmp_path / "box.yaml", profile)
    assert first.startswith(f"nearest to {nearest}: ")


@pytest.mark.parametrize("profile", profile_names())
@pytest.mark.parametrize(("judging", "target"), [(AUTO, None), ("documented", AUTO)])
def test_proxy_uses_version_of_upstream(profile: str, judging: str, target: str | None) -> None:
    with SarkMock(profile=profile, tls=False) as box:
        options = recognised_options(options_for(box, profile=judging, target_profile=target))
        assert len(box.requests) <= MOST
    assert (options.profile, options.target_profile) == (profile if judging == AUTO else judging, profile)
