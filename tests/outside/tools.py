"""Helpers: running an external tool, writing the document to a file, starting a mock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sarkmock import SarkMock, profile_names
from sarkmock.suite_api import Document, load

HERE = Path(__file__).parent
TOOLS = HERE / "node_modules" / ".bin"
PROFILES = profile_names()
TOKEN = "1|0123456789abcdef"


def run(command: list[str], directory: Path = HERE) -> str:
    """Run a command and return its output, which is shown if the command fails."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command[0]} failed\n{done.stdout}\n{done.stderr}"
    return done.stdout


def written(profile: str, directory: Path) -> Path:
    """Write the output of `sarkmock spec` to a file."""
    file = directory / f"{profile}.yaml"
    file.write_text(run([sys.executable, "-m", "sarkmock", "spec", "--profile", profile]), encoding="utf-8")
    return file


@contextmanager
def mocked(profile: str, seed: str = "demo", port: int = 0) -> Iterator[str]:
    """The base URL of a mock of a profile. The seed `demo` has rows in every list."""
    with SarkMock(profile=profile, seed=seed, tls=False, port=port, api_token=TOKEN) as mock:
        yield mock.url


# Field and file of each upload operation by path: examples of a document cannot contain files.
UPLOADED: dict[str, list[str]] = json.loads((HERE / "uploads.json").read_text())
UPLOADS = tuple(f"POST {path}" for path in UPLOADED)
# Rows that an earlier POST has created: factory templates cannot be changed, nor the default tenant deleted.
CREATED = {"PUT /templates/{template}": "Lobby", "DELETE /templates/{template}": "Lobby",
           "DELETE /tenants/{tenant}": "acme"}
CREATING = ("POST /templates", "POST /tenants")
CSV = "text/csv"


def successes(folder: Path, profile: str = "documented", *, without: Collection[str] = ()) -> tuple[Path, int]:
    """The document with one request and one successful response of each operation except DELETE, and their number.

    Dredd and Portman send requests in the order of the paths: a DELETE would remove rows that later requests need.
    """
    return reduced(load(profile), folder / "successes.json",
                   lambda method, name: method != "delete" and name not in without)


def deletions(folder: Path, profile: str = "documented") -> tuple[Path, int]:
    """The same for DELETE, and for the operations that create its rows."""
    return reduced(load(profile), folder / "deletions.json",
                   lambda method, name: method == "delete" or name in CREATING)


def reduced(document: Document, file: Path, is_included: Callable[[str, str], bool]) -> tuple[Path, int]:
    """Keep the first content type and example of each body, because Dredd uses the last ones."""
    document = json.loads(json.dumps(document))
    count = 0
    for path, item in document["paths"].items():
        for method in [name for name in item if name in ("get", "post", "put", "delete")]:
            name = f"{method.upper()} {path}"
            if not is_included(method, name):
                del item[method]
                continue
            operation = item[method]
            count += 1
            if name in CREATED:
                operation["parameters"] = [parameter | {"example": CREATED[name]} for parameter in item["parameters"]]
            operation["responses"] = {status: response for status, response in operation["responses"].items()
                                      if status.startswith("2")}
            for body in [operation.get("requestBody", {}), *operation["responses"].values()]:
                if "content" in body:
                    body["content"] = dict([first_example(body["content"])])
    file.write_text(json.dumps(document), encoding="utf-8")
    return file, count


def first_example(content: dict[str, Any]) -> tuple[str, Any]:
    """JSON if possible, with its first example. Dredd compares the content type of CSV including the charset."""
    kind = "application/json" if "application/json" in content else next(iter(content))
    examples = content[kind].get("examples", {})
    first = content[kind] | ({"examples": dict([next(iter(examples.items()))])} if examples else {})
    return (f"{CSV}; charset=UTF-8" if kind == CSV else kind), first
