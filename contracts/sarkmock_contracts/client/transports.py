"""Transports: a WSGI application in this process, or a box over one keep-alive session."""

from __future__ import annotations

import math
import os
import re
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from sarkmock.suite_api import Engine, State, api_application, is_loopback, redacted

from ..errors import CannotRun, NoAnswer, SuiteError
from .http import NO_TOKEN, Headers, Request, Response, TooSlow, call_with_timeout, first_bytes, header

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

LOGIN_TOKEN = "SARKMOCK_LOGIN_TOKEN"  # environment variable of this process for the token of --login
EMBEDDED_URL = "https://127.0.0.1:44300/api"  # where `sarkmock serve` would answer the same request
_TIMEOUT = 30
WHOLE_ANSWER = 120.0  # seconds for the whole response, however slowly it arrives
GRACE = 10.0  # the same after --max-time, for the clean-up
BODY_CHUNK = 1 << 16


class Transport(Protocol):
    """Sends a request to the target."""

    url: str
    base: str

    def send(self, request: Request) -> Response: ...


class Layer:
    """A transport around another one. By default it passes requests on unchanged."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.url, self.base = inner.url, inner.base

    def send(self, request: Request) -> Response:
        return self.inner.send(request)


class SignedIn(Layer):
    """An embedded mock with the administrator's token, which is made valid again for every request."""

    def __init__(self, inner: Transport, state: State) -> None:
        super().__init__(inner)
        self.state = state

    def send(self, request: Request) -> Response:
        if self.state.token is not None and header(request.headers, "Authorization") is None:
            self.state.allow_token()
            token = ("Authorization", f"Bearer {self.state.token}")
            request = replace(request, headers=(*request.headers, token))
        if NO_TOKEN in request.headers:
            request = replace(request, headers=without_empty_token(request.headers))
        return self.inner.send(request)


def without_empty_token(headers: Headers) -> Headers:
    return tuple(pair for pair in headers if pair != NO_TOKEN)


class InProcess:
    """The embedded mock, or any WSGI application that serves the API under /api."""

    def __init__(self, application: Wsgi) -> None:
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


def embedded_mock(engine: Engine) -> SignedIn:
    """Return a transport to the API of an engine in this process."""
    return SignedIn(InProcess(api_application(engine)), engine.state)


def embedded_transport(profile: str) -> SignedIn:
    """Return a transport to a new mock of a profile in this process."""
    return embedded_mock(Engine(profile=profile))


class Silent:
    """A transport that sends nothing and raises ``problem``."""

    def __init__(self, url: str, base: str, problem: SuiteError) -> None:
        self.url, self.base, self.problem = url, base, problem

    def send(self, request: Request) -> Response:
        raise self.problem


@dataclass(frozen=True)
class Access:
    """How a box is reached besides its URL: TLS trust, client certificate and headers. The token is never stored."""

    insecure: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    headers: tuple[str, ...] = ()
    token_env: str | None = None

    def check(self, url: str) -> SplitResult:
        """Return the parts of the URL. Raise CannotRun if the URL or an option is invalid, or the connection unsafe."""
        parts = split_url(url)
        if parts.scheme == "http" and not is_loopback(str(parts.hostname)) and not self.insecure:
            raise CannotRun(f"{url} is not encrypted: use https, or --insecure to send everything in clear text")
        if self.key and not self.cert:
            raise CannotRun("--key needs --cert")
        if parts.scheme == "http" and (self.ca or self.cert):
            raise CannotRun(f"{'--ca' if self.ca else '--cert'} needs an https URL")
        names = [line.partition(":")[0].lower() for line in self.headers]
        if self.token_env is not None and "authorization" in names:
            raise CannotRun(f"--header Authorization and {self.credential} exclude each other")
        for option, file in (("--ca", self.ca), ("--cert", self.cert), ("--key", self.key)):
            if file is not None and not Path(file).is_file():
                raise CannotRun(f"{option} {file}: {'not a file' if Path(file).exists() else 'no such file'}")
        self._load()
        return parts

    def _load(self) -> None:
        """Raise CannotRun if a certificate or key cannot be used. A key with a passphrase would prompt for it."""
        context, option = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), f"--ca {self.ca}"
        try:
            if self.ca is not None:
                context.load_verify_locations(self.ca)
            if self.cert is not None:
                option = f"--cert {self.cert}" + (f", --key {self.key}" if self.key else "")
                context.load_cert_chain(self.cert, self.key, password="")
        except OSError as error:
            raise CannotRun(f"{option}: not a valid PEM file ({error.strerror})") from None

    def verify(self, host: str) -> bool | str:
        """Return the `verify` argument for requests. By default, any certificate of a loopback address is trusted."""
        if self.insecure:
            return False
        return self.ca or not is_loopback(host)

    @property
    def credential(self) -> str:
        """The option that gives a token; empty if there is none."""
        if self.token_env is not None:
            return "--login" if self.token_env == LOGIN_TOKEN else f"--token-env {self.token_env}"
        names = (line.partition(":")[0] for line in self.headers)
        return next((f"--header {name}" for name in names if name.lower() == "authorization"), "")

    def in_shell(self, token: str) -> dict[str, str]:
        """Return the headers of every request for a shell script: values are variables, credentials use `token`."""
        headers = {name: header_in_shell(name, value, token) for name, value in map(_header_pair, self.headers)}
        return headers if self.token_env is None else {**headers, "Authorization": f"Bearer ${token}"}

    def sent(self) -> dict[str, str]:
        """Return the headers sent with every request. They must not appear in reports."""
        result = dict(map(_header_pair, self.headers))
        if self.token_env is not None:
            token = os.environ.get(self.token_env, "").strip()
            if not token:
                raise CannotRun(f"--token-env {self.token_env}: the environment variable is not set, or empty")
            if not re.fullmatch("[!-~]+", token):
                raise CannotRun(f"--token-env {self.token_env}: the value is not a token of ASCII characters")
            result["Authorization"] = f"Bearer {token}"
        return result


