"""The document as a shell script of curl lines, to copy from or to run. Knows POSIX sh, no other shell.

What does more than read stands there as comments: who runs the script changes nothing.
"""

from __future__ import annotations

import json
import shlex
from urllib.parse import quote

from sarkmock.export.requests import Exported, by_section, exported, path_variables
from sarkmock.spec.loading import Document

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
