"""Puts made-up secrets in the place of real ones, the same every time. Knows rows as mappings, no table's meaning.

A made-up secret comes from where the real one stands, never from what it is: from a digest, a PIN could be guessed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from sarkmock.suite_api import SECRETS, is_secret

SECRET_LETTERS = "bcdfghjkmnpqrtvwxyz2346789"  # none that look alike
SECRET_LENGTH = 12
CONFIGURATION = ("sipiaxpeer", "sipiaxuser", "sipiaxfriend", "register", "provision", "extcode", "conf")
_NAMES = "|".join(sorted(map(re.escape, SECRETS), key=len, reverse=True))
# secret=x and secret => x of Asterisk's stanzas, "sip password: x" of phones. $password is a placeholder.
_NAMED = re.compile(rf"""(\b(?:{_NAMES})[ \t]*(?:=>?|:)[ \t]*["']?)([^\s"'$;][^\s"';]*)""", re.IGNORECASE)
_REGISTERED = re.compile(r"^([^:@/\s]*:)([^@\s]+)(?=@)", re.MULTILINE)  # user:secret@host


def disguised(place: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with made-up secrets; ``place`` tells it from all others."""
    made = {value: other_secret(f"{place} {name}", value) for name, value in row.items() if is_secret(name) and value}
    return {name: made.get(value, value) if is_secret(name) else _without(f"{place} {name}", value, made)
            if name in CONFIGURATION and isinstance(value, str) else value for name, value in row.items()}


def other_secret(place: str, real: Any) -> Any:
    """Another secret that rules take as they took the real one: as many digits, the first from 2 on, or letters."""
    dice = random.Random(place)
    text = str(real)
    while True:
        if text.isascii() and text.isdigit():
            made = dice.choice("23456789") + "".join(dice.choice("0123456789") for _ in text[1:])
        else:
            made = "".join(dice.choice(SECRET_LETTERS) for _ in range(SECRET_LENGTH))
        if made != text:
            return int(made) if isinstance(real, int) else made


def _without(place: str, text: str, made: Mapping[Any, str]) -> str:
    """A text of configuration without the row's secrets and any that it names itself."""
    def another(match: re.Match[str]) -> str:
        own = {str(value): str(other) for value, other in made.items()}
        return match[1] + own.get(match[2], str(other_secret(place, match[2])))

    text = _REGISTERED.sub(another, _NAMED.sub(another, text))
    for real, other in made.items():
        if len(str(real)) >= SECRET_LENGTH // 2:
            text = text.replace(str(real), str(other))
    return text
