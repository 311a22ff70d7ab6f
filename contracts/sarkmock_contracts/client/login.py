"""Logs in to a box before a run and out at its end. Password and token stand in memory and in no file."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..errors import CannotRun, NoAnswer
from .http import ACCEPT, JSON, Request, Response
from .transports import Access, OverHttp

PASSWORD = "SARKMOCK_PASSWORD"
TOKEN_VARIABLE = "SARKMOCK_LOGIN_TOKEN"  # of this process and its workers alone
JSON_HEADERS = (ACCEPT, ("Content-Type", JSON))


@contextmanager
def logged_in(url: str, access: Access, user: str | None) -> Iterator[Access]:
    """The access of a user who logs in, for as long as the block lasts; without a user, the access as it is.

    CannotRun if the box does not let the user in. Every token of the user ends, before and after.
    """
    if user is None:
        yield access
        return
    if access.token_env is not None:
        raise CannotRun("--login and --token-env exclude each other")
    os.environ[TOKEN_VARIABLE] = log_in(OverHttp(url, access), user, password_of(user))
    try:
        yield replace(access, token_env=TOKEN_VARIABLE)
    finally:
        log_out(OverHttp(url, replace(access, token_env=TOKEN_VARIABLE)))
        del os.environ[TOKEN_VARIABLE]


def password_of(user: str) -> str:
    """The password from the environment or a prompt; CannotRun if there is no terminal."""
    password = os.environ.get(PASSWORD)
    if password:
        return password
    if not sys.stdin.isatty():
        raise CannotRun(f"--login {user}: set the password in the environment variable {PASSWORD}")
    return getpass.getpass(f"Password of {user}: ")


def log_in(box: OverHttp, user: str, password: str) -> str:
    """A new token; CannotRun says why there is none."""
    body = json.dumps({"email": user, "password": password}).encode()
    try:
        response = box.send(Request("POST", "/auth/login", headers=JSON_HEADERS, body=body))
    except NoAnswer as error:
        raise CannotRun(str(error)) from None
    token = json_object(response).get("accessToken")
    if response.status == 200 and isinstance(token, str):
        return token
    if response.status == 401:
        raise CannotRun(f"--login {user}: the box does not know this user, or the password is wrong")
    if response.status == 422:
        raise CannotRun(f"--login {user}: the box rejects it: {json_object(response).get('message')}")
    raise CannotRun(f"--login {user}: the box has no login (POST /auth/login answered {response.status})")


def log_out(box: OverHttp) -> None:
    """End the tokens of the user. A box that does not answer any more has none to end."""
    try:
        box.send(Request("GET", "/auth/logout"))
    except (CannotRun, NoAnswer):
        return


def json_object(response: Response) -> dict[str, object]:
    """The JSON object of a response, or an empty one."""
    return response.json if isinstance(response.json, dict) else {}
