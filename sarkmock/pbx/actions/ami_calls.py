"""Asterisk's data about itself, channels, extensions, queues, agents and mailboxes; and the names of the functions.

Agents of a mock never log in, and its queues have no callers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from sarkmock.http.context import Context
from sarkmock.http.replies import Reply
from sarkmock.laravel import php
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions import ami
from sarkmock.pbx.actions.ami import (
    AmiPacket,
    Packets,
    as_list,
    error,
    list_packets,
    phones,
    require_pbx,
    unknown_function,
)
from sarkmock.pbx.asterisk import Channel
from sarkmock.pbx.database import Row
from sarkmock.pbx.state import State

CHANNEL_STATES = {"Ringing": "5", "Up": "6"}
HINTED = ("extensions", "internal")
STATE_TEXTS = {"-1": "Unknown", "1": "InUse", "4": "Unavailable", "8": "Ringing"}
DEVICE_STATES = {"1": "INUSE", "4": "UNAVAILABLE", "8": "RINGING"}


def core_settings(state: State) -> Packets:
    return [{
        "Response": "Success", "AMIversion": "5.0.1", "AsteriskVersion": "16.2.1", "SystemName": "",
        "CoreMaxCalls": "0", "CoreMaxLoadAvg": "0.000000", "CoreRunUser": "asterisk", "CoreRunGroup": "asterisk",
        "CoreMaxFilehandles": "0", "CoreRealTimeEnabled": "No", "CoreCDRenabled": "Yes", "CoreHTTPenabled": "No"}]


def core_status(state: State) -> Packets:
    started, reloaded = (datetime.fromtimestamp(when, UTC) for when in (state.pbx.up_since or 0.0, state.pbx.reloaded))
    return [{
        "Response": "Success", "CoreStartupDate": f"{started:%Y-%m-%d}", "CoreStartupTime": f"{started:%H:%M:%S}",
        "CoreReloadDate": f"{reloaded:%Y-%m-%d}", "CoreReloadTime": f"{reloaded:%H:%M:%S}",
        "CoreCurrentCalls": str(len(state.pbx.channels()))}]


def list_commands(state: State) -> Packets:
    """Return one packet that names every command; as a list, it is empty."""
    return [{"Response": "Success", "Ping": "Keepalive command.  (Priv: <none>)"}]


def core_show_channels(state: State) -> Packets:
    now = state.clock.now()
    events = [{
        "Event": "CoreShowChannel", **snapshot(channel), "Application": channel.application,
        "ApplicationData": channel.data, "Duration": duration(now - channel.began), "BridgeId": channel.bridge}
        for channel in state.pbx.channels()]
    return list_packets("Channels will follow", events, "CoreShowChannelsComplete")


def list_channel_status(state: State) -> Packets:
    now = state.clock.now()
    events = [channel_status(channel, now) for channel in state.pbx.channels()]
    return list_packets("Channel status will follow", events, "StatusComplete")


def channel_status(channel: Channel, now: float) -> AmiPacket:
    return {
        "Event": "Status", **snapshot(channel), "Type": "SIP", "DNID": "",
        "EffectiveConnectedLineNum": channel.connected, "EffectiveConnectedLineName": channel.connected,
        "TimeToHangup": "0", "BridgeID": channel.bridge, "Application": channel.application, "Data": channel.data,
        "Nativeformats": "(alaw)", "Readformat": "alaw", "Readtrans": "", "Writeformat": "alaw", "Writetrans": "",
        "Callgroup": "0", "Pickupgroup": "0", "Seconds": str(int(now - channel.began))}


def snapshot(channel: Channel) -> AmiPacket:
    """Return the fields that every event about a channel has."""
    return {
        "Channel": channel.name, "ChannelState": CHANNEL_STATES[channel.state], "ChannelStateDesc": channel.state,
        "CallerIDNum": channel.party, "CallerIDName": channel.party, "ConnectedLineNum": channel.connected,
        "ConnectedLineName": channel.connected, "Language": "en", "AccountCode": "", "Context": channel.context,
        "Exten": channel.exten, "Priority": "1", "Uniqueid": channel.uniqueid, "Linkedid": channel.linkedid}


def duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def extension_states(state: State) -> Packets:
    states = device_states_of(state)
    events = [{"Event": "ExtensionStatus", **hint(row, states)} for row in phones(state)]
    return list_packets("Extension Statuses will follow", events, "ExtensionStateListComplete")


def extension_state(state: State, number: str, context: str = "extensions") -> Packets:
    hinted = [row for row in phones(state) if row["pkey"] == number and context in HINTED]
    unknown = {"Exten": number, "Context": context, "Hint": "", "Status": "-1", "StatusText": STATE_TEXTS["-1"]}
    answer = hint(hinted[0], device_states_of(state)) | {"Context": context} if hinted else unknown
    return [{"Response": "Success", "Message": "Extension Status", **answer}]


def device_states(state: State) -> Packets:
    states = device_states_of(state)
    events = [{"Event": "DeviceStateChange", "Device": f"SIP/{row['pkey']}",
               "State": DEVICE_STATES[device_state(row["pkey"], states)]} for row in phones(state)]
    return list_packets("Device State Changes will follow", events, "DeviceStateListComplete")


def hint(row: Row, states: Mapping[str, set[str]]) -> AmiPacket:
    code = device_state(row["pkey"], states)
    return {"Exten": row["pkey"], "Context": "extensions", "Hint": f"SIP/{row['pkey']}", "Status": code,
            "StatusText": STATE_TEXTS[code]}


def device_states_of(state: State) -> dict[str, set[str]]:
    """Return the states of each number's channels."""
    states: dict[str, set[str]] = {}
    for channel in state.pbx.channels():
        number = channel.name.removeprefix("SIP/").rpartition("-")[0]
        states.setdefault(number, set()).add(channel.state)
    return states


