"""`sarkmock serve`: runs the mock until a signal; --watch reloads changed files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

import click

from sarkmock.cli.listening import (
    FaultLine,
    begin_listening,
    begin_serving,
    chosen_journal,
    control_access,
    listening_line,
    page_line,
    proxy_hint,
    server_tls,
    set_faults,
)
from sarkmock.cli.output import RequestLog, names_or_file
from sarkmock.control import CONTROL_PREFIX, HEALTH, Control, MockControl
from sarkmock.faults import Fault
from sarkmock.http.direct import Direct
from sarkmock.http.engine import Engine, Program, api_token_of
from sarkmock.http.wsgi import API_PATH
from sarkmock.journal import DEFAULT_KEPT
from sarkmock.pbx.persistence import Kept, Storage
from sarkmock.pbx.seeds import load_seed, seed_names
from sarkmock.pbx.state import State
from sarkmock.server.http11 import Limits
from sarkmock.server.https_server import Server, unbracketed
from sarkmock.spec.data_files import BASE, openapi_dir
from sarkmock.spec.loading import clear_cache
from sarkmock.spec.profiles import overlay_files, profile_names
from sarkmock.spec.yaml12 import FileError

PORT = 44300
LIMITS = Limits()


class Seconds(click.FloatRange):
    """A number of seconds, which may be infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        return self.fail("nan is not a number of seconds", param, ctx) if isnan(seconds) else seconds


SECONDS_TYPE = Seconds(min=0, min_open=True)
FILE_TYPE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              callback=lambda _, __, host: unbracketed(host), help="Address to listen on.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), metavar="PORT",
              help="Port to listen on; 0 takes any free one and prints it.")
@click.option("--http", is_flag=True, help="Plain HTTP instead of HTTPS.")
@click.option("--cert", type=FILE_TYPE, metavar="FILE",
              help="Certificate chain (PEM); without it one is made for this run.")
@click.option("--key", type=FILE_TYPE, metavar="FILE", help="Private key (PEM) of --cert.")
@click.option("--profile", default=BASE, show_default=True, metavar="NAME",
              shell_complete=names_or_file(profile_names),
              help="Version of the API to mock: a name that `sarkmock profiles` lists, or an overlay file.")
@click.option("--seed", "--seed-file", metavar="NAME|FILE", shell_complete=names_or_file(seed_names),
              help=f"Initial state: {', '.join(seed_names())}, or a YAML file.  [default: factory]")
@click.option("--state", type=FILE_TYPE, metavar="FILE",
              help="Persist state to this file. It is loaded at startup, and every change is written before the "
                   "response is sent.")
@click.option("--salvage", is_flag=True,
              help="Load what can be read of a damaged --state file, which is kept as FILE.damaged.")
@click.option("--throttle", type=click.IntRange(min=1), metavar="N",
              help="Accept at most N requests a minute and reject others with 429; a real box accepts 60.")
@click.option("--web-server", type=click.Choice(["apache", "none"]), default="apache", show_default=True,
              help="Web server in front of PHP. Apache redirects paths that end in a slash and rejects some others.")
@click.option("--journal", type=click.IntRange(min=0), default=DEFAULT_KEPT, show_default=True, metavar="N",
              help="Number of requests and responses that GET /_mock/journal keeps.")
@click.option("--fault", "faults", type=FaultLine(), multiple=True, metavar="[OPERATION:]KEY=VALUE,...",
              help="Make requests fail, such as tenants.create:status=500,times=2; can be given several times.")
@click.option("--fault-file", type=FILE_TYPE, metavar="FILE", help="YAML list of such faults.")
@click.option("--api-token", envvar="SARKMOCK_API_TOKEN", show_envvar=True, metavar="TOKEN",
              help="Bearer token of an administrator, for profiles with authentication; the default is a random one.")
@click.option("--control-token", envvar="SARKMOCK_CONTROL_TOKEN", show_envvar=True, metavar="TOKEN",
              help="Token that requests to /_mock need; if other machines can reach the mock, the default is a random "
                   "one, printed.")
@click.option("--control-origin", "origins", multiple=True, metavar="ORIGIN",
              help="Origin of web pages that may use /_mock with the token, such as http://localhost:5173; can be "
                   "given several times.")
