"""The document's requests in the formats of other tools: text files, and collections of Postman and Bruno.

In the curl script, every request that does more than read is commented out; in the .http file, every operational or
disruptive one.

In the collections, a create request stores the key for the requests after it. Operational and disruptive requests are
skipped until the variable ``allow`` names that hazard, and changes of a row that no response names until its variable
is set.
"""

from __future__ import annotations

import json
import re
import shlex
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from sarkmock.export.requests import (
    NOTHING_MADE,
    Example,
    Exported,
    by_section,
    exported,
    kept_variables,
    needs_token,
    text_variables,
    unset_variables,
)
from sarkmock.http.replies import JSON
from sarkmock.spec.loading import SHAPE_ERRORS, Document, incomplete, load, resolve
from sarkmock.spec.operations import PARAMETER, compile_document
from sarkmock.spec.yaml12 import dump

SCRIPT_HEAD = """\
#!/bin/sh
# {title}: a curl line for every operation. As written, it only reads; the other lines are comments.
# Another box: BASE=https://pbx.example:44300/api CURL='curl -sS --cacert pbx.pem' sh FILE
BASE=${{BASE:-{base_url}}}
CURL=${{CURL:-curl -sS}}
"""
TOKEN_LINES = """\
# An administrator's bearer token, as a login returns it: TOKEN='1|...' sh FILE
TOKEN=${TOKEN:-}
"""


def as_curl(document: Document, base_url: str) -> str:
    """Return the shell script."""
    requests = exported(document)
    variables = text_variables(requests)
    lines = [SCRIPT_HEAD.format(title=f"{document['info']['title']} {document['info']['version']}", base_url=base_url)]
    lines += [TOKEN_LINES] if needs_token(requests) else []
    for section, members in by_section(requests).items():
        lines += [f"# {section}", "", *(line for member in members for line in curl_block(member, variables))]
    return "\n".join(lines)


def curl_block(request: Exported, variables: dict[str, str]) -> list[str]:
    """Return a comment and the command, commented out unless it only reads."""
    reads = request.operation.hazard == "read"
    hazard = "" if reads else f" ({request.operation.hazard})"
    command = curl_command(request, variables)
    return [f"# {request.title}{hazard}", command if reads else f"# {command}", ""]


def curl_command(request: Exported, variables: dict[str, str]) -> str:
    """Return the command; GET is curl's default."""
    path = request.operation.path
    # A read uses a row that exists before the script runs.
    values = request.parameters if request.operation.hazard == "read" else request.parameters | variables
    for name, value in values.items():
        path = path.replace("{" + name + "}", quote(value, safe=""))
    words = ["$CURL", *(["-X", request.operation.method] if request.operation.method != "GET" else []),
             f'"$BASE"{shlex.quote(path)}', "-H", "'Accept: application/json'",
             *(["-H", '"Authorization: Bearer $TOKEN"'] if request.operation.guard else [])]
    if request.upload:
        field, name = request.upload
        words += ["-F", f"{field}=@{name}"]
    elif request.body is not None:
        body = json.dumps(request.body, ensure_ascii=False)
        words += ["-H", "'Content-Type: application/json'", "-d", shlex.quote(body)]
    return " ".join(words)


HTTP_BOUNDARY = "sarkmock-part"


def as_http(document: Document, base_url: str) -> str:
    """Return the text of the .http file."""
    requests = exported(document)
    variables = text_variables(requests)
    lines = [f"# {document['info']['title']} {document['info']['version']}",
             "# Sent one after the other, these requests make, change and delete rows: choose the box carefully.", "",
             f"@baseUrl = {base_url}",
             *(["@token = 1|an-administrators-token"] if needs_token(requests) else []),
             *(f"@{name} = {value}" for name, value in variables.items()), ""]
    for section, members in by_section(requests).items():
        for member in members:
            lines += [f"### {section}: {member.title}", *http_block(member, set(variables)), ""]
    return "\n".join(lines)


