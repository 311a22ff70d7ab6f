"""The API's side of the Asterisk Manager Interface: commands, responses as JSON; phones, trunks, registrations.

Asterisk responds with packets (field -> text): an acknowledgement, events, and an event that ends a list.

Phones never register with a mock; trunks always respond to it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import NotFound, PbxUnavailable, Reply
from sarkmock.laravel import php
from sarkmock.pbx.asterisk import sent_value
from sarkmock.pbx.database import Row
from sarkmock.pbx.state import State
from sarkmock.spec.operations import Operation

AmiPacket = dict[str, str]
Packets = list[AmiPacket]

NOT_IN_LISTS = ("EventList", "ListItems")


def list_packets(message: str, events: Packets, complete: str) -> Packets:
    """Return Asterisk's response to a list command."""
    return [{"Response": "Success", "EventList": "start", "Message": message}, *events,
            {"Event": complete, "EventList": "Complete", "ListItems": str(len(events))}]


def error(message: str) -> Packets:
    return [{"Response": "Error", "Message": message}]


def as_list(ask: Callable[[State], Packets]) -> Callable[[Context], Reply]:
    """Return an action for a list, as the product sends it: without the packet that ends it, and 404 if it is empty."""
    def action(context: Context) -> Reply:
        require_pbx(context)
        packets = ask(context.state)
        if any(packet.get("ListItems") == "0" for packet in packets):
            raise NotFound({"message": "Empty Object set returned from AMI"})
        return Reply([{name: second_part(text) for name, text in packet.items() if name not in NOT_IN_LISTS}
                      for packet in packets[:-1]])
    return action


def as_object(ask: Callable[..., Packets], place: str = "", *, option: str = "") -> Callable[[Context], Reply]:
    """Return an action that merges all packets into one object; later packets overwrite equal fields.

    ``place`` is appended to the requested names; ``option`` is a variable of the request that Asterisk receives too.
    """
    def action(context: Context) -> Reply:
        require_pbx(context)
        names = [requested_name(context, name) + place for name in context.path]
        if option and context.input.get(option) is not None:
            names.append(php.to_text(context.input[option], option))
        packets = ask(context.state, *map(sent_value, names))
        return Reply({name: second_part(text) for packet in packets for name, text in packet.items()})
    return action


def requested_name(context: Context, name: str) -> str:
    """Return ``$request->name``: a variable of that name takes precedence over the path parameter."""
    return php.to_text(context.input.get(name, context.path[name]), name)


def second_part(text: Any) -> str:
    """Return the value up to its first ": ", as the product splits a line at each and takes the second part.

    A key may be null in a restored database.
    """
    return "" if text is None else str(text).partition(": ")[0]


def require_pbx(context: Context) -> None:
    if not context.state.pbx.running:
        raise not_running(context.operation)


def not_running(operation: Operation) -> PbxUnavailable:
    return PbxUnavailable("PBX not running", operation.then_crash)


def unknown_function(context: Context) -> Reply:
    """Respond 404 for an unsupported function."""
    require_pbx(context)
    raise NotFound({"message": "AMI Action invalid or unsupported"})


def with_key(ask: Callable[..., Any], *names: str) -> Callable[[Context], Reply]:
    """Return an action for a function of AstDB, which takes the variables with these names."""
    def action(context: Context) -> Reply:
        require_pbx(context)
        return keyed_object(context, ask(context.state.astdb, *(requested_name(context, name) for name in names)))
    return action


def reject_family(context: Context) -> Reply:
    """Respond that Asterisk failed: the published handler reads a family that the path does not have."""
    require_pbx(context)
    return keyed_object(context, False)


def keyed_object(context: Context, value: Any) -> Reply:
    """Return an object with one member; for the key "0", json_encode writes a list, as PHP makes it an array index."""
    key = requested_name(context, "key")
    return Reply([value] if key == "0" else {key: value})


def reload(context: Context) -> Reply:
    require_pbx(context)
    context.state.pbx.reload()
    return Reply({"Response": "Reload sent"})


def originate(context: Context) -> Reply:
    """Ring a phone and connect it with the target (sark-v6-api.txt lines 163-169)."""
    return connect(context, "ringback", php.to_text(context.input.get("context")) or "internal")


def originate_caller(context: Context) -> Reply:
    """Originate as the published API does, which names the phone ``caller`` and ignores the context."""
    return connect(context, "caller", "internal")


