"""What to say of a name that is not known: the nearest right one, and all there are. Knows no names itself."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """``unknown column 'descripton'; did you mean description? There is pkey, description``."""
    names = list(known)
    lower = {one.lower(): one for one in reversed(names)}
    near = get_close_matches(str(name).lower(), lower, n=1)
    hint = f"; did you mean {lower[near[0]]}? There is " if near else "; there is "
    return f"unknown {kind} {str(name)!r}{hint}{', '.join(names)}"
