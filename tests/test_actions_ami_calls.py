"""AMI functions that change the PBX, and those of published versions only, called through an engine."""

from __future__ import annotations

from typing import Any

import pytest

from sarkmock.http.engine import ApiRequest, Engine
from tests.amibox import CHANNEL_LISTS, EMPTY, UNKNOWN, ami, engine_of, events, originate, send


@pytest.fixture
def engine() -> Engine:
    return engine_of("documented")


class TestCalls:
    @pytest.mark.parametrize("function", CHANNEL_LISTS)
    def test_call_is_listed_until_it_ends(self, engine: Engine, function: str) -> None:
        reply = originate(engine)
        assert (reply.status, reply.body) == (200, {"message": "Request Sent"})
        assert [item["Channel"] for item in events(engine, function)] == ["SIP/1001-00000001", "SIP/1002-00000002"]
        assert ami(engine, "CoreStatus")[1]["CoreCurrentCalls"] == "2"
        engine.state.clock.advance(engine.state.pbx.call_seconds)
        assert ami(engine, function) == EMPTY
        assert ami(engine, "CoreStatus")[1]["CoreCurrentCalls"] == "0"

    def test_call_duration_follows_clock(self, engine: Engine) -> None:
        engine.state.pbx.call_seconds = 9000
        originate(engine, clid="4412", context="from-office")
        engine.state.clock.advance(3725)
        shown = events(engine, "CoreShowChannels")[0]
        assert (shown["Duration"], shown["CallerIDNum"], shown["Context"]) == ("01:02:05", "4412", "from-office")
        assert events(engine, "Status")[0]["Seconds"] == "3725"

    def test_extension_states_follow_calls(self, engine: Engine) -> None:
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

    def test_extension_is_not_matched_by_prefix(self, engine: Engine) -> None:
        originate(engine, ringback=10011, target=10012)
        assert ami(engine, "ExtensionState/1001")[1]["StatusText"] == "Unavailable"

    @pytest.mark.parametrize(("values", "fields"), [
        ({"target": None}, ["target"]), ({"ringback": None}, ["ringback"]), ({"target": "01"}, ["target"]),
        ({"target": 1.5}, ["target"]), ({"ringback": "abc"}, ["ringback"]),
        ({"clid": "abc"}, ["clid"]), ({"context": "a b"}, ["context"]),
        ({"ringback": "01", "context": "a-b_1", "clid": "+1.5"}, [])])
    def test_originate_rules(self, engine: Engine, values: dict[str, Any], fields: list[str]) -> None:
        reply = originate(engine, **values)
        assert reply.status == (422 if fields else 200)
        assert (list(reply.body) if fields else []) == fields

    def test_a_rejected_call_is_not_made(self, engine: Engine) -> None:
        originate(engine, clid="abc")
        assert ami(engine, "CoreShowChannels") == EMPTY

    def test_a_call_that_ended_is_recorded(self, engine: Engine) -> None:
        before = engine.handle(ApiRequest("GET", "logs/cdrs")).body
        originate(engine)
        engine.state.clock.advance(engine.state.pbx.call_seconds)
        after = engine.handle(ApiRequest("GET", "logs/cdrs")).body
        assert after.startswith(before)
        added = after.removeprefix(before).decode()
        assert added.count("\n") == 1
        assert '"SIP/1001-00000001","SIP/1002-00000002"' in added
        assert "ANSWERED" in added


class TestStates:
    def test_extension_state_in_context(self, engine: Engine) -> None:
        assert ami(engine, "ExtensionState/1001")[1]["Context"] == "extensions"
        internal = ami(engine, "ExtensionState/1001/internal")[1]
        assert (internal["Context"], internal["Hint"], internal["Status"]) == ("internal", "SIP/1001", "4")
        assert ami(engine, "ExtensionState/1001/mainmenu")[1]["Status"] == "-1"

    def test_published_versions_read_context_from_query(self) -> None:
        reply = engine_of("shipped").handle(ApiRequest("GET", "astamis/ExtensionState/1001", "Context=internal"))
        assert (reply.body["Context"], reply.body["Hint"]) == ("internal", "SIP/1001")

    def test_variable_with_empty_name_is_ignored(self, engine: Engine) -> None:
        request = ApiRequest("GET", "astamis/CoreStatus", "", {"Content-Type": "application/json"}, b'{"": "x"}')
        assert engine.handle(request).status == 200

    @pytest.mark.parametrize("number", ["9999", "1002", "1900"])
    def test_extension_without_hint_is_unknown(self, engine: Engine, number: str) -> None:
        state = ami(engine, f"ExtensionState/{number}")[1]
        assert (state["Hint"], state["Status"], state["StatusText"]) == ("", "-1", "Unknown")

    def test_reload_updates_core_status(self, engine: Engine) -> None:
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

    def test_value_with_space_is_not_stored(self, engine: Engine) -> None:
        assert send(engine, "PUT", "astamis/DBPut/cfim/1001/4 4").body == {"1001": False}
        assert engine.state.astdb == {}

    def test_key_0_is_returned_as_array_index(self, engine: Engine) -> None:
        assert send(engine, "PUT", "astamis/DBPut/cfim/0/44").body == [True]
        assert ami(engine, "DBget/cfim/0") == (200, ["44"])

    def test_reset_clears_database(self, engine: Engine) -> None:
        send(engine, "PUT", "astamis/DBPut/cfim/1001/44")
        engine.state.reset()
        assert ami(engine, "DBget/cfim/1001") == (200, {"1001": ""})