def _header_pair(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not value.strip().isprintable():
        raise CannotRun(f"--header {name!r}: not of the form 'Name: value'")
    if any(char > "\xff" for char in value):
        raise CannotRun(f"--header {name!r}: HTTP has no characters beyond Latin-1")
    return name, value.strip()


def header_in_shell(name: str, value: str, token: str) -> str:
    """Return a header value as a shell variable. Of a credential, the scheme is kept."""
    if name.lower() not in ("authorization", "proxy-authorization"):
        return f"$HEADER_{re.sub('[^A-Z0-9]', '_', name.upper())}"
    scheme = re.match("[A-Za-z][A-Za-z0-9-]* +", value)
    return f"{scheme[0] if scheme else ''}${token}"


def tls_context(verify: bool | str) -> ssl.SSLContext:
    """Return a TLS context that trusts every certificate, the default CAs, or the certificates of a file.

    As with curl, the file may hold the certificate of the box itself, whoever signed it.
    """
    made = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the default from Python 3.13 on
    if not verify:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


class _CaAdapter(HTTPAdapter):
    """Lets requests trust the certificates of a file as `tls_context` does."""

    def __init__(self, ca: str) -> None:
        self._ca = ca
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
        super().init_poolmanager(*arguments, **settings, ssl_context=tls_context(self._ca))


class Http:
    """A box behind a URL that ends in the API's base path."""

    def __init__(self, url: str, access: Access | None = None, seconds: float | None = None) -> None:
        access = access or Access()
        self._ends = math.inf if seconds is None else time.monotonic() + seconds
        parts = access.check(url)
        self.url = url.rstrip("/")
        self.base = parts.path.rstrip("/")
        self.credential = access.credential
        self._headers = access.sent()
        self._verify = access.verify(str(parts.hostname))
        if self._verify is False:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._session = requests.Session()
        self._session.trust_env = False  # proxies and CA bundles of the environment are not meant for a PBX
        if isinstance(self._verify, str):
            self._session.mount("https://", _CaAdapter(self._verify))
        self._session.cert = (access.cert, access.key) if access.cert and access.key else access.cert

    def send(self, request: Request) -> Response:
        own = header(request.headers, "Authorization")
        headers = {**dict(without_empty_token(request.headers)), **self._headers}
        if own is not None:  # a request that tests its token
            headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            headers |= {"Authorization": own} if own else {}
        prepared = self._session.prepare_request(
            requests.Request(request.method, self.url, headers=headers, data=request.body or None))
        prepared.url = self.url + request.target  # unchanged: requests would quote it again
        patience = max(GRACE, min(WHOLE_ANSWER, self._ends - time.monotonic()))
        try:
            return call_with_timeout(patience, lambda: self._answer(prepared))
        except TooSlow:
            self._session.close()
            raise NoAnswer(f"{self.url} did not send a complete response within {patience:.0f} s", sent=True,
                           final=True) from None
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise NoAnswer(f"{self.url} does not respond: {_reason(error)}", _was_sent(error)) from None
        except requests.RequestException as error:
            raise CannotRun(f"{self.url} does not respond: {_reason(error)}") from None
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
            raise NoAnswer(f"{self.url} sent an invalid HTTP response: {_reason(error)}", sent=True) from None

    def _answer(self, prepared: requests.PreparedRequest) -> Response:
        with self._session.send(prepared, timeout=_TIMEOUT, allow_redirects=False, verify=self._verify,
                                stream=True) as response:
            body = first_bytes(response.iter_content(BODY_CHUNK))
            return Response(response.status_code, tuple(response.headers.items()), body)


def _reason(error: BaseException) -> str:
    """Return the innermost reason of an error, without the texts of the libraries around it."""
    while inner := next((cause for cause in (getattr(error, "reason", None), *error.args[::-1], error.__cause__)
                         if isinstance(cause, BaseException)), None):
        error = inner
    kind = f"{type(error).__name__}: " if isinstance(error, HTTPException) and not isinstance(error, OSError) else ""
    return kind + str(getattr(error, "strerror", None) or error)


def _was_sent(error: requests.RequestException) -> bool:
    """Whether a request may have arrived: not if no connection was made."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    never = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.SSLError)
    return not isinstance(error, requests.ConnectTimeout) and not isinstance(reason, never)


def split_url(url: str) -> SplitResult:
    """Split a URL. Raise CannotRun if it cannot be a target."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        hint = "" if not url or "://" in url else f"; did you mean https://{redacted(url)}?"
        raise CannotRun(f"{redacted(url) or 'an empty string'} is not an http or https URL{hint}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise CannotRun("a base URL has no user, password, query or fragment: use --header or --token-env")
    return parts
