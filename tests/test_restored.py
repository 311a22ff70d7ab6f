"""Settings, firewall rules and the running PBX are restored however a run ends; changes of others are kept."""

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

from sarkmock import profile_names
from tests.guarded import Box, guarded

RULES = with_json("POST", "/firewalls/ipv4", {"rules": ["ACCEPT net $FW udp 5060"]})
EVERYTHING = "write operational disruptive"


def pbx(profile):
    """A box whose firewall has a rule."""
    box = Box(profile)
    assert box.wire.inner.send(RULES).ok
    return box


def settings_path(box):
    return "/globals" if "/globals" in {operation.path for operation in box.engine.operations} else "/sysglobals"


def stop_path(box):
    return next(operation.path for operation in box.engine.operations if operation.id == "syscommands.pbxstop")


def changed_parts(box, before):
    now = box.contents()
    return {name for name in before if now[name] != before[name]}


def administrator(box, **values):
    """Another administrator changes settings during the run."""
    box.engine.state.tables.update("globals", "pkey", "global", values)


def setting_value(box, name):
    return str(box.engine.state.tables.first("globals", "pkey", "global")[name])


def unfinished_run(box, tmp_path, hazards=EVERYTHING):
    """An unfinished run that has created a row, changed settings and rules, and stopped the PBX."""
    safety, fixtures = guarded(box, "documented", hazards, tmp_path / "ledger")
    with suppress(Unavailable):
        fixtures.make(fixtures.contract.by_id["agents.create"])
    assert safety.target.send(with_json("PUT", settings_path(box), {"LOGLEVEL": "3", "ABSTIMEOUT": "77"})).response.ok
    safety.target.send(with_json("POST", "/firewalls/ipv4", {"rules": ["ACCEPT net $FW tcp 22"]}))
    if "disruptive" in hazards:
        assert safety.target.send(Request("GET", stop_path(box))).response.ok
        assert not box.engine.state.pbx.running
    return safety


def end_run(box, safety, tmp_path):
    return safety.end()


def kill_run_and_clean_up(box, safety, tmp_path):
    safety.ledger.close()
    return CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish()


def failing(reason):
    """Every request of the run's own clean-up fails; a later clean-up can reach the box."""
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


