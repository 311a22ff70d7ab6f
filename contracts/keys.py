"""The keys that one run may take: texts with its prefix, and numbers in reserved ranges. Knows no target."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

MARK = "zz"
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_prefix() -> str:
    """A prefix that no other run has."""
    return MARK + "".join(secrets.choice(_ALPHABET) for _ in range(4))


class Keys:
    """Writes fresh keys by pattern, and tells whether a text could be one of them.

    A pattern that begins with ``zz`` is written with the run's prefix in its place; any other is a reserved range.
    """

    def __init__(self, prefix: str = MARK, patterns: tuple[str, ...] = (), start: int = 0) -> None:
        self.prefix = prefix
        self.start = start
        self.ranges = [re.compile(as_regex(pattern)) for pattern in patterns if not pattern.startswith(MARK)]
        self.is_free: Callable[[str], bool] = lambda _: True

    def text(self, pattern: str, number: int) -> str:
        """The numbered text of a pattern."""
        if pattern.startswith(MARK):
            return self.prefix + pattern[len(MARK):].format(n=number)
        width = re.search(r"\{n:0(\d+)\}", pattern)
        turned = (number + self.start) % 10 ** int(width[1]) if width else number + self.start
        return pattern.format(n=turned)

    def mine(self, text: str) -> bool:
        """Whether a text carries the prefix or lies in a reserved range."""
        return text.startswith(self.prefix) or any(pattern.fullmatch(text) for pattern in self.ranges)


def as_regex(pattern: str) -> str:
    """What a pattern can write: ``8{n:03}`` is an 8 and three digits."""
    head, _, rest = pattern.partition("{n")
    field, _, tail = rest.partition("}")
    digits = rf"\d{{{int(field[2:])}}}" if field else r"\d+"
    return re.escape(head) + digits + re.escape(tail)
