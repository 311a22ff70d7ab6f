"""Error messages for unknown names, with the nearest valid name and a list of all, and for values that are too long."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MANY = 30
LONGEST = 80  # longest name to compare for typing errors
LONGEST_MESSAGE = 300


class UnknownName(ValueError):
    """A name in a document for which there is no action or check."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Return ``unknown column 'descripton'; did you mean description? Known: pkey, description``.

    If there are many known names, only the nearest are named.
    """
    names = list(known)
    nearest = nearest_names(name, names, 1 if len(names) <= MANY else 3)
    text = f"unknown {kind} {quoted_name(str(name))}"
    if nearest:
        text += f"; did you mean {' or '.join(nearest)}?"
    if len(names) > MANY or not names:
        return text
    return f"{text}{' Known' if nearest else '; known'}: {', '.join(names)}"


def unknown_operation(pattern: str, ids: Iterable[str]) -> str:
    """Return the message for a pattern that no operation's id matches."""
    known = list(ids)
    return unknown_name("operation", pattern, [*known, *dict.fromkeys(f"{name.partition('.')[0]}.*" for name in known)])


def quoted_name(name: str) -> str:
    return repr(name) if len(name) <= LONGEST else f"{name[:LONGEST]!r}... ({len(name)} characters)"


def shortened(message: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return the message of a schema error without the middle of a long value: its end says what is wrong."""
    return message if len(message) <= longest else f"{message[:longest - LONGEST]} ... {message[-LONGEST:]}"


def nearest_names(name: object, known: Iterable[str], most: int = 1) -> list[str]:
    """Return the most similar known names, or an empty list."""
    if len(str(name)) > LONGEST:
        return []
    names = list(known)
    lower = {name.lower(): name for name in reversed(names)}
    return [lower[match] for match in get_close_matches(str(name).lower(), lower, n=most)]