def http_block(request: Exported, variables: set[str]) -> Iterator[str]:
    """Yield one request below its title, commented out if it could harm a PBX."""
    if request.is_harmless:
        yield from http_request(request, variables)
    else:
        yield f"# {request.warning} Remove the comment signs to send it."
        yield from (f"# {line}" for line in http_request(request, variables))


def http_request(request: Exported, variables: set[str]) -> Iterator[str]:
    yield f"{request.operation.method} {{{{baseUrl}}}}{http_path(request, variables)}"
    yield "Accept: application/json"
    if request.operation.guard:
        yield "Authorization: Bearer {{token}}"
    if request.upload:
        field, name = request.upload
        yield from (f"Content-Type: multipart/form-data; boundary={HTTP_BOUNDARY}", "", f"--{HTTP_BOUNDARY}",
                    f'Content-Disposition: form-data; name="{field}"; filename="{name}"',
                    "Content-Type: application/octet-stream", "", f"< ./{name}", f"--{HTTP_BOUNDARY}--")
    elif request.body is not None:
        yield from ("Content-Type: application/json", "")
        yield from json.dumps(request.body, indent=2, ensure_ascii=False).split("\n")


def http_path(request: Exported, variables: set[str]) -> str:
    result = request.operation.path
    for name, value in request.parameters.items():
        result = result.replace("{" + name + "}", f"{{{{{name}}}}}" if name in variables else quote(value, safe=""))
    return result


def as_python_client(document: Document, _base_url: str) -> str:
    """Return the configuration file of openapi-python-client."""
    responses = [resolve(document, response) for operation in compile_document(document)
                 for response in operation.spec["responses"].values()]
    kinds = sorted({kind for response in responses for kind in response.get("content", {})} - {JSON})
    return dump({"content_type_overrides": {kind: "text/plain" if kind.startswith("text/") else
                                            "application/octet-stream" for kind in kinds}})


COLLECTION_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
ABOUT = """

Variables: `baseUrl`; for every resource the key of a row; `allow`, a list of hazards. A create request sets the key
that the requests after it show, change and delete, so that a run changes only what it has created. Requests that are
operational (a commit, a backup) or disruptive (a reboot, a restore, a call) are skipped unless `allow` names their
hazard."""


def as_postman(document: Document, base_url: str) -> str:
    """Return the collection as JSON; the same document always gives the same text."""
    requests = exported(document)
    variables, unset = kept_variables(requests), unset_variables(requests)
    collection = {
        "info": {"_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{document['info']['title']} {base_url}")),
                 "name": document["info"]["title"], "version": document["info"]["version"], "schema": COLLECTION_SCHEMA,
                 "description": document["info"].get("description", document["info"]["summary"]).strip() + ABOUT},
        "variable": [variable("baseUrl", base_url), variable("allow", "read write"),
                     *([variable("token", "")] if needs_token(requests) else []),
                     *(variable(name, value) for name, value in variables.items())],
        "item": [folder(document, name, [item(member, set(variables), unset) for member in members])
                 for name, members in by_section(requests).items()],
    }
    return json.dumps(collection, indent=2, ensure_ascii=False) + "\n"


def variable(name: str, value: str) -> dict[str, Any]:
    return {"key": name, "value": value, "type": "string"}


