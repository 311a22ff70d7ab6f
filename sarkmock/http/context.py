"""The context of a request for checks and actions, and its sender: the bearer token as Laravel and Sanctum read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sarkmock.http.replies import Errors, MalformedToken, RowNotFound, Unauthenticated
from sarkmock.pbx import accounts
from sarkmock.pbx.database import Row
from sarkmock.pbx.state import State
from sarkmock.spec.operations import Operation

SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """The token of a request and its row, found by the secret alone (the id before the bar is ignored)."""

    token: str | None = None
    row: Row | None = None

    def has(self, abilities: Iterable[str]) -> bool:
        """Whether the token has all of these abilities."""
        return all(self.row is not None and ability in self.row["abilities"] for ability in abilities)


ANONYMOUS = Caller()


def caller_of(header: str, state: State) -> Caller:
    """Return the caller for an Authorization header. MalformedToken for a token without a bar."""
    token = bearer_token(header)
    if not token:
        return ANONYMOUS
    if "|" not in token:
        raise MalformedToken
    return Caller(token, accounts.token_by_secret(state.tables, token.split("|")[1]))


def bearer_token(header: str) -> str | None:
    """Laravel's bearerToken(): the text after the last ``Bearer``, up to a comma."""
    start = header.lower().rfind(SCHEME)
    return None if start < 0 else header[start + len(SCHEME):].partition(",")[0]


def user_by_token(sender: Caller, state: State) -> Row | None:
    """Return the user of a valid token (id and secret), and update its last_used_at. Raises Unauthenticated."""
    token = accounts.token_by_id_and_secret(state.tables, sender.token or "")
    user = accounts.token_owner(state.tables, token) if token else None
    if token is None or user is None:
        raise Unauthenticated
    stamp = state.clock.stamp()
    if token["last_used_at"] != stamp:
        state.tables.change(accounts.TOKENS, {"id": token["id"]}, {"last_used_at": stamp, "updated_at": stamp})
    return user


def user_by_secret(sender: Caller, state: State) -> Row | None:
    """Return the user of the token found by its secret, without further checks; None if there is none."""
    return accounts.token_owner(state.tables, sender.row) if sender.row else None


# x-guard -> function
GUARDS: dict[str, Callable[[Caller, State], Any]] = {"sanctum": user_by_token, "secret": user_by_secret}


class MissingPart(Exception):
    """An error in the document: an operation lacks something that its check or action needs."""


@dataclass(slots=True)
class Context:
    """A request bound to its operation.

    ``input`` is query, body and files ($request->all()), ``post`` is only the body ($request->post()), both after
    Laravel's trimming. ``row`` is the row that the path names, ``user`` the token's user. Checks add to ``errors``.
    If ``encoded`` is set, an action may return a body that is already JSON, as bytes. ``debug`` is set if PHP crashes
    with a debug page, after what it has done until then.
    """

    operation: Operation
    state: State
    path: dict[str, str]
    input: dict[str, Any]
    post: dict[str, Any]
    errors: Errors
    row: Row | None = None
    user: Row | None = None
    encoded: bool = False
    debug: bool = False

    def reject(self, field: str, text: str, *details: str, **sent: str) -> None:
        """Add a message to the 422 response, as $validator->errors()->add does. AfterCheck lists the texts."""
        self.errors.setdefault(field, []).append(text.format(*details, field=field, **sent))


def bind_row(operation: Operation, path: dict[str, str], state: State) -> Row | None:
    """Laravel's route model binding: return the row that the path names. Raises RowNotFound."""
    table = operation.table
    if table is None:
        return None
    key = path[operation.key] if operation.key else table.fixed
    if key is None:
        return None
    row = state.tables.first(table.name, table.key, key)
    if row is None:
        raise RowNotFound(table.model, key)
    return row