def fill_disk(box, safety, tmp_path):
    """The ledger cannot be written any more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledgers.os, "write", lambda *_: raising(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))(None))
        with pytest.raises(BadLedger, match="No space left"):
            safety.target.send(with_json("PUT", settings_path(box), {"LOGLEVEL": "2"}))
        return safety.end()


ENDINGS = {"ends": end_run, "killed": kill_run_and_clean_up, "lost token": failing(denied),
           "no network": failing(raising(Unanswered("x"))),
           "always 429": failing(raising(StaysAway("returned 429"))), "disk full": fill_disk}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("real", profile_names())
def test_everything_is_restored_however_a_run_ends(real, ending, tmp_path):
    box = pbx(real)
    before = box.contents()
    safety = unfinished_run(box, tmp_path)
    assert ENDINGS[ending](box, safety, tmp_path) == []
    assert changed_parts(box, before) == set()


@pytest.mark.parametrize("real", profile_names())
def test_pbx_that_was_stopped_before_stays_stopped(real, tmp_path):
    box = pbx(real)
    box.engine.state.pbx.stop()
    safety, _ = guarded(box, real, EVERYTHING, tmp_path / "ledger")
    safety.target.send(Request("GET", stop_path(box)))
    assert safety.end() == []
    assert not box.engine.state.pbx.running


def test_pbx_that_does_not_start_again_is_reported(tmp_path):
    box = pbx("documented")
    safety = unfinished_run(box, tmp_path)
    inner = box.wire.send
    box.wire.send = lambda request: denied(request) if "pbxstart" in request.path else inner(request)
    assert any("the PBX is stopped, and could not be started" in line for line in safety.end())
    assert not read_ledger(tmp_path / "ledger").complete


# changes of others


@pytest.mark.parametrize("ending", [end_run, kill_run_and_clean_up])
def test_setting_changed_by_others_is_reported_and_kept(ending, tmp_path):
    box = pbx("documented")
    safety = unfinished_run(box, tmp_path, "write operational")
    administrator(box, LOGLEVEL="5")
    residue = ending(box, safety, tmp_path)
    assert "/globals LOGLEVEL was changed by somebody else meanwhile and is not restored" in residue
    assert any(line.startswith("/globals: LOGLEVEL") for line in residue)
    assert (setting_value(box, "LOGLEVEL"), setting_value(box, "ABSTIMEOUT")) == ("5", "14400")
    assert not read_ledger(tmp_path / "ledger").complete


def test_setting_restored_by_others_is_not_sent_again(tmp_path):
    box = pbx("documented")
    before = box.contents()
    safety = unfinished_run(box, tmp_path, "write operational")
    administrator(box, LOGLEVEL="0", ABSTIMEOUT="14400")
    box.wire.left.clear()
    assert safety.end() == []
    assert not [request for request in box.wire.left if (request.method, request.path) == ("PUT", "/globals")]
    assert changed_parts(box, before) == set()


def test_run_does_not_overwrite_changes_of_others(tmp_path):
    box = pbx("documented")
    safety = unfinished_run(box, tmp_path, "write operational")
    administrator(box, LOGLEVEL="5")
    with pytest.raises(Withheld, match="LOGLEVEL was changed by somebody else meanwhile"):
        safety.target.send(with_json("PUT", "/globals", {"LOGLEVEL": "2"}))
    assert setting_value(box, "LOGLEVEL") == "5"


def test_rules_changed_by_others_are_kept(tmp_path):
    box = pbx("documented")
    safety = unfinished_run(box, tmp_path, "write operational")
    box.wire.inner.send(with_json("POST", "/firewalls/ipv4", {"rules": ["DROP net all"]}))
    assert any("/firewalls/ipv4 rules was changed by somebody else" in line for line in safety.end())
    assert box.wire.inner.send(Request("GET", "/firewalls/ipv4")).json == ["DROP net all"]


STORING = {"in upper case": str.upper, "as a number": lambda text: "12", "cut": lambda text: text[:3]}


@pytest.mark.parametrize("form", STORING)
@pytest.mark.parametrize("ending", [end_run, kill_run_and_clean_up])
def test_value_that_the_box_stores_in_another_form_is_restored(form, ending, tmp_path):
    """The run reads the stored value again instead of trusting the value that it sent."""
    box = pbx("documented")
    before = box.contents()
    safety, _ = guarded(box, "documented", "operational", tmp_path / "ledger")
    inner = box.wire.send

    def storing(request):
        response = inner(request)
        if request.method == "PUT" and b"sent value" in request.body:
            name, value = next(iter(json.loads(request.body).items()))
            administrator(box, **{name: STORING[form](value)})
        return response

    box.wire.send = storing
    for number in range(2):
        assert safety.target.send(with_json("PUT", "/globals", {"LDAPBASE": f"sent value {number}"})).response.ok
    assert changed_parts(box, before) == {"globals"}
    assert ending(box, safety, tmp_path) == []
    assert changed_parts(box, before) == set()


# several runs


def test_run_after_a_killed_run_leaves_its_residue_to_its_clean_up(tmp_path):
    box = pbx("shipped")
    before = box.contents()
    killed = unfinished_run(box, tmp_path, "write operational")
    killed.ledger.close()
    (tmp_path / "next").mkdir()
    assert unfinished_run(box, tmp_path / "next", "write operational").end() == []
    assert CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish() == []
    assert changed_parts(box, before) == set()


def test_concurrent_runs_report_settings_that_both_changed(tmp_path):
    box = pbx("shipped")
    (tmp_path / "other").mkdir()
    second, _ = guarded(box, "shipped", "write operational", tmp_path / "other" / "ledger")
    first = unfinished_run(box, tmp_path, "write operational")
    assert second.target.send(with_json("PUT", "/sysglobals", {"LOGLEVEL": "2"})).response.ok
    assert "/sysglobals LOGLEVEL was changed by somebody else meanwhile and is not restored" in first.end()
    assert any("LOGLEVEL" in line for line in second.end())
