"""Extensions: kinds, passwords, vendors, provisioning strings, Class of Service, runtime values.

Unlike for other resources, the product keeps the types of values that were sent: a number stays a number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import Conflict, NotEncodable, PhpError, QueryError, QueryRejected, Reply
from sarkmock.laravel import php
from sarkmock.pbx.actions.ami import require_pbx
from sarkmock.pbx.actions.crud import (
    current_row,
    default_row,
    insert_row,
    save_changes,
    table_of,
    visible_columns,
)
from sarkmock.pbx.asterisk import db_get, db_put
from sarkmock.pbx.database import Row
from sarkmock.pbx.pbx_files import MAC_VENDORS, vendor_of
from sarkmock.pbx.state import State

PASSWORD_LENGTH = 12
PASSWORD_LETTERS = "2346789bcdfghjkmnpqrtvwxyzBCDFGHJKLMNPQRTVWXYZ"  # without characters that look alike
RUNTIME = ("cfim", "cfbs", "ringdelay")
INCLUDED = re.compile(r"^#INCLUDE.*\.(?:tcp|tls|udp|ipv6|ipv4).*$", re.MULTILINE)
TEMPLATES = {"Snom": "snom", "snom": "snom", "Yeal": "yealink", "Pana": "panasonic"}
OBSOLETE = re.compile(r"^#include\s*sark_sip_t(?:ls|cp).conf.*$", re.MULTILINE)
UNKNOWN_VENDOR = "Can't find Manufacturer for this MAC! {value}"
TAKEN_MAC = "This MAC already exists in the DB! {value}"


def create_mailbox(context: Context) -> Reply:
    """Create a mailbox: no phone, no Class of Service."""
    mailbox = {"desc": "MAILBOX", "device": "MAILBOX", "location": "local"}
    return insert_extension(context, mailbox | new_row_variables(context))


def create_unprovisioned(context: Context) -> Reply:
    return create_phone(context, {"device": "General SIP"})


def create_webrtc(context: Context) -> Reply:
    return create_phone(context, {"device": "WebRTC", "transport": "wss"})


def create_phone(context: Context, kind: Row) -> Reply:
    values = new_row_variables(context)
    return insert_phone(context, {"desc": f"Ext{php.to_text(values['pkey'], 'pkey')}", **kind}, values)


def insert_phone(context: Context, kind: Row, values: Row) -> Reply:
    """Insert a phone with a location, and add it to the Class of Service rules that apply by default."""
    location = values.get("location", default_location(context.state))
    reply = insert_extension(context, kind | values | {"location": location})
    join_default_rules(context)
    return reply


def create_provisioned(context: Context) -> Reply:
    """Create a phone whose device is the vendor of its MAC address (sark-v6-api.txt lines 288-293)."""
    return provisioned(context, vendor(context.state, context.post.get("macaddr")))


def create_listed(context: Context) -> Reply:
    """Create a phone with the vendor from SARK's own list; a vendor without templates is stored as the number 0."""
    device = listed_vendor(context.state, php.to_text(context.post.get("macaddr")))
    return provisioned(context, 0 if device == "0" else device)


def provisioned(context: Context, device: str | int | None) -> Reply:
    values = new_row_variables(context)
    transport, protocol = values.get("transport", "udp"), values.get("protocol", "IPV4").lower()
    includes = (device, f"{device}.{transport}", f"{device}.{protocol}")
    provision = "".join(f"#INCLUDE {name}\n" for name in includes)
    return insert_phone(context, {"provision": provision, "device": device}, values)


def update_extension(context: Context) -> Reply:
    return change_extension(context, sent_variables(context))


def update_extension_with_arrays(context: Context) -> Reply:
    """Update as the published product does: an array that the rules accept (exists does) is stored as JSON text."""
    return change_extension(context, storable_variables(context))


def change_extension(context: Context, values: Row) -> Reply:
    row = current_row(context)
    before = dict(row)
    row |= values
    if row["transport"] != before["transport"]:
        adjust_provisioning(row)
    save_changes(context, before, bound_row({name: arrays_as_json(value) for name, value in row.items()}))
    return json_row(context, row)


