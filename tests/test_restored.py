"""Settings, firewall rules and the running PBX are as before after every ending, but for what others have changed."""

import errno
import json
import os
from contextlib import suppress

import pytest
from sarkmock_contracts.client.http import Request, Response, with_json
from sarkmock_contracts.errors import BadLedger, StaysAway, Unanswered, Unavailable, Withheld
from sarkmock_contracts.safety import CleanUpTarget
from sarkmock_contracts.safety import ledger as ledgers
from sarkmock_contracts.safety.ledger import read_ledger, reopen_ledger

from sarkmock import profiles
from tests.guarded import Box, guarded

RULES = with_json("POST", "/firewalls/ipv4", {"rules": ["ACCEPT net $FW udp 5060"]})
EVERYTHING = "write operational disruptive"


def pbx(profile):
    """A box whose firewall has a rule."""
    box = Box(profile)
    assert box.wire.inner.send(RULES).ok
    return box


def settings_of(box):
    return "/globals" if "/globals" in {operation.path for operation in box.engine.operations} else "/sysglobals"


def stop_of(box):
    return next(operation.path for operation in box.engine.operations if operation.id == "syscommands.pbxstop")


def changed(box, before):
    now = box.contents()
    return {name for name in before if now[name] != before[name]}


def administrator(box, **values):
    """Somebody else changes settings, beside the run."""
    box.engine.state.tables.update("globals", "pkey", "global", values)


def setting(box, name):
    return str(box.engine.state.tables.first("globals", "pkey", "global")[name])


def unsettled(box, tmp_path, hazards=EVERYTHING):
    """A run in the middle: a row, settings and rules of its own, and a stopped PBX."""
    safety, stock = guarded(box, "documented", hazards, tmp_path / "ledger")
    with suppress(Unavailable):
        stock.make(stock.contract.by_id["agents.create"])
    assert safety.target.send(with_json("PUT", settings_of(box), {"LOGLEVEL": "3", "ABSTIMEOUT": "77"})).response.ok
    safety.target.send(with_json("POST", "/firewalls/ipv4", {"rules": ["ACCEPT net $FW tcp 22"]}))
    if "disruptive" in hazards:
        assert safety.target.send(Request("GET", stop_of(box))).response.ok
        assert not box.engine.state.pbx.running
    return safety


def ends(box, safety, tmp_path):
    return safety.end()


def dies(box, safety, tmp_path):
    safety.ledger.close()
    return CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish()


def failing(reason):
    """The run's own clean-up meets this at every request; a later one finds the box as it should be."""
    def ending(box, safety, tmp_path):
        inner = box.wire.send
        box.wire.send = reason
        assert safety.end()
        box.wire.send = inner
        return CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish()
    return ending


def raising(error):
    def send(request):
        raise error
    return send


def denied(request):
    return Response(404, (("Content-Type", "application/json"),), b'{"message":"Unauthorised/Page Not Found"}')


