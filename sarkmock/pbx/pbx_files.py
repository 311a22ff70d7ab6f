"""Paths of the PBX's files, and its list of phone vendors by MAC address prefix."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

BACKUPS = "/opt/sark/bkup"
SNAPSHOTS = "/opt/sark/snap"
GREETINGS = "/usr/share/asterisk/sounds"
CALL_RECORDS = "/var/log/asterisk/cdr-csv/Master.csv"
RULES_IPV4 = "/etc/shorewall/sark_rules"
RULES_IPV6 = "/etc/shorewall6/sark_rules6"
MAC_VENDORS = "/opt/sark/www/sark-common/manuf.txt"
MAILBOXES = "/var/spool/asterisk/voicemail/default"

PREFIX_DIGITS = 3  # the number of digits of a prefix on each side of the second blank of a line of the vendor list


def vendor_of(prefix: str, listed: str | None = None) -> str | None:
    """Return the device for a prefix of six hexadecimal digits: "0" for a vendor without templates, None if unlisted.

    ``listed`` is the text of another vendor list.
    """
    return (_own() if listed is None else parse_vendors(listed)).get(prefix.upper())


@cache
def _own() -> Mapping[str, str]:
    return parse_vendors(files("sarkmock.pbx").joinpath("mac_vendors.txt").read_text(encoding="ascii"))


def parse_vendors(text: str) -> dict[str, str]:
    """Parse a vendor list into prefix -> device. A line has a device, three digits, and groups of three that follow."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {first + rest[place:place + PREFIX_DIGITS]: device
            for device, first, rest in lines for place in range(0, len(rest), PREFIX_DIGITS)}