def delete_extension(context: Context) -> Reply:
    """Delete the extension and the rows that belong to it; its runtime values stay in AstDB."""
    tables, number = context.state.tables, current_row(context)["pkey"]
    for table, column in (("IPphoneCOSopen", "IPphone_pkey"), ("IPphoneCOSclosed", "IPphone_pkey"),
                          ("IPphone_FKEY", "pkey"), ("ipphone", "pkey")):
        tables.delete(table, column, number)
    return Reply()


def crash_as_conflict(action: Callable[[Context], Reply]) -> Callable[[Context], Reply]:
    """Wrap the action in the product's catch block: PHP errors and rejected queries become 409."""
    def guarded(context: Context) -> Reply:
        try:
            return action(context)
        except QueryError as error:
            raise QueryRejected(error) from None
        except PhpError as error:
            if error.exception != "ErrorException":
                raise  # not caught by the product
            raise Conflict(error.message) from None
    return guarded


def show_runtime(context: Context) -> Reply:
    require_pbx(context)
    number = current_row(context)["pkey"]
    return Reply({name: db_get(context.state.astdb, name, number) for name in RUNTIME})


def update_runtime(context: Context) -> Reply:
    """Store the runtime values. Only cfim may be "0": the product skips the others if they are falsy."""
    require_pbx(context)
    number = current_row(context)["pkey"]
    for name in RUNTIME:
        text = php.to_text(context.input.get(name))
        if text and (name == "cfim" or text != "0"):
            db_put(context.state.astdb, name, number, text)
    return Reply()


def mac_is_usable(context: Context) -> None:
    """Reject a MAC address of an unknown vendor, or of another phone."""
    mac = context.post.get("macaddr")
    text = "" if isinstance(mac, (list, dict)) else php.to_text(mac)
    if vendor(context.state, text) is None:
        context.reject("macaddr", UNKNOWN_VENDOR, value=text)
    elif context.state.tables.count("ipphone", "macaddr", text):
        context.reject("macaddr", TAKEN_MAC, value=text)


def mac_lookup_crashes(context: Context) -> None:
    """Crash as the published product does: it greps a missing file and reads columns of the empty result."""
    if mac_to_look_up(context) is not None:
        raise PhpError("Undefined array key 2", field="macaddr")


def mac_is_listed(context: Context) -> None:
    """Look up the MAC address in SARK's list: an unlisted prefix crashes, another phone's address is rejected."""
    text = mac_to_look_up(context)
    if text is None:
        return
    if listed_vendor(context.state, text) is None:
        raise PhpError("Undefined array key 2", field="macaddr")
    if context.state.tables.count("ipphone", "macaddr", text):
        context.reject("macaddr", TAKEN_MAC, value=text)


def mac_to_look_up(context: Context) -> str | None:
    """Return the MAC address that the product looks up; None if it was rejected before."""
    mac = context.post.get("macaddr")
    text = php.text_argument(mac, "substr", "macaddr") if mac else php.to_text(mac)
    if not mac or text == "0":
        context.reject("macaddr", UNKNOWN_VENDOR, value=text)
        return None
    if not re.match("[0-9A-Fa-f]{6}", text):
        raise PhpError("Undefined array key 1", field="macaddr")
    return text


def listed_vendor(state: State, mac: str) -> str | None:
    """Return the vendor from SARK's list, which a file of the state may replace."""
    file = state.files.get(MAC_VENDORS)
    return vendor_of(mac[:6], file.content.decode("utf-8", "replace") if file else None)


def sent_variables(context: Context) -> Row:
    """Return the body's variables that have a rule, unconverted; PhpError for one that SQL or JSON cannot represent."""
    values = storable_variables(context)
    for name, value in values.items():
        if isinstance(value, (list, dict)):
            raise PhpError("Array to string conversion", field=name)
    return values


def storable_variables(context: Context) -> Row:
    """Return the same as `sent_variables`, arrays included."""
    values = {name: php.array_as_list(value) for name, value in variables_with_rule(context).items()}
    check_finite(context, values)
    return values


def variables_with_rule(context: Context) -> Row:
    return {name: value for name, value in context.post.items() if name in context.operation.rules}


