"""AMI functions that list and show rows of the tables, called through an engine."""

from __future__ import annotations

import pytest

from sarkmock.http.engine import ApiRequest, Engine
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
    def test_empty_list_returns_error_message(self, function: str) -> None:
        assert ami(engine_of("documented", rows=False), function) == EMPTY

    @pytest.mark.parametrize("function", LISTS_EMPTY_200)
    def test_empty_list_returns_empty_array(self, function: str) -> None:
        assert ami(engine_of("documented", rows=False), function) == (200, [])


class TestFunctionNames:
    @pytest.mark.parametrize("function", ["nosuch", "sippeers", "SIPPeers", "coresettings", "originate", "DBget",
                                          "DBPut", "reload"])
    def test_unknown_or_misspelt_function_name_is_rejected(self, engine: Engine, function: str) -> None:
        assert ami(engine, function) == UNKNOWN

    def test_misspelt_put_function_is_405(self, engine: Engine) -> None:
        request = ApiRequest("PUT", "astamis/DBput/cfim/1001/44")
        assert engine.handle(request).status == 405
        assert engine.state.astdb == {}


    @pytest.mark.parametrize(("function", "field", "argument"), [
        ("ExtensionState", "Exten", "1001"), ("MailboxCount", "Mailbox", "1001"), ("MailboxStatus", "Mailbox", "1001"),
        ("SIPshowpeer", "ObjectName", "1001"), ("QueueStatus", "Queue", "support")])
    @pytest.mark.parametrize("end", ["\nx", "\r\nx", "\r\n"])
    def test_line_break_ends_name(self, engine: Engine, function: str, field: str, argument: str, end: str) -> None:
        assert ami(engine, f"{function}/{argument}{end}")[1][field] == argument

    @pytest.mark.parametrize("name", ["1001\r", "10\r01", "\r1001"])
    def test_carriage_return_does_not_end_name(self, engine: Engine, name: str) -> None:
        assert ami(engine, f"MailboxStatus/{name}")[1]["Mailbox"] == name


class TestStoppedPbx:
    @pytest.mark.parametrize("function", [*LISTS_EMPTY_404, *LISTS_EMPTY_200, *INSTANCES, "nosuch"])
    def test_get_functions_return_503(self, engine: Engine, function: str) -> None:
        engine.state.pbx.stop()
        assert ami(engine, function) == NOT_RUNNING

    def test_post_and_put_functions_return_503_after_validation(self, engine: Engine) -> None:
        engine.state.pbx.stop()
        assert originate(engine).status == 503
        assert originate(engine, target="x").status == 422
        assert send(engine, "PUT", "astamis/DBPut/cfim/1001/44").status == 503
        assert send(engine, "PUT", "astamis/DBdel/cfim/1001").status == 503
        assert engine.state.astdb == {}


