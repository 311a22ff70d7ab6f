"""Commands with a secret token against a box full of secrets: no secret is written or printed."""

import json
import os
import resource
import subprocess

import pytest

from sarkmock import Engine, create_app, load_seed
from sarkmock.pbx.state import State
from sarkmock.server.https_server import Server
from sarkmock.suite_api import load
from tests.prefork import COMMAND, PROCESS

TOKEN = "1|Sentinel0Token"
SECRETS = ("Sentinel0", "Sentinel1", "Sentinel2", "Sentinel3", "Sentinel4", "Sentinel5", "Sentinel6")


def leaking(application):
    """Add a cookie and a link with credentials to every response, and the token to errors."""
    def wrapped(environ, start_response):
        def start(status, headers, *rest):
            extra = [("Set-Cookie", "laravel_session=Sentinel1; path=/"), ("X-Api-Key", "Sentinel2"),
                     ("Location", "https://admin:Sentinel3@pbx.example/?access_token=Sentinel4")]
            return start_response(status, [*headers, *extra], *rest)
        if environ["PATH_INFO"].startswith("/api/agents/"):
            body = json.dumps({"message": f"Bearer {TOKEN} of https://admin:Sentinel5@10.0.0.1/ is wrong",
                               "exception": "E", "trace": [{"args": {"password": "Sentinel6"}}]}).encode()
            start("500 Internal Server Error", [("Content-Type", "application/json"),
                                                ("Content-Length", str(len(body)))])
            return [body]
        return application(environ, start)
    return wrapped


@pytest.fixture(scope="module")
def box():
    document = load("L11")
    state = State(load_seed("factory", document), now=1_717_236_000, token=TOKEN)
    state.tables.insert("ipphone", {"pkey": "1001", "cluster": "default", "passwd": "Sentinel6", "desc": "theirs"})
    with Server(leaking(create_app(Engine(document, state))), port=0) as server:
        yield f"{server.url}/api"


TOKEN_OPTIONS = ("--token-env", "PBX", "--rate", "99/s")
RUNS = {
    "check": ["check", "{}", "--profile", "L11", "--allow-writes", "--only", "Agents", "--budget", "90",
              "--report", "out", "--ledger", "run.ledger", *TOKEN_OPTIONS],
    "baseline": ["baseline", "{}", "--allow-writes", "--only", "Agents", "-o", "box.sark", *TOKEN_OPTIONS],
    "import": ["import", "{}", "-o", "seed.yaml", *TOKEN_OPTIONS],
}


@pytest.mark.parametrize("command", RUNS)
def test_no_secret_is_written_or_printed(command, box, tmp_path):
    arguments = [argument.format(box) for argument in RUNS[command]]
    result = subprocess.run([*COMMAND, *arguments], cwd=tmp_path, env={**os.environ, "PBX": TOKEN}, timeout=200,
                            capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stderr
    files = {str(file.relative_to(tmp_path)): file.read_bytes().decode("latin-1")
             for file in tmp_path.rglob("*") if file.is_file()}
    assert files
    texts = {"stdout": result.stdout, "stderr": result.stderr, **files}
    assert not [(name, secret) for name, text in texts.items() for secret in SECRETS if secret in text]


def test_full_disk_ends_run_and_leaves_no_rows(box, tmp_path):
    """The ledger cannot grow: rows that could not be removed after a kill are not created."""
    command = [*PROCESS, "check", box, "--profile", "L11", "--allow-writes", "--only", "Queues", "--quick",
               "--ledger", "run.ledger", *TOKEN_OPTIONS]
    # The limit would also apply to the files of a coverage measurement.
    environment = {**os.environ, "PBX": TOKEN, "COVERAGE_PROCESS_CONFIG": ""}
    result = subprocess.run(command, cwd=tmp_path, env=environment, timeout=200, capture_output=True,
                            text=True, check=False,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000)))
    assert result.returncode == 2
    assert "run.ledger cannot be written" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert "NOT RESTORED" not in result.stdout
