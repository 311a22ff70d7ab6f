"""`sarkmock export`: every operation once, disruptive requests disabled, and valid requests."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from sarkmock import Engine, Seed, State, load_seed, profile_names
from sarkmock.export import TEXT_FORMS, as_bruno
from sarkmock.export.requests import Exported
from sarkmock.export.requests import exported as requests_of
from sarkmock.http.engine import ApiRequest, Program
from sarkmock.suite_api import compile_document, load
from tests.serving import mistake, sarkmock

BASE = "https://pbx.example:44300/api"
PROFILES = profile_names()


def export_text(form: str, profile: str) -> str:
    return TEXT_FORMS[form](load(profile), BASE)


def curl_lines(text: str, commented: bool) -> list[tuple[str, str, str]]:
    """Method, path and body of every curl line of a script."""
    lines = []
    for line in text.splitlines():
        if line.startswith("# $CURL ") if commented else line.startswith("$CURL "):
            arguments = shlex.split(line.removeprefix("# "))
            method = arguments[arguments.index("-X") + 1] if "-X" in arguments else "GET"
            body = arguments[arguments.index("-d") + 1] if "-d" in arguments else ""
            path = next(word for word in arguments if word.startswith("$BASE")).removeprefix("$BASE")
            lines.append((method, path, body))
    return lines


def http_requests(text: str) -> list[tuple[str, str, str]]:
    """The same for a .http file, with variables substituted and without requests that are commented out."""
    variables = dict(re.findall(r"^@(\w+) = (.+)$", text, re.MULTILINE))
    text = re.sub(r"{{(\w+)}}", lambda match: variables[match[1]], text)
    requests = []
    for block in text.split("\n### ")[1:]:
        lines = block.split("\n")[1:]
        if not lines[0].startswith("#"):
            head, _, body = "\n".join(lines).partition("\n\n")
            method, _, url = head.partition("\n")[0].partition(" ")
            requests.append((method, url.removeprefix(BASE), "" if "multipart" in head else body.strip()))
    return requests


def operations(profile: str, *requests: tuple[str, str, str]) -> list[str]:
    """The operation of each request."""
    engine = Engine(load(profile))
    return [engine.program.router.find(method, unquote(path))[0].id for method, path, _ in requests]


def of_hazard(profile: str, *hazards: str) -> list[str]:
    """The operations of the example requests with some hazards. Generic AMI requests use the name of another one."""
    exported = [item for item in requests_of(load(profile)) if item.operation.hazard in hazards]
    return operations(profile, *((item.operation.method, filled(item), "") for item in exported))


def filled(request: Exported) -> str:
    return re.sub(r"{(\w+)}", lambda match: request.parameters[match[1]], request.operation.path)


def items(collection: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for folder in collection["item"] for item in folder["item"]]


@pytest.mark.parametrize("profile", PROFILES)
def test_curl_script_has_every_operation_and_runs_only_reads(profile: str) -> None:
    text = export_text("curl", profile)
    run, commented = (operations(profile, *curl_lines(text, flag)) for flag in (False, True))
    assert sorted(run) == sorted(of_hazard(profile, "read"))
    assert sorted(commented) == sorted(of_hazard(profile, "write", "operational", "disruptive"))


@pytest.mark.parametrize("profile", PROFILES)
def test_http_file_comments_out_requests_that_affect_the_pbx(profile: str) -> None:
    text, operations_of_document = export_text("http", profile), compile_document(load(profile))
    sent = operations(profile, *http_requests(text))
    assert sorted(sent) == sorted(of_hazard(profile, "read", "write"))
    assert len(re.findall("^### ", text, re.MULTILINE)) == len(operations_of_document)
    assert text.count("\n# GET {{baseUrl}}/syscommands/reboot\n") == 1


def postman_path(profile: str, path: str) -> str:
    """Substitute parameters that are only the end of a segment: a collection cannot have them as variables."""
    examples = {item["name"]: item["example"] for item in load(profile)["paths"][path].get("parameters", [])}
    for end in re.findall(r"(?<!/){(\w+)}", path):
        path = path.replace(f"{{{end}}}", examples[end])
    return re.sub(r"{(\w+)}", r":\1", path)


@pytest.mark.parametrize("profile", PROFILES)
def test_collection_has_every_operation_in_the_folder_of_its_section(profile: str) -> None:
    collection = json.loads(export_text("postman", profile))
    expected = [(operation.section, operation.method, postman_path(profile, operation.path))
                for operation in compile_document(load(profile))]
    requests = [(folder["name"], item["request"]["method"], "/" + "/".join(item["request"]["url"]["path"]))
                for folder in collection["item"] for item in folder["item"]]
    assert sorted(requests) == sorted(expected)
    assert {variable["key"]: variable["value"] for variable in collection["variable"]}["baseUrl"] == BASE
    assert export_text("postman", profile) == export_text("postman", profile)


@pytest.mark.parametrize("profile", PROFILES)
def test_collection_skips_requests_that_affect_the_pbx_unless_allowed(profile: str) -> None:
    collection = json.loads(export_text("postman", profile))
    engine = Engine(load(profile))
    for item in items(collection):
        path = "/".join(item["request"]["url"]["path"])
        hazard = engine.program.router.find(item["request"]["method"], path)[0].hazard
        guards = [event["script"]["exec"] for event in item["event"] if event["listen"] == "prerequest"]
        assert [f'includes("{hazard}")' in "".join(lines) for lines in guards if "allow" in "".join(lines)] == [
            True] * (hazard not in ("read", "write")), path
        assert all("skipRequest" in "".join(lines) for lines in guards)
    assert {"key": "allow", "value": "read write", "type": "string"} in collection["variable"]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_request_parameter_has_a_value(profile: str) -> None:
    collection = json.loads(export_text("postman", profile))
    known = {variable["key"] for variable in collection["variable"]}
    for item in items(collection):
        url = item["request"]["url"]
        values = {variable["key"]: variable["value"] for variable in url["variable"]}
        assert values.keys() == {step[1:] for step in url["path"] if step.startswith(":")}
        assert set(re.findall(r"{{(\w+)}}", "".join(values.values()))) <= known


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("form", ["curl", "http"])
def test_exported_requests_get_documented_statuses(form: str, profile: str) -> None:
    token = "1|0123456789"
    engine = Engine(load(profile), State(load_seed("demo", load(profile)), now=1_717_236_000.0, token=token))
    text = export_text(form, profile)
    requests = http_requests(text) if form == "http" else curl_lines(text, False) + curl_lines(text, True)
    statuses = []
    for method, path, body in requests:
        engine.state.allow_token()  # one request logs out
        headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": "application/json"} if body else {})
        reply = engine.handle(ApiRequest(method, unquote(path).strip("/"), "", headers, body.encode()))
        operation = engine.program.router.find(method, unquote(path))[0]
        assert str(reply.status) in operation.spec["responses"], (method, path, reply)
        statuses.append(reply.status)
    assert sum(status < 300 for status in statuses) > len(statuses) * 0.6


def test_export_writes_a_file_or_prints(tmp_path: Path) -> None:
    file = tmp_path / "sark.http"
    assert sarkmock("export", "http", "--base-url", BASE + "/", "-o", str(file)).stdout == ""
    assert file.read_text() == export_text("http", "documented")
    result = sarkmock("export", "curl", "--base-url", BASE, "--profile", "shipped")
    assert result.stdout == export_text("curl", "shipped")
    assert "'soap' is not one of 'postman', 'http', 'curl', 'openapi-python-client'" in mistake("export", "soap")
    assert "No such file or directory" in mistake("export", "curl", "-o", str(tmp_path / "no" / "file"))


@pytest.mark.parametrize("url", [
    "ftp://pbx/api", "https://", "https://pbx/api?a=b", "https://pbx/api#a", "https://pbx:port/api", "https://[::1/api",
    "https://pbx/$(reboot)", "https://pbx/a b", "http://pbx/'"])
def test_invalid_base_url_is_rejected(url: str) -> None:
    assert "--base-url: not an http or https URL without query" in mistake("export", "curl", "--base-url", url)


@pytest.mark.parametrize("url", ["http://[::1]:44300/api", "https://pbx.example/sark%20api/", "HTTPS://10.0.0.1"])
def test_base_url_is_used(url: str) -> None:
    assert f"BASE=${{BASE:-{url.rstrip('/')}}}" in sarkmock("export", "curl", "--base-url", url).stdout


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("form", "header"), [
    ("curl", '-H "Authorization: Bearer $TOKEN"'), ("http", "Authorization: Bearer {{token}}"),
    ("postman", '"value": "Bearer {{token}}"')])
def test_guarded_requests_have_a_token_variable(form: str, header: str, profile: str) -> None:
    guarded = [operation for operation in compile_document(load(profile)) if operation.guard]
    count = export_text(form, profile).count(header)
    assert count >= len(guarded) if form == "postman" else count == len(guarded)  # collections also have examples
    assert bool(guarded) == (profile == "L11")


# the seed `examples`, with which every request succeeds

NAMES = {"uploadzip": "sarkbak.1717236000.zip", "uploadsnap": "sark.db.1717236000.zip",
         "greeting": "usergreeting1001.wav"}


def upload_of(seed: Seed, field: str) -> bytes:
    """A file that the operation accepts."""
    files = {path.rpartition("/")[2]: content for path, content in seed.files.items()}
    if field == "greeting":
        return files["usergreeting1234.wav"]
    if field == "uploadzip":
        return files["sarkbak.1717236000.zip"]
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("sark.db.1717236000", files["sark.db.1717236000"])
    return packed.getvalue()


class ExamplesMock:
    """A mock with the seed `examples`, and by title what it answered to the requests that it rejected."""

    def __init__(self, profile: str) -> None:
        document, token = load(profile), "1|0123456789abcdefghij"
        self.seed = load_seed("examples", document)
        self.engine = Engine(document, State(self.seed, now=1_750_000_000, token=token))
        self.headers = {"Authorization": f"Bearer {token}"}
        self.requests = requests_of(document)
        self.failed: dict[str, str] = {}
        self.sent: list[str] = []

    def send(self, title: str, method: str, path: str, body: str = "", upload: str | None = None) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json", **self.headers}
        content = body.encode()
        if upload:
            headers["Content-Type"] = "multipart/form-data; boundary=part"
            head = f'--part\r\nContent-Disposition: form-data; name="{upload}"; filename="{NAMES[upload]}"\r\n\r\n'
            content = head.encode() + upload_of(self.seed, upload) + b"\r\n--part--\r\n"
        reply = self.engine.handle(ApiRequest(method, unquote(path).lstrip("/"), "", headers, content))
        self.sent.append(title)
        if reply.status is None or not 200 <= reply.status < 300:
            self.failed[title] = f"{method} {path}: {reply.status} {reply.body}"
        return reply.body

    def check(self, *hazards: str) -> None:
        """Every request of these hazards was sent, and those alone failed whose title says so."""
        titles = [request.title for request in self.requests if request.operation.hazard in hazards]
        assert sorted(self.sent) == sorted(titles)
        noted = {title for title in titles if title.endswith(("(always fails)", " is rejected)"))}
        assert self.failed == {title: self.failed.get(title) for title in noted}


def script_lines(text: str, *, all_of_them: bool) -> list[tuple[str, str, str, str, str | None]]:
    """Every curl line of a script in order: title, method, path, body and the field of an upload."""
    lines = []
    for above, line in pairwise(text.splitlines()):
        if line.startswith("$CURL ") or (all_of_them and line.startswith("# $CURL ")):
            (method, path, body), = curl_lines(line.removeprefix("# "), commented=False)
            arguments = shlex.split(line.removeprefix("# "))
            field = arguments[arguments.index("-F") + 1].partition("=")[0] if "-F" in arguments else None
            title = re.sub(r" \((write|operational|disruptive)\)$", "", above.removeprefix("# "))
            lines.append((title, method, path, body, field))
    return lines


HAZARDS = ("read", "write", "operational", "disruptive")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("hazards", [HAZARDS[:1], HAZARDS], ids=["reads", "every line"])
def test_curl_lines_succeed_with_seed_examples(hazards: Sequence[str], profile: str) -> None:
    mock = ExamplesMock(profile)
    for line in script_lines(export_text("curl", profile), all_of_them=hazards == HAZARDS):
        mock.send(*line)
        if line[1:3] == ("PUT", "/snapshots/sark.db.1717236000"):
            mock.engine.state.allow_token()  # the snapshot is older than the token
    mock.check(*hazards)


@pytest.mark.parametrize("profile", PROFILES)
def test_http_requests_succeed_with_seed_examples(profile: str) -> None:
    mock, text = ExamplesMock(profile), export_text("http", profile)
    fields = dict(re.findall(r"^POST {{baseUrl}}(/\S+)\n(?:.+\n)*\n--.+\n.*; name=\"(\w+)\"", text, re.MULTILINE))
    titles = re.findall(r"^### .*?: (.+)\n(?!#)", text, re.MULTILINE)
    for title, (method, path, body) in zip(titles, http_requests(text), strict=True):
        mock.send(title, method, path, body, fields.get(path) if method == "POST" else None)
    mock.check("read", "write")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("hazards", [HAZARDS[:2], HAZARDS], ids=["read write", "all"])
def test_collection_requests_succeed_with_seed_examples(hazards: Sequence[str], profile: str) -> None:
    mock, collection = ExamplesMock(profile), json.loads(export_text("postman", profile))
    variables = {variable["key"]: variable["value"] for variable in collection["variable"]}
    for item in items(collection):
        request = item["request"]
        own = {variable["key"]: variable["value"] for variable in request["url"]["variable"]}
        template = "/" + "/".join(request["url"]["path"])
        path = re.sub(r":(\w+)", lambda match, own=own: own[match[1]], template)
        path = "".join(variables.get(part, part) for part in re.split(r"{{(\w+)}}", path))
        exported = next(exported for exported in mock.requests
                        if (exported.operation.method, exported.title) == (request["method"], item["name"])
                        and postman_path(profile, exported.operation.path) == template)
        if exported.operation.hazard not in hazards:
            continue
        script = "".join(line for event in item["event"] for line in event["script"]["exec"])
        if any(variables[name] == value for name, value in re.findall(r'get\("(\w+)"\) === "(.+?)"', script)):
            mock.sent.append(exported.title)  # skipped: no row of this version's own
            continue
        body = mock.send(exported.title, request["method"], path, request.get("body", {}).get("raw", ""),
                         exported.upload[0] if exported.upload else None)
        variables |= {name: str(body[field]) for name, field in exported.learned.items()
                      if isinstance(body, dict) and field in body}
        if exported.stored_as:
            variables[exported.stored_as] = str(body[0]).removeprefix("Uploaded ")
    mock.check(*hazards)


@pytest.mark.parametrize("profile", PROFILES)
def test_rows_that_no_response_names_are_left_alone(profile: str) -> None:
    collection = json.loads(export_text("postman", profile))
    skipped = {name for item in items(collection) for event in item["event"] for line in event["script"]["exec"]
               for name in re.findall(r'get\("(\w+)"\) === "none-was-made"', line)}
    assert skipped == {"documented": set(), "2020-06": {"ivr", "template"}, "shipped": {"ivr", "template"},
                       "L10": {"customapp", "ivr", "template"},
                       "L11": {"customapp", "greeting", "id", "ivr", "tenant"}}[profile]


# Bruno


def bru_blocks(text: str) -> dict[str, str]:
    """The blocks of a .bru file by name."""
    return dict(re.findall(r"^([\w:-]+) \{\n(.*?)^\}$", text, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("profile", PROFILES)
def test_bruno_folder_skips_requests_that_affect_the_pbx(profile: str) -> None:
    files, router = as_bruno(load(profile), BASE), Program.of(profile).router
    assert json.loads(files["bruno.json"])["type"] == "collection"
    variables = dict(re.findall(r"^  (\w+): (.+)$", bru_blocks(files["environments/box.bru"])["vars"], re.MULTILINE))
    requests = []
    for name, text in files.items():
        if not re.search(r"/\d\d .*\.bru$", name):
            continue
        blocks = bru_blocks(text)
        assert re.sub(r"^[\w:-]+ \{\n.*?^\}\n", "", text, flags=re.MULTILINE | re.DOTALL).strip() == ""
        method, = {"get", "post", "put", "delete"} & blocks.keys()
        url = re.search(r"url: (\S+)", blocks[method])[1]
        path = re.sub(r"{{(\w+)}}", lambda match: variables.get(match[1], "x"), url).removeprefix(BASE)
        requests.append((method.upper(), path, ""))
        if "body:json" in blocks:
            json.loads(blocks["body:json"])
        operation = router.find(method.upper(), unquote(path))[0]
        guard = blocks.get("script:pre-request", "")
        assert (f'includes("{operation.hazard}")' in guard) == (operation.hazard in ("operational", "disruptive"))
    assert len(requests) == len(compile_document(load(profile)))
    assert operations(profile, *requests) is not None


def test_bruno_export_needs_a_folder_and_keeps_other_files(tmp_path: Path) -> None:
    assert mistake("export", "bruno").startswith("bruno is written to a directory: name it with -o")
    (tmp_path / "mine.txt").write_text("mine")
    assert mistake("export", "bruno", "-o", str(tmp_path)) == f"{tmp_path}: exists and is not an export"
    for _ in range(2):
        result = sarkmock("export", "bruno", "-o", str(tmp_path / "sark"))
        assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "sark" / "Tenants" / "folder.bru").is_file()
