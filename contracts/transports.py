"""Two ways out: a WSGI application in this process, or a box over one keep-alive session. Knows no operation."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes, urlsplit

import requests
import urllib3

from contracts.messages import Request, Response

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

EMBEDDED_URL = "https://127.0.0.1:44300/api"  # where `sarkmock serve` would answer the same request
_TIMEOUT = 30


class CannotRun(Exception):
    """The target cannot be judged at all; one line for people."""


class Transport(Protocol):
    """Carries a request to the target."""

    url: str
    base: str

    def send(self, request: Request) -> Response: ...


class InProcess:
    """The embedded mock, or any WSGI application that serves the API under /api."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.url = EMBEDDED_URL
        self.base = urlsplit(EMBEDDED_URL).path

    def send(self, request: Request) -> Response:
        answer: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], None]:
            answer[:] = [int(status[:3]), tuple(headers)]
            return lambda _: None

        chunks = self.application(self._environ(request), start_response)
        try:
            body = b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()
        return Response(answer[0], answer[1], body)

    def _environ(self, request: Request) -> dict[str, Any]:
        path = self.base + request.path
        environ = {
            "REQUEST_METHOD": request.method, "SCRIPT_NAME": "", "QUERY_STRING": request.query,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "REQUEST_URI": self.base + request.target, "RAW_URI": self.base + request.target,
            "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "44300", "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1:44300", "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0), "wsgi.url_scheme": "https",
            "wsgi.input": BytesIO(request.body), "wsgi.errors": sys.stderr, "wsgi.multithread": False,
            "wsgi.multiprocess": False, "wsgi.run_once": False, "CONTENT_LENGTH": str(len(request.body)),
        }
        for name, value in request.headers:
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        return environ


class OverHttp:
    """A box behind a URL that ends in the API's base path."""

    def __init__(self, url: str) -> None:
        parts = _loopback(url)
        self.url = url.rstrip("/")
        self.base = parts.path.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy or CA bundle of the environment is not meant for the loopback
        self._session.verify = False  # the mock makes its certificate at start
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def send(self, request: Request) -> Response:
        prepared = self._session.prepare_request(
            requests.Request(request.method, self.url, headers=dict(request.headers), data=request.body or None))
        prepared.url = self.url + request.target  # as it is: requests would re-quote it
        try:
            answer = self._session.send(prepared, timeout=_TIMEOUT, allow_redirects=False, verify=False)
        except requests.RequestException as error:
            raise CannotRun(f"{self.url} does not answer: {error}") from None
        return Response(answer.status_code, tuple(answer.headers.items()), answer.content)


def _loopback(url: str) -> Any:
    """The parts of a URL that this suite may write to: rows of a real box are not protected yet."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CannotRun(f"{url} is no http or https URL")
    if not _is_loopback(parts.hostname):
        raise CannotRun(f"{parts.hostname} is not this machine: the suite creates, changes and deletes rows, "
                        "and judges only loopback addresses")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
