"""Logs in to a box before a run and logs out at its end. Password and token are never written to a file."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from ..client import interrupts
from ..client.http import Request, Response, with_json
from ..client.target import Target
from ..client.transports import LOGIN_TOKEN, Access, Http
from ..errors import CannotRun, NoAnswer
from .preflight import PROBE, answer_problem, connection_problem, is_sark, wants_token

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
        answer = target.get(PROBE)
        problem = answer_problem(target, answer)
    except NoAnswer as error:
        return str(error)
    if is_sark(answer):
        return f"--login {user}: the box needs no login; omit --login"
    if problem and (response.status in (404, 405) or not wants_token(answer)):
        return f"{box.url}: {problem}"
    return f"--login {user}: POST /auth/login returned {response.status}"


def log_out(box: Http) -> None:
    """Log out, which revokes the tokens of the user. Ignore a box that no longer responds."""
    try:
        box.send(Request("GET", "/auth/logout"))
    except (CannotRun, NoAnswer):
        return