def folder(document: Document, name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    about = next((tag.get("description", "") for tag in document["tags"] if tag["name"] == name), "")
    return {"name": name, "description": about.strip(), "item": items}


def item(request: Exported, variables: set[str], unset: set[str]) -> dict[str, Any]:
    """Return one request with its scripts and the document's example responses."""
    variables = request.used(variables, unset)
    guard = list(guard_script(request, variables & unset, "pm.variables.get", "pm.execution.skipRequest"))
    events = [*([postman_event("prerequest", guard)] if guard else []), postman_event("test", tests(request))]
    return {"name": request.title, "event": events, "request": postman_request(request, request.body, variables),
            "response": [postman_example(request, example, variables) for example in request.examples]}


def postman_event(listen: str, lines: list[str]) -> dict[str, Any]:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": lines}}


def guard_script(request: Exported, unset: set[str], get: str, skip: str) -> Iterator[str]:
    """Yield the lines of a script that skips the request until a variable allows it."""
    if not request.is_harmless:
        yield from (f"// {request.warning}", f'if (!({get}("allow") || "").includes("{request.operation.hazard}")) {{',
                    f"    {skip}();", "}")
    for name in sorted(unset & request.parameters.keys()):
        yield from (f"// No response of this version names the row: set the variable {name} to its key.",
                    f'if ({get}("{name}") === "{NOTHING_MADE}") {{', f"    {skip}();", "}")


def tests(request: Exported) -> list[str]:
    """Return a test that the document lists the status, and code that stores response values for later requests."""
    lines = ['pm.test("the document knows the status", () => {',
             f"    pm.expect(pm.response.code).to.be.oneOf({json.dumps(request.statuses)});", "});"]
    if request.learned:
        lines += ["const made = pm.response.code < 300 ? pm.response.json() : {};",
                  *(f'pm.collectionVariables.set("{name}", String(made.{field} ?? "{NOTHING_MADE}"));'
                    for name, field in request.learned.items())]
    if request.stored_as:
        lines += ['const [said] = pm.response.code < 300 ? pm.response.json() : [""];',
                  f'const stored = said.replace(/^Uploaded /, "") || "{NOTHING_MADE}";',
                  f'pm.collectionVariables.set("{request.stored_as}", stored);']
    return lines


def postman_request(request: Exported, body: Any, variables: set[str]) -> dict[str, Any]:
    """Return the request in Postman's format, with the given body."""
    made: dict[str, Any] = {
        "method": request.operation.method, "header": [{"key": "Accept", "value": "application/json"}],
        "url": url(request, variables), "description": postman_text(request)}
    if request.operation.guard:
        made["header"].append({"key": "Authorization", "value": "Bearer {{token}}"})
    if request.upload:
        field, name = request.upload
        made["body"] = {"mode": "formdata", "formdata": [{"key": field, "type": "file", "src": name}]}
    elif body is not None:
        made["header"].append({"key": "Content-Type", "value": "application/json"})
        made["body"] = {"mode": "raw", "raw": json.dumps(body, indent=2, ensure_ascii=False),
                        "options": {"raw": {"language": "json"}}}
    return made


def url(request: Exported, variables: set[str]) -> dict[str, Any]:
    values = {name: f"{{{{{name}}}}}" if name in variables else quote(value, safe="")
              for name, value in request.parameters.items()}
    steps = [PARAMETER.sub(r":\1", step) if step.startswith("{") else PARAMETER.sub(lambda name: values[name[1]], step)
             for step in request.operation.path.strip("/").split("/")]
    return {"raw": "/".join(["{{baseUrl}}", *steps]), "host": ["{{baseUrl}}"], "path": steps,
            "variable": [{"key": name, "value": value} for name, value in values.items() if f":{name}" in steps]}


def postman_text(request: Exported) -> str:
    source = request.operation.source
    lines = f"Lines of the documentation: {', '.join(map(str, source))}." if source else ""
    warning = "" if request.is_harmless else f"**{request.warning}**"
    return "\n\n".join(filter(None, [warning, request.description, lines]))


def postman_example(request: Exported, example: Example, variables: set[str]) -> dict[str, Any]:
    text = example.body if isinstance(example.body, str) else json.dumps(example.body, indent=2, ensure_ascii=False)
    language = "json" if example.content_type == "application/json" else "text"
    return {"name": f"{example.status} {example.name}",
            "originalRequest": postman_request(request, request.bodies.get(example.name, request.body), variables),
            "code": example.status, "status": example.description.partition("\n")[0],
            "_postman_previewlanguage": language,
            "header": [{"key": "Content-Type", "value": example.content_type}], "body": text}


ENVIRONMENT = "environments/box.bru"
UNSAFE = re.compile(r"[^\w .,()-]+")


def as_bruno(document: Document, base_url: str) -> dict[str, str]:
    """Return the text of every file by its path in the folder."""
    requests = exported(document)
    variables, unset = kept_variables(requests), unset_variables(requests)
    about = {"version": "1", "name": document["info"]["title"], "type": "collection"}
    guarded = {"token": ""} if needs_token(requests) else {}
    values = {"baseUrl": base_url, "allow": "read write", **guarded, **variables}
    files = {"bruno.json": json.dumps(about, indent=2, ensure_ascii=False) + "\n",
             ENVIRONMENT: bru_block("vars", *(f"{name}: {value}" for name, value in values.items()))}
    for number, (section, members) in enumerate(by_section(requests).items(), 1):
        folder = safe_name(section)
        files[f"{folder}/folder.bru"] = bru_block("meta", f"name: {section}", f"seq: {number}")
        for place, request in enumerate(members, 1):
            text = "\n".join(blocks(request, place, request.used(set(variables), unset), unset))
            files[f"{folder}/{place:02} {safe_name(request.title)}.bru"] = text
    return files


def blocks(request: Exported, place: int, variables: set[str], unset: set[str]) -> Iterator[str]:
    """Yield the blocks of a request's file."""
    body = "multipartForm" if request.upload else "json" if request.body is not None else "none"
    yield bru_block("meta", f"name: {request.title}", "type: http", f"seq: {place}")
    yield bru_block(request.operation.method.lower(), f"url: {{{{baseUrl}}}}{bruno_path(request, variables)}",
                    f"body: {body}", "auth: none")
    yield bru_block("headers", "Accept: application/json",
                    *(["Authorization: Bearer {{token}}"] if request.operation.guard else []))
    if request.upload:
        yield bru_block("body:multipart-form", f"{request.upload[0]}: @file({request.upload[1]})")
    elif request.body is not None:
        yield bru_block("body:json", *json.dumps(request.body, indent=2, ensure_ascii=False).splitlines())
    guard = list(guard_script(request, variables & unset, "bru.getEnvVar", "bru.runner.skipRequest"))
    if guard:
        yield bru_block("script:pre-request", *guard)
    if request.learned or request.stored_as:
        yield bru_block("script:post-response", *capture_script(request))
    yield bru_block("tests", 'test("the document knows the status", function () {',
                    f"  expect({json.dumps(request.statuses)}).to.include(res.getStatus());", "});")
    text = "\n\n".join(filter(None, ["" if request.is_harmless else f"**{request.warning}**", request.description]))
    yield bru_block("docs", *text.splitlines())


def capture_script(request: Exported) -> Iterator[str]:
    """Yield the lines of a script that stores response values for later requests."""
    yield "const good = res.getStatus() < 300;"
    for name, field in request.learned.items():
        yield f'bru.setVar("{name}", String((good && res.getBody().{field}) ?? "{NOTHING_MADE}"));'
    if request.stored_as:
        yield f'const said = good ? String(res.getBody()[0]).replace(/^Uploaded /, "") : "{NOTHING_MADE}";'
        yield f'bru.setVar("{request.stored_as}", said);'


def bruno_path(request: Exported, variables: set[str]) -> str:
    return PARAMETER.sub(lambda match: f"{{{{{match[1]}}}}}" if match[1] in variables
                         else quote(request.parameters[match[1]], safe=""), request.operation.path)


def bru_block(name: str, *lines: str) -> str:
    """Return one block of the Bru language; indentation prevents its lines from ending it."""
    return "\n".join([f"{name} {{", *(f"  {line}".rstrip() for line in lines), "}", ""])


def safe_name(name: str) -> str:
    """Return a name that is valid on every file system."""
    return UNSAFE.sub("-", name).strip(" .")


def written(form: str, profile: str, base_url: str) -> Any:
    """Return a profile's export: the text, or a folder's texts by path. FileError for an overlay that lacks a part."""
    try:
        return {**TEXT_FORMS, **FOLDER_FORMS}[form](load(profile), base_url)
    except SHAPE_ERRORS:
        raise incomplete(profile, "exported") from None


TEXT_FORMS = {"postman": as_postman, "http": as_http, "curl": as_curl, "openapi-python-client": as_python_client}
FOLDER_FORMS = {"bruno": as_bruno}  # many files: path -> text
