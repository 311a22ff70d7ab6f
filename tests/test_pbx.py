"""The PBX: run state, calls and AstDB, with a simulated clock."""

from __future__ import annotations

import pytest

from sarkmock.pbx.asterisk import Pbx, db_delete, db_get, db_put
from sarkmock.pbx.state import Clock

START = 1_700_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def pbx(clock: Clock) -> Pbx:
    return Pbx(clock)


def dial(pbx: Pbx) -> tuple[str, str]:
    return pbx.originate("1001", "1002", "internal", "").names()


class TestRunState:
    def test_pbx_is_running_initially(self, pbx: Pbx) -> None:
        assert pbx.running
        assert pbx.up_since == START

    def test_seed_can_stop_pbx(self, pbx: Pbx) -> None:
        pbx.reset(running=False)
        assert not pbx.running

    def test_stop_and_start(self, pbx: Pbx, clock: Clock) -> None:
        pbx.stop()
        assert not pbx.running
        clock.advance(10)
        pbx.start()
        assert (pbx.running, pbx.up_since, pbx.reloaded) == (True, START + 10, START + 10)

    @pytest.mark.parametrize("seconds", [1, 600])
    def test_reboot_takes_boot_time(self, pbx: Pbx, clock: Clock, seconds: int) -> None:
        pbx.boot_seconds = seconds
        pbx.reboot()
        clock.advance(seconds - 0.5)
        assert not pbx.running
        clock.advance(0.5)
        assert (pbx.running, pbx.up_since) == (True, START + seconds)

    def test_stopped_pbx_does_not_reload(self, pbx: Pbx, clock: Clock) -> None:
        clock.advance(5)
        pbx.reload()
        assert pbx.reloaded == START + 5
        pbx.stop()
        clock.advance(5)
        pbx.reload()
        assert pbx.reloaded == START + 5


class TestCalls:
    def test_call_has_two_uniquely_named_channels(self, pbx: Pbx) -> None:
        assert dial(pbx) == ("SIP/1001-00000001", "SIP/1002-00000002")
        assert dial(pbx) == ("SIP/1001-00000003", "SIP/1002-00000004")
        assert len({channel.uniqueid for channel in pbx.channels()}) == 4
        assert [channel.linkedid for channel in pbx.channels()] == [f"{START:.0f}.1"] * 2 + [f"{START:.0f}.3"] * 2

    def test_callee_rings_before_answering(self, pbx: Pbx, clock: Clock) -> None:
        dial(pbx)
        assert [(channel.state, channel.bridge) for channel in pbx.channels()] == [("Up", ""), ("Ringing", "")]
        clock.advance(pbx.ring_seconds)
        caller, callee = pbx.channels()
        assert (caller.state, callee.state) == ("Up", "Up")
        assert caller.bridge == callee.bridge != ""

    def test_call_ends_after_call_time(self, pbx: Pbx, clock: Clock) -> None:
        dial(pbx)
        clock.advance(pbx.call_seconds - 1)
        assert len(pbx.channels()) == 2
        assert pbx.finished() == []
        clock.advance(1)
        assert pbx.channels() == []
        assert [(call.ends - call.began, call.answered) for call in pbx.finished()] == [(pbx.call_seconds, True)]

    @pytest.mark.parametrize("end", [0, 1])
    def test_either_channel_can_be_hung_up(self, pbx: Pbx, clock: Clock, end: int) -> None:
        names = dial(pbx)
        clock.advance(2)
        assert pbx.hangup(names[end])
        assert pbx.channels() == []
        assert not pbx.hangup(names[end])
        assert [(call.ends, call.answered) for call in pbx.finished()] == [(START + 2, False)]

    def test_hangup_ends_one_call(self, pbx: Pbx) -> None:
        dial(pbx)
        second = dial(pbx)
        assert not pbx.hangup("SIP/1001-000000ff")
        assert pbx.hangup(second[0])
        assert [channel.name for channel in pbx.channels()] == ["SIP/1001-00000001", "SIP/1002-00000002"]

    def test_finished_calls_are_returned_once_and_in_order(self, pbx: Pbx, clock: Clock) -> None:
        first = dial(pbx)
        clock.advance(1)
        second = dial(pbx)
        pbx.hangup(second[0])
        clock.advance(100)
        assert [call.names() for call in pbx.finished()] == [second, first]
        assert pbx.finished() == []

    @pytest.mark.parametrize("how", ["stop", "reboot"])
    def test_calls_end_when_pbx_stops(self, pbx: Pbx, clock: Clock, how: str) -> None:
        dial(pbx)
        clock.advance(7)
        getattr(pbx, how)()
        assert pbx.channels() == []
        assert [call.ends for call in pbx.finished()] == [START + 7]

    def test_stop_does_not_change_end_of_finished_call(self, pbx: Pbx, clock: Clock) -> None:
        dial(pbx)
        clock.advance(500)
        pbx.stop()
        assert [call.ends for call in pbx.finished()] == [START + pbx.call_seconds]

    def test_channel_numbers_restart_with_asterisk(self, pbx: Pbx) -> None:
        names = dial(pbx)
        pbx.stop()
        pbx.start()
        assert dial(pbx) == names

    def test_reset_discards_calls(self, pbx: Pbx) -> None:
        dial(pbx)
        pbx.reset()
        assert pbx.channels() == []
        assert pbx.finished() == []

    def test_caller_id_replaces_extension(self, pbx: Pbx) -> None:
        pbx.originate("1001", "1002", "internal", "4412")
        caller, callee = pbx.channels()
        assert (caller.party, callee.connected) == ("4412", "4412")


class TestDatabase:
    def test_put_get_delete(self) -> None:
        db: dict[tuple[str, str], str] = {}
        assert db_get(db, "cfim", "1001") == ""
        assert db_put(db, "cfim", "1001", "44")
        assert db_put(db, "cfim", "1001", "45")
        assert (db_get(db, "cfim", "1001"), db_get(db, "CFIM", "1001"), db_get(db, "cfbs", "1001")) == ("45", "", "")
        assert db_delete(db, "cfim", "1001")
        assert not db_delete(db, "cfim", "1001")
        assert db == {}

    @pytest.mark.parametrize("words", [("a b", "k", "v"), ("f", "k k", "v"), ("f", "k", "v\tv"), ("f", "k", " "),
                                       ("", "k", "v"), ("f", "k", 'v" "v v'), ("f", "k", "\nv")])
    def test_put_with_unquoted_whitespace_fails(self, words: tuple[str, str, str]) -> None:
        db: dict[tuple[str, str], str] = {}
        assert not db_put(db, *words)
        assert db == {}

    @pytest.mark.parametrize(("value", "stored"), [
        (" v\t", "v"), ("v\n", "v"), ("v\nw x", "v"), ("v\r\nw x", "v"), ("v\rw", "v\rw"),
        ("v\u00a0w", "v\u00a0w"), ('"v w"', "v w"), ('v" "w', "v w"),
        ('""', ""), ("v\\ w", "v w"), ('\\"v', '"v'), ("v\\\\", "v\\"), ('"v w', "v w")])
    def test_value_is_parsed_as_cli_argument(self, value: str, stored: str) -> None:
        db: dict[tuple[str, str], str] = {}
        assert db_put(db, "f", " k", value)
        assert db == {("f", "k"): stored}
        assert db_get(db, "f ", "k\n") == stored
        assert db_delete(db, '"f"', "k")
