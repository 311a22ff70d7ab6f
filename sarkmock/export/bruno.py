"""The document as a Bruno collection: a folder of .bru files, one for each request.

As in the Postman collection, a create request keeps the key that the requests after it use, and what is operational or
disruptive is skipped until the variable ``allow`` of the environment names its hazard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

from sarkmock.export.requests import NOTHING_MADE, Exported, by_section, exported, kept_keys
from sarkmock.spec.loading import Document
from sarkmock.spec.operations import PARAMETER

ENVIRONMENT = "environments/box.bru"
UNSAFE = re.compile(r"[^\w .,()-]+")


def as_bruno(document: Document, base_url: str) -> dict[str, str]:
    """The text of every file by its path in the folder."""
    requests = exported(document)
    known = kept_keys(requests)
    about = {"version": "1", "name": document["info"]["title"], "type": "collection"}
    guarded = {"token": ""} if any(one.operation.guard for one in requests) else {}
    values = {"baseUrl": base_url, "allow": "read write", **guarded, **known}
    files = {"bruno.json": json.dumps(about, indent=2, ensure_ascii=False) + "\n",
             ENVIRONMENT: bru_block("vars", *(f"{name}: {value}" for name, value in values.items()))}
    for number, (section, members) in enumerate(by_section(requests).items(), 1):
        folder = safe(section)
        files[f"{folder}/folder.bru"] = bru_block("meta", f"name: {section}", f"seq: {number}")
        for place, one in enumerate(members, 1):
            files[f"{folder}/{place:02} {safe(one.summary)}.bru"] = "\n".join(blocks(one, place, set(known)))
    return files


def blocks(one: Exported, place: int, known: set[str]) -> Iterator[str]:
    """The blocks of a request's file."""
    body = "multipartForm" if one.upload else "json" if one.body is not None else "none"
    yield bru_block("meta", f"name: {one.summary}", "type: http", f"seq: {place}")
    yield bru_block(one.operation.method.lower(), f"url: {{{{baseUrl}}}}{bruno_path(one, known)}",
                    f"body: {body}", "auth: none")
    yield bru_block("headers", "Accept: application/json",
                *(["Authorization: Bearer {{token}}"] if one.operation.guard else []))
    if one.upload:
        yield bru_block("body:multipart-form", f"{one.upload[0]}: @file({one.upload[1]})")
    elif one.body is not None:
        yield bru_block("body:json", *json.dumps(one.body, indent=2, ensure_ascii=False).splitlines())
    if not one.is_harmless:
        yield bru_block("script:pre-request", f"// {one.warning}",
                    f'if (!(bru.getEnvVar("allow") || "").includes("{one.operation.hazard}")) {{',
                    "  bru.runner.skipRequest();", "}")
    if one.learned or (one.upload and one.is_harmless):
        yield bru_block("script:post-response", *learning(one))
    yield bru_block("tests", 'test("the document knows the status", function () {',
                f"  expect({json.dumps(one.statuses)}).to.include(res.getStatus());", "});")
    text = "\n\n".join(filter(None, ["" if one.is_harmless else f"**{one.warning}**", one.description]))
    yield bru_block("docs", *text.splitlines())


def learning(one: Exported) -> Iterator[str]:
    """Keeps what the answer tells for the requests after it."""
    yield "const good = res.getStatus() < 300;"
    for name, field in one.learned.items():
        yield f'bru.setVar("{name}", String((good && res.getBody().{field}) ?? "{NOTHING_MADE}"));'
    if one.upload:
        yield f'const said = good ? String(res.getBody()[0]).replace(/^Uploaded /, "") : "{NOTHING_MADE}";'
        yield f'bru.setVar("{one.upload[0]}", said);'


def bruno_path(one: Exported, known: set[str]) -> str:
    return PARAMETER.sub(lambda found: f"{{{{{found[1]}}}}}" if found[1] in known
                         else quote(one.parameters[found[1]], safe=""), one.operation.path)


def bru_block(name: str, *lines: str) -> str:
    """One block of the Bru language: its lines are indented, so that none of them ends it."""
    return "\n".join([f"{name} {{", *(f"  {line}".rstrip() for line in lines), "}", ""])


def safe(name: str) -> str:
    """A name that every file system takes."""
    return UNSAFE.sub("-", name).strip(" .")
