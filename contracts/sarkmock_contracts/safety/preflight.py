"""Before a run: is there a SARK API at the URL, explained in one line if not; log-in, and log-out at the end.

Password and token are never written to a file.
"""

from __future__ import annotations

import copy
import getpass
import os
import re
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html import unescape
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from ..client import interrupts
from ..client.formats import CassetteRecorder
from ..client.http import ACCEPT, NO_TOKEN, Request, Response, with_json
from ..client.interrupts import UNADMITTED, Admission
from ..client.rate_limit import RateLimit
from ..client.target import Client, Target
from ..client.transports import LOGIN_TOKEN, Access, Http, InProcess, Layer, Transport, tls_context
from ..errors import CannotRun, NoAnswer

PROBE = "/tenants"  # a harmless read of every version
TOKENLESS_READ = Request("GET", PROBE, headers=(ACCEPT, NO_TOKEN))
WHOAMI = "/auth/whoami"  # a read that any valid token may send, in versions with tokens
# Base paths that hosts use for the API.
BASES = ("/api", "", "/sark/api", "/sark6api/public/api", "/public/api")
HOW_TO_GIVE_A_TOKEN = "--token-env NAME, or --login USER"
NO_PAGE = "Page Not Found"  # the product's message for an unknown path (sark-v6-api.txt line 112)
PREFLIGHT_SECONDS = 10


def preflight(target: Target, verify: bool | str, client: Client | None = None) -> Response:
    """Return the response to the first read by ``client``; raise CannotRun with one line if a run should not begin.

    ``verify`` selects the trusted certificates, as in the requests library.
    """
    problem = None if isinstance(list(target.layers())[-1], InProcess) else connection_problem(target.url, verify)
    if problem:
        raise CannotRun(problem)
    response = (client or target).get(PROBE)
    problem = answer_problem(target, response)
    if problem:
        raise CannotRun(f"{target.url}: {problem}")
    return response


def is_sark(response: Response) -> bool:
    """Whether a response is a list of tenants, rows with a key; one always exists (sark-v6-api.txt line 685)."""
    rows = response.json
    if response.status != HTTPStatus.OK or not isinstance(rows, list):
        return False
    return all(isinstance(row, dict) and "pkey" in row for row in rows)


# no response at all


def connection_problem(url: str, verify: bool | str) -> str | None:
    """Check name resolution, TCP and TLS in this order; return the first problem, or None."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        return f"{url}: {error}"
    problem = tcp_problem(url, host, port)
    if problem:
        return problem
    speaks_tls = tls_problem(host, port, tls_context(False)) is None
    if parts.scheme == "http":
        return f"{url}: port {port} speaks TLS; try https:// instead of http://" if speaks_tls else None
    if not speaks_tls:
        return f"{url}: port {port} does not speak TLS; try http:// instead of https://"
    reason = tls_problem(host, port, tls_context(verify)) if verify else None
    if reason is None:
        return None
    remedy = f"check --ca {verify}" if isinstance(verify, str) else "pass its authority with --ca FILE"
    return f"{url}: its certificate cannot be verified ({reason}); {remedy}, or use --insecure"


def tcp_problem(url: str, host: str, port: int) -> str | None:
    """Explain why there is no TCP connection; None if there is one."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][:2]
    except (OSError, UnicodeError):
        return f"{url}: the host name {host} cannot be resolved"
    try:
        socket.create_connection((str(address[0]), int(address[1])), timeout=PREFLIGHT_SECONDS).close()
    except ConnectionRefusedError:
        return f"{url} does not respond: {host} refuses connections on port {port}"
    except OSError as error:
        return f"{url} does not respond: {host} port {port}: {error.strerror or error}"
    return None


def tls_problem(host: str, port: int, trust: ssl.SSLContext) -> str | None:
    """Explain why the TLS handshake fails; None if it succeeds."""
    try:
        plain = socket.create_connection((host, port), timeout=PREFLIGHT_SECONDS)
        with plain, trust.wrap_socket(plain, server_hostname=host):
            return None
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return str(error) or type(error).__name__


# a response, but not one of a SARK


