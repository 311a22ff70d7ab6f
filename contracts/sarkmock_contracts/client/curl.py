"""A request as a shell line that repeats it. Knows nothing of findings."""

from __future__ import annotations

import base64
import shlex

from .http import Request

_PLAIN_CONTROL = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def curl_line(url: str, request: Request) -> str:
    """One line for bash, whatever bytes the body holds."""
    words = ["curl", "-sk", "--path-as-is", *_method(request.method), quote(url + request.target)]
    for name, value in request.headers:
        words += ["-H", quote(f"{name}: {value}")]
    if not request.body:
        return " ".join(words)
    text = _text(request.body)
    if text is None:
        return f"echo {base64.b64encode(request.body).decode()} | base64 -d | {' '.join(words)} --data-binary @-"
    return " ".join([*words, "--data-binary", quote(text)])


def _method(method: str) -> list[str]:
    return ["-I"] if method == "HEAD" else ["-X", method]


def _text(body: bytes) -> str | None:
    """The body as an argument can carry it: no NUL, and no leading @ that curl would take for a file."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or text.startswith("@") else text


def quote(text: str) -> str:
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
