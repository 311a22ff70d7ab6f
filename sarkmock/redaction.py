"""Takes secrets out of whatever is written: reports, logs, cassettes, ledgers. One function, `redacted`; sends nothing.

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
_QUOTE = r"""(?:\\*["'])"""
_QUOTED = r"""\\*"(?:[^"\\]|\\.)*?\\*"|'(?:[^'\\]|\\.)*'|[^\s,}\]"']+"""
# "passwd": "x", also as text within a text or as Python shows it; passwd=x of forms, queries and Asterisk's stanzas;
# parts of a multipart form; header lines.
_PATTERNS = (
    re.compile(rf"({_QUOTE}(?:{_NAME}){_QUOTE}\s*:\s*)({_QUOTED})", re.IGNORECASE),
    re.compile(rf'(\b(?:{_NAME})\s*=>?\s*)([^\s&;,"\'\\\])}}]+)', re.IGNORECASE),
    re.compile(rf'(name="(?:{_NAME})"\r?\n(?:[^\r\n]+\r?\n)*\r?\n)([^\r\n]*)', re.IGNORECASE),
    re.compile(r"(\b(?:(?:proxy-)?authorization|(?:set-)?cookie|x-api-key)\s*:\s*)([^\r\n'\"]+)", re.IGNORECASE),
    re.compile(r"(\bbearer\s+)([\w.~+/=|-]+)", re.IGNORECASE),
)


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
    """A body for people: bytes that are no text are counted, a long one is cut."""
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
        except ValueError:
            pass
        else:
            clean = redacted(value)
            return text if clean == value else json.dumps(clean, ensure_ascii=False)
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return text


def _masked(match: re.Match[str]) -> str:
    value = match[2]
    quotes = re.match(r"""\\*["']""", value)
    if quotes is None:
        return match[1] + MASK
    return match[1] + (value if value == quotes[0] * 2 else quotes[0] + MASK + quotes[0])
