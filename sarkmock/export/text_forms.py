"""The document as one text file: shell lines of curl, a .http file, and the configuration of openapi-python-client.

What could change a PBX is a comment there, so that running the whole file only reads.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from urllib.parse import quote

from sarkmock.export.requests import JSON, Exported, by_section, exported, path_variables
from sarkmock.spec.loading import Document, resolve
from sarkmock.spec.operations import compile_document
from sarkmock.spec.yaml12 import dump

SCRIPT_HEAD = """\
#!/bin/sh
# {title}: a curl line for every operation. Run as it is, it only reads; the lines that do more are comments.
# Another box: BASE=https://pbx.example:44300/api CURL='curl -sS --cacert pbx.pem' sh FILE
BASE=${{BASE:-{base_url}}}
CURL=${{CURL:-curl -sS}}
"""
TOKEN_LINES = """\
# An administrator's bearer token, as a login returns it: TOKEN='1|...' sh FILE
TOKEN=${TOKEN:-}
"""


def as_curl(document: Document, base_url: str) -> str:
    """The script's text."""
    requests = exported(document)
    known = path_variables(requests)
    lines = [SCRIPT_HEAD.format(title=f"{document['info']['title']} {document['info']['version']}", base_url=base_url)]
    lines += [TOKEN_LINES] if any(one.operation.guard for one in requests) else []
    for section, members in by_section(requests).items():
        lines += [f"# {section}", "", *(line for one in members for line in curl_block(one, known))]
    return "\n".join(lines)


def curl_block(one: Exported, known: dict[str, str]) -> list[str]:
    """A comment and the line."""
    reads = one.operation.hazard == "read"
    hazard = "" if reads else f" ({one.operation.hazard})"
    return [f"# {one.summary}{hazard}", curl_command(one, known) if reads else f"# {curl_command(one, known)}", ""]


def curl_command(one: Exported, known: dict[str, str]) -> str:
    """One line; curl itself says GET."""
    path = one.operation.path
    # A row that is read is there before any of the lines is sent.
    for name, value in (one.parameters if one.operation.hazard == "read" else {**one.parameters, **known}).items():
        path = path.replace("{" + name + "}", quote(value, safe=""))
    words = ["$CURL", *(["-X", one.operation.method] if one.operation.method != "GET" else []),
             f'"$BASE"{shlex.quote(path)}', "-H", "'Accept: application/json'",
             *(["-H", '"Authorization: Bearer $TOKEN"'] if one.operation.guard else [])]
    if one.upload:
        field, name = one.upload
        words += ["-F", f"{field}=@{name}"]
    elif one.body is not None:
        words += ["-H", "'Content-Type: application/json'", "-d", shlex.quote(json.dumps(one.body, ensure_ascii=False))]
    return " ".join(words)


HTTP_BOUNDARY = "sarkmock-part"


def as_http(document: Document, base_url: str) -> str:
    """The file's text."""
    requests = exported(document)
    known = path_variables(requests)
    lines = [f"# {document['info']['title']} {document['info']['version']}",
             "# Sent one after the other, these requests make, change and delete rows: choose the box with care.", "",
             f"@baseUrl = {base_url}",
             *(["@token = 1|an-administrators-token"] if any(one.operation.guard for one in requests) else []),
             *(f"@{name} = {value}" for name, value in known.items()), ""]
    for section, members in by_section(requests).items():
        for one in members:
            lines += [f"### {section}: {one.summary}", *http_block(one, set(known)), ""]
    return "\n".join(lines)


def http_block(one: Exported, known: set[str]) -> Iterator[str]:
    """One request below its title."""
    if one.is_harmless:
        yield from http_request(one, known)
    else:
        yield f"# {one.warning} To send it, take the signs away that make comments of it."
        yield from (f"# {line}" for line in http_request(one, known))


def http_request(one: Exported, known: set[str]) -> Iterator[str]:
    yield f"{one.operation.method} {{{{baseUrl}}}}{http_path(one, known)}"
    yield "Accept: application/json"
    if one.operation.guard:
        yield "Authorization: Bearer {{token}}"
    if one.upload:
        field, name = one.upload
        yield from (f"Content-Type: multipart/form-data; boundary={HTTP_BOUNDARY}", "", f"--{HTTP_BOUNDARY}",
                    f'Content-Disposition: form-data; name="{field}"; filename="{name}"',
                    "Content-Type: application/octet-stream", "", f"< ./{name}", f"--{HTTP_BOUNDARY}--")
    elif one.body is not None:
        yield from ("Content-Type: application/json", "")
        yield from json.dumps(one.body, indent=2, ensure_ascii=False).split("\n")


def http_path(one: Exported, known: set[str]) -> str:
    found = one.operation.path
    for name, value in one.parameters.items():
        found = found.replace("{" + name + "}", f"{{{{{name}}}}}" if name in known else quote(value, safe=""))
    return found


def as_python_client(document: Document, _base_url: str) -> str:
    """The configuration's text."""
    responses = [resolve(document, one) for operation in compile_document(document)
                 for one in operation.spec["responses"].values()]
    kinds = sorted({kind for response in responses for kind in response.get("content", {})} - {JSON})
    return dump({"content_type_overrides": {kind: "text/plain" if kind.startswith("text/") else
                                            "application/octet-stream" for kind in kinds}})