@click.option("--no-control", is_flag=True, help="Disable /_mock.")
@click.option("--save-dir", type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
              metavar="DIRECTORY", help="Directory for the files of /_mock/save and /_mock/load.")
@click.option("--boot-time", type=Seconds(min=0), default=60.0, show_default=True, metavar="SECONDS",
              help="Time that the PBX is down after a reboot.")
@click.option("--max-connections", "connections", default=LIMITS.connections, show_default=True,
              type=click.IntRange(min=1), metavar="N", help="Serve N connections at once; further ones get 503.")
@click.option("--max-body", "body", default=LIMITS.body >> 20, show_default=True, type=click.IntRange(min=1),
              callback=lambda _, __, mebibytes: mebibytes << 20, metavar="MIB",
              help="Reject larger request bodies with 413.")
@click.option("--header-timeout", default=LIMITS.header_timeout, show_default=True, type=SECONDS_TYPE,
              metavar="SECONDS", help="Drop a client whose TLS handshake or request head takes longer.")
@click.option("--body-timeout", default=LIMITS.body_timeout, show_default=True, type=SECONDS_TYPE, metavar="SECONDS",
              help="Drop a client that stops sending its body, or stops reading the response, for that long.")
@click.option("--idle-timeout", default=LIMITS.idle_timeout, show_default=True, type=SECONDS_TYPE, metavar="SECONDS",
              help="Close a connection that is kept alive after that long without a request.")
@click.option("--watch", is_flag=True, help="Reload the seed file, the overlay and the document when they change.")
@click.option("-v", "--verbose", is_flag=True,
              help="Log every request to stderr: why it was rejected, and where published versions differ.")
def serve(host: str, port: int, http: bool, cert: Path | None, key: Path | None,
          profile: str, seed: str | None, state: Path | None, salvage: bool, throttle: int | None, web_server: str,
          journal: int, faults: tuple[Fault, ...], fault_file: Path | None, api_token: str | None,
          control_token: str | None, origins: tuple[str, ...], no_control: bool, save_dir: Path | None,
          boot_time: float, watch: bool, verbose: bool, **numbers: Any) -> None:
    """Answer the SARK V6 API on this machine until Ctrl-C.

    It listens on https://127.0.0.1:44300/api. State starts from --seed each time, unless --state persists it. POST
    /_mock/reset restores the initial state; /_mock/control.yaml describes the rest of the control plane.

    \b
    Examples:
        sarkmock serve
        sarkmock serve --port 0 --http              any free port, without TLS
        sarkmock serve --profile shipped -v         behave like the product of 2024-06, log requests
        sarkmock serve --profile shipped --throttle 60    with the rate limit of a real box
        sarkmock serve --fault 'tenants.*:status=503,times=2' --fault latency=0.1..0.5
        sarkmock serve --cert box.pem --key box.key
        sarkmock serve --seed my-box.yaml           start from your own rows
        sarkmock serve --seed my-box.yaml --watch   and reload that file when it changes
        sarkmock serve --state office.state         continue where the last run with that file ended
    """
    begin_listening()
    with ExitStack() as stack:
        program = Program.of(profile)
        storage = storage_of(stack, state, program, salvage)
        engine = Engine(state=initial_state(program, seed, storage, boot_time, api_token), program=program)
        tls, ca = server_tls(stack, host, cert, key, http)
        control = control_access(host, no_control, control_token, save_dir, origins)
        kept = chosen_journal(engine, journal, no_control, verbose)
        mock = MockControl(engine, set_faults(engine, fault_file, faults), kept, control, throttle=throttle,
                           web_server=web_server != "none")
        app = Kept(Direct(mock), engine.state, storage, engine.lock) if storage else Direct(mock)
        server = Server(app, host, port, tls=tls, log=RequestLog(kept) if verbose else None, limits=Limits(**numbers),
                        background=CONTROL_PREFIX, probe=HEALTH, takes_long=engine.takes_long)
        stack.callback(server.stop)
        begin_serving(stack, server, greeting(server, ca, engine, control, control_token, api_token))
        if watch:
            begin_watching(engine, profile, seed, report_line)
        server.run()


def storage_of(stack: ExitStack, file: Path | None, program: Program, salvage: bool) -> Storage | None:
    """Return the storage of --state, which the stack closes; None without that option."""
    if file is None and salvage:
        raise click.UsageError("--salvage needs --state")
    return stack.enter_context(closing(Storage(file, program.database, salvage=salvage))) if file else None


