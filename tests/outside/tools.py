"""What the checks share: running a foreign tool, the document in a file, a mock to send requests to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sarkmock import SarkMock, profiles
from sarkmock.suite_api import load

HERE = Path(__file__).parent
TOOLS = HERE / "node_modules" / ".bin"
PROFILES = profiles()
TOKEN = "1|0123456789abcdef"


def run(command: list[str], directory: Path = HERE) -> str:
    """What a command printed; the test fails with all of it if the command does."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command[0]} failed\n{done.stdout}\n{done.stderr}"
    return done.stdout


def written(profile: str, directory: Path) -> Path:
    """What `sarkmock spec` prints, in a file."""
    file = directory / f"{profile}.yaml"
    file.write_text(run([sys.executable, "-m", "sarkmock", "spec", "--profile", profile]), encoding="utf-8")
    return file


@contextmanager
def mocked(profile: str, seed: str = "demo", port: int = 0) -> Iterator[str]:
    """The base URL of a mock of a profile; the seed of an office has something in every list."""
    with SarkMock(profile=profile, seed=seed, tls=False, port=port, api_token=TOKEN) as mock:
        yield mock.url


# What Dredd and Portman cannot do, however the document is written: they send no file.
# A template of the factory is not changed; CSV is sent with a charset, and Dredd compares the header as text.
NOT_ASKED = {("POST", "/backups"), ("POST", "/greetings"), ("POST", "/snapshots"), ("PUT", "/templates/{template}"),
             ("GET", "/logs/cdrs"), ("GET", "/logs/cdrs/{limit}")}


def successes(folder: Path, profile: str = "documented") -> tuple[Path, int]:
    """The document with one request and one successful response of each operation, and how many there are.

    Both tools send the requests in the order of the paths, so that a DELETE would remove rows of the requests after it;
    of several content types or examples, Dredd takes the last one of each.
    """
    document = json.loads(json.dumps(load(profile)))
    count = 0
    for path, item in document["paths"].items():
        for method in [name for name in item if name in ("get", "post", "put", "delete")]:
            if method == "delete" or (method.upper(), path) in NOT_ASKED:
                del item[method]
                continue
            operation = item[method]
            count += 1
            operation["responses"] = {status: response for status, response in operation["responses"].items()
                                      if status.startswith("2")}
            for one in [operation.get("requestBody", {}), *operation["responses"].values()]:
                if "content" in one:
                    one["content"] = dict([first_example(one["content"])])
    file = folder / "successes.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file, count


def first_example(content: dict[str, Any]) -> tuple[str, Any]:
    """JSON if there is any, with its first example."""
    kind = "application/json" if "application/json" in content else next(iter(content))
    examples = content[kind].get("examples", {})
    return kind, content[kind] | ({"examples": dict([next(iter(examples.items()))])} if examples else {})
