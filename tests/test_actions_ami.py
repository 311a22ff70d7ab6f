"""AMI functions that list and show what the tables hold, by requests to an engine."""

from __future__ import annotations

import pytest

from sarkmock.http.engine import Engine, Request
from sarkmock.pbx.state import PbxFile
from tests.amibox import (
    EMPTY,
    INSTANCES,
    LISTS_EMPTY_200,
    LISTS_EMPTY_404,
    NOT_RUNNING,
    UNKNOWN,
    ami,
    engine_of,
    events,
    originate,
    send,
)


@pytest.fixture
def engine() -> Engine:
    return engine_of("documented")


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


    @pytest.mark.parametrize(("function", "field", "answered"), [
        ("ExtensionState", "Exten", "1001"), ("MailboxCount", "Mailbox", "1001"), ("MailboxStatus", "Mailbox", "1001"),
        ("SIPshowpeer", "ObjectName", "1001"), ("QueueStatus", "Queue", "support")])
    @pytest.mark.parametrize("end", ["\nx", "\r\nx", "\r\n"])
    def test_a_line_break_ends_them(self, engine: Engine, function: str, field: str, answered: str, end: str) -> None:
        assert ami(engine, f"{function}/{answered}{end}")[1][field] == answered

    @pytest.mark.parametrize("name", ["1001\r", "10\r01", "\r1001"])
    def test_a_carriage_return_alone_does_not(self, engine: Engine, name: str) -> None:
        assert ami(engine, f"MailboxStatus/{name}")[1]["Mailbox"] == name


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
            engine.state.files[f"{box}/{name}"] = PbxFile(b"", 0.0)
        count = ami(engine, "MailboxCount/1001")[1]
        assert (count["UrgMessages"], count["NewMessages"], count["OldMessages"]) == ("0", "2", "1")
        assert count["Mailbox"] == "1001@default"
        assert ami(engine, "MailboxStatus/1001")[1]["Waiting"] == "1"
        user = events(engine, "VoicemailUsersList")[0]
        assert (user["NewMessageCount"], user["OldMessageCount"]) == ("2", "1")

    def test_an_unknown_one_is_empty(self, engine: Engine) -> None:
        assert ami(engine, "MailboxCount/9999")[1]["NewMessages"] == "0"
        assert ami(engine, "MailboxStatus/9999")[1]["Waiting"] == "0"
