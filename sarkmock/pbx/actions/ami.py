"""The API's side of the Asterisk Manager Interface: how it asks, and how it turns answers into JSON.

An answer of Asterisk is a list of packets (field -> text): an acknowledgement, events, and an event that ends a list.

"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import NotFound, PbxUnavailable, Reply
from sarkmock.laravel import php
from sarkmock.pbx.asterisk import db_delete, db_get, db_put
from sarkmock.pbx.state import State

AmiPacket = dict[str, str]
Packets = list[AmiPacket]

NOT_IN_LISTS = ("EventList", "ListItems")


def listing(message: str, events: Packets, complete: str) -> Packets:
    """Asterisk's answer to a list command."""
    return [{"Response": "Success", "EventList": "start", "Message": message}, *events,
            {"Event": complete, "EventList": "Complete", "ListItems": str(len(events))}]


def error(message: str) -> Packets:
    return [{"Response": "Error", "Message": message}]


def as_list(ask: Callable[[State], Packets]) -> Callable[[Context], Reply]:
    """An action that answers a list as the product does: the packet that ends it is dropped, an empty one is 404."""
    def action(context: Context) -> Reply:
        require_pbx(context.state)
        packets = ask(context.state)
        if any(packet.get("ListItems") == "0" for packet in packets):
            raise NotFound({"message": "Empty Object set returned from AMI"})
        return Reply([{name: second_part(text) for name, text in packet.items() if name not in NOT_IN_LISTS}
                      for packet in packets[:-1]])
    return action


def as_object(ask: Callable[..., Packets]) -> Callable[[Context], Reply]:
    """An action that answers all packets as one object: where they share a field, the last one counts."""
    def action(context: Context) -> Reply:
        require_pbx(context.state)
        packets = ask(context.state, *(requested_name(context, name) for name in context.path))
        return Reply({name: second_part(text) for packet in packets for name, text in packet.items()})
    return action


def requested_name(context: Context, name: str) -> str:
    """``$request->name``: a variable of that name wins over the step of the path."""
    return php.to_text(context.input.get(name, context.path[name]), name)


def second_part(text: Any) -> str:
    """The product splits a line at every colon and blank, and takes the second part; a key may be null in a database
    that was restored."""
    return "" if text is None else str(text).partition(": ")[0]


def require_pbx(state: State) -> None:
    if not state.pbx.running:
        raise PbxUnavailable("PBX not running")


def unknown_function(context: Context) -> Reply:
    """A function that is not offered."""
    require_pbx(context.state)
    raise NotFound({"message": "AMI Action invalid or unsupported"})


def get_value(context: Context) -> Reply:
    require_pbx(context.state)
    return keyed(context, db_get(context.state.astdb, requested_name(context, "id"), requested_name(context, "key")))


def put_value(context: Context) -> Reply:
    require_pbx(context.state)
    family, key, value = (requested_name(context, name) for name in ("id", "key", "value"))
    return keyed(context, db_put(context.state.astdb, family, key, value))


def delete_value(context: Context) -> Reply:
    require_pbx(context.state)
    return keyed(context, db_delete(context.state.astdb, requested_name(context, "id"), requested_name(context, "key")))


def refuse_family(context: Context) -> Reply:
    """The published handler looks for a family that the path does not have: Asterisk refuses."""
    require_pbx(context.state)
    return keyed(context, False)


def keyed(context: Context, value: Any) -> Reply:
    """An object with one member; PHP makes the key "0" the index of an array, and json_encode a list of that."""
    key = requested_name(context, "key")
    return Reply([value] if key == "0" else {key: value})


def reload(context: Context) -> Reply:
    require_pbx(context.state)
    context.state.pbx.reload()
    return Reply({"Response": "Reload sent"})


def originate(context: Context) -> Reply:
    """sark-v6-api.txt lines 163-169: ring a phone, and connect it with the target."""
    return connect(context, "ringback", php.to_text(context.input.get("context")) or "internal")


def originate_caller(context: Context) -> Reply:
    """The published API calls the phone ``caller``, and looks at no context."""
    return connect(context, "caller", "internal")


def connect(context: Context, phone: str, dial_context: str) -> Reply:
    require_pbx(context.state)
    caller, target, clid = (php.to_text(context.input.get(name)) for name in (phone, "target", "clid"))
    context.state.pbx.originate(caller, target, dial_context, clid)
    return Reply({"message": "Request Sent"})


def hang_up(context: Context) -> Reply:
    """The channel's technology and name are two steps of the path; the answer is Asterisk's as it came."""
    require_pbx(context.state)
    if context.state.pbx.hangup(f"{requested_name(context, 'id')}/{requested_name(context, 'key')}"):
        text = "\r\nResponse: Success\r\nMessage: Channel Hungup\r\n\r\n"
    else:
        text = "\r\nResponse: Error\r\nMessage: No such channel\r\n\r\n"
    return keyed(context, text)
