"""Requests that must be rejected: without a token, or with one that does not permit the operation.

A mock of the judging document gives the expected response. These exchanges are not judged like others.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from sarkmock.suite_api import Engine, Operation

from ..client.http import ACCEPT, NO_TOKEN, Exchange, Header, Request, Response, fill_path, with_json
from ..client.transports import SignedIn, embedded_mock
from ..errors import Unavailable, Withheld
from ..judge.oracle import Problem
from ..run import Run
from ..safety.fingerprint import canonical_answer
from .protocol import any_path
from .smoke import start_pbx_again

Send = Callable[[Request], Response]
BASIC = ("Authorization", "Basic YWRtaW46c2VjcmV0")
QUERY = "access_token={0}&api_token={0}&token={0}"
REGISTER, LOGOUT, DELETE = "auth.register", "auth.logout", "auth.users.delete"


def check_no_token(run: Run) -> None:
    """Without a token, only public operations are available."""
    compare_tokens(run, guarded_operations(run), "no token", NO_TOKEN, NO_TOKEN)


def check_other_scheme(run: Run) -> None:
    """A token with another scheme than Bearer is invalid."""
    compare_tokens(run, guarded_operations(run), "other scheme", BASIC, BASIC)


def check_token_in_query(run: Run) -> None:
    """A valid token in the query string must be ignored: it would be in every log."""
    with valid_token(run) as token:
        query = QUERY.format(token.replace("|", "%7C"))
        compare_tokens(run, guarded_operations(run), "token in query", NO_TOKEN, NO_TOKEN, query)


def check_ability(run: Run) -> None:
    """A user who is not an administrator cannot call operations that need one."""
    operations = [operation for operation in guarded_operations(run) if operation.abilities]
    with user_of(run, sender(run)) as own, user_of(run, run.shared(judging_mock).send) as other:
        compare_tokens(run, operations, "other ability", bearer_header(own), bearer_header(other))


def check_revoked(run: Run) -> None:
    """The token of a user who has logged out is invalid."""
    logout = run.contract.by_id[LOGOUT]
    ways = (sender(run), run.shared(judging_mock).send)
    with user_of(run, ways[0]) as own, user_of(run, ways[1]) as other:
        for send, token in zip(ways, (own, other), strict=True):
            send(Request(logout.method, logout.path, headers=(ACCEPT, bearer_header(token))))
        compare_tokens(run, guarded_operations(run), "revoked token", bearer_header(own), bearer_header(other))


def guarded_operations(run: Run) -> list[Operation]:
    """Return the operations of the run that need a token."""
    return [operation for operation in run.chosen() if operation.guard and run.permits(operation)]


def compare_tokens(run: Run, operations: Iterable[Operation], kind: str, own: Header, other: Header,
                   query: str = "") -> None:
    """Send a bare request to each operation, and to the mock with a token of the mock, and compare the responses."""
    model = run.shared(judging_mock)
    for operation in operations:
        request = Request(operation.method, any_path(run, operation), query, (ACCEPT, own))
        wanted = Exchange(request, model.send(replace(request, headers=(ACCEPT, other))))
        try:
            exchange = send_unjudged(run, request)
        except (Unavailable, Withheld):
            continue
        if operation.hazard == "disruptive" and exchange.response.ok:
            start_pbx_again(run)
        run.report(operation.id, token_problem(kind, exchange, wanted), exchange)


def token_problem(kind: str, exchange: Exchange, wanted: Exchange) -> Problem | None:
    """Return how a response to a request without a valid token differs from the expected one."""
    if answer_text(exchange) == answer_text(wanted):
        return None
    text = f"{kind}: {exchange.request.method} returned {answer_text(exchange)}, expected {answer_text(wanted)}"
    return Problem("authentication", "", kind, text)


def answer_text(exchange: Exchange) -> str:
    allow = exchange.response.header("Allow")
    return f"{canonical_answer(exchange)}; Allow: {allow}" if allow else canonical_answer(exchange)


def judging_mock(run: Run) -> SignedIn:
    engine = Engine(run.contract.document)
    return embedded_mock(engine)


def sender(run: Run) -> Send:
    return lambda request: send_unjudged(run, request).response


def send_unjudged(run: Run, request: Request) -> Exchange:
    """Send a request that is compared here. The judge's replica follows it, as it may stop the PBX or create a file."""
    exchange = run.target.send(request)
    run.judge.attribution.observe(exchange)
    return exchange


def bearer_header(token: str) -> Header:
    return "Authorization", f"Bearer {token}"


@contextmanager
def valid_token(run: Run) -> Iterator[str]:
    """Yield the administrator's token of an embedded mock; for a box, whose token stays secret, that of a new user."""
    signed = next((layer for layer in run.target.layers() if isinstance(layer, SignedIn)), None)
    if signed is not None and signed.state.token:
        yield signed.state.token
        return
    run.gaps.unavailable.add("an administrator's token in the query string, which the box would log")
    with user_of(run, sender(run)) as token:
        yield token


def user_numbers(_: Run) -> Iterator[int]:
    """Return a counter for the users that a run creates."""
    return count(1)


@contextmanager
def user_of(run: Run, send: Send) -> Iterator[str]:
    """Create a user without rights, yield the token, and delete the user."""
    register, delete = (run.contract.by_id[name] for name in (REGISTER, DELETE))
    name = f"{run.fixtures.texts.prefix}{next(run.shared(user_numbers))}"
    password = name if run.gate is None else secrets.token_urlsafe()
    user = {"name": name, "email": f"{name}@example.com", "password": password}
    made = send(with_json(register.method, register.path, user))
    token = made.fields.get("accessToken")
    if not isinstance(token, str):
        raise Unavailable(f"no user for the request: {register.name} returned {made.status}")
    try:
        yield token
    finally:
        for row in send(Request("GET", f"/auth/users/mail/{user['email']}")).rows:
            send(Request(delete.method, fill_path(delete.path, {"id": row["id"]})))