class TestVariables:
    """A variable of the request overrides the path parameter of the same name ($request->id)."""

    def test_variable_overrides_instance(self, engine: Engine) -> None:
        assert send(engine, "GET", "astamis/MailboxCount/1001", {"id": "1900"}).body["Mailbox"] == "1900@default"
        assert send(engine, "GET", "astamis/ExtensionState/1001", {"id": 1002}).body["Exten"] == "1002"

    def test_variables_override_database_key(self, engine: Engine) -> None:
        send(engine, "PUT", "astamis/DBPut/cfim/1001/44", {"key": "1002", "value": 55})
        assert ami(engine, "DBget/cfim/1001") == (200, {"1001": ""})
        assert send(engine, "GET", "astamis/DBget/x/y", {"id": "cfim", "key": "1002"}).body == {"1002": "55"}

    def test_null_and_array_variables(self, engine: Engine, shipped: Engine) -> None:
        assert send(engine, "GET", "astamis/MailboxCount/1001", {"id": None}).body["Mailbox"] == "@default"
        path, query = "astamis/MailboxCount/1001", "id[]=1001"
        assert engine.handle(ApiRequest("GET", path, query)).body == {"id": ["The id must be a string."]}
        assert shipped.handle(ApiRequest("GET", path, query)).status == 500


class TestShipped:
    def test_database_functions(self, shipped: Engine) -> None:
        assert send(shipped, "PUT", "astamis/DBput/cfim/1001/44").body == {"1001": True}
        assert send(shipped, "DELETE", "astamis/DBdel/cfim/1001").body == {"1001": True}

    @pytest.mark.parametrize("path", ["DBPut/cfim/1001/44", "DBdel/cfim/1001"])
    def test_documented_database_functions_are_405(self, shipped: Engine, path: str) -> None:
        assert shipped.handle(ApiRequest("PUT", f"astamis/{path}")).status == 405

    def test_context_in_path_is_404(self, shipped: Engine) -> None:
        assert shipped.handle(ApiRequest("GET", "astamis/ExtensionState/1001/internal")).status == 404

    def test_originate_requires_caller(self, shipped: Engine) -> None:
        reply = send(shipped, "POST", "astamis/originate", {"target": "01", "ringback": 1001})
        assert (reply.status, list(reply.body)) == (422, ["caller"])
        call = {"target": "01", "caller": 1001, "context": "a b"}
        assert send(shipped, "POST", "astamis/originate", call).status == 200
        shown = events(shipped, "CoreShowChannels")[0]
        assert (shown["Exten"], shown["Context"]) == ("01", "internal")

    def test_hangup_ends_call(self, shipped: Engine) -> None:
        send(shipped, "POST", "astamis/originate", {"target": 1002, "caller": 1001})
        ended = send(shipped, "DELETE", "astamis/Hangup/SIP/1002-00000002").body
        assert "Response: Success" in ended["1002-00000002"]
        assert ami(shipped, "CoreShowChannels") == EMPTY
        gone = send(shipped, "DELETE", "astamis/Hangup/SIP/1002-00000002").body
        assert gone == {"1002-00000002": "\r\nResponse: Error\r\nMessage: No such channel\r\n\r\n"}

    def test_published_list_functions(self, shipped: Engine) -> None:
        assert [item["Device"] for item in events(shipped, "DeviceStateList")] == ["SIP/1001"]
        assert ami(shipped, "ConfbridgeList") == (200, [])

    def test_list_functions_take_an_id(self, shipped: Engine) -> None:
        assert ami(shipped, "SIPpeers/whatever") == ami(shipped, "SIPpeers")
        assert ami(shipped, "ConfbridgeList/301") == (200, [])
        assert ami(shipped, "CoreStatus/1") == UNKNOWN
        assert ami(shipped, "nosuch/1") == UNKNOWN


@pytest.mark.parametrize(("query", "status"), [("id=1", 200), ("id[]=1", 500)])
def test_array_as_conference_name_crashes_published_version(query: str, status: int) -> None:
    request = ApiRequest("GET", "astamis/ConfbridgeList", query)
    assert Engine(profile="shipped").handle(request).status == status
