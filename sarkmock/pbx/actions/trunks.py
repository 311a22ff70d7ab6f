"""Trunks: names, technology and Asterisk stanzas on create, the host on update. Outbound routes."""

from __future__ import annotations

import re

from sarkmock.http.context import Context
from sarkmock.http.replies import PhpError, Reply
from sarkmock.laravel import php
from sarkmock.laravel.php.values import MEMORY_EXHAUSTED, is_ip
from sarkmock.pbx.actions import crud
from sarkmock.pbx.database import Row

LARGEST_STANZA = 8 << 20  # characters; a value may itself contain the keys that are replaced
CODECS = "\ndisallow=all\nallow=alaw\nallow=ulaw"
REFERENCE = re.compile(r"\\[0-9]{1,2}|\$[0-9]{1,2}|\$\{[0-9]{1,2}\}|\\([\\$])")
INVALID_HOST = "Host must be valid IP or valid domain name {value}"
# A name that could be in the DNS; the mock queries no name server.
LONGEST_HOST = 254  # characters, with a dot at the end
DOMAIN = re.compile(r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}\.?", re.IGNORECASE)


def create_trunk(context: Context) -> Reply:
    """Create a trunk; its carrier decides its technology."""
    row = trunk_with_names(context)
    row["technology"] = "IAX2" if row.get("carrier") == "GeneralIAX2" else "SIP"
    return crud.store_row(context, with_stanzas(context, row))


def create_trunk_with_slip(context: Context) -> Reply:
    """Create a trunk as the published product does: an IAX2 trunk's technology is overwritten with its peer name.

    Lists omit the trunk then.
    """
    row = trunk_with_names(context)
    row["technology"] = row["peername"] if row.get("carrier") == "GeneralIAX2" else "SIP"
    return crud.store_row(context, with_stanzas(context, row))


def trunk_with_names(context: Context) -> Row:
    """Return a new row with names: the trunk name defaults to the peer name, which defaults to the user name."""
    row = crud.default_row(context)
    crud.fill(context, row)
    if row.get("peername") in (None, "", "0"):  # PHP: empty()
        row["peername"] = row.get("username")
    if row.get("trunkname") in (None, "", "0"):
        row["trunkname"] = row["peername"]
    return row


def with_stanzas(context: Context, row: Row) -> Row:
    """Add the carrier's Asterisk stanzas to the row, last, as the column order in the product's SQL shows."""
    carrier = context.state.tables.first("carrier", "pkey", row.get("carrier"))
    if carrier is None:
        raise PhpError('Attempt to read property "sipiaxpeer" on null', field="carrier")
    row["sipiaxpeer"] = peer_stanza(carrier["sipiaxpeer"], row)
    row["sipiaxuser"] = user_stanza(carrier["sipiaxuser"], row)
    return row


def peer_stanza(template: str | None, row: Row) -> str | None:
    """Fill in the carrier's peer stanza; add default codecs unless it has its own."""
    if template is None:
        return None
    stanza = strip_stanza(substitute(credentials(template, row), "host=", row.get("host") or ""))
    return stanza if "allow=" in stanza else stanza + CODECS


def user_stanza(template: str | None, row: Row) -> str | None:
    """Fill in the carrier's user stanza; only IAX2 has one."""
    return None if template is None else strip_stanza(credentials(template, row))


def credentials(stanza: str, row: Row) -> str:
    stanza = substitute(stanza, "username=", row.get("username") or "")
    stanza = substitute(stanza, "fromuser=", row.get("username") or "")
    return substitute(stanza, "secret=", row.get("password") or "")


def substitute(stanza: str, key: str, value: str) -> str:
    """Replace ``key`` by ``key`` and value as PHP's preg_replace does, which expands group references in the value."""
    if stanza.count(key) * len(value) > LARGEST_STANZA:
        raise PhpError(MEMORY_EXHAUSTED, "Symfony\\Component\\ErrorHandler\\Error\\FatalError")
    return stanza.replace(key, key + REFERENCE.sub(lambda match: expand_reference(match, key), value))


def expand_reference(match: re.Match[str], key: str) -> str:
    r"""Expand a group reference: $0, \0 or ${0} is the key, other groups are empty. A backslash escapes $ and \."""
    if match[1]:
        return match[1]
    return key if int(match[0].strip("\\${}")) == 0 else ""


def strip_stanza(stanza: str) -> str:
    return stanza.strip(" \t\n\r\f\v")


def host_is_valid(context: Context) -> None:
    """Reject a host that is neither an IP address nor a valid domain name."""
    host = context.input.get("host")
    if not host or host == "0":  # PHP: falsy
        return
    text = php.text_argument(host, "checkdnsrr", "host", parameter="hostname")
    if not (is_ip(text) or (len(text) <= LONGEST_HOST and DOMAIN.fullmatch(text))):
        context.reject("host", INVALID_HOST, value=text)


def without_outcome(context: Context, row: Row) -> None:
    """Drop the outcome, which the documentation copied from ring groups (E61): routes have no such column."""
    row.pop("outcome", None)
