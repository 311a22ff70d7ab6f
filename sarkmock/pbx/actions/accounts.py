"""Login, logout and users: the product's AuthController."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sarkmock.http.context import Context, MissingPart
from sarkmock.http.replies import NotFound, PhpError, Rejection, Reply, Summarised
from sarkmock.laravel import php
from sarkmock.pbx import accounts
from sarkmock.pbx.accounts import USERS
from sarkmock.pbx.database import Row

SHOWN_COLUMNS = ("id", "name", "email", "email_verified_at", "endpoint", "role", "tenant", "created_at", "updated_at")
DATES = ("email_verified_at", "created_at", "updated_at")
STAMP = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)")


def login(context: Context) -> Reply:
    """Create a token for a user with the right password; the user's earlier tokens are revoked."""
    tables = context.state.tables
    user = accounts.user_by_email(tables, php.to_text(context.input["email"]))
    if user is None or not accounts.verify_password(php.to_text(context.input["password"]), user["password"]):
        raise Rejection(401, {"message": "Unauthorized"})
    accounts.revoke_tokens(tables, user["id"])
    return Reply({"accessToken": new_token(context, user["id"], accounts.abilities_of(user)), "token_type": "Bearer"})


def logout(context: Context) -> Reply:
    """Revoke every token of the user."""
    accounts.revoke_tokens(context.state.tables, addressed_user(context)["id"])
    return Reply({"message": "Successfully logged out"})


def whoami(context: Context) -> Reply:
    return Reply(user_as_json(addressed_user(context)))


def register(context: Context) -> Reply:
    """Create a user. Its token never has an administrator's ability, not even for the role isAdmin."""
    stamp, values = context.state.clock.stamp(), context.input
    password = php.to_text(values["password"])
    if "\0" in password:
        raise PhpError("Bcrypt password must not contain null character", "ValueError")
    row = {"name": values["name"], "email": values["email"], "endpoint": stored(values.get("endpoint")),
           "password": accounts.hash_password(password, context.state.draw()), "role": stored(values.get("role")),
           "created_at": stamp, "updated_at": stamp}
    number = context.state.tables.insert(USERS, row)
    return Reply({"message": f"Created new user {values['email']}!", "accessToken": new_token(context, number, ["*"])})


def stored(value: Any) -> Any:
    """Convert a value as PDO binds it."""
    return int(value) if isinstance(value, bool) else None if value is None else php.to_text(value)


def new_token(context: Context, user: int, abilities: list[str]) -> str:
    secret = accounts.new_secret(context.state.draw())
    return accounts.issue_token(context.state.tables, user, abilities, secret, context.state.clock.stamp())


def list_users(context: Context) -> Reply:
    return Reply([user_as_json(user) for user in context.state.tables.rows(USERS, order=("id",))])


def list_users_by(column: str) -> Callable[[Context], Reply]:
    """Return an action that lists the users with the value in the path; an empty list is not 404."""
    def action(context: Context) -> Reply:
        (value,) = context.path.values()
        return Reply([user_as_json(user) for user in context.state.tables.rows(USERS, {column: value}, order=("id",))])
    return action


def revoke_all(context: Context) -> Reply:
    accounts.revoke_tokens(context.state.tables, named_user(context)["id"])
    return Reply({"message": f"Successfully deleted tokens for user {context.path['id']}"})


def delete_user(context: Context) -> Reply:
    """Delete the user and its tokens; administrators may delete themselves."""
    user = named_user(context)["id"]
    accounts.revoke_tokens(context.state.tables, user)
    context.state.tables.delete(USERS, "id", user)
    return Reply({"message": f"Successfully deleted user {context.path['id']}"})


def errors_are_summarised(context: Context) -> None:
    """Reject invalid input in Laravel's own format, with a summary; 302 for a client that does not want JSON."""
    if context.errors:
        raise Summarised(context.errors)


def named_user(context: Context) -> Row:
    user = context.state.tables.first(USERS, "id", context.path["id"])
    if user is None:
        raise NotFound({"message": f"User {context.path['id']} not found"})
    return user


def addressed_user(context: Context) -> Row:
    if context.user is None:
        raise MissingPart("a user (security)")
    return context.user


def user_as_json(user: Row) -> Row:
    return {name: json_time(user[name]) if name in DATES else user[name] for name in SHOWN_COLUMNS}


def json_time(value: Any) -> Any:
    """Format a time as Laravel writes it in JSON."""
    return value and STAMP.sub(r"\1T\2.000000Z", str(value))
