"""What Asterisk says of itself, its channels and its extensions. Knows the PBX, not how answers become JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sarkmock.pbx.actions.ami import AmiPacket, Packets, listing
from sarkmock.pbx.actions.ami_peers import phones
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
    """One packet names every command; as a list, nothing is left of it."""
    return [{"Response": "Success", "Ping": "Keepalive command.  (Priv: <none>)"}]


def core_show_channels(state: State) -> Packets:
    now = state.clock.now()
    events = [{
        "Event": "CoreShowChannel", **snapshot(channel), "Application": channel.application,
        "ApplicationData": channel.data, "Duration": duration(now - channel.began), "BridgeId": channel.bridge}
        for channel in state.pbx.channels()]
    return listing("Channels will follow", events, "CoreShowChannelsComplete")


def list_channel_status(state: State) -> Packets:
    now = state.clock.now()
    events = [channel_status(channel, now) for channel in state.pbx.channels()]
    return listing("Channel status will follow", events, "StatusComplete")


def channel_status(channel: Channel, now: float) -> AmiPacket:
    return {
        "Event": "Status", **snapshot(channel), "Type": "SIP", "DNID": "",
        "EffectiveConnectedLineNum": channel.connected, "EffectiveConnectedLineName": channel.connected,
        "TimeToHangup": "0", "BridgeID": channel.bridge, "Application": channel.application, "Data": channel.data,
        "Nativeformats": "(alaw)", "Readformat": "alaw", "Readtrans": "", "Writeformat": "alaw", "Writetrans": "",
        "Callgroup": "0", "Pickupgroup": "0", "Seconds": str(int(now - channel.began))}


def snapshot(channel: Channel) -> AmiPacket:
    """The fields that every event about a channel has."""
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
    return listing("Extension Statuses will follow", events, "ExtensionStateListComplete")


def extension_state(state: State, number: str, context: str = "extensions") -> Packets:
    known = [row for row in phones(state) if row["pkey"] == number and context in HINTED]
    unknown = {"Exten": number, "Context": context, "Hint": "", "Status": "-1", "StatusText": STATE_TEXTS["-1"]}
    found = hint(known[0], device_states_of(state)) | {"Context": context} if known else unknown
    return [{"Response": "Success", "Message": "Extension Status", **found}]


def device_states(state: State) -> Packets:
    states = device_states_of(state)
    events = [{"Event": "DeviceStateChange", "Device": f"SIP/{row['pkey']}",
               "State": DEVICE_STATES[device_state(row["pkey"], states)]} for row in phones(state)]
    return listing("Device State Changes will follow", events, "DeviceStateListComplete")


def hint(row: Row, states: Mapping[str, set[str]]) -> AmiPacket:
    code = device_state(row["pkey"], states)
    return {"Exten": row["pkey"], "Context": "extensions", "Hint": f"SIP/{row['pkey']}", "Status": code,
            "StatusText": STATE_TEXTS[code]}


def device_states_of(state: State) -> dict[str, set[str]]:
    """By number, the states of its channels."""
    states: dict[str, set[str]] = {}
    for channel in state.pbx.channels():
        number = channel.name.removeprefix("SIP/").rpartition("-")[0]
        states.setdefault(number, set()).add(channel.state)
    return states


def device_state(number: str, states: Mapping[str, set[str]]) -> str:
    """In a call, ringing, or not registered, as Asterisk numbers the states of extensions."""
    if "Up" in states.get(number, ()):
        return "1"
    return "8" if number in states else "4"