class TestPeers:
    def test_active_phones_and_sip_trunks_are_sip_peers(self, engine: Engine) -> None:
        peers = [(peer["ObjectName"], peer["IPaddress"], peer["Dynamic"], peer["Status"])
                 for peer in events(engine, "SIPpeers")]
        assert peers == [
            ("1001", "-none-", "yes", "UNKNOWN"), ("carrier", "192.0.2.9", "no", "OK (1 ms)"),
            ("quiet", "-none-", "no", "Unmonitored")]

    def test_peers_of_deleted_rows_are_not_listed(self, engine: Engine) -> None:
        engine.state.tables.delete("ipphone", "pkey", "1001")
        engine.state.tables.delete("lineio", "technology", "SIP")
        assert ami(engine, "SIPpeers") == EMPTY

    def test_iax_trunks_are_iax_peers(self, engine: Engine) -> None:
        peer, = events(engine, "IAXpeers")
        assert (peer["ObjectName"], peer["IPaddress"], peer["IPport"]) == ("branch", "2001:db8::1", "4569")

    def test_registrations_come_from_trunks(self, engine: Engine) -> None:
        sip, = events(engine, "SIPshowregistry")
        assert (sip["Host"], sip["Port"], sip["Username"]) == ("sip.example.com", "5070", "4412")
        assert sip["State"] == "Registered"
        iax, = events(engine, "IAXregistry")
        assert (iax["Host"], iax["Username"]) == ("2001:db8::1:4569", "sark")

    def test_sipshowpeer_of_phone(self, engine: Engine) -> None:
        phone = ami(engine, "SIPshowpeer/1001")[1]
        expected = {"Response": "Success", "ObjectName": "1001", "SecretExist": "Y", "Context": "internal",
                    "Dynamic": "Y", "Callerid": '"Mary" <1001>', "VoiceMailbox": "1001@default",
                    "SIP-Encryption": "Y", "Status": "UNKNOWN"}
        assert expected.items() <= phone.items()

    def test_sipshowpeer_of_trunk(self, engine: Engine) -> None:
        trunk = ami(engine, "SIPshowpeer/carrier")[1]
        assert (trunk["Dynamic"], trunk["Address-IP"], trunk["Status"]) == ("N", "192.0.2.9", "OK (1 ms)")

    @pytest.mark.parametrize("name", ["9999", "1002", "1900", "branch"])
    def test_sipshowpeer_of_unknown_peer_returns_error(self, engine: Engine, name: str) -> None:
        error = {"Response": "Error", "Message": f"Peer {name} not found."}
        assert ami(engine, f"SIPshowpeer/{name}") == (200, error)


class TestQueues:
    def test_status_of_all_queues(self, engine: Engine) -> None:
        items = [(item["Event"], item["Queue"], item.get("Strategy"), item.get("Max"), item.get("Location"))
                 for item in events(engine, "QueueStatus")]
        assert items == [
            ("QueueParams", "sales", "ringall", "0", None), ("QueueMember", "sales", None, None, "Agent/1022"),
            ("QueueParams", "support", "rrmemory", "7", None), ("QueueMember", "support", None, None, "Agent/1021")]

    def test_status_of_one_queue_merges_messages(self, engine: Engine) -> None:
        status = ami(engine, "QueueStatus/support")[1]
        assert (status["Strategy"], status["Name"], status["ListItems"]) == ("rrmemory", "Ann", "2")

    def test_queue_summaries(self, engine: Engine) -> None:
        assert [item["Queue"] for item in events(engine, "QueueSummary")] == ["sales", "support"]
        assert ami(engine, "QueueSummary/support")[1]["LoggedIn"] == "0"

    @pytest.mark.parametrize("function", ["QueueStatus", "QueueSummary"])
    def test_unknown_queue_has_no_items(self, engine: Engine, function: str) -> None:
        answer = ami(engine, f"{function}/nosuch")[1]
        assert answer["ListItems"] == "0"
        assert "Queue" not in answer

    def test_published_queue_summary_equals_queue_status(self, shipped: Engine) -> None:
        assert ami(shipped, "QueueSummary/support") == ami(shipped, "QueueStatus/support")

    def test_agents_are_listed(self, engine: Engine) -> None:
        assert [(item["Agent"], item["Name"], item["Status"]) for item in events(engine, "Agents")] == [
            ("1021", "Ann", "AGENT_LOGGEDOFF"), ("1022", "Bob", "AGENT_LOGGEDOFF")]

    def test_value_ends_at_colon_and_space(self, engine: Engine) -> None:
        engine.state.tables.update("agent", "pkey", "1021", {"name": "Ann: chief"})
        assert events(engine, "Agents")[0]["Name"] == "Ann"


class TestMailboxes:
    def test_every_extension_has_mailbox(self, engine: Engine) -> None:
        mailboxes = [(item["VoiceMailbox"], item["Email"]) for item in events(engine, "VoicemailUsersList")]
        assert mailboxes == [("1001", ""), ("1002", ""), ("1900", "desk@example.com")]

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

    def test_unknown_mailbox_is_empty(self, engine: Engine) -> None:
        assert ami(engine, "MailboxCount/9999")[1]["NewMessages"] == "0"
        assert ami(engine, "MailboxStatus/9999")[1]["Waiting"] == "0"
