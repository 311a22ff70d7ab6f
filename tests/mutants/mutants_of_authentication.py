"""Mutants that admit requests without a valid token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sarkmock_contracts.checks import authentication
from sarkmock_contracts.client.http import ACCEPT, Request, Response, header
from sarkmock_contracts.judge.findings import Identity

from tests.mutants.breaking import Mutant, Part, Send, Tamper, json_response


def admit(recognised: Callable[[Request, str, Send], bool]) -> Callable[[], Tamper]:
    """Treat requests that a function recognises as the administrator's."""
    def tamper(request: Request, send: Send) -> Response:
        named = header(request.headers, "Authorization")
        if named is None or request.path != "/tenants" or not recognised(request, named, send):
            return send(request)
        return send(replace(request, headers=(ACCEPT,)))
    return lambda: tamper


def is_any_user(_: Request, named: str, send: Send) -> bool:
    user = send(Request("GET", "/auth/whoami", headers=(ACCEPT, ("Authorization", named))))
    return named.startswith("Bearer") and user.ok


def logout_without_effect(request: Request, send: Send) -> Response:
    named = header(request.headers, "Authorization") or ""
    answers_at_once = request.path == "/auth/logout" and named.startswith("Bearer")
    return json_response(200, {"message": "Successfully logged out"}) if answers_at_once else send(request)


def mutant(name: str, run: Part, kind: str, tamper: Callable[[], Tamper], operation: str = "tenants.list") -> Mutant:
    return Mutant(name, run, Identity(operation, "authentication", "", kind), tamper=tamper, profile="L11")


MUTANTS = [
    mutant("no token is needed", authentication.check_no_token, "no token",
           admit(lambda request, named, _: not named and not request.query)),
    mutant("another scheme is accepted", authentication.check_other_scheme, "other scheme",
           admit(lambda request, named, _: named.startswith("Basic"))),
    mutant("a token in the query string is accepted", authentication.check_token_in_query, "token in query",
           admit(lambda request, named, _: "token=" in request.query)),
    mutant("every user is an administrator", authentication.check_ability, "other ability", admit(is_any_user)),
    mutant("a logout does not revoke the token", authentication.check_revoked, "revoked token",
           lambda: logout_without_effect, "auth.whoami"),
]
