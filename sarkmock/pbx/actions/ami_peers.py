"""What Asterisk says of its peers: phones, trunks, registrations. Knows the tables, not how answers become JSON.

Phones never register with a mock; trunks always answer it.
"""

from __future__ import annotations

import ipaddress

from sarkmock.pbx.actions.ami import AmiPacket, Packets, error, listing
from sarkmock.pbx.database import Row
from sarkmock.pbx.state import State

NO_ADDRESS = "-none-"
ANSWERS = "OK (1 ms)"
SIP_PORT, IAX_PORT = "5060", "4569"


def phones(state: State) -> list[Row]:
    """Extensions with a SIP device: mailboxes have none, and those not in use are not configured."""
    rows = state.tables.rows("ipphone", {"technology": "SIP", "active": "YES"}, ("pkey",))
    return [row for row in rows if row["device"] != "MAILBOX" and row["pkey"]]


def trunks(state: State, technology: str) -> list[Row]:
    return state.tables.rows("lineio", {"technology": technology, "active": "YES"}, ("pkey",))


def sip_peers(state: State) -> Packets:
    peers = [sip_peer(row["pkey"], NO_ADDRESS, "0", "yes", "UNKNOWN") for row in phones(state)]
    peers += [sip_peer(peer_name(row), address(row), SIP_PORT, "no", trunk_status(row)) for row in trunks(state, "SIP")]
    return listing("Peer status list will follow", peers, "PeerlistComplete")


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
    return listing("Peer status list will follow", peers, "PeerlistComplete")


def sip_registry(state: State) -> Packets:
    since = str(int(state.pbx.up_since or 0))
    entries = []
    for row in trunks(state, "SIP"):
        if row["register"]:
            user, host, port = registration(row, SIP_PORT)
            entries.append({
                "Event": "RegistryEntry", "Host": host, "Port": port, "Username": user, "Domain": host,
                "DomainPort": port, "Refresh": "105", "State": "Registered", "RegistrationTime": since})
    return listing("Registrations will follow", entries, "RegistrationsComplete")


def iax_registry(state: State) -> Packets:
    entries = []
    for row in trunks(state, "IAX2"):
        if row["register"]:
            user, host, port = registration(row, IAX_PORT)
            entries.append({
                "Event": "RegistryEntry", "Host": f"{host}:{port}", "DNSmanager": "N", "Username": user,
                "Perceived": "192.0.2.1:4569", "Refresh": "60", "State": "Registered"})
    return listing("Registrations will follow", entries, "RegistrationsComplete")


def registration(row: Row, usual_port: str) -> tuple[str, str, str]:
    """User, host and port of a register line, ``user:secret@host:port/extension``; the trunk's host if it has none."""
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
    """Asterisk 16's answer to SIPshowpeer; most of it is chan_sip's defaults."""
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
    """The trunk's address, if its host is one; names are not looked up."""
    try:
        return str(ipaddress.ip_address(row["host"] or ""))
    except ValueError:
        return NO_ADDRESS


def trunk_status(row: Row) -> str:
    """What a trunk says that is asked from time to time whether it is there."""
    return ANSWERS if "qualify=yes" in (row["sipiaxpeer"] or "") else "Unmonitored"
