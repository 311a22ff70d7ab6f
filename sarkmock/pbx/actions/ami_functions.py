"""The AMI functions that answer lists, by the names the product knows them by."""

from __future__ import annotations

from collections.abc import Callable

from sarkmock.http.context import Context
from sarkmock.http.replies import Reply
from sarkmock.pbx.actions import ami_channels, ami_peers, ami_queues
from sarkmock.pbx.actions.ami import as_list, require_pbx, unknown_function

LISTS: dict[str, Callable[[Context], Reply]] = {
    "Agents": as_list(ami_queues.agents),
    "ConfbridgeList": as_list(ami_queues.conference_rooms),
    "ConfbridgeListRooms": as_list(ami_queues.conference_rooms),
    "CoreShowChannels": as_list(ami_channels.core_show_channels),
    "DeviceStateList": as_list(ami_channels.device_states),
    "ExtensionStateList": as_list(ami_channels.extension_states),
    "IAXpeers": as_list(ami_peers.iax_peers),
    "IAXregistry": as_list(ami_peers.iax_registry),
    "ListCommands": as_list(ami_channels.list_commands),
    "QueueStatus": as_list(ami_queues.queue_status),
    "QueueSummary": as_list(ami_queues.queue_summary),
    "SIPpeers": as_list(ami_peers.sip_peers),
    "SIPshowregistry": as_list(ami_peers.sip_registry),
    "Status": as_list(ami_channels.list_channel_status),
    "VoicemailUsersList": as_list(ami_queues.voicemail_users),
}


def list_by_name(context: Context) -> Reply:
    """The product's route for lists takes an id too, and looks at it for a conference only."""
    return LISTS.get(context.path["function"], unknown_function)(context)


def pjsip_endpoints(context: Context) -> Reply:
    """The mock's phones are chan_sip's: PJSIP has no endpoints, and a list without an end is an empty one."""
    require_pbx(context.state)
    return Reply([])


def list_by_name_without_chan_sip(context: Context) -> Reply:
    """The same where the functions of chan_sip are gone."""
    return WITHOUT_CHAN_SIP.get(context.path["function"], unknown_function)(context)


WITHOUT_CHAN_SIP = {name: answer for name, answer in LISTS.items()
                    if name not in ("ListCommands", "SIPpeers", "SIPshowregistry")} | {
                        "PJSIPShowEndpoints": pjsip_endpoints}
