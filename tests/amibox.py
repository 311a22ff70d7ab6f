"""Helpers for tests of AMI functions: a box with rows, and requests whose responses are validated."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs

from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.http.replies import Reply
from sarkmock.pbx.state import State
from sarkmock.spec import loading

EMPTY = (404, {"message": "Empty Object set returned from AMI"})
UNKNOWN = (404, {"message": "AMI Action invalid or unsupported"})
NOT_RUNNING = (503, {"message": "PBX not running"})
CHANNEL_LISTS = ("CoreShowChannels", "Status")
LISTS_EMPTY_404 = ("Agents", *CHANNEL_LISTS, "ExtensionStateList", "IAXpeers", "IAXregistry", "QueueStatus",
                   "QueueSummary", "SIPpeers", "SIPshowregistry")
LISTS_EMPTY_200 = ("ConfbridgeListRooms", "ListCommands", "VoicemailUsersList")
INSTANCES = ("CoreSettings", "CoreStatus", "DBget/cfim/1001", "ExtensionState/1001", "ExtensionState/9",
             "MailboxCount/1001", "MailboxStatus/1001", "QueueStatus/support", "QueueStatus/no",
             "QueueSummary/support", "QueueSummary/no", "SIPshowpeer/1001", "SIPshowpeer/carrier",
             "SIPshowpeer/9", "Reload")
ROWS = {
    "ipphone": [
        {"pkey": "1001", "desc": "Mary", "device": "General SIP", "technology": "SIP", "cluster": "default",
         "passwd": "secret", "transport": "tls"},
        {"pkey": "1002", "device": "snom", "technology": "SIP", "active": "NO"},
        {"pkey": "1900", "device": "MAILBOX", "technology": "SIP", "vmailfwd": "desk@example.com"}],
    "queue": [
        {"pkey": "support", "conf": "strategy=rrmemory\nmaxlen=7\nmusiconhold=default"},
        {"pkey": "sales", "conf": None}],
    "agent": [
        {"pkey": "1021", "name": "Ann", "queue1": "None", "queue2": "support"},
        {"pkey": "1022", "name": "Bob", "queue1": "sales", "queue2": "None"}],
    "lineio": [
        {"pkey": "carrier", "peername": "carrier", "technology": "SIP", "host": "192.0.2.9",
         "sipiaxpeer": "qualify=yes", "register": "4412:pw@sip.example.com:5070/4412"},
        {"pkey": "quiet", "peername": "quiet", "technology": "SIP", "host": "pbx.example.com"},
        {"pkey": "branch", "peername": "branch", "technology": "IAX2", "host": "2001:db8::1", "register": "sark"},
        {"pkey": "off", "peername": "off", "technology": "SIP", "active": "NO", "register": "a@b"},
        {"pkey": "441234", "technology": "DiD"}],
}


def engine_of(profile: str, rows: bool = True) -> Engine:
    engine = Engine(loading.load(profile), State(now=1_700_000_000))
    for table, content in ROWS.items() if rows else ():
        for row in content:
            engine.state.tables.insert(table, row)
    return engine


def send(engine: Engine, method: str, path: str, body: Any = None) -> Reply:
    """Send a request and return the reply, which must match the document."""
    content = json.dumps(body or {}).encode()
    reply = engine.handle(ApiRequest(method, path, "", {"Content-Type": "application/json"}, content))
    operation, _ = engine.program.router.find(method, path)
    response = loading.resolve(engine.document, operation.spec["responses"][str(reply.status)])
    schema = {"components": engine.document["components"], **response["content"]["application/json"]["schema"]}
    jsonschema_rs.validate(schema, reply.body)
    return reply


def ami(engine: Engine, function: str) -> tuple[int | None, Any]:
    reply = send(engine, "GET", f"astamis/{function}")
    return reply.status, reply.body


def events(engine: Engine, function: str) -> list[dict[str, str]]:
    status, (acknowledgement, *items) = ami(engine, function)
    assert (status, acknowledgement["Response"]) == (200, "Success")
    return items


def originate(engine: Engine, **values: Any) -> Reply:
    return send(engine, "POST", "astamis/originate", {"target": 1002, "ringback": 1001} | values)