def answer_problem(target: Target, response: Response) -> str | None:
    """Explain why the response to the probe is not that of the API; None if it is."""
    if is_sark(response):
        return None
    if 300 <= response.status < 400:
        return redirect_text(target, response)
    if response.status in (401, 403):
        return rejection_text(target, response)
    if is_login(response):
        return f"{PROBE} returned a login page{page_title(response)}: wrong base path, or a token is needed"
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        return f"{PROBE} returned 429: too many requests; try again in a minute"
    elsewhere = None if is_api_base(target, response) else other_base_path(target)
    if elsewhere is not None:
        return f"no API at the base path {target.transport.base or '/'}; it is at {elsewhere}"
    if response.status >= 500:
        return error_text(target, response)
    if wants_token(response):
        return why_rejected(target)
    if NO_PAGE in answer_message(response):
        return "a SARK responds, but not at this base path; it usually ends in /api"
    kind = response.content_type or "without a content type"
    return f"no SARK API: {PROBE} returned {response.status} {kind}{page_title(response)}"


def error_text(target: Target, response: Response) -> str:
    """Explain a 5xx response. A SARK has its own message for a path that does not exist."""
    if is_malformed(target):
        return f"{credential(target)}: not a token of SARK; they look like 1|SECRET"
    if NO_PAGE in answer_message(target.get("/no-such-path")):
        reason = str(response.fields.get("message") or "see its log")
        return f"a SARK responds, but {PROBE} returned {response.status} ({reason[:200]})"
    return f"{PROBE} returned an error ({response.status}): no SARK API is running there"


def answer_message(response: Response) -> str:
    return str(response.fields.get("message"))


def wants_token(response: Response) -> bool:
    """Whether the response is that of a SARK that requires a token. A wrong base path gives the same response."""
    return NO_PAGE in answer_message(response) and "nauthor" in answer_message(response)


def is_api_base(target: Target, response: Response) -> bool:
    """Whether a SARK that requires a token has the API at this base path."""
    return wants_token(response) and target.get(WHOAMI).status != HTTPStatus.NOT_FOUND


def why_rejected(target: Target) -> str:
    """Explain why a SARK with tokens does not accept the run."""
    credential_name = credential(target)
    if not credential_name:
        return f"this SARK needs an administrator's token: {HOW_TO_GIVE_A_TOKEN}"
    user = target.get(WHOAMI)
    if user.ok:
        return f"{credential_name}: {user.fields.get('email')} is not an administrator, which this SARK requires"
    return f"{credential_name}: this SARK rejects the token; it was revoked, has expired, or belongs to another box"


def credential(target: Target) -> str:
    """Return the name of the option that provides the run's credentials; empty if there is none."""
    last = list(target.layers())[-1]
    return last.credential if isinstance(last, Http) else ""


def is_malformed(target: Target) -> bool:
    """Whether every path fails because of the run's token, even one that does not exist."""
    return (bool(credential(target)) and target.get("/zznosuchpath").status >= HTTPStatus.INTERNAL_SERVER_ERROR
            and wants_token(target.send(TOKENLESS_READ).response))


def why_token_ended(transport: Transport) -> str | None:
    """Explain why a target no longer accepts the run; None if it does."""
    target = Target(transport)
    response = target.get(PROBE)
    return answer_problem(target, response) if response.status in UNADMITTED else None


def rejection_text(target: Target, response: Response) -> str:
    """Describe the login that a web server before the API requires; the API has no 401 for this path."""
    challenge = response.header("WWW-Authenticate")
    if challenge is None:
        return f"{PROBE} returned {response.status}: it needs a login or token, or rejects this address"
    match = re.search(r'realm="([^"]+)"', challenge, re.IGNORECASE)
    realm = f" ({match[1][:60]})" if match and match[1].isprintable() else ""
    asks = f"{PROBE} returned {response.status}: the web server needs a user name and a password{realm}"
    credential_name = credential(target)
    if credential_name:
        return f"{asks} and rejects {credential_name}"
    return f"{asks}: --header 'Authorization: Basic BASE64', where BASE64 encodes USER:PASSWORD"


def redirect_text(target: Target, response: Response) -> str:
    """Describe where a redirect leads."""
    location = response.header("Location")
    if not location:
        return f"{PROBE} returned {response.status}"
    where = urljoin(f"{target.url}{PROBE}", location)
    if re.search(r"log-?in|sign-?in|auth", where, re.IGNORECASE):
        return f"{PROBE} redirects to a login page, {where}: wrong base path, or a token is needed"
    base = where.rstrip("/").removesuffix(PROBE)
    moved = where.rstrip("/") != base != target.url
    return f"{PROBE} redirects to {where}{f'; use {base} as the base URL' if moved else ''}"


def is_login(response: Response) -> bool:
    asks = re.search(rb"""type\s*=\s*["']?password""", response.body, re.IGNORECASE)
    return "html" in response.content_type and asks is not None


