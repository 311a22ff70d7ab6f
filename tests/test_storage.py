"""`serve --state`: what was answered outlives the process, however it ends; a file that is not right is left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import create_environ

from sarkmock import Engine, State, create_app, load_seed
from sarkmock.pbx.persistence import Kept, Storage
from sarkmock.pbx.state import File
from sarkmock.pbx.state_file import StateFile
from sarkmock.spec.yaml12 import FileError
from tests.serving import COMMAND, mistake, serving

KILLS = int(os.environ.get("SARKMOCK_KILLS", "3"))


def contents(state: State) -> object:
    """Everything that a state remembers."""
    return state.to_seed(), state.files, state.memory()


def kept(file: Path) -> State:
    """A state as a server finds it that starts with the file."""
    with closing(Storage(file)) as storage:
        state = State(storage.seed or load_seed("factory"), now=1000.0)
        storage.restore(state)
        return state


CHANGES = {
    "insert": lambda state, number: state.tables.insert("cluster", {"pkey": f"t{state.tables.changes}"}),
    "delete": lambda state, number: state.tables.delete("cluster", "pkey", f"t{number}"),
    "write": lambda state, number: state.files.update({f"/f{number}": File(b"%d" % number, 1.5 * number)}),
    "remove": lambda state, number: state.files.pop(f"/f{number}", None),
    "put": lambda state, number: state.astdb.update({("cfim", str(number)): "1"}),
    "call": lambda state, number: state.pbx.originate("1001", "1002", "internal", "x"),
    "wait": lambda state, number: state.clock.advance(number),
    "freeze": lambda state, number: setattr(state.clock, "frozen", 1000.0 + number),
    "roll": lambda state, number: state.dice.random(),
    "stop": lambda state, number: state.pbx.stop(),
    "records": lambda state, number: state.pbx.finished(),
    "reset": lambda state, number: state.reset(),
    "reseed": lambda state, number: state.reseed(load_seed("empty")),
}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from(list(CHANGES)), st.integers(0, 9)), max_size=4), max_size=4))
def test_whatever_happens_is_there_again(tmp_path_factory, saves):
    file = tmp_path_factory.mktemp("storage") / "state"
    state = State(load_seed("demo"), now=1000.0)
    with closing(Storage(file)) as storage:
        storage.save(state)
        for changes in saves:
            for name, number in changes:
                CHANGES[name](state, number)
            storage.save(state)
    again = kept(file)
    assert contents(again) == contents(state)
    again.reset()
    state.reset()
    assert contents(again) == contents(state)


def test_a_small_change_is_a_small_write(tmp_path, monkeypatch):
    written = []
    write = StateFile.write
    monkeypatch.setattr(StateFile, "write", lambda file, changed, gone: (written.append(changed),
                                                                         write(file, changed, gone)))
    state = State(load_seed("big"))
    with closing(Storage(tmp_path / "state")) as storage:
        storage.save(state)
        storage.save(state)
        state.tables.update("ipphone", "pkey", "15000", {"desc": "Changed"})
        storage.save(state)
    first, second = (sum(map(len, changed.values())) for changed in written)
    assert first > 1_000_000
    assert 0 < second < 30_000


# servers


def post(url: str, number: int) -> None:
    body = json.dumps({"pkey": f"t{number}", "description": "kept"}).encode()
    request = urllib.request.Request(f"{url}/tenants", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 201


def post_until_killed(url: str, first: int, answered: list[int]) -> None:
    for number in range(first, first + 100_000):
        try:
            post(url, number)
        except OSError:
            return
        answered.append(number)


def test_what_was_answered_survives_sigkill_at_random_moments(tmp_path):
    file, answered, dice = tmp_path / "state", [], random.Random()
    for _ in range(KILLS):
        with serving("--http", "--state", str(file)) as running:
            client = threading.Thread(target=post_until_killed, args=(running.url, len(answered) + 1000, answered))
            before = len(answered)
            client.start()
            time.sleep(dice.uniform(0, 0.6))
            running.stop(signal.SIGKILL)
            client.join()
        assert len(answered) >= before
        with serving("--http", "--state", str(file)) as running:
            there = {row["pkey"] for row in json.loads(running.get("/api/tenants"))}
            assert {f"t{number}" for number in answered} - there == set()
            assert len(there - {f"t{number}" for number in answered}) <= 2  # the default one, and one on its way
            answered[:] = [int(key[1:]) for key in there if key != "default"]
    assert answered


def test_a_server_killed_while_it_starts_leaves_a_file_that_the_next_can_use(tmp_path):
    file = tmp_path / "state"
    for wait in (0.3, 0.4, 0.5, 0.6, 0.7):
        process = subprocess.Popen([*COMMAND, "serve", "--port", "0", "--state", str(file)], stdout=subprocess.DEVNULL)
        time.sleep(wait)
        process.kill()
        process.wait()
    with serving("--http", "--state", str(file)) as running:
        assert len(json.loads(running.get("/api/tenants"))) == 1


def test_a_reset_and_the_seed_of_a_reset_are_kept(tmp_path):
    file = str(tmp_path / "state")
    with serving("--http", "--state", file, "--seed", "demo") as running:
        post(running.url, 1)
        running.stop()
    assert not (tmp_path / "state-wal").exists()
    with serving("--http", "--state", file) as running:
        assert len(json.loads(running.get("/api/tenants"))) == 3
        running.post("/_mock/reset")
        running.stop(signal.SIGKILL)
    with serving("--http", "--state", file) as running:
        assert [row["pkey"] for row in json.loads(running.get("/api/tenants"))] == ["default", "workshop"]


def test_two_servers_do_not_share_a_file(tmp_path):
    file = tmp_path / "state"
    with serving("--http", "--state", str(file)) as running:
        assert mistake("serve", "--port", "0", "--state", str(file)) == f"{file}: is in use by another server"
        post(running.url, 1)


# files that are not right


def damaged(file: Path) -> bytes:
    """A state file with something in it."""
    with closing(Storage(file)) as storage:
        storage.save(State(load_seed("demo"), now=1000.0))
    return file.read_bytes()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_told_or_harmless_and_never_touched(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("damaged") / "state"
    content = bytearray(damaged(file))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(1, len(content) - 1)):]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    told, state = "", None
    try:
        state = kept(file)
    except FileError as error:
        told = str(error)
    if state is None:
        assert (told.startswith(f"{file}: "), "\n" in told, file.read_bytes()) == (True, False, bytes(content))
    else:
        assert contents(state) == contents(State(load_seed("demo"), now=1000.0))


def foreign(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.executescript(statement)


@pytest.mark.parametrize(("make", "said"), [
    (lambda file: file.write_text("tables: {}\n"), "is no state file of sarkmock; it is left as it is"),
    (lambda file: foreign(file, "CREATE TABLE mine (a)"), "is no state file of sarkmock"),
    (lambda file: (damaged(file), foreign(file, "PRAGMA user_version = 7")), "was written by another version"),
    (lambda file: (damaged(file), foreign(file, "DELETE FROM part WHERE name = 'machine'")), "is damaged"),
])
def test_a_file_that_is_not_right_is_one_line(tmp_path, make, said):
    file = tmp_path / "state"
    make(file)
    before = file.read_bytes()
    assert mistake("serve", "--port", "0", "--state", str(file)).startswith(f"{file}: {said}")
    assert file.read_bytes() == before


def test_a_place_where_no_file_can_be_is_one_line(tmp_path):
    assert "is a directory" in mistake("serve", "--port", "0", "--state", str(tmp_path))
    assert "No such file or directory" in mistake("serve", "--port", "0", "--state", str(tmp_path / "no" / "state"))


def test_a_change_that_cannot_be_kept_is_no_success():
    class Full:
        def save(self, state):
            raise OSError("disk full")

    engine, started = Engine(), []
    app = Kept(create_app(engine), engine.state, Full(), engine.lock)
    body = b"".join(app(create_environ("/api/tenants"), lambda *answer: started.append(answer)))
    assert (started[-1][0], json.loads(body)) == (
        "500 Internal Server Error", {"message": "The state cannot be kept: disk full"})


def test_what_a_dropped_request_did_is_kept_all_the_same():
    saved = []

    class Noting:
        def save(self, state):
            saved.append(state)

    def dropping(environ, start_response):
        raise ConnectionResetError

    engine = Engine()
    with pytest.raises(ConnectionResetError):
        Kept(dropping, engine.state, Noting(), engine.lock)({}, print)
    assert saved == [engine.state]
