"""Text for display: without secrets (`redacted`) and without control characters (`printable`).

Requests to the target, and data compared with its responses, are never redacted.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

MASK = "REDACTED"
BODY = 4000  # characters of a body to show
SECRETS = ("passwd", "password", "secret", "ldappass", "spypass", "syspass", "foppass", "disapass", "authorization",
           "proxy-authorization", "cookie", "set-cookie", "x-api-key", "token", "access_token", "api_token",
           "accesstoken", "remotesecret", "md5secret", "vmpasswd", "dvrvmail_password", "ldapropwd", "padminpass",
           "puserpass", "spy_pass", "userotp", "remember_token", "register")  # register: user:secret@host
SECRET_NAMES = "|".join(sorted(map(re.escape, SECRETS), key=len, reverse=True))
# The patterns do not backtrack, so that matching takes linear time.
_QUOTE = r"""(?:\\*+["'])"""
# A quoted value (closed by a quote escaped like the first one, or by the line's end), or a bare value.
_QUOTED = r"""(?P<escape>\\*+)(?P<quote>["'])(?P<text>(?:(?!(?<!\\)(?P=escape)(?P=quote)).)*)"""
_VALUE = rf"""(?:{_QUOTED}(?:(?P=escape)(?P=quote))?|(?!(?:null|None)\b)[^\s,}}\]"']++)"""
_HEADER = "(?:proxy-)?authorization|(?:set-)?cookie|x-api-key"
# A name begins after an escaped character, too. It may be an array, or an index: passwd[], user[passwd].
_BEGIN = r"(?:(?<!\w)|(?<=\\[nrt])|(?<=%[0-9a-f]{2}))"
_INDEX = r"\]?+(?:\[[^][=&\s]*+\])*"
# "passwd": "x", also inside strings or in Python's syntax; passwd=x in forms, queries and Asterisk stanzas;
# multipart parts; header lines; lines of a phone.
_PATTERNS = (
    re.compile(rf"(?P<name>(?<!\\)(?P<around>{_QUOTE})(?:{SECRET_NAMES}){_QUOTE}\s*+:[\s\[]*+){_VALUE}",
               re.IGNORECASE),
    re.compile(rf'(?P<name>{_BEGIN}(?:{SECRET_NAMES}){_INDEX}[ \t]*+(?:=>?|%3D)[ \t]*+)[^\s&;,"\'\\\])}}]++',
               re.IGNORECASE),
    re.compile(rf'(?P<name>name="(?:{SECRET_NAMES})"\r?\n(?:[^\r\n]++\r?\n){{0,20}}\r?\n)[^\r\n]*+', re.IGNORECASE),
    re.compile(rf"(?P<name>\b(?:{_HEADER})\s*+:\s*+)[^\r\n'\"]++", re.IGNORECASE),
    re.compile(rf"""(?P<name>\bsip (?:line[0-9]+ )?(?:{SECRET_NAMES})[ \t]*+:[ \t]*+)[^\s"'$\\]++""", re.IGNORECASE),
    re.compile(r"(?P<name>\bbearer\s++)[\w.~+/=|-]++", re.IGNORECASE),
)
_ENCODED = re.compile(r"""(?<![^\s?&;"'])([^\s?&;="']++)=([^\s&;"']++)""")
_BRACKETS = re.compile(r"[\[\]]")
_USER = re.compile(r"""(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,20}+://)([^\s/?#"'<>\\]++)""", re.IGNORECASE)
_SCHEME = re.compile(r"""[\"'(]*+(?:[a-z][a-z0-9+.:-]*:)?//""", re.IGNORECASE)
# Characters that move the cursor, hide text, change its direction or end a line, and surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
# Text that a GitHub runner takes for a command, wherever lines may be wrapped.
_COMMAND = re.compile(r":(?=:[a-z-]{1,30}(?: [^\n]{0,500})?::)|#(?=#\[)", re.IGNORECASE)


def redacted(value: Any) -> Any:
    """Return the same text, bytes, mapping or sequence with its secrets masked."""
    if isinstance(value, str):
        return _masked_text(value)
    if isinstance(value, bytes):
        return _redacted_bytes(value)
    if isinstance(value, Mapping):
        return {name: _item(name, item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_pair(item) for item in value)
    return value


def shown_body(body: bytes) -> str:
    """Return a body as text without its secrets, or its size if it is binary. Its end may be missing."""
    try:
        return str(redacted(codecs.utf_8_decode(body)[0]))
    except UnicodeDecodeError:
        return f"({len(body)} bytes)"


def body_text(body: bytes) -> str:
    """Return a body for display, truncated if it is long."""
    whole = shown_body(body)
    return whole if len(whole) <= BODY else f"{whole[:BODY]}... ({len(whole)} characters)"


def is_secret(name: Any) -> bool:
    """Whether a field, column or header with that name contains a secret; so does a member of an array, as passwd[]."""
    text = str(name).lower()
    return text in SECRETS or ("[" in text and any(part in SECRETS for part in _BRACKETS.split(text)))


def _item(name: Any, item: Any) -> Any:
    return MASK if is_secret(name) and item not in (None, "") else redacted(item)


def _pair(item: Any) -> Any:
    """Redact an item of a sequence; headers are pairs of name and value."""
    if isinstance(item, tuple) and len(item) == 2 and is_secret(item[0]) and item[1]:
        return item[0], MASK
    return redacted(item)


def _redacted_bytes(value: bytes) -> bytes:
    try:
        return _masked_text(value.decode()).encode("utf-8", "backslashreplace")
    except UnicodeDecodeError:
        return _masked_text(value.decode("latin-1")).encode("latin-1", "backslashreplace")


def _masked_text(text: str) -> str:
    """Redact a text. Valid JSON is parsed first, as names and values may contain escapes."""
    if text[:1] in ("{", "["):
        try:
            value = json.loads(text)
            clean = redacted(value)
            return text if clean == value else json.dumps(clean, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    text = _ENCODED.sub(_masked_field, text) if "%" in text else text
    return _USER.sub(_without_user, text) if "@" in text else text


def _masked(match: re.Match[str]) -> str:
    groups = match.groupdict()
    if not groups.get("quote"):
        around = groups.get("around", "")
        return groups["name"] + around + MASK + around
    quote = groups["escape"] + groups["quote"]
    return groups["name"] + quote + (MASK if groups["text"] else "") + quote


def _masked_field(match: re.Match[str]) -> str:
    """Mask the value of a variable of a form or query whose name is percent-encoded."""
    return f"{match[1]}={MASK}" if "%" in match[1] and is_secret(unquote_plus(match[1])) else match[0]


def _without_user(match: re.Match[str]) -> str:
    """Mask the user and password in a URL."""
    _, at, host = match[2].rpartition("@")
    return match[1] + (MASK + at + host if at else match[2])


def without_credentials(text: str) -> str:
    """Mask user:password@ in all URLs of a message, even if the scheme is missing or misspelled."""
    return re.sub(r"\S++", lambda word: _without_credentials(word[0]), text) if "@" in text else text


def _without_credentials(word: str) -> str:
    user, _, host = word.rpartition("@")
    if ":" not in user:
        return word
    scheme = _SCHEME.match(user)
    return f"{scheme[0] if scheme else ''}{MASK}@{host}"


def printable(text: str, *, keep: str = "") -> str:
    """Return the text on one line, with control characters escaped, except those in ``keep``."""
    if not text.isprintable():
        text = _CONTROL.sub(lambda match: match[0] if match[0] in keep else _escaped(match[0]), text)
    return _COMMAND.sub(lambda match: f"{match[0]} ", text)


def counted(number: int, noun: str) -> str:
    """Format a number with its noun: ``1 finding``, ``2 findings``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def harmless(value: Any, *, keep: str = "") -> Any:
    """Make all texts and keys in plain data printable; a `body` keeps its line breaks and tabs."""
    if isinstance(value, str):
        return printable(value, keep=keep)
    if isinstance(value, Mapping):
        return {printable(name): harmless(item, keep="\n\r\t" if name == "body" else keep)
                for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [harmless(item, keep=keep) for item in value]
    return value


def _escaped(sign: str) -> str:
    """Escape a character as Python does: \\n, \\x1b, \\u202e."""
    return repr(sign)[1:-1] if sign != "\ufeff" else "\\ufeff"
