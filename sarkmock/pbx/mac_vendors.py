"""SARK's list of vendors of phones by the first digits of their MAC addresses. Knows no extension."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

DIGITS = 3  # of the prefix on each side of a line's second blank


def vendor_of(prefix: str, listed: str | None = None) -> str | None:
    """The device of six hexadecimal digits, "0" for a vendor without templates, None for one that is not listed.

    ``listed`` is the text of another list.
    """
    return (_own() if listed is None else parse(listed)).get(prefix.upper())


@cache
def _own() -> Mapping[str, str]:
    return parse(files("sarkmock.pbx").joinpath("mac_vendors.txt").read_text(encoding="ascii"))


def parse(text: str) -> dict[str, str]:
    """Prefix -> device, of lines with a device, three digits, and each of the three that may follow."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {first + rest[place:place + DIGITS]: device
            for device, first, rest in lines for place in range(0, len(rest), DIGITS)}
