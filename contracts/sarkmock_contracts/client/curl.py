"""Requests as shell lines that repeat them."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import unquote

from .http import Exchange, Request

_PLAIN_CONTROL = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}
_VALUE = r"""s/.*"{}": *"\{{0,1\}}\([^",}}]*\).*/\1/p"""


def with_run_headers(request: Request, line: str, headers: Mapping[str, str]) -> str:
    """The line with the headers of the run, whose values shell variables hold; those of the request itself stay."""
    own = {name.lower() for name, _ in request.headers}
    added = "".join(f'-H "{name}: {value}" ' for name, value in headers.items() if name.lower() not in own)
    return line.replace("curl -sk ", f"curl -sk {added}", 1)


def curl_script(url: str, exchanges: Sequence[Exchange], clean: Callable[[Request, str], str]) -> list[str]:
    """Lines for bash that repeat some exchanges; names that the server makes up are taken from its answers.

    ``clean`` takes secrets out of the line of a request.
    """
    lines: list[str] = []
    variables: dict[str, str] = {}
    for number, exchange in enumerate(exchanges):
        line = clean(exchange.request, curl_line(url, exchange.request, variables))
        named = next(invented_values(exchange, exchanges[number + 1:], variables), None)
        if named is not None:
            field, value = named
            variables[value] = f"{re.sub('[^a-z0-9]', '_', field.lower())}{len(variables) + 1}"
            line = f"{variables[value]}=$({line} | sed -n {shlex.quote(_VALUE.format(field))})"
        lines.append(line)
    return lines


def invented_values(exchange: Exchange, later: Sequence[Exchange],
                    known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The field and value of a name that the server made, and that paths of later requests hold."""
    paths = {unquote(part) for other in later for part in other.request.path.split("/")[2:]}
    sent = exchange.request.path.encode() + exchange.request.body
    for field, value in exchange.response.fields.items():
        text = str(value)
        if isinstance(value, (str, int)) and text in paths and text not in known and text.encode() not in sent:
            yield field, text


def curl_line(url: str, request: Request, variables: Mapping[str, str] | None = None) -> str:
    """One line for bash; the body may hold any bytes. Segments of the path may be shell variables."""
    words = ["curl", "-sk", "--path-as-is", *_method(request.method), _address(url, request, variables or {})]
    for name, value in request.headers:
        words += ["-H", shell_word(f"{name}: {value}")]
    if not request.body:
        return " ".join(words)
    text = _text(request.body)
    if text is None:
        return f"echo {base64.b64encode(request.body).decode()} | base64 -d | {' '.join(words)} --data-binary @-"
    return " ".join([*words, "--data-binary", shell_word(text)])


def _method(method: str) -> list[str]:
    return ["-I"] if method == "HEAD" else ["-X", method]


def _address(url: str, request: Request, variables: Mapping[str, str]) -> str:
    parts = [url]
    words = []
    for part in request.target.split("/")[1:]:
        name = variables.get(unquote(part))
        if name is None:
            parts.append(part)
        else:
            words += [shell_word("/".join([*parts, ""])), f'"${name}"']
            parts = [""]
    return "".join([*words, shell_word("/".join(parts))] if parts != [""] else words)


def _text(body: bytes) -> str | None:
    """The body as an argument can carry it: no NUL, and no leading @ that curl would take for a file."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or text.startswith("@") else text


def shell_word(text: str) -> str:
    """A shell word on one line: ANSI-C quoting where there are control characters."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(_ansi_c(char) for char in text) + "'"


def _ansi_c(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if char in _PLAIN_CONTROL:
        return _PLAIN_CONTROL[char]
    return char if char.isprintable() else "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
