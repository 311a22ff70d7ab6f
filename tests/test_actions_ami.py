"""AMI functions, by requests to an engine; every answer is held against its schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from sarkmock import spec
from sarkmock.engine import Engine, Request
from sarkmock.replies import Reply
from sarkmock.state import File, State

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
    engine = Engine(spec.load(profile), State(now=1_700_000_000))
    for table, content in ROWS.items() if rows else ():
        for row in content:
            engine.state.tables.insert(table, row)
    return engine


@pytest.fixture
def engine() -> Engine:
    return engine_of("documented")


@pytest.fixture
def shipped() -> Engine:
    return engine_of("shipped")


def send(engine: Engine, method: str, path: str, body: Any = None) -> Reply:
    """The reply, which must be one that the document describes."""
    content = json.dumps(body or {}).encode()
    reply = engine.handle(Request(method, path, "", {"Content-Type": "application/json"}, content))
    operation, _ = engine.find(method, path)
    response = spec.resolve(engine.document, operation.spec["responses"][str(reply.status)])
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


class TestEmptyBox:
    @pytest.mark.parametrize("function", LISTS_EMPTY_404)
    def test_lists_say_that_they_are_empty(self, function: str) -> None:
        assert ami(engine_of("documented", rows=False), function) == EMPTY

    @pytest.mark.parametrize("function", LISTS_EMPTY_200)
    def test_some_are_simply_empty(self, function: str) -> None:
        assert ami(engine_of("documented", rows=False), function) == (200, [])


class TestNames:
    @pytest.mark.parametrize("function", ["nosuch", "sippeers", "SIPPeers", "coresettings", "originate", "DBget",
                                          "DBPut", "reload"])
    def test_names_are_case_sensitive_and_few(self, engine: Engine, function: str) -> None:
        assert ami(engine, function) == UNKNOWN

    def test_the_put_functions_too(self, engine: Engine) -> None:
        request = Request("PUT", "astamis/DBput/cfim/1001/44")
        assert engine.handle(request).status == 405
        assert engine.state.astdb == {}


class TestStopped:
    @pytest.mark.parametrize("function", [*LISTS_EMPTY_404, *LISTS_EMPTY_200, *INSTANCES, "nosuch"])
    def test_get(self, engine: Engine, function: str) -> None:
        engine.state.pbx.stop()
        assert ami(engine, function) == NOT_RUNNING

    def test_the_others(self, engine: Engine) -> None:
        engine.state.pbx.stop()
        assert originate(engine).status == 503
        assert originate(engine, target="x").status == 422
        assert send(engine, "PUT", "astamis/DBPut/cfim/1001/44").status == 503
        assert send(engine, "PUT", "astamis/DBdel/cfim/1001").status == 503
        assert engine.state.astdb == {}


class TestPeers:
    def test_phones_in_use_and_trunks_are_sip_peers(self, engine: Engine) -> None:
        peers = [(peer["ObjectName"], peer["IPaddress"], peer["Dynamic"], peer["Status"])
                 for peer in events(engine, "SIPpeers")]
        assert peers == [
            ("1001", "-none-", "yes", "UNKNOWN"), ("carrier", "192.0.2.9", "no", "OK (1 ms)"),
            ("quiet", "-none-", "no", "Unmonitored")]

    def test_the_list_follows_the_tables(self, engine: Engine) -> None:
        engine.state.tables.delete("ipphone", "pkey", "1001")
        engine.state.tables.delete("lineio", "technology", "SIP")
        assert ami(engine, "SIPpeers") == EMPTY

    def test_iax_trunks(self, engine: Engine) -> None:
        peer, = events(engine, "IAXpeers")
        assert (peer["ObjectName"], peer["IPaddress"], peer["IPport"]) == ("branch", "2001:db8::1", "4569")

    def test_registrations_come_from_trunks(self, engine: Engine) -> None:
        sip, = events(engine, "SIPshowregistry")
        assert (sip["Host"], sip["Port"], sip["Username"]) == ("sip.example.com", "5070", "4412")
        assert sip["State"] == "Registered"
        iax, = events(engine, "IAXregistry")
        assert (iax["Host"], iax["Username"]) == ("2001:db8::1:4569", "sark")

    def test_a_phone_in_detail(self, engine: Engine) -> None:
        phone = ami(engine, "SIPshowpeer/1001")[1]
        wanted = {"Response": "Success", "ObjectName": "1001", "SecretExist": "Y", "Context": "internal",
                  "Dynamic": "Y", "Callerid": '"Mary" <1001>', "VoiceMailbox": "1001@default",
                  "SIP-Encryption": "Y", "Status": "UNKNOWN"}
        assert wanted.items() <= phone.items()

    def test_a_trunk_in_detail(self, engine: Engine) -> None:
        trunk = ami(engine, "SIPshowpeer/carrier")[1]
        assert (trunk["Dynamic"], trunk["Address-IP"], trunk["Status"]) == ("N", "192.0.2.9", "OK (1 ms)")

    @pytest.mark.parametrize("name", ["9999", "1002", "1900", "branch"])
    def test_what_is_no_sip_peer(self, engine: Engine, name: str) -> None:
        complaint = {"Response": "Error", "Message": f"Peer {name} not found."}
        assert ami(engine, f"SIPshowpeer/{name}") == (200, complaint)


class TestQueues:
    def test_status_of_all(self, engine: Engine) -> None:
        found = [(item["Event"], item["Queue"], item.get("Strategy"), item.get("Max"), item.get("Location"))
                 for item in events(engine, "QueueStatus")]
        assert found == [
            ("QueueParams", "sales", "ringall", "0", None), ("QueueMember", "sales", None, None, "Agent/1022"),
            ("QueueParams", "support", "rrmemory", "7", None), ("QueueMember", "support", None, None, "Agent/1021")]

    def test_status_of_one_lays_messages_over_one_another(self, engine: Engine) -> None:
        status = ami(engine, "QueueStatus/support")[1]
        assert (status["Strategy"], status["Name"], status["ListItems"]) == ("rrmemory", "Ann", "2")

    def test_summaries(self, engine: Engine) -> None:
        assert [item["Queue"] for item in events(engine, "QueueSummary")] == ["sales", "support"]
        assert ami(engine, "QueueSummary/support")[1]["LoggedIn"] == "0"

    @pytest.mark.parametrize("function", ["QueueStatus", "QueueSummary"])
    def test_an_unknown_queue(self, engine: Engine, function: str) -> None:
        answer = ami(engine, f"{function}/nosuch")[1]
        assert answer["ListItems"] == "0"
        assert "Queue" not in answer

    def test_the_published_summary_of_one_is_its_status(self, shipped: Engine) -> None:
        assert ami(shipped, "QueueSummary/support") == ami(shipped, "QueueStatus/support")

    def test_agents(self, engine: Engine) -> None:
        assert [(item["Agent"], item["Name"], item["Status"]) for item in events(engine, "Agents")] == [
            ("1021", "Ann", "AGENT_LOGGEDOFF"), ("1022", "Bob", "AGENT_LOGGEDOFF")]

    def test_a_value_ends_at_a_colon_and_a_blank(self, engine: Engine) -> None:
        engine.state.tables.update("agent", "pkey", "1021", {"name": "Ann: chief"})
        assert events(engine, "Agents")[0]["Name"] == "Ann"


class TestMailboxes:
    def test_every_extension_has_one(self, engine: Engine) -> None:
        found = [(item["VoiceMailbox"], item["Email"]) for item in events(engine, "VoicemailUsersList")]
        assert found == [("1001", ""), ("1002", ""), ("1900", "desk@example.com")]

    def test_messages_are_counted(self, engine: Engine) -> None:
        box = "/var/spool/asterisk/voicemail/default/1001"
        names = ("INBOX/msg0000.txt", "INBOX/msg0000.wav", "INBOX/msg0001.txt", "Old/msg0000.txt", "Work/msg0000.txt")
        for name in names:
            engine.state.files[f"{box}/{name}"] = File(b"", 0.0)
        count = ami(engine, "MailboxCount/1001")[1]
        assert (count["UrgMessages"], count["NewMessages"], count["OldMessages"]) == ("0", "2", "1")
        assert count["Mailbox"] == "1001@default"
        assert ami(engine, "MailboxStatus/1001")[1]["Waiting"] == "1"
        user = events(engine, "VoicemailUsersList")[0]
        assert (user["NewMessageCount"], user["OldMessageCount"]) == ("2", "1")

    def test_an_unknown_one_is_empty(self, engine: Engine) -> None:
        assert ami(engine, "MailboxCount/9999")[1]["NewMessages"] == "0"
        assert ami(engine, "MailboxStatus/9999")[1]["Waiting"] == "0"


class TestCalls:
    @pytest.mark.parametrize("function", CHANNEL_LISTS)
    def test_a_call_is_seen_until_it_ends(self, engine: Engine, function: str) -> None:
        reply = originate(engine)
        assert (reply.status, reply.body) == (200, {"message": "Request Sent"})
        assert [item["Channel"] for item in events(engine, function)] == ["SIP/1001-00000001", "SIP/1002-00000002"]
        assert ami(engine, "CoreStatus")[1]["CoreCurrentCalls"] == "2"
        engine.state.clock.advance(engine.state.pbx.call_seconds)
        assert ami(engine, function) == EMPTY
        assert ami(engine, "CoreStatus")[1]["CoreCurrentCalls"] == "0"

    def test_it_gets_older(self, engine: Engine) -> None:
        engine.state.pbx.call_seconds = 9000
        originate(engine, clid="4412", context="from-office")
        engine.state.clock.advance(3725)
        shown = events(engine, "CoreShowChannels")[0]
        assert (shown["Duration"], shown["CallerIDNum"], shown["Context"]) == ("01:02:05", "4412", "from-office")
        assert events(engine, "Status")[0]["Seconds"] == "3725"

    def test_extension_states_follow(self, engine: Engine) -> None:
        engine.state.tables.update("ipphone", "pkey", "1002", {"active": "YES"})
        def states() -> list[str]:
            return [item["StatusText"] for item in events(engine, "ExtensionStateList")]

        assert states() == ["Unavailable", "Unavailable"]
        originate(engine)
        assert states() == ["InUse", "Ringing"]
        assert ami(engine, "ExtensionState/1002")[1]["Status"] == "8"
        engine.state.clock.advance(engine.state.pbx.ring_seconds)
        assert states() == ["InUse", "InUse"]
        engine.state.pbx.hangup("SIP/1001-00000001")
        assert states() == ["Unavailable", "Unavailable"]

    def test_a_number_does_not_stand_for_its_beginning(self, engine: Engine) -> None:
        originate(engine, ringback=10011, target=10012)
        assert ami(engine, "ExtensionState/1001")[1]["StatusText"] == "Unavailable"

    @pytest.mark.parametrize(("values", "fields"), [
        ({"target": None}, ["target"]), ({"ringback": None}, ["ringback"]), ({"target": "01"}, ["target"]),
        ({"target": 1.5}, ["target"]), ({"ringback": "abc"}, ["ringback"]),
        ({"clid": "abc"}, ["clid"]), ({"context": "a b"}, ["context"]),
        ({"ringback": "01", "context": "a-b_1", "clid": "+1.5"}, [])])
    def test_rules(self, engine: Engine, values: dict[str, Any], fields: list[str]) -> None:
        reply = originate(engine, **values)
        assert reply.status == (422 if fields else 200)
        assert (list(reply.body) if fields else []) == fields

    def test_a_refused_call_is_not_made(self, engine: Engine) -> None:
        originate(engine, clid="abc")
        assert ami(engine, "CoreShowChannels") == EMPTY

    def test_a_call_that_ended_is_recorded(self, engine: Engine) -> None:
        before = engine.handle(Request("GET", "logs/cdrs")).body
        originate(engine)
        engine.state.clock.advance(engine.state.pbx.call_seconds)
        after = engine.handle(Request("GET", "logs/cdrs")).body
        assert after.startswith(before)
        added = after.removeprefix(before).decode()
        assert added.count("\n") == 1
        assert '"SIP/1001-00000001","SIP/1002-00000002"' in added
        assert "ANSWERED" in added


class TestStates:
    def test_in_a_context(self, engine: Engine) -> None:
        assert ami(engine, "ExtensionState/1001")[1]["Context"] == "extensions"
        internal = ami(engine, "ExtensionState/1001/internal")[1]
        assert (internal["Context"], internal["Hint"], internal["Status"]) == ("internal", "SIP/1001", "4")
        assert ami(engine, "ExtensionState/1001/mainmenu")[1]["Status"] == "-1"

    @pytest.mark.parametrize("number", ["9999", "1002", "1900"])
    def test_what_has_no_hint(self, engine: Engine, number: str) -> None:
        state = ami(engine, f"ExtensionState/{number}")[1]
        assert (state["Hint"], state["Status"], state["StatusText"]) == ("", "-1", "Unknown")

    def test_reload_is_seen_in_the_status(self, engine: Engine) -> None:
        engine.state.clock.advance(61)
        assert ami(engine, "Reload") == (200, {"Response": "Reload sent"})
        status = ami(engine, "CoreStatus")[1]
        assert (status["CoreStartupTime"], status["CoreReloadTime"]) == ("22:13:20", "22:14:21")
        assert (status["CoreStartupDate"], status["CoreReloadDate"]) == ("2023-11-14", "2023-11-14")


class TestDatabase:
    def test_put_get_delete(self, engine: Engine) -> None:
        assert ami(engine, "DBget/cfim/1001") == (200, {"1001": ""})
        assert send(engine, "PUT", "astamis/DBPut/cfim/1001/44").body == {"1001": True}
        assert ami(engine, "DBget/cfim/1001") == (200, {"1001": "44"})
        assert send(engine, "PUT", "astamis/DBdel/cfim/1001").body == {"1001": True}
        assert send(engine, "PUT", "astamis/DBdel/cfim/1001").body == {"1001": False}

    def test_blanks_are_not_understood(self, engine: Engine) -> None:
        assert send(engine, "PUT", "astamis/DBPut/cfim/1001/4 4").body == {"1001": False}
        assert engine.state.astdb == {}

    def test_the_key_0_is_an_index(self, engine: Engine) -> None:
        assert send(engine, "PUT", "astamis/DBPut/cfim/0/44").body == [True]
        assert ami(engine, "DBget/cfim/0") == (200, ["44"])

    def test_reset_forgets(self, engine: Engine) -> None:
        send(engine, "PUT", "astamis/DBPut/cfim/1001/44")
        engine.state.reset()
        assert ami(engine, "DBget/cfim/1001") == (200, {"1001": ""})


class TestShipped:
    def test_database_functions(self, shipped: Engine) -> None:
        assert send(shipped, "PUT", "astamis/DBput/cfim/1001/44").body == {"1001": True}
        assert send(shipped, "DELETE", "astamis/DBdel/cfim/1001").body == {"1001": True}

    @pytest.mark.parametrize("path", ["DBPut/cfim/1001/44", "DBdel/cfim/1001"])
    def test_the_page_names_others(self, shipped: Engine, path: str) -> None:
        assert shipped.handle(Request("PUT", f"astamis/{path}")).status == 405

    def test_no_context_in_the_path(self, shipped: Engine) -> None:
        assert shipped.handle(Request("GET", "astamis/ExtensionState/1001/internal")).status == 404

    def test_originate_needs_a_caller(self, shipped: Engine) -> None:
        reply = send(shipped, "POST", "astamis/originate", {"target": "01", "ringback": 1001})
        assert (reply.status, list(reply.body)) == (422, ["caller"])
        call = {"target": "01", "caller": 1001, "context": "a b"}
        assert send(shipped, "POST", "astamis/originate", call).status == 200
        shown = events(shipped, "CoreShowChannels")[0]
        assert (shown["Exten"], shown["Context"]) == ("01", "internal")

    def test_hang_up(self, shipped: Engine) -> None:
        send(shipped, "POST", "astamis/originate", {"target": 1002, "caller": 1001})
        found = send(shipped, "DELETE", "astamis/Hangup/SIP/1002-00000002").body
        assert "Response: Success" in found["1002-00000002"]
        assert ami(shipped, "CoreShowChannels") == EMPTY
        gone = send(shipped, "DELETE", "astamis/Hangup/SIP/1002-00000002").body
        assert gone == {"1002-00000002": "\r\nResponse: Error\r\nMessage: No such channel\r\n\r\n"}

    def test_more_lists(self, shipped: Engine) -> None:
        assert [item["Device"] for item in events(shipped, "DeviceStateList")] == ["SIP/1001"]
        assert ami(shipped, "ConfbridgeList") == (200, [])

    def test_list_functions_take_an_id(self, shipped: Engine) -> None:
        assert ami(shipped, "SIPpeers/whatever") == ami(shipped, "SIPpeers")
        assert ami(shipped, "ConfbridgeList/301") == (200, [])
        assert ami(shipped, "CoreStatus/1") == UNKNOWN
        assert ami(shipped, "nosuch/1") == UNKNOWN
