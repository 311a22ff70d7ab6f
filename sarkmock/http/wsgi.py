"""Conversion from a WSGI environ to a request and from a reply to a response; an engine as a plain WSGI application.

`Gateway` bypasses Flask, which takes longer per request than the engine (benchmarks/README.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from html import escape
from http import HTTPStatus
from time import perf_counter, sleep
from typing import Any

from sarkmock.http import web_server
from sarkmock.http.engine import ApiRequest
from sarkmock.http.middleware import Cors, Environ, as_laravel_sees, is_foreign, is_shared
from sarkmock.http.replies import (
    DELAY,
    NO_CACHE,
    UNPREPARED,
    Dropped,
    FaultyReply,
    Reply,
    debug_body,
    range_reply,
    to_json,
)
from sarkmock.http.web_server import BeforePhp
from sarkmock.laravel.php import is_truthy, to_number
from sarkmock.laravel.php.values import is_readable
from sarkmock.laravel.validation import MALFORMED
from sarkmock.server.http11 import is_host

API_PATH = "/api"
ANYTHING = ("", "*/*", "*")
PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
PASSED_ON = {"HTTP_AUTHORIZATION": "Authorization", "HTTP_X_HTTP_METHOD_OVERRIDE": "X-HTTP-Method-Override"}
HALF = b"\\udc"  # how JSON escapes a byte that is not UTF-8, or a low surrogate
DROPPED_STATUS = 0
CACHING = {"HTTP/1.0": "private, must-revalidate"}  # by protocol, as Symfony prepares it for the request
# A quoted string or a text with blanks only inside it, or a separator with the blanks around it.
ACCEPTED = re.compile(r'(?:"(?:[^"\\]|\\.)*(?:"|\\|\Z)|[^\s",;=]|(?<=\S)\s+(?![\s,;=]))+|\s*([,;=])\s*')
QUOTING = re.compile(r'\\(.)|"')
Handle = Callable[[ApiRequest], Reply]


@dataclass(slots=True)
class Answer:
    """A reply as sent to the client. Status 0: the connection is dropped instead."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


# Called with the environ, request, reply, answer and arrival time (time.perf_counter).
ExchangeListener = Callable[[Environ, ApiRequest, Reply, Answer, float], object]


class Api:
    """The API as a function of a WSGI environ, independent of server and framework.

    ``handle`` responds to a request, ``cors`` returns the CORS policy, ``witness`` is called with every exchange.
    ``before_php`` is the web server in front of PHP, if any.
    """

    def __init__(self, handle: Handle, cors: Callable[[], Cors], witness: ExchangeListener | None = None,
                 before_php: BeforePhp | None = None) -> None:
        self._handle, self._cors, self._witness, self._before_php = handle, cors, witness, before_php

    def answer(self, environ: Environ, path: str | None, body: bytes | None = None) -> tuple[Reply, Answer]:
        """Return the reply to a request, and the answer to send.

        ``path`` is the decoded path below the base, empty or with a leading slash; None if it is not below the base.
        ``body`` is set if already read.
        """
        began = perf_counter()
        request = request_of_environ(environ, path, request_body(environ) if body is None else body)
        reply = self._before(request, environ) or self._php(request, environ)
        answer = render(reply, request.method, CACHING.get(environ.get("SERVER_PROTOCOL", ""), NO_CACHE))
        if isinstance(reply, FaultyReply):
            answer = received_part(reply, answer)
        if self._witness:
            self._witness(environ, request, reply, answer, began)
        return reply, answer

    def _before(self, request: ApiRequest, environ: Environ) -> Reply | None:
        answer = self._before_php(request.method, request.raw_path) if self._before_php else None
        if answer is None:
            return None
        answer = web_server.conditional(answer, request.method, environ)
        query = f"?{request.query}" if request.query or target_of(environ).endswith("?") else ""
        return web_server.apache_reply(answer, origin_of(environ), query)

    def _php(self, request: ApiRequest, environ: Environ) -> Reply:
        cors = self._cors()
        shared = is_shared(request, cors)
        seen = as_laravel_sees(environ, request) if shared else environ
        reply = cors.preflight(seen) if shared else None
        if reply is not None:
            return reply
        reply = self._handle(request)
        if "HTTP_RANGE" in environ and "Accept-Ranges" in reply.headers and "HTTP_IF_RANGE" not in environ:
            reply = range_reply(reply, environ["HTTP_RANGE"])
        if (reply.framework or reply.browser) and not wants_json(environ):
            reply = for_browser(reply, environ)
        return cors.exposed(reply, seen) if shared and not reply.early else reply


