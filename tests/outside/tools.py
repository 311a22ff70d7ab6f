"""What the checks share: running a foreign tool, the document in a file, a mock to send requests to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sarkmock import SarkMock, profiles
from sarkmock.suite_api import Document, load

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


# The field and the file of each operation that uploads one, by path: no example of a document can hold a file.
UPLOADED: dict[str, list[str]] = json.loads((HERE / "uploads.json").read_text())
UPLOADS = tuple(f"POST {path}" for path in UPLOADED)
# Rows that a POST before has made: a template of the factory is not changed, nor the default tenant removed.
MADE = {"PUT /templates/{template}": "Lobby", "DELETE /templates/{template}": "Lobby",
        "DELETE /tenants/{tenant}": "acme"}
MAKING = ("POST /templates", "POST /tenants")
CSV = "text/csv"


def successes(folder: Path, profile: str = "documented", *, without: Collection[str] = ()) -> tuple[Path, int]:
    """The document with one request and one successful response of each operation but DELETE, and how many there are.

    Dredd and Portman send the requests in the order of the paths, so that a DELETE would remove rows of those after it.
    """
    return reduced(load(profile), folder / "successes.json",
                   lambda method, name: method != "delete" and name not in without)


def deletions(folder: Path, profile: str = "documented") -> tuple[Path, int]:
    """The same of DELETE, and of what it needs."""
    return reduced(load(profile), folder / "deletions.json", lambda method, name: method == "delete" or name in MAKING)


def reduced(document: Document, file: Path, wanted: Callable[[str, str], bool]) -> tuple[Path, int]:
    """Of several content types or examples, Dredd takes the last one of each: the first ones are left."""
    document = json.loads(json.dumps(document))
    count = 0
    for path, item in document["paths"].items():
        for method in [name for name in item if name in ("get", "post", "put", "delete")]:
            name = f"{method.upper()} {path}"
            if not wanted(method, name):
                del item[method]
                continue
            operation = item[method]
            count += 1
            if name in MADE:
                operation["parameters"] = [one | {"example": MADE[name]} for one in item["parameters"]]
            operation["responses"] = {status: response for status, response in operation["responses"].items()
                                      if status.startswith("2")}
            for one in [operation.get("requestBody", {}), *operation["responses"].values()]:
                if "content" in one:
                    one["content"] = dict([first_example(one["content"])])
    file.write_text(json.dumps(document), encoding="utf-8")
    return file, count


def first_example(content: dict[str, Any]) -> tuple[str, Any]:
    """JSON if there is any, with its first example; Dredd compares the type of CSV as text, with the charset."""
    kind = "application/json" if "application/json" in content else next(iter(content))
    examples = content[kind].get("examples", {})
    first = content[kind] | ({"examples": dict([next(iter(examples.items()))])} if examples else {})
    return (f"{CSV}; charset=UTF-8" if kind == CSV else kind), first
