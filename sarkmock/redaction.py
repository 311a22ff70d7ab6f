"""Text for people: without secrets (`redacted`), and without control characters (`printable`).

What is sent to the target and compared with its answers is never redacted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MASK = "REDACTED"
BODY = 4000  # characters of a body that is shown
SECRETS = ("passwd", "password", "secret", "ldappass", "spypass", "syspass", "foppass", "disapass", "authorization",
           "proxy-authorization", "cookie", "set-cookie", "x-api-key", "token", "access_token", "api_token",
           "accesstoken", "remotesecret", "md5secret", "vmpasswd", "dvrvmail_password")
_NAME = "|".join(sorted(map(re.escape, SECRETS), key=len, reverse=True))
# Each begins at one place and never goes back, so that no text takes longer than its length.
_QUOTE = r"""(?:\\*+["'])"""
# A value in quotes that are escaped as its first is, up to the line's end if they are not closed; or a bare one.
_QUOTED = r"""(?P<escape>\\*+)(?P<quote>["'])(?P<text>(?:(?!(?<!\\)(?P=escape)(?P=quote)).)*)"""
_VALUE = rf"""(?:{_QUOTED}(?:(?P=escape)(?P=quote))?|(?!(?:null|None)\b)[^\s,}}\]"']++)"""
_HEADER = "(?:proxy-)?authorization|(?:set-)?cookie|x-api-key"
# "passwd": "x", also as text within a text or as Python shows it; passwd=x of forms, queries and Asterisk's stanzas;
# parts of a multipart form; header lines.
_PATTERNS = (
    re.compile(rf"(?P<name>(?<!\\)(?P<around>{_QUOTE})(?:{_NAME}){_QUOTE}\s*+:[\s\[]*+){_VALUE}",
               re.IGNORECASE),
    re.compile(rf'(?P<name>\b(?:{_NAME})\s*+=>?\s*+)[^\s&;,"\'\\\])}}]++', re.IGNORECASE),
    re.compile(rf'(?P<name>name="(?:{_NAME})"\r?\n(?:[^\r\n]++\r?\n){{0,20}}\r?\n)[^\r\n]*+', re.IGNORECASE),
    re.compile(rf"(?P<name>\b(?:{_HEADER})\s*+:\s*+)[^\r\n'\"]++", re.IGNORECASE),
    re.compile(r"(?P<name>\bbearer\s++)[\w.~+/=|-]++", re.IGNORECASE),
)
_USER = re.compile(r"""(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,20}+://)([^\s/?#"'<>\\]++)""", re.IGNORECASE)
_SCHEME = re.compile(r"""[\"'(]*+(?:[a-z][a-z0-9+.:-]*:)?//""", re.IGNORECASE)
# What moves the cursor, hides text, turns its direction or ends a line, and halves of characters.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
# What a runner of GitHub's takes for a command, wherever a line may be broken.
_COMMAND = re.compile(r":(?=:[a-z-]{1,30}(?: [^\n]{0,500})?::)|#(?=#\[)", re.IGNORECASE)


def redacted(value: Any) -> Any:
    """The same text, bytes, mapping or sequence without its secrets."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        return _text(value.decode("latin-1")).encode("latin-1")
    if isinstance(value, Mapping):
        return {name: _item(name, item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_pair(item) for item in value)
    return value


def body_text(body: bytes) -> str:
    """A body for people: bytes that are not text are counted, a long one is cut."""
    try:
        whole = str(redacted(body.decode()))
    except UnicodeDecodeError:
        return f"({len(body)} bytes)"
    return whole if len(whole) <= BODY else f"{whole[:BODY]}... ({len(whole)} characters)"


def is_secret(name: Any) -> bool:
    """Whether a field, column or header of that name holds a secret."""
    return str(name).lower() in SECRETS


def _item(name: Any, item: Any) -> Any:
    return MASK if is_secret(name) and item not in (None, "") else redacted(item)


def _pair(item: Any) -> Any:
    """An item of a sequence; headers come as pairs of name and value."""
    if isinstance(item, tuple) and len(item) == 2 and is_secret(item[0]):
        return item[0], MASK
    return redacted(item)


def _text(text: str) -> str:
    """A text, read as JSON if it is some: only so are escapes in names and values seen through."""
    if text[:1] in ("{", "["):
        try:
            value = json.loads(text)
            clean = redacted(value)
            return text if clean == value else json.dumps(clean, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return _USER.sub(_without_user, text) if "@" in text else text


def _masked(match: re.Match[str]) -> str:
    found = match.groupdict()
    if not found.get("quote"):
        around = found.get("around", "")
        return found["name"] + around + MASK + around
    quote = found["escape"] + found["quote"]
    return found["name"] + quote + (MASK if found["text"] else "") + quote


def _without_user(match: re.Match[str]) -> str:
    """A URL without user and password."""
    _, at, host = match[2].rpartition("@")
    return match[1] + (MASK + at + host if at else match[2])


def without_credentials(text: str) -> str:
    """A message without user:password@ of any URL in it, also where the scheme is missing or misspelled."""
    return re.sub(r"\S++", lambda word: _without_credentials(word[0]), text) if "@" in text else text


def _without_credentials(word: str) -> str:
    user, _, host = word.rpartition("@")
    if ":" not in user:
        return word
    scheme = _SCHEME.match(user)
    return f"{scheme[0] if scheme else ''}{MASK}@{host}"


def printable(text: str, *, keep: str = "") -> str:
    """The text on one line, with escapes for what a terminal would act upon; ``keep`` has characters that may stay."""
    if not text.isprintable():
        text = _CONTROL.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)
    return _COMMAND.sub(lambda found: f"{found[0]} ", text)


def counted(number: int, noun: str) -> str:
    """``1 finding``, ``2 findings``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def harmless(value: Any, *, keep: str = "") -> Any:
    """A tree of plain data whose texts, names included, are printable; those of a `body` keep their lines."""
    if isinstance(value, str):
        return printable(value, keep=keep)
    if isinstance(value, Mapping):
        return {printable(name): harmless(item, keep="\n\r\t" if name == "body" else keep)
                for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [harmless(item, keep=keep) for item in value]
    return value


def _escaped(sign: str) -> str:
    """As Python writes it: \\n, \\x1b, \\u202e."""
    return repr(sign)[1:-1] if sign != "\ufeff" else "\\ufeff"
