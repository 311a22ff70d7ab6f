"""The pytest plugin: a mock SARK as a fixture, configured by a marker. Imports sarkmock when a test requests it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ssl import SSLContext

    from sarkmock import Journal, SarkMock

MARKER = ("sark(*, profile, seed, pbx, faults, now, throttle, api_token, web_server): "
          "the initial state of the fixture `sark`")
GIVEN_BY_FIXTURES = {"host", "port", "tls"}
MOST_SERVERS = 16


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None],
                              ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the requests that the mock has received to the report of a failed test."""
    report = yield
    mock: Any = getattr(item, "funcargs", {}).get("sark")
    if report.when == "call" and report.failed and hasattr(mock, "requests"):
        report.sections.append(("SARK requests", "\n".join(journal_lines(mock.requests)) or "none"))
    return report


def journal_lines(journal: Journal) -> Iterator[str]:
    """Yield each request on one line, then the reasons for its rejection, and warnings."""
    from sarkmock.suite_api import redacted

    for entry in journal:
        yield redacted(str(entry))
        yield from (f"    {redacted(reason.text)}" for reason in journal.why(entry))
        yield from (f"    {redacted(warning.text)}" for warning in journal.warnings(entry))


@pytest.fixture(scope="session")
def sark_listen_address() -> tuple[str, int]:
    """Host and port to listen on. Port 0 takes any free one, so that workers of pytest-xdist do not share a port."""
    return "127.0.0.1", 0


@pytest.fixture(scope="session")
def sark_ssl_context() -> SSLContext | bool:
    """The server's SSLContext. True generates a certificate, whose CA is `sark.ca_file`; False is plain HTTP."""
    return True


@pytest.fixture(scope="session")
def make_sark(sark_listen_address: tuple[str, int], sark_ssl_context: SSLContext | bool,
              ) -> Iterator[Callable[..., SarkMock]]:
    """A function that starts another mock, with the arguments of SarkMock. The session stops it; nothing resets it."""
    from sarkmock import SarkMock

    host, port = sark_listen_address
    with pytest.MonkeyPatch.context() as environment, ExitStack() as running:
        for name in ("no_proxy", "NO_PROXY"):  # a proxy cannot reach a server on the loopback
            environment.setenv(name, ",".join(filter(None, [os.environ.get(name), "localhost", "127.0.0.1", host])))

        def make(**arguments: Any) -> SarkMock:
            options: dict[str, Any] = {"host": host, "port": port, "tls": sark_ssl_context} | arguments
            mock = SarkMock(**options)
            running.callback(mock.close)
            return mock.start()

        yield make


@pytest.fixture(scope="session")
def _sarks() -> dict[str, SarkMock]:
    """The servers of the session by their arguments, the last used one last."""
    return {}


@pytest.fixture
def sark_profile() -> str:
    """The profile if no marker names one. Override it with params to run every test against several profiles."""
    from sarkmock.spec.data_files import BASE

    return BASE


@pytest.fixture
def sark(request: pytest.FixtureRequest, sark_profile: str, make_sark: Callable[..., SarkMock],
         _sarks: dict[str, SarkMock]) -> SarkMock:
    """A mock SARK in the state that the marker `sark` describes, or factory-fresh. Each test starts from that state."""
    arguments = {"profile": sark_profile} | marker_arguments(request.node)
    key = repr(sorted(arguments.items()))
    mock = _sarks.pop(key, None) or started(make_sark, arguments)
    _sarks[key] = mock
    if len(_sarks) > MOST_SERVERS:
        _sarks.pop(next(iter(_sarks))).close()
    mock.reset()
    return mock


def started(make_sark: Callable[..., SarkMock], arguments: dict[str, Any]) -> SarkMock:
    from sarkmock import CannotListen, FileError

    try:
        return make_sark(**arguments)
    except CannotListen as error:
        pytest.fail(f"sark_listen_address: {error}", pytrace=False)
    except (FileError, TypeError, ValueError) as error:  # SeedError and FaultError are ValueErrors
        pytest.fail(f"@pytest.mark.sark: {error}", pytrace=False)


def marker_arguments(node: pytest.Item) -> dict[str, Any]:
    """Return the arguments of the markers on module, class and test; the nearest takes precedence."""
    arguments: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers("sark"))):
        if marker.args:
            pytest.fail(f"@pytest.mark.sark takes its arguments by name: {', '.join(known_arguments())}", pytrace=False)
        arguments |= marker.kwargs
    for name in arguments:
        if name not in known_arguments():
            from sarkmock.suggest import unknown_name

            pytest.fail(f"@pytest.mark.sark: {unknown_name('argument', name, known_arguments())}", pytrace=False)
    return arguments


def known_arguments() -> list[str]:
    from sarkmock import SarkMock

    return [name for name in inspect.signature(SarkMock).parameters if name not in GIVEN_BY_FIXTURES]
