"""Replays recorded exchanges against an engine in this process, and reports differences."""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.http.replies import Reply
from sarkmock.pbx.pbx_files import MAC_VENDORS
from sarkmock.pbx.state import PbxFile, State

Exchange = Mapping[str, Any]

VOLATILE_FIELDS = {"z_created", "z_updated", "passwd", "filesize", "date"}
VOLATILE_NUMBERS = re.compile(r"(?<=dateSeg)\d+|(?<=sched)\d+|(?<=sarkbak\.)\d+(?=\.zip)|(?<=sark\.db\.)\d+")
COMPARED_BY_TYPE = {"application/zip", "application/x-sqlite3"}
BOUNDARY = "----recorded-exchange"


@dataclass(frozen=True, slots=True)
class Difference:
    """An exchange whose response differs from the recorded one; both are masked."""

    scenario: int
    step: int
    request: Mapping[str, Any]
    expected: Any
    got: Any

    @property
    def resource(self) -> str:
        return resource_of(self.request)

    def __str__(self) -> str:
        request = {key: value for key, value in self.request.items() if key not in ("method", "path", "save")}
        line = f"{self.scenario}/{self.step} {self.request['method']} {self.request['path']} {json.dumps(request)}"
        return f"{line}\n  expected {json.dumps(self.expected)}\n  got      {json.dumps(self.got)}"


def read(path: Path) -> list[dict[str, Any]]:
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def replay(exchanges: Iterable[Exchange], engine: Engine) -> list[Difference]:
    """Send every exchange in order. Each scenario starts in the factory state."""
    return [difference for _, difference in answers(exchanges, engine) if difference]


def answers(exchanges: Iterable[Exchange], engine: Engine) -> Iterator[tuple[Exchange, Difference | None]]:
    scenario: Any = None
    saved: dict[str, str] = {}
    for exchange in exchanges:
        if scenario_of(exchange) != scenario:
            scenario, saved = scenario_of(exchange), {}
            factory_fresh(engine.state)
        reply = send(engine, request_of(exchange["request"], saved))
        remember(exchange["request"], reply, saved)
        yield exchange, compare(exchange, reply)


def send(engine: Engine, request: ApiRequest) -> Reply:
    """Send a request. An exception of the engine becomes a difference."""
    try:
        return engine.handle(request)
    except Exception as error:
        return Reply({"raised": repr(error)}, 0)


def factory_fresh(state: State) -> None:
    """Reset to the factory seed, without files and calls of a used box and without the list of vendors."""
    state.reset()
    state.files.clear()
    state.files[MAC_VENDORS] = PbxFile(b"", state.clock.now())


def compare(exchange: Exchange, reply: Reply) -> Difference | None:
    expected, got = recorded_answer(exchange["response"]), our_answer(exchange["response"], reply)
    if canonical(expected) == canonical(got):
        return None
    return Difference(exchange["scenario"], exchange["step"], exchange["request"], expected, got)


def recorded_answer(response: Mapping[str, Any]) -> list[Any]:
    status = response["status"]
    return [status, None if status == 500 else mask(response["body"])]


def our_answer(response: Mapping[str, Any], reply: Reply) -> list[Any]:
    if reply.status == 500:
        return [500, None]
    return [reply.status, mask(body_of(response, reply))]


def body_of(response: Mapping[str, Any], reply: Reply) -> Any:
    """The body in the format of the recording."""
    if reply.status == 405 and isinstance(reply.body, dict):
        return {"message": reply.body.get("message")}
    if isinstance(reply.body, dict) and "trace" in reply.body:
        return {"message": reply.body["message"], "exception": reply.body["exception"]}
    if not isinstance(reply.body, bytes):
        return json.loads(json.dumps(reply.body))
    if reply.content_type != response["content_type"]:
        return {"<content type>": reply.content_type}
    if reply.content_type in COMPARED_BY_TYPE:
        return response["body"]
    return {"<text>": reply.body.decode("utf-8", "replace")[:300]}


def mask(value: Any) -> Any:
    if isinstance(value, dict):
        return mask_object(value)
    if isinstance(value, list):
        return [mask(item) for item in value]
    return VOLATILE_NUMBERS.sub("N", value) if isinstance(value, str) else value