class Gateway:
    """Serve all requests with the API, which answers those outside of its base path, too."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        reply, answer = self._api.answer(environ, below_base(environ["PATH_INFO"]))
        if isinstance(reply, FaultyReply):
            return apply_fault(reply, answer, environ, start_response)
        start_response(PHRASES[answer.status], answer.headers)
        return [answer.body]


def below_base(path: str) -> str | None:
    """Return what follows the API's base path; None for a path outside of it."""
    return path[len(API_PATH):] if path == API_PATH or path.startswith(f"{API_PATH}/") else None


def received_part(reply: FaultyReply, answer: Answer) -> Answer:
    """Return the part of an answer that reaches the client."""
    if reply.keep is None:
        return answer
    if not reply.keep:
        return Answer(DROPPED_STATUS, [], b"")
    return Answer(answer.status, answer.headers, answer.body[:reply.keep])


def apply_fault(reply: FaultyReply, answer: Answer, environ: Environ,
                start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send an answer late or in part. The caller waits, unless the server provides a delay function."""
    wait(reply, environ)
    if answer.status == DROPPED_STATUS:
        raise Dropped("a fault dropped the connection")
    start_response(status_line(answer.status), answer.headers)
    return [answer.body] if reply.keep is None else cut(answer.body)


def wait(reply: FaultyReply, environ: Environ) -> None:
    """Wait for the reply's delay."""
    if reply.delay:
        environ.get(DELAY, sleep)(reply.delay)


def status_line(status: int) -> str:
    return PHRASES.get(status) or f"{status} Unknown Status"


def cut(beginning: bytes) -> Iterator[bytes]:
    if beginning:
        yield beginning
    raise Dropped("a fault dropped the connection in the middle of the body")


def request_of_environ(environ: Environ, path: str | None, body: bytes) -> ApiRequest:
    """Return the request of an environ. As in Laravel, trailing slashes are removed before decoding."""
    whole, outside = environ["PATH_INFO"], ""
    raw = web_server.raw_path(environ.get("SCRIPT_NAME", ""), whole, target_of(environ))
    if path is None:
        seen = web_server.path_info(raw)
        whole = web_server.unescaped(seen).decode("latin-1")
        path = below_base(whole)
        outside = whole.encode("latin-1").decode("utf-8", "surrogateescape") if path is None else ""
    else:
        seen = raw
    below = web_server.raw_path(whole.removesuffix(path), path, seen) if path else ""
    below = web_server.unescaped(below.rstrip("/")).decode("utf-8", "surrogateescape")[1:]
    if below.startswith("/"):
        below = "/" + below  # keep the leading slash of an empty first segment
    headers = {"Content-Type": environ.get("CONTENT_TYPE", "")}
    headers |= {name: environ[key] for key, name in PASSED_ON.items() if key in environ}
    return ApiRequest(environ["REQUEST_METHOD"], below, environ.get("QUERY_STRING", ""), headers, body, raw, True,
                      is_foreign(environ), outside)


def target_of(environ: Environ) -> str:
    """Return the target of the request as sent, or an empty text if the server does not provide it."""
    return environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""


def origin_of(environ: Environ) -> str:
    """Return scheme, host and port from the Host header, or the server's own if Host is not valid in a URL."""
    host = environ.get("HTTP_HOST", "")
    if not is_host(host):
        host = f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
    return f"{environ.get('wsgi.url_scheme', 'http')}://{host}"


def request_body(environ: Environ) -> bytes:
    """Return the body: of the announced length, or the whole stream if the server has terminated it."""
    if environ.get("wsgi.input_terminated"):
        return bytes(environ["wsgi.input"].read())
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return bytes(environ["wsgi.input"].read(length)) if length else b""


def wants_json(environ: Environ) -> bool:
    """Laravel's expectsJson(): the client prefers a JSON type, or is an XMLHttpRequest that accepts anything.

    An XMLHttpRequest with X-PJAX expects a page.
    """
    best = preferred_type(environ.get("HTTP_ACCEPT", ""))
    if best in ANYTHING and environ.get("HTTP_X_REQUESTED_WITH") == "XMLHttpRequest":
        return not is_truthy(environ.get("HTTP_X_PJAX", ""))
    return "/json" in best or "+json" in best


def preferred_type(accept: str) -> str:
    """Return the first of the types with the highest quality. A repeated type counts where it is last."""
    types: dict[str, float] = {}
    for (name, *_), *parameters in accepted(accept):
        types.pop(name, None)
        types[name] = quality(parameters)
    return max(types, key=types.__getitem__, default="").lower()


def accepted(accept: str) -> list[list[list[str]]]:
    """Symfony's HeaderUtils::split(): the items, each a list of parts, each a name and maybe a value. None is empty."""
    items = [[[""]]]
    for match in ACCEPTED.finditer(accept.strip()):
        if match[1] == ",":
            items.append([[""]])
        elif match[1] == ";":
            items[-1].append([""])
        elif match[1] and len(items[-1][-1]) == 1:
            items[-1][-1].append("")
        else:
            items[-1][-1][-1] += QUOTING.sub(r"\1", match[0])
    items = [[part for part in item if part != [""]] for item in items]
    return [item for item in items if item]


def quality(parameters: Iterable[list[str]]) -> float:
    """Return the last parameter q."""
    named = {name.lower(): value for name, value in ((*part, "1")[:2] for part in parameters)}
    return float(to_number(named.get("q", "1")) or 0)


def for_browser(reply: Reply, environ: Environ) -> Reply:
    """Return the reply for a client that does not expect JSON. An empty body (HEAD through a POST) stays empty."""
    bare = reply.body == b""
    if reply.browser:
        page = reply.browser
        reply = replace(reply, body=page.body, status=page.status, headers=page.headers,
                        content_type=page.content_type, framework=page.framework)
    page = error_page(reply) if reply.framework else redirection(reply, environ)
    if reply.sent is not None:
        page = replace(page, content_type=reply.content_type)
    return replace(page, body=b"") if bare else page


def redirection(reply: Reply, environ: Environ) -> Reply:
    """Laravel's redirect to a path on the same host."""
    location = origin_of(environ) + reply.headers["Location"].rstrip("/")
    link = f'<a href="{escape(location)}">{escape(location)}</a>'
    text = f"<!DOCTYPE html>\n<html><body>Redirecting to {link}.</body></html>\n"
    return replace(reply, body=text.encode("utf-8", "replace"), headers={**reply.headers, "Location": location})


def error_page(reply: Reply) -> Reply:
    """Return one of Laravel's own errors as an HTML page."""
    message = escape(str(reply.body["message"]) if reply.body else "")
    text = f"<!DOCTYPE html>\n<html><head><title>{message}</title></head><body><h1>{message}</h1></body></html>\n"
    return replace(reply, body=text.encode("utf-8", "replace"), headers={**reply.headers, **UNPREPARED},
                   content_type="text/html; charset=UTF-8")


def render(reply: Reply, method: str, caching: str = NO_CACHE) -> Answer:
    """Serialise a reply: JSON as Laravel writes it, bytes unchanged, empty for None or HEAD.

    ``caching`` is the Cache-Control of a reply that has none.
    """
    payload = reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else to_json(reply.body)
    if reply.sent is not None:
        payload = to_json(reply.sent) + payload
    if not isinstance(reply.body, bytes) and HALF in payload and not is_readable(reply.body):
        # a key that is not UTF-8, which the product cannot encode either
        crash = replace(reply, body=debug_body(MALFORMED, "InvalidArgumentException"), status=500)
        return render(crash, method, caching)
    status = reply.status or 200
    headers = {"Cache-Control": caching, **reply.headers}
    if not headers["Cache-Control"]:  # the web server's own pages have no Cache-Control
        del headers["Cache-Control"]
    if reply.body is not None and reply.content_type:
        headers["Content-Type"] = reply.content_type
    if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers["Content-Length"] = str(len(payload))
    return Answer(status, list(headers.items()), b"" if method == "HEAD" else payload)