def connect(context: Context, phone: str, dial_context: str) -> Reply:
    require_pbx(context)
    caller, target, clid = (php.to_text(context.input.get(name)) for name in (phone, "target", "clid"))
    context.state.pbx.originate(caller, target, dial_context, clid)
    return Reply({"message": "Request Sent"})


def hang_up(context: Context) -> Reply:
    """Hang up a channel, whose technology and name are two path segments; return Asterisk's response as text."""
    require_pbx(context)
    if context.state.pbx.hangup(f"{requested_name(context, 'id')}/{requested_name(context, 'key')}"):
        text = "\r\nResponse: Success\r\nMessage: Channel Hungup\r\n\r\n"
    else:
        text = "\r\nResponse: Error\r\nMessage: No such channel\r\n\r\n"
    return keyed_object(context, text)


NO_ADDRESS = "-none-"
ANSWERS = "OK (1 ms)"
SIP_PORT, IAX_PORT = "5060", "4569"


def phones(state: State) -> list[Row]:
    """Return the active SIP extensions, without mailboxes, which have no SIP device."""
    rows = state.tables.rows("ipphone", {"technology": "SIP", "active": "YES"}, ("pkey",))
    return [row for row in rows if row["device"] != "MAILBOX" and row["pkey"]]


def trunks(state: State, technology: str) -> list[Row]:
    return state.tables.rows("lineio", {"technology": technology, "active": "YES"}, ("pkey",))


def sip_peers(state: State) -> Packets:
    peers = [sip_peer(row["pkey"], NO_ADDRESS, "0", "yes", "UNKNOWN") for row in phones(state)]
    peers += [sip_peer(peer_name(row), address(row), SIP_PORT, "no", trunk_status(row)) for row in trunks(state, "SIP")]
    return list_packets("Peer status list will follow", peers, "PeerlistComplete")


def sip_peer(name: str, ip: str, port: str, dynamic: str, state: str) -> AmiPacket:
    return {
        "Event": "PeerEntry", "Channeltype": "SIP", "ObjectName": name, "ChanObjectType": "peer", "IPaddress": ip,
        "IPport": port, "Dynamic": dynamic, "AutoForcerport": "no", "Forcerport": "no", "AutoComedia": "no",
        "Comedia": "no", "VideoSupport": "no", "TextSupport": "no", "ACL": "no", "Status": state,
        "RealtimeDevice": "no", "Description": "", "Accountcode": ""}


def iax_peers(state: State) -> Packets:
    peers = [{
        "Event": "PeerEntry", "Channeltype": "IAX", "ObjectName": peer_name(row), "ChanObjectType": "peer",
        "IPaddress": address(row), "IPport": IAX_PORT, "Dynamic": "no", "Trunk": "no", "Encryption": "no",
        "Status": trunk_status(row)} for row in trunks(state, "IAX2")]
    return list_packets("Peer status list will follow", peers, "PeerlistComplete")


def sip_registry(state: State) -> Packets:
    since = str(int(state.pbx.up_since or 0))
    entries = []
    for row in trunks(state, "SIP"):
        if row["register"]:
            user, host, port = registration(row, SIP_PORT)
            entries.append({
                "Event": "RegistryEntry", "Host": host, "Port": port, "Username": user, "Domain": host,
                "DomainPort": port, "Refresh": "105", "State": "Registered", "RegistrationTime": since})
    return list_packets("Registrations will follow", entries, "RegistrationsComplete")


def iax_registry(state: State) -> Packets:
    entries = []
    for row in trunks(state, "IAX2"):
        if row["register"]:
            user, host, port = registration(row, IAX_PORT)
            entries.append({
                "Event": "RegistryEntry", "Host": f"{host}:{port}", "DNSmanager": "N", "Username": user,
                "Perceived": "192.0.2.1:4569", "Refresh": "60", "State": "Registered"})
    return list_packets("Registrations will follow", entries, "RegistrationsComplete")


def registration(row: Row, usual_port: str) -> tuple[str, str, str]:
    """Return user, host (default: the trunk's) and port of a register line, ``user:secret@host:port/extension``."""
    credentials, at, place = row["register"].partition("/")[0].rpartition("@")
    if not at:
        return place.partition(":")[0], row["host"] or "", usual_port
    host, _, port = place.partition(":")
    return credentials.partition(":")[0], host, port or usual_port