def full(box, safety, tmp_path):
    """From now on the ledger cannot be written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledgers.os, "write", lambda *_: raising(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))(None))
        with pytest.raises(BadLedger, match="No space left"):
            safety.target.send(with_json("PUT", settings_of(box), {"LOGLEVEL": "2"}))
        return safety.end()


ENDINGS = {"ends": ends, "dies": dies, "a lost token": failing(denied), "no network": failing(raising(Unanswered("x"))),
           "429 for ever": failing(raising(StaysAway("returned 429"))), "disk full": full}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("real", profiles())
def test_everything_is_as_before_however_a_run_ends(real, ending, tmp_path):
    box = pbx(real)
    before = box.contents()
    safety = unsettled(box, tmp_path)
    assert ENDINGS[ending](box, safety, tmp_path) == []
    assert changed(box, before) == set()


@pytest.mark.parametrize("real", profiles())
def test_a_pbx_that_was_stopped_before_stays_so(real, tmp_path):
    box = pbx(real)
    box.engine.state.pbx.stop()
    safety, _ = guarded(box, real, EVERYTHING, tmp_path / "ledger")
    safety.target.send(Request("GET", stop_of(box)))
    assert safety.end() == []
    assert not box.engine.state.pbx.running


def test_a_pbx_that_does_not_start_again_is_reported(tmp_path):
    box = pbx("documented")
    safety = unsettled(box, tmp_path)
    inner = box.wire.send
    box.wire.send = lambda request: denied(request) if "pbxstart" in request.path else inner(request)
    assert any("the PBX is stopped, and could not be started" in line for line in safety.end())
    assert not read_ledger(tmp_path / "ledger").complete


# somebody else at work


@pytest.mark.parametrize("ending", [ends, dies])
def test_a_setting_that_somebody_else_has_changed_meanwhile_is_reported_and_left_alone(ending, tmp_path):
    box = pbx("documented")
    safety = unsettled(box, tmp_path, "write operational")
    administrator(box, LOGLEVEL="5")
    told = ending(box, safety, tmp_path)
    assert "/globals LOGLEVEL was changed by somebody else meanwhile and is not restored" in told
    assert any(line.startswith("/globals: LOGLEVEL") for line in told)
    assert (setting(box, "LOGLEVEL"), setting(box, "ABSTIMEOUT")) == ("5", "14400")
    assert not read_ledger(tmp_path / "ledger").complete


def test_a_setting_that_somebody_else_has_put_back_is_not_sent_again(tmp_path):
    box = pbx("documented")
    before = box.contents()
    safety = unsettled(box, tmp_path, "write operational")
    administrator(box, LOGLEVEL="0", ABSTIMEOUT="14400")
    box.wire.left.clear()
    assert safety.end() == []
    assert not [request for request in box.wire.left if (request.method, request.path) == ("PUT", "/globals")]
    assert changed(box, before) == set()


def test_a_run_does_not_go_on_changing_what_somebody_else_has_changed(tmp_path):
    box = pbx("documented")
    safety = unsettled(box, tmp_path, "write operational")
    administrator(box, LOGLEVEL="5")
    with pytest.raises(Withheld, match="LOGLEVEL was changed by somebody else meanwhile"):
        safety.target.send(with_json("PUT", "/globals", {"LOGLEVEL": "2"}))
    assert setting(box, "LOGLEVEL") == "5"


def test_rules_that_somebody_else_has_changed_meanwhile_are_left_alone(tmp_path):
    box = pbx("documented")
    safety = unsettled(box, tmp_path, "write operational")
    box.wire.inner.send(with_json("POST", "/firewalls/ipv4", {"rules": ["DROP net all"]}))
    assert any("/firewalls/ipv4 rules was changed by somebody else" in line for line in safety.end())
    assert box.wire.inner.send(Request("GET", "/firewalls/ipv4")).json == ["DROP net all"]


STORING = {"in upper case": str.upper, "as a number": lambda text: "12", "cut": lambda text: text[:3]}


@pytest.mark.parametrize("how", STORING)
@pytest.mark.parametrize("ending", [ends, dies])
def test_a_box_that_stores_a_value_in_its_own_way_has_it_back(how, ending, tmp_path):
    """What the run has left there is known from reading it again, not from what was sent."""
    box = pbx("documented")
    before = box.contents()
    safety, _ = guarded(box, "documented", "operational", tmp_path / "ledger")
    inner = box.wire.send

    def storing(request):
        response = inner(request)
        if request.method == "PUT" and b"sent value" in request.body:
            name, value = next(iter(json.loads(request.body).items()))
            administrator(box, **{name: STORING[how](value)})
        return response

    box.wire.send = storing
    for number in range(2):
        assert safety.target.send(with_json("PUT", "/globals", {"LDAPBASE": f"sent value {number}"})).response.ok
    assert changed(box, before) == {"globals"}
    assert ending(box, safety, tmp_path) == []
    assert changed(box, before) == set()


# several runs


def test_a_run_after_one_that_was_killed_leaves_its_rows_and_settings_to_its_clean_up(tmp_path):
    box = pbx("shipped")
    before = box.contents()
    killed = unsettled(box, tmp_path, "write operational")
    killed.ledger.close()
    (tmp_path / "next").mkdir()
    assert unsettled(box, tmp_path / "next", "write operational").end() == []
    assert CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish() == []
    assert changed(box, before) == set()


def test_two_runs_at_once_report_what_they_have_changed_for_each_other(tmp_path):
    box = pbx("shipped")
    (tmp_path / "other").mkdir()
    second, _ = guarded(box, "shipped", "write operational", tmp_path / "other" / "ledger")
    first = unsettled(box, tmp_path, "write operational")
    assert second.target.send(with_json("PUT", "/sysglobals", {"LOGLEVEL": "2"})).response.ok
    assert "/sysglobals LOGLEVEL was changed by somebody else meanwhile and is not restored" in first.end()
    assert any("LOGLEVEL" in line for line in second.end())
