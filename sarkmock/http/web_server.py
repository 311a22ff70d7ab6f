"""Responses of the Apache server in front of PHP on a SARK. Sees only raw paths, not the API.

It follows Apache 2.4's rules for paths (AllowEncodedSlashes Off) and the redirect in Laravel's .htaccess.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from urllib.parse import quote, unquote_to_bytes

from sarkmock.http.replies import Reply

PAGE = "text/html; charset=iso-8859-1"
BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
FORBIDDEN_ESCAPE = re.compile("%(?:2[Ff]|00)")
SAFE = "/:@!$&'()*+,;=~"
ESCAPED = {number: f"%{number:02X}" for number in (*range(0x21), 0x7F)}  # characters that a header must not contain
ESCAPE = re.compile("%[0-9A-F]{2}")
TITLES = {301: "Moved Permanently", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class WebReply:
    """A response of the web server: the request does not reach PHP. ``reason`` explains it to users."""

    status: int
    reason: str
    location: str = ""


BeforePhp = Callable[[str], WebReply | None]


def apache_rejection(path: str) -> WebReply | None:
    """Return Apache's own response to a percent-encoded path; None if the request is passed on to PHP."""
    if BROKEN_ESCAPE.search(path):
        return WebReply(400, "Apache rejects a path with a % that two hexadecimal digits do not follow")
    if FORBIDDEN_ESCAPE.search(path):
        return WebReply(404, "Apache does not pass on a path with %2F or %00")
    normal = normalized_path(path)
    if normal is None:
        return WebReply(400, "Apache rejects a path that leads above the root")
    if normal.endswith("/") and normal != "/":
        return redirect(quote(unquote_to_bytes(normal[:-1]), SAFE))
    return None


def redirect(location: str) -> WebReply:
    """Return the response to a path that ends in a slash. Apache writes the digits of an escape in lower case."""
    if "%3F" in location:
        return WebReply(403, "Apache does not redirect a path with %3F")
    return WebReply(301, "Apache redirects a path that ends in a slash, for every method; nothing is carried "
                         "out, and many clients follow with GET", ESCAPE.sub(lambda found: found[0].lower(), location))


def normalized_path(path: str) -> str | None:
    """Return a path without dot segments and repeated slashes; None if it leads above the root."""
    if not ("%" in path or "/." in path or "//" in path or path.endswith("/")):
        return path
    kept: list[str] = []
    steps = path.split("/")
    for step in steps:
        name = unquote_to_bytes(step)
        if name == b".." and not kept:
            return None
        if name == b"..":
            kept.pop()
        elif name not in (b"", b"."):
            kept.append(step)
    ends = unquote_to_bytes(steps[-1]) in (b"", b".", b"..") and kept
    return "/" + "/".join(kept) + ("/" if ends else "")


def apache_page(rejected: WebReply, origin: str, query: str) -> Reply:
    """Return the response as Apache writes it; ``origin`` is the part of the request's URL before the path."""
    title = TITLES[rejected.status]
    location = f"{origin}{rejected.location}{'?' if query else ''}{query}" if rejected.location else ""
    location = location.translate(ESCAPED)
    headers = {"Cache-Control": ""} | ({"Location": location} if location else {})
    link = f'<p>The document has moved <a href="{escape(location)}">here</a>.</p>\n' if location else ""
    text = (f"<!DOCTYPE html>\n<html><head><title>{rejected.status} {title}</title></head>\n"
            f"<body><h1>{title}</h1>\n{link}</body></html>\n")
    return Reply(text.encode(), rejected.status, headers, PAGE)


def raw_path(script: str, path: str, target: str) -> str:
    """Return the undecoded path below the application's mount point (``script``).

    ``target`` is the server's REQUEST_URI, or empty; without a matching one the decoded path is encoded again.
    """
    raw = target.partition("?")[0]
    if raw == script + path and "%" not in raw and raw.isascii():
        return path
    if raw and unquote_to_bytes(raw).decode("latin-1") == script + path:
        return raw[len(script):] if raw.startswith(script) else quote(path.encode("latin-1"), SAFE)
    return quote(path.encode("latin-1"), SAFE)