def page_title(response: Response) -> str:
    """Return the title of an HTML page as a phrase for messages; empty if there is none."""
    match = re.search(rb"<title[^>]*>(.*?)</title>", response.body, re.IGNORECASE | re.DOTALL)
    words = " ".join(unescape(match[1].decode("utf-8", "replace")).split()) if match else ""
    return f", titled {words[:60]!r}" if words.isprintable() and words else ""


def other_base_path(target: Target) -> str | None:
    """Return another base path of the same host with a SARK API, perhaps one that requires a token; None if none."""
    for url, base in other_bases(target):
        try:
            response = base.get(PROBE)
            if is_sark(response):
                return url
            if is_api_base(base, response):
                return f"{url}, and {why_rejected(base)}"
        except (CannotRun, NoAnswer):
            return None
    return None


def other_bases(target: Target) -> Iterator[tuple[str, Target]]:
    """Yield targets with other base paths on the same host, behind the same gate and budget."""
    parts = urlsplit(target.url)
    beside = parts.path.rstrip("/") + "/api"
    for base in dict.fromkeys((beside, *BASES)):
        url = f"{parts.scheme}://{parts.netloc}{base}"
        if url != target.url:
            yield url, Target(moved_transport(target.transport, url, base))


def moved_transport(transport: Transport, url: str, base: str) -> Transport:
    """Return a copy of a transport for another base path, without the layers that wait or record."""
    if isinstance(transport, (Admission, RateLimit, CassetteRecorder)):
        return moved_transport(transport.inner, url, base)
    result = copy.copy(transport)
    result.url, result.base = url, base
    if isinstance(result, Layer):
        result.inner = moved_transport(result.inner, url, base)
    return result


PASSWORD = "SARKMOCK_PASSWORD"


@contextmanager
def logged_in(url: str, access: Access, user: str | None, variable: str | None = None) -> Iterator[Access]:
    """Log in for the duration of the block and yield the access with the token; without a user, yield it unchanged.

    The environment variable ``variable`` holds the password. Raise CannotRun if the login fails. The box revokes all
    tokens of the user at login and at logout.
    """
    if user is None:
        yield access
        return
    if access.credential:
        raise CannotRun(f"--login and {access.credential} exclude each other")
    password = password_of(user, variable)
    with interrupts.signals_noted():
        os.environ[LOGIN_TOKEN] = log_in(Http(url, access), access, user, password)
        try:
            yield replace(access, token_env=LOGIN_TOKEN)
        finally:
            with interrupts.signals_deferred("logging out"):
                log_out(Http(url, replace(access, token_env=LOGIN_TOKEN), seconds=0))
            del os.environ[LOGIN_TOKEN]


def password_of(user: str, variable: str | None) -> str:
    """Return the password from the environment or a prompt; raise CannotRun if there is no terminal."""
    password = os.environ.get(variable or PASSWORD)
    if password:
        return password
    if variable is not None:
        raise CannotRun(f"--password-env {variable}: the variable is not set or empty")
    if not sys.stdin.isatty():
        raise CannotRun(f"--login {user}: set the password in the environment variable {PASSWORD}")
    return getpass.getpass(f"Password of {user}: ")


def log_in(box: Http, access: Access, user: str, password: str) -> str:
    """Return a new token; raise CannotRun with the reason if the login fails."""
    try:
        response = box.send(with_json("POST", "/auth/login", {"email": user, "password": password}))
    except NoAnswer as error:
        trust = access.verify(urlsplit(box.url).hostname or "")
        raise CannotRun(connection_problem(box.url, trust) or str(error)) from None
    token = response.fields.get("accessToken")
    if response.status == 200 and isinstance(token, str) and token.isascii() and token.isprintable():
        return token
    if response.status == 401 and not response.header("WWW-Authenticate"):
        raise CannotRun(f"--login {user}: unknown user or wrong password")
    if response.status == 422:
        raise CannotRun(f"--login {user}: the box rejects it: {response.fields.get('message')}")
    raise CannotRun(why_no_login(box, user, response))


def why_no_login(box: Http, user: str, response: Response) -> str:
    """Explain why a login at this URL is not possible."""
    target = Target(box)
    try:
        probed = target.get(PROBE)
        problem = answer_problem(target, probed)
    except NoAnswer as error:
        return str(error)
    if is_sark(probed):
        return f"--login {user}: the box needs no login; omit --login"
    if problem and (response.status in (404, 405) or not wants_token(probed)):
        return f"{box.url}: {problem}"
    return f"--login {user}: POST /auth/login returned {response.status}"


def log_out(box: Http) -> None:
    """Log out, which revokes the tokens of the user. Ignore a box that no longer responds."""
    try:
        box.send(Request("GET", "/auth/logout"))
    except (CannotRun, NoAnswer):
        return