def device_state(number: str, states: Mapping[str, set[str]]) -> str:
    """Return Asterisk's number for the state of an extension: in a call (1), ringing (8) or not registered (4)."""
    if "Up" in states.get(number, ()):
        return "1"
    return "8" if number in states else "4"


MAIL_CONTEXT = "@default"
MESSAGE = re.compile(rf"{re.escape(pbx_files.MAILBOXES)}/(.*)/([^/]*)/msg[^/]*\.txt", re.DOTALL)
SERVED = ("queue1", "queue2", "queue3", "queue4", "queue5", "queue6")


def agents(state: State) -> Packets:
    events = [{"Event": "Agents", "Agent": row["pkey"], "Name": row["name"] or "", "Status": "AGENT_LOGGEDOFF"}
              for row in state.tables.rows("agent", order=("pkey",))]
    return list_packets("Agents will follow", events, "AgentsComplete")


def conference_rooms(state: State) -> Packets:
    return error("No active conferences.")


def conference(context: Context) -> Reply:
    """Return the callers of a conference: none. The product writes its name into a text, which crashes for an array."""
    require_pbx(context)
    if context.debug:
        php.to_text(context.input.get("id"), "id")
    return as_list(conference_rooms)(context)


def queue_status(state: State, name: str | None = None) -> Packets:
    """Return all queues, or the one with that name, each followed by its members."""
    events = []
    for queue in queues(state, name):
        events += [queue_params(queue), *(queue_member(queue, agent) for agent in members(state, queue))]
    return list_packets("Queue status will follow", events, "QueueStatusComplete")


def queue_summary(state: State, name: str | None = None) -> Packets:
    events = [{"Event": "QueueSummary", "Queue": queue["pkey"], "LoggedIn": "0", "Available": "0", "Callers": "0",
               "HoldTime": "0", "TalkTime": "0", "LongestHoldTime": "0"} for queue in queues(state, name)]
    return list_packets("Queue summary will follow", events, "QueueSummaryComplete")


def queues(state: State, name: str | None) -> list[Row]:
    return state.tables.rows("queue", {} if name is None else {"pkey": name}, ("pkey",))


def queue_params(queue: Row) -> AmiPacket:
    settings = configuration(queue)
    return {
        "Event": "QueueParams", "Queue": queue["pkey"], "Max": settings.get("maxlen", "0"),
        "Strategy": settings.get("strategy", "ringall"), "Calls": "0", "Holdtime": "0", "TalkTime": "0",
        "Completed": "0", "Abandoned": "0", "ServiceLevel": settings.get("servicelevel", "0"),
        "ServicelevelPerf": "0.0", "Weight": settings.get("weight", "0")}


def configuration(queue: Row) -> dict[str, str]:
    """Parse the lines ``name=value`` of a queue's configuration."""
    lines = (line.partition("=") for line in (queue["conf"] or "").splitlines())
    return {name.strip(): value.strip() for name, sign, value in lines if sign}


def members(state: State, queue: Row) -> list[Row]:
    """Return the agents of a queue."""
    rows = state.tables.rows("agent", order=("pkey",))
    return [row for row in rows if queue["pkey"] in (row[column] for column in SERVED)]


