"""Messages for unknown names: the nearest right name, and all that there are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MANY = 30
LONGEST = 80  # characters of a name that may be mistyped


class UnknownName(ValueError):
    """A name in a document that no action or check has."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """``unknown column 'descripton'; did you mean description? Known: pkey, description``; of many, the nearest."""
    names = list(known)
    nearest = nearest_names(name, names, 1 if len(names) <= MANY else 3)
    text = f"unknown {kind} {quoted_name(str(name))}"
    if nearest:
        text += f"; did you mean {' or '.join(nearest)}?"
    if len(names) > MANY or not names:
        return text
    return f"{text}{' Known' if nearest else '; known'}: {', '.join(names)}"


def quoted_name(name: str) -> str:
    return repr(name) if len(name) <= LONGEST else f"{name[:LONGEST]!r}... ({len(name)} characters)"


def nearest_names(name: object, known: Iterable[str], most: int = 1) -> list[str]:
    """The known names that are nearest, if any are near."""
    if len(str(name)) > LONGEST:
        return []
    names = list(known)
    lower = {name.lower(): name for name in reversed(names)}
    return [lower[found] for found in get_close_matches(str(name).lower(), lower, n=most)]