def mask_object(value: dict[str, Any]) -> dict[str, Any]:
    """Number the keys that become equal by masking, so that none is lost."""
    masked: dict[str, Any] = {}
    seen: Counter[str] = Counter()
    for key, item in value.items():
        name = VOLATILE_NUMBERS.sub("N", key)
        seen[name] += 1
        name = name if seen[name] == 1 else f"{name} ({seen[name]})"
        masked[name] = "volatile" if key in VOLATILE_FIELDS else mask(item)
    return masked


def canonical(value: Any) -> str:
    """JSON text, which distinguishes true from 1 and 1 from 1.0, unlike Python's ==."""
    return json.dumps(value, sort_keys=True)


def remember(request: Mapping[str, Any], reply: Reply, saved: dict[str, str]) -> None:
    for name, field in request.get("save", {}).items():
        saved[name] = str(reply.body.get(field)) if isinstance(reply.body, dict) else ""


def request_of(recorded: Mapping[str, Any], saved: Mapping[str, str]) -> ApiRequest:
    path = recorded["path"]
    for name, value in saved.items():
        path = path.replace("{" + name + "}", value)
    content_type, body = payload(recorded)
    headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if content_type else {})
    headers |= recorded.get("headers", {})
    return ApiRequest(recorded["method"], path, "", headers, body)


def payload(recorded: Mapping[str, Any]) -> tuple[str, bytes]:
    if "json" in recorded:
        return "application/json", json.dumps(recorded["json"]).encode()
    if "form" in recorded:
        return "application/x-www-form-urlencoded", urlencode(recorded["form"], doseq=True).encode()
    if "files" in recorded:
        return f"multipart/form-data; boundary={BOUNDARY}", multipart(recorded["files"])
    return "", recorded.get("raw", "").encode()


def multipart(files: Mapping[str, tuple[str, str, str]]) -> bytes:
    parts = b"".join(file_part(field, *file) for field, file in files.items())
    return parts + f"--{BOUNDARY}--\r\n".encode()


def file_part(field: str, name: str, content_type: str, content: str) -> bytes:
    head = f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: {content_type}'
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + base64.b64decode(content) + b"\r\n"


def scenario_of(exchange: Exchange) -> Any:
    """The scenario, or selection from one, that starts in the factory state."""
    return exchange["scenario"], exchange.get("selection")


def resource_of(request: Mapping[str, Any]) -> str:
    return str(request["path"]).strip("/").split("/")[0]


def engine_for(profile: str) -> Engine:
    return Engine(profile=profile)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    exchanges = [item for item in read(options.file) if options.scenario in (None, item["scenario"])]
    differences: list[Difference] = []
    total: Counter[str] = Counter()
    for exchange, difference in answers(exchanges, engine_for(options.profile)):
        resource = resource_of(exchange["request"])
        if options.resource not in (None, resource):
            continue
        total[resource] += 1
        differences += [difference] if difference else []
    report(total, differences, options.verbose)
    return 1 if differences else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__)
    parser.add_argument("file", type=Path, help="recorded exchanges, .jsonl or .jsonl.gz")
    parser.add_argument("--profile", default="shipped")
    parser.add_argument("--resource", help="report only on this first segment of the path")
    parser.add_argument("--scenario", type=int, help="replay only this scenario")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every difference")
    return parser.parse_args(arguments)


def report(total: Counter[str], differences: list[Difference], verbose: bool) -> None:
    wrong = Counter(difference.resource for difference in differences)
    lines = [f"{difference}\n" for difference in differences if verbose]
    lines += [agreement(resource, count, wrong[resource]) for resource, count in sorted(total.items())]
    lines.append(agreement("all", sum(total.values()), len(differences)))
    sys.stdout.write("\n".join(lines) + "\n")


def agreement(name: str, count: int, wrong: int) -> str:
    return f"{name:20} {count - wrong:5} of {count:5}  {1 - wrong / (count or 1):7.1%}"


if __name__ == "__main__":
    raise SystemExit(main())