def queue_member(queue: Row, agent: Row) -> AmiPacket:
    number = agent["pkey"]
    return {
        "Event": "QueueMember", "Queue": queue["pkey"], "Name": agent["name"] or "", "Location": f"Agent/{number}",
        "StateInterface": f"Agent:{number}", "Membership": "static", "Penalty": "0", "CallsTaken": "0",
        "LastCall": "0", "LastPause": "0", "InCall": "0", "Status": "5", "Paused": "0", "PausedReason": ""}


def voicemail_users(state: State) -> Packets:
    """Return the mailbox of every extension; without extensions, Asterisk only acknowledges."""
    rows = [row for row in state.tables.rows("ipphone", order=("pkey",)) if row["pkey"]]
    if not rows:
        return [{"Response": "Success", "Message": "There are no voicemail users currently defined."}]
    counts = message_counts(state)
    events = [voicemail_user(counts, row) for row in rows]
    return list_packets("Voicemail user list will follow", events, "VoicemailUserEntryComplete")


def voicemail_user(counts: Counter[tuple[str, str]], row: Row) -> AmiPacket:
    number = row["pkey"]
    return {
        "Event": "VoicemailUserEntry", "VMContext": "default", "VoiceMailbox": number, "Fullname": number,
        "Email": row["vmailfwd"] or "", "Pager": "", "ServerEmail": "", "FromString": "", "MailCommand": "",
        "Language": "", "TimeZone": "", "Callback": "", "Dialout": "", "UniqueID": "", "ExitContext": "",
        "SayDurationMinimum": "2", "SayEnvelope": "Yes", "SayCID": "No",
        "AttachMessage": "Yes" if row["vmailfwd"] else "No", "AttachmentFormat": "wav", "DeleteMessage": "No",
        "VolumeGain": "0.00", "CanReview": "No", "CallOperator": "No", "MaxMessageCount": "100",
        "MaxMessageLength": "0", "NewMessageCount": str(counts[number, "INBOX"]),
        "OldMessageCount": str(counts[number, "Old"])}


def mailbox_count(state: State, address: str) -> Packets:
    messages, mailbox = message_counts(state), address.removesuffix(MAIL_CONTEXT)
    counts = {name: str(messages[mailbox, folder])
              for name, folder in (("UrgMessages", "Urgent"), ("NewMessages", "INBOX"), ("OldMessages", "Old"))}
    return [{"Response": "Success", "Message": "Mailbox Message Count", "Mailbox": address, **counts}]


def mailbox_status(state: State, mailbox: str) -> Packets:
    counts = message_counts(state)
    waiting = counts[mailbox, "INBOX"] + counts[mailbox, "Urgent"] > 0
    return [{"Response": "Success", "Message": "Mailbox Status", "Mailbox": mailbox, "Waiting": str(int(waiting))}]


def message_counts(state: State) -> Counter[tuple[str, str]]:
    """Count the messages by mailbox and folder; each has one text file beside its recordings."""
    return Counter((match[1], match[2]) for path in state.files if (match := MESSAGE.fullmatch(path)))


LISTS: dict[str, Callable[[Context], Reply]] = {
    "Agents": as_list(agents),
    "ConfbridgeList": conference,
    "ConfbridgeListRooms": as_list(conference_rooms),
    "CoreShowChannels": as_list(core_show_channels),
    "DeviceStateList": as_list(device_states),
    "ExtensionStateList": as_list(extension_states),
    "IAXpeers": as_list(ami.iax_peers),
    "IAXregistry": as_list(ami.iax_registry),
    "ListCommands": as_list(list_commands),
    "QueueStatus": as_list(queue_status),
    "QueueSummary": as_list(queue_summary),
    "SIPpeers": as_list(ami.sip_peers),
    "SIPshowregistry": as_list(ami.sip_registry),
    "Status": as_list(list_channel_status),
    "VoicemailUsersList": as_list(voicemail_users),
}


def list_function(context: Context) -> Reply:
    """Return the list that the path names. If the name is a path parameter, the id after it is ignored."""
    name = context.path.get("function") or context.operation.path.split("/")[2]
    return LISTS.get(name, unknown_function)(context)


def pjsip_endpoints(context: Context) -> Reply:
    """Return an empty list: the mock's phones use chan_sip, and the product drops the only packet."""
    require_pbx(context)
    return Reply([])


def list_by_name_without_chan_sip(context: Context) -> Reply:
    """Return the list that the path names, without the functions of chan_sip."""
    return WITHOUT_CHAN_SIP.get(context.path["function"], unknown_function)(context)


WITHOUT_CHAN_SIP = {name: answer for name, answer in LISTS.items()
                    if name not in ("ListCommands", "SIPpeers", "SIPshowregistry")} | {
                        "PJSIPShowEndpoints": pjsip_endpoints}