def token_of(program: Program, token: str | None) -> str | None:
    """Return the administrator's token, if the profile has authentication."""
    try:
        return api_token_of(program, token)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--api-token") from None


def initial_state(program: Program, seed: str | None, storage: Storage | None, boot_time: float,
                  token: str | None) -> State:
    """Return the saved state, or that of the seed. A seed that is named is also what a reset restores."""
    kept = storage.seed if storage and seed is None else None
    initial = kept or load_seed("factory" if seed is None else seed, program.document)
    state = State(initial, token=token_of(program, token))
    state.pbx.boot_seconds = boot_time
    if storage:
        storage.restore(state)
        try:
            storage.save(state)
        except OSError as error:
            raise FileError(storage.file, None, f"cannot be written: {error.strerror or error}") from None
    return state


def greeting(server: Server, ca: Path | None, engine: Engine, control: Control | None, control_token: str | None,
             given: str | None) -> str:
    """Return what a user needs to send the first request. A token that the user gave is not repeated."""
    url, trust = server.url, f"--cacert {ca} " if ca else ""
    token = engine.state.token and ("..." if given else engine.state.token)
    bearer = f"-H 'Authorization: Bearer {token}' " if token else ""
    kind = f"{'your token' if given else token}   (an administrator's, until that user logs in or out)"
    return (f"SARK V6 API, profile {engine.program.profile}, {len(engine.operations)} operations\n"
            f"{listening_line(server, API_PATH)}"
            + (f"token         {kind}\n" if token else "token         not needed by this profile\n" if given else "") +
            f"try           curl {trust}{bearer}{url}{API_PATH}/tenants\n"
            f"control       {page_line(url, control, control_token)}\n"
            f"{proxy_hint(url)}"
            f"docs          sarkmock routes, sarkmock spec, sarkmock serve --help\n"
            f"stop          Ctrl-C")


# Polling: a few files need no library for this, and it works on every file system.
INTERVAL = 0.25  # seconds between two polls
Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass
class WatchedFiles:
    """A group of files and the function that reloads them; ``name`` appears in messages."""

    name: str
    files: list[Path]
    reload: Callable[[], None]
    _seen: Signature = field(init=False)
    _before: Signature = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self._before = self.signature()

    def signature(self) -> Signature:
        return tuple(map(file_signature, self.files))

    def look(self) -> str | None:
        """Reload the files if they have changed and are stable; return a message to report, or None."""
        now = self.signature()
        settled, self._before = now == self._before, now
        if now == self._seen or not settled:
            return None
        self._seen = now
        try:
            self.reload()
        except (FileError, ValueError) as error:
            return f"{' '.join(str(error).split())}; the mock continues with the previous version"
        return f"{self.name} was reloaded"


def file_signature(file: Path) -> tuple[int, int, int] | None:
    """Return a value that changes when the file does; None if it does not exist."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def begin_watching(engine: Engine, profile: str, seed: str | None, report: Callable[[str], None]) -> None:
    """Watch the document and the seed in a daemon thread."""
    threading.Thread(target=watch_files, args=(list(watched_files(engine, profile, seed)), report), daemon=True).start()


def watch_files(groups: list[WatchedFiles], report: Callable[[str], None]) -> None:
    while True:
        time.sleep(INTERVAL)
        for group in groups:
            if message := group.look():
                report(message)


def watched_files(engine: Engine, profile: str, seed: str | None) -> Iterable[WatchedFiles]:
    """Return the document with its overlays, and the seed if it is a file."""
    def read_document() -> None:
        clear_cache()
        Program.of.cache_clear()
        engine.use(profile)

    def read_seed() -> None:
        engine.reseed(load_seed(str(seed), engine.document))

    own = sorted(openapi_dir().rglob("*.yaml"))
    overlays = [file for file in overlay_files(profile) if file not in own]
    yield WatchedFiles(profile if overlays else "the document", [*own, *overlays], read_document)
    if seed is not None and seed not in seed_names():
        yield WatchedFiles(seed, [Path(seed)], read_seed)


def report_line(line: str) -> None:
    """Print one line on stderr."""
    click.echo(f"sarkmock: {line}", err=True)