def sip_show_peer(state: State, name: str) -> Packets:
    for row in phones(state):
        if row["pkey"] == name:
            return [phone_details(row)]
    for row in trunks(state, "SIP"):
        if peer_name(row) == name:
            return [trunk_details(row)]
    return error(f"Peer {name} not found.")


def phone_details(row: Row) -> AmiPacket:
    number, tenant = row["pkey"], row["cluster"] or ""
    return details(
        number, row["passwd"], {
            "Named Callgroup": tenant, "Named Pickupgroup": tenant, "VoiceMailbox": f"{number}@{tenant}",
            "Call-limit": "3", "Dynamic": "Y", "Callerid": f'"{row["desc"] or ""}" <{number}>',
            "SIP-Encryption": "Y" if row["transport"] in ("tls", "wss") else "N", "ToHost": "",
            "Address-IP": "(null)", "Address-Port": "0", "Default-Username": row["desc"] or "", "Status": "UNKNOWN"})


def trunk_details(row: Row) -> AmiPacket:
    host, user = row["host"] or "", row["username"] or ""
    return details(
        peer_name(row), row["password"], {
            "Context": "mainmenu", "Call-limit": "0", "Dynamic": "N", "Callerid": f'"" <{row["callerid"] or ""}>',
            "SIP-AuthInsecure": "port,invite", "ToHost": host, "Address-IP": address(row), "Address-Port": SIP_PORT,
            "Default-Username": user, "Status": trunk_status(row)})


def details(name: str, secret: str | None, own: AmiPacket) -> AmiPacket:
    """Return Asterisk 16's response to SIPshowpeer; most fields are chan_sip's defaults."""
    usual = {
        "Response": "Success", "Channeltype": "SIP", "ObjectName": name, "ChanObjectType": "peer",
        "SecretExist": "Y" if secret else "N", "RemoteSecretExist": "N", "MD5SecretExist": "N", "Context": "internal",
        "Language": "", "ToneZone": "<Not set>", "AMAflags": "Unknown",
        "CID-CallingPres": "Presentation Allowed, Not Screened", "Callgroup": "", "Pickupgroup": "",
        "Named Callgroup": "", "Named Pickupgroup": "", "MOHSuggest": "", "VoiceMailbox": "", "TransferMode": "open",
        "LastMsgsSent": "0", "Maxforwards": "0", "Call-limit": "0", "Busy-level": "0", "MaxCallBR": "384 kbps",
        "Dynamic": "N", "Callerid": '"" <>', "RegExpire": "-1 seconds", "SIP-AuthInsecure": "no",
        "SIP-Forcerport": "N", "SIP-Comedia": "N", "ACL": "N", "SIP-CanReinvite": "N", "SIP-DirectMedia": "N",
        "SIP-PromiscRedir": "N", "SIP-UserPhone": "N", "SIP-VideoSupport": "N", "SIP-TextSupport": "N",
        "SIP-T.38Support": "N", "SIP-T.38EC": "Unknown", "SIP-T.38MaxDtgrm": "4294967295",
        "SIP-Sess-Timers": "Accept", "SIP-Sess-Refresh": "uas", "SIP-Sess-Expires": "1800", "SIP-Sess-Min": "90",
        "SIP-RTP-Engine": "asterisk", "SIP-Encryption": "N", "SIP-RTCP-Mux": "N", "SIP-DTMFmode": "rfc2833",
        "ToHost": "", "Address-IP": "(null)", "Address-Port": "0", "Default-addr-IP": "(null)",
        "Default-addr-port": "0", "Default-Username": "", "Codecs": "(alaw|ulaw)", "Status": "UNKNOWN",
        "SIP-Useragent": "", "Reg-Contact": "", "QualifyFreq": "60000 ms", "Parkinglot": "",
        "SIP-Use-Reason-Header": "N", "Description": ""}
    return usual | own


def peer_name(row: Row) -> str:
    return row["peername"] or row["pkey"] or ""


def address(row: Row) -> str:
    """Return the trunk's address if its host is an IP address; names are not resolved."""
    try:
        return str(ipaddress.ip_address(row["host"] or ""))
    except ValueError:
        return NO_ADDRESS


def trunk_status(row: Row) -> str:
    """Return the status of a trunk, which Asterisk knows only if the stanza has qualify=yes."""
    return ANSWERS if "qualify=yes" in (row["sipiaxpeer"] or "") else "Unmonitored"
