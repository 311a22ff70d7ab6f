"""The document as a .http file, as VS Code's REST Client and JetBrains' HTTP client both read it.

What is operational or disruptive stands there as comments: who runs the whole file sends none of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

from sarkmock.export.requests import Exported, by_section, exported, path_variables
from sarkmock.spec.loading import Document

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
