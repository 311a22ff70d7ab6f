"""Who sends a request: the bearer token in its header, as Laravel and Sanctum read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sarkmock.http.replies import MalformedToken, Unauthenticated
from sarkmock.pbx import accounts
from sarkmock.pbx.database import Row
from sarkmock.pbx.state import State

SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """The token of a request, and the row of its secret (the id before the bar does not matter)."""

    token: str | None = None
    row: Row | None = None

    def has(self, abilities: Iterable[str]) -> bool:
        """Whether the abilities of the secret include all of these."""
        return all(self.row is not None and ability in self.row["abilities"] for ability in abilities)


ANYBODY = Caller()


def caller(header: str, state: State) -> Caller:
    """Who sends an Authorization header; MalformedToken for a token without a bar."""
    token = bearer(header)
    if not token:
        return ANYBODY
    if "|" not in token:
        raise MalformedToken
    return Caller(token, accounts.by_secret(state.tables, token.split("|")[1]))


def bearer(header: str) -> str | None:
    """Laravel's bearerToken(): what follows the last ``Bearer``, up to a comma."""
    start = header.lower().rfind(SCHEME)
    return None if start < 0 else header[start + len(SCHEME):].partition(",")[0]


def sanctum(sender: Caller, state: State) -> Row | None:
    """The user of a valid token; Unauthenticated if there is none."""
    token = accounts.by_token(state.tables, sender.token or "")
    user = accounts.owner(state.tables, token) if token else None
    if token is None or user is None:
        raise Unauthenticated
    stamp = state.clock.stamp()
    if token["last_used_at"] != stamp:
        state.tables.change(accounts.TOKENS, {"id": token["id"]}, {"last_used_at": stamp, "updated_at": stamp})
    return user


def secret(sender: Caller, state: State) -> Row | None:
    """Nothing is looked at again."""
    return accounts.owner(state.tables, sender.row) if sender.row else None


# x-guard -> function.
GUARDS: dict[str, Callable[[Caller, State], Any]] = {"sanctum": sanctum, "secret": secret}