def check_finite(context: Context, row: Row) -> None:
    """Raise PhpError for an infinite number, which JSON cannot represent."""
    for name, value in row.items():
        if isinstance(value, float) and not isfinite(value):
            key = php.to_text(row.get("pkey", context.path.get("pkey")))
            raise NotEncodable("Inf and NaN cannot be JSON encoded", table_of(context).model, key, name)


def new_row_variables(context: Context) -> Row:
    """Return a new row's variables: key and tenant come from the body alone, though the rules accept the query's."""
    return {"pkey": None, "cluster": None} | variables_with_rule(context)


def insert_extension(context: Context, values: Row) -> Reply:
    made = {"passwd": password(context.state)} if "passwd" in context.operation.visible else {}
    early = made if "passwd" in table_of(context).attributes else {}  # if the product's SQL names it
    row = default_row(context) | early | {"pkey": values["pkey"]} | values | made
    if not context.debug:
        check_finite(context, row)
    insert_row(context, bound_row(row))
    check_finite(context, row)
    return json_row(context, row)


def json_row(context: Context, row: Mapping[str, Any]) -> Reply:
    """Return the row as json_encode writes it: a whole float below 1e17 has no decimal point."""
    return Reply({name: int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e17 else value
                  for name, value in visible_columns(context, row).items()})


def bound_row(row: Row) -> Row:
    """Return the row as PDO binds it: booleans are 1 or 0, floats are text."""
    return {name: bound_value(value) for name, value in row.items()}


def bound_value(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return php.to_text(value) if isinstance(value, float) else value


def arrays_as_json(value: Any) -> Any:
    """Convert an array to JSON text, as Eloquent's update stores it."""
    if isinstance(value, (list, dict)):
        return json.dumps(value, separators=(",", ":")).replace("/", "\\/")
    return value


def password(state: State) -> str:
    return "".join(state.draw().sample(PASSWORD_LETTERS, PASSWORD_LENGTH))


def default_location(state: State) -> str:
    """Return the default location of a new phone from the globals (recorded exchange 1061/45)."""
    return (state.tables.first("globals", "pkey", "global") or {}).get("NATDEFAULT") or "local"


def vendor(state: State, mac: Any) -> str | None:
    """Return the vendor of a MAC address by its first six digits; None if unknown."""
    prefix = php.to_text(mac)[:6].upper()
    row = state.tables.first("mfgmac", "pkey", f"{prefix[:2]}:{prefix[2:4]}:{prefix[4:]}")
    return None if row is None else str(row["name"])


def join_default_rules(context: Context) -> None:
    """Add a new phone to every Class of Service rule that applies by default."""
    number = bound_value(context.post.get("pkey"))
    for rule in context.state.tables.rows("cos"):
        if rule["defaultopen"] == "YES":
            join_pair(context.state, "IPphoneCOSopen", number, rule["pkey"])
        if rule["defaultclosed"] == "YES":
            join_pair(context.state, "IPphoneCOSclosed", number, rule["pkey"])


def join_pair(state: State, table: str, number: Any, rule: str) -> None:
    """Insert a pair unless it exists: a restored database may have it from an earlier extension of that number."""
    pair = {"IPphone_pkey": number, "COS_pkey": rule}
    if not state.tables.rows(table, pair):
        state.tables.insert(table, pair)


def adjust_provisioning(row: Row) -> None:
    """Remove the lines for transport and protocol; for phones of three vendors, add those that match now."""
    row["sipiaxfriend"] = rtrim(OBSOLETE.sub("", row["sipiaxfriend"] or ""))
    if row["provision"] is not None:
        row["provision"] = rtrim(INCLUDED.sub("", row["provision"]))
    template = TEMPLATES.get((row["device"] or "")[:4])
    if template:
        transport = row["transport"] if row["transport"] in ("tcp", "tls") else "udp"
        protocol = "ipv6" if row["protocol"] == "IPV6" else "ipv4"
        added_lines = f"\n#INCLUDE {template}.{transport}\n#INCLUDE {template}.{protocol}"
        row["provision"] = (row["provision"] or "") + added_lines


def rtrim(text: str) -> str:
    """Strip trailing whitespace as PHP's rtrim() does."""
    return text.rstrip(php.TRIMMED)
