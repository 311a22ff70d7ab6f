"""Users and their bearer tokens, as rows of the tables. Knows Laravel Sanctum's tokens and PHP's bcrypt, no request.

Every hash has the lowest cost of bcrypt (the product has 12), so that a login takes a millisecond.
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
ADMIN = "isAdmin"  # the role, and the word that an administrator's ability ends in
OWNER = "App\\Models\\User"
TOKEN_LETTERS = string.ascii_letters + string.digits
COST = "$2y$04$"
SALT, LAST_OF_SALT = "./" + string.ascii_letters + string.digits, ".Oeu"  # 16 bytes: the last sign has two bits
LONGEST_PASSWORD = 72  # bytes; bcrypt looks at no more


def new_secret(rng: random.Random) -> str:
    """The part of a token after the bar: 40 random signs and their checksum."""
    signs = "".join(rng.choices(TOKEN_LETTERS, k=40))
    return f"{signs}{zlib.crc32(signs.encode()):08x}"


def token_digest(secret: str) -> str:
    """What the tables hold of a token."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def issue_token(tables: Database, user: int, abilities: Sequence[str], secret: str, stamp: str, *,
          id: int | None = None) -> str:
    """Add a token for a user, and return it as clients send it."""
    row = {"id": id, "tokenable_type": OWNER, "tokenable_id": user, "name": "Personal Access Token",
           "token": token_digest(secret), "abilities": json.dumps(abilities), "created_at": stamp, "updated_at": stamp}
    return f"{tables.insert(TOKENS, row)}|{secret}"


def abilities_of(user: Row) -> list[str]:
    """What a login lets a user do."""
    return [f"admin:{ADMIN}"] if user["role"] == ADMIN else ["*"]


def revoke_tokens(tables: Database, user: int) -> None:
    """End every token of a user."""
    tables.remove(TOKENS, {"tokenable_type": OWNER, "tokenable_id": user})


def token_by_secret(tables: Database, secret: str) -> Row | None:
    """The row of a token by the part after the bar alone. A database without accounts has none."""
    return tables.first(TOKENS, "token", token_digest(secret)) if tables.has(TOKENS) else None


def token_by_id_and_secret(tables: Database, token: str) -> Row | None:
    """The row of a token as Sanctum finds it: by the id before the bar, and then the secret must be right."""
    id, bar, secret = token.partition("|")
    if not (bar and secret and id.isascii() and id.isdecimal() and tables.has(TOKENS)):
        return None
    row = tables.first(TOKENS, "id", id)
    return row if row and row["token"] == token_digest(secret) else None


def user_by_email(tables: Database, email: str) -> Row | None:
    """The user of an address."""
    return tables.first(USERS, "email", email) if tables.has(USERS) else None


def token_owner(tables: Database, token: Row) -> Row | None:
    """The user of a token."""
    return tables.first(USERS, "id", token["tokenable_id"])


def hash_password(password: str, rng: random.Random) -> str:
    """PHP's password_hash() with bcrypt."""
    salt = "".join(rng.choices(SALT, k=21)) + rng.choice(LAST_OF_SALT)
    return bcrypt.hashpw(_octets(password), f"{COST}{salt}".encode()).decode()


def verify_password(password: str, wanted: str | None) -> bool:
    """PHP's password_verify(); false for what is not a hash."""
    try:
        return bcrypt.checkpw(_octets(password), (wanted or "").encode())
    except ValueError:
        return False


def _octets(password: str) -> bytes:
    return password.encode("utf-8", "surrogateescape")[:LONGEST_PASSWORD]


def add_administrator_token(tables: Database, token: str, stamp: str) -> None:
    """Let a token be the first administrator's; where there is none, one called admin@example.com is added."""
    found = tables.rows(USERS, {"role": ADMIN}, order=("id",))
    user = found[0]["id"] if found else tables.insert(USERS, {
        "name": "admin", "email": "admin@example.com", "password": hash_password("secret", random.Random(0)),
        "role": ADMIN, "created_at": stamp, "updated_at": stamp})
    id, _, secret = token.partition("|")
    held = tables.first(TOKENS, "id", id)
    if held is not None and (held["token"], held["tokenable_id"]) == (token_digest(secret), user):
        return
    tables.remove(TOKENS, {"id": id})
    issue_token(tables, user, [f"admin:{ADMIN}"], secret, stamp, id=int(id))
