"""Users and their bearer tokens, as table rows. Uses Laravel Sanctum's token format and PHP's bcrypt; no HTTP.

Hashes use bcrypt's lowest cost (the product uses 12), so that a login takes a millisecond.
"""

from __future__ import annotations

import hashlib
import json
import random
import string
import zlib
from collections.abc import Sequence

import bcrypt

from sarkmock.pbx.database import Database, Row

USERS, TOKENS = "users", "personal_access_tokens"
ADMIN = "isAdmin"  # the role, and the suffix of an administrator's ability
OWNER = "App\\Models\\User"
TOKEN_LETTERS = string.ascii_letters + string.digits
COST = "$2y$04$"
SALT, LAST_OF_SALT = "./" + string.ascii_letters + string.digits, ".Oeu"  # 16 bytes: the last character has 2 bits
LONGEST_PASSWORD = 72  # bytes; bcrypt ignores the rest


def new_secret(rng: random.Random) -> str:
    """Return the part of a token after the bar: 40 random characters and their CRC-32 checksum."""
    signs = "".join(rng.choices(TOKEN_LETTERS, k=40))
    return f"{signs}{zlib.crc32(signs.encode()):08x}"


def token_digest(secret: str) -> str:
    """Return the digest of a token that the tables store."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def issue_token(tables: Database, user: int, abilities: Sequence[str], secret: str, stamp: str, *,
                id: int | None = None) -> str:
    """Add a token for a user and return it in the form that clients send."""
    row = {"id": id, "tokenable_type": OWNER, "tokenable_id": user, "name": "Personal Access Token",
           "token": token_digest(secret), "abilities": json.dumps(abilities), "created_at": stamp, "updated_at": stamp}
    return f"{tables.insert(TOKENS, row)}|{secret}"


def abilities_of(user: Row) -> list[str]:
    """Return the abilities of the token that a login creates for a user."""
    return [f"admin:{ADMIN}"] if user["role"] == ADMIN else ["*"]


def revoke_tokens(tables: Database, user: int) -> None:
    """Delete every token of a user."""
    tables.remove(TOKENS, {"tokenable_type": OWNER, "tokenable_id": user})


def token_by_secret(tables: Database, secret: str) -> Row | None:
    """Return the row of a token, found by the part after the bar alone; None in a database without accounts."""
    return tables.first(TOKENS, "token", token_digest(secret)) if tables.has(TOKENS) else None


def token_by_id_and_secret(tables: Database, token: str) -> Row | None:
    """Return the row of a token as Sanctum finds it: look up the id before the bar, then compare the secret."""
    id, bar, secret = token.partition("|")
    if not (bar and secret and id.isascii() and id.isdecimal() and tables.has(TOKENS)):
        return None
    row = tables.first(TOKENS, "id", id)
    return row if row and row["token"] == token_digest(secret) else None


def user_by_email(tables: Database, email: str) -> Row | None:
    """Return the user with an email address."""
    return tables.first(USERS, "email", email) if tables.has(USERS) else None


def token_owner(tables: Database, token: Row) -> Row | None:
    """Return the user that a token belongs to."""
    return tables.first(USERS, "id", token["tokenable_id"])


def hash_password(password: str, rng: random.Random) -> str:
    """Hash a password with bcrypt, as PHP's password_hash() does."""
    salt = "".join(rng.choices(SALT, k=21)) + rng.choice(LAST_OF_SALT)
    return bcrypt.hashpw(_octets(password), f"{COST}{salt}".encode()).decode()


def verify_password(password: str, wanted: str | None) -> bool:
    """Check a password as PHP's password_verify() does; False if ``wanted`` is not a hash."""
    try:
        return bcrypt.checkpw(_octets(password), (wanted or "").encode())
    except ValueError:
        return False


def _octets(password: str) -> bytes:
    return password.encode("utf-8", "surrogateescape")[:LONGEST_PASSWORD]


def add_administrator_token(tables: Database, token: str, stamp: str) -> None:
    """Give a token to the first administrator. Add admin@example.com if there is no administrator."""
    users = tables.rows(USERS, {"role": ADMIN}, order=("id",))
    user = users[0]["id"] if users else tables.insert(USERS, {
        "name": "admin", "email": "admin@example.com", "password": hash_password("secret", random.Random(0)),
        "role": ADMIN, "created_at": stamp, "updated_at": stamp})
    id, _, secret = token.partition("|")
    held = tables.first(TOKENS, "id", id)
    if held is not None and (held["token"], held["tokenable_id"]) == (token_digest(secret), user):
        return
    tables.remove(TOKENS, {"id": id})
    issue_token(tables, user, [f"admin:{ADMIN}"], secret, stamp, id=int(id))
