"""`serve --state`: answered changes survive the process however it ends; invalid files are not modified."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import create_environ

from sarkmock import Engine, State, create_app, load_seed
from sarkmock.pbx.database import OLDEST
from sarkmock.pbx.persistence import Kept, Storage, version
from sarkmock.pbx.state import PbxFile
from sarkmock.pbx.state_file import StateFile
from sarkmock.spec.yaml12 import FileError
from tests.prefork import PROCESS
from tests.serving import mistake
from tests.serving import serving as serving_of

serving = partial(serving_of, command=PROCESS)  # signals must reach the server itself
KILLS = int(os.environ.get("SARKMOCK_KILLS", "3"))


def contents(state: State) -> object:
    """The whole content of a state."""
    return state.to_seed(), state.files, state.memory()


def loaded(file: Path) -> State:
    """The state with which a server that uses the file starts."""
    with closing(Storage(file)) as storage:
        state = State(storage.seed or load_seed("factory"), now=1000.0)
        storage.restore(state)
        return state


CHANGES = {
    "insert": lambda state, number: state.tables.insert("cluster", {"pkey": f"t{state.tables.changes}"}),
    "delete": lambda state, number: state.tables.delete("cluster", "pkey", f"t{number}"),
    "write": lambda state, number: state.files.update({f"/f{number}": PbxFile(b"%d" % number, 1.5 * number)}),
    "remove": lambda state, number: state.files.pop(f"/f{number}", None),
    "put": lambda state, number: state.astdb.update({("cfim", str(number)): "1"}),
    "call": lambda state, number: state.pbx.originate("1001", "1002", "internal", "x"),
    "wait": lambda state, number: state.clock.advance(number),
    "freeze": lambda state, number: setattr(state.clock, "frozen", 1000.0 + number),
    "roll": lambda state, number: state.draw().random(),
    "stop": lambda state, number: state.pbx.stop(),
    "records": lambda state, number: state.pbx.finished(),
    "reset": lambda state, number: state.reset(),
    "reseed": lambda state, number: state.reseed(load_seed("empty")),
}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from(list(CHANGES)), st.integers(0, 9)), max_size=4), max_size=4))
def test_all_changes_are_restored(tmp_path_factory, saves):
    file = tmp_path_factory.mktemp("storage") / "state"
    state = State(load_seed("demo"), now=1000.0)
    with closing(Storage(file)) as storage:
        storage.save(state)
        for changes in saves:
            for name, number in changes:
                CHANGES[name](state, number)
            storage.save(state)
    restored = loaded(file)
    assert contents(restored) == contents(state)
    restored.reset()
    state.reset()
    assert contents(restored) == contents(state)


def test_small_change_is_a_small_write(tmp_path, monkeypatch):
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
    with urllib.request.urlopen(request, timeout=5) as response:
        assert response.status == 201


def post_until_killed(url: str, first: int, created: list[int]) -> None:
    for number in range(first, first + 100_000):
        try:
            post(url, number)
        except OSError:
            return
        created.append(number)


def test_answered_changes_survive_sigkill_at_random_moments(tmp_path):
    file, created, rng = tmp_path / "state", [], random.Random()
    for _ in range(KILLS):
        with serving("--http", "--state", str(file)) as running:
            client = threading.Thread(target=post_until_killed, args=(running.url, len(created) + 1000, created))
            before = len(created)
            client.start()
            time.sleep(rng.uniform(0, 0.6))
            running.stop(signal.SIGKILL)
            client.join()
        assert len(created) >= before
        with serving("--http", "--state", str(file)) as running:
            stored = {row["pkey"] for row in json.loads(running.get("/api/tenants"))}
            assert {f"t{number}" for number in created} - stored == set()
            assert len(stored - {f"t{number}" for number in created}) <= 2  # default, and one in flight
            created[:] = [int(key[1:]) for key in stored if key != "default"]
    assert created


def post_until_rejected(url: str, first: int) -> list[int]:
    """Create tenants until one is rejected with 500, and return the numbers of those that were created."""
    created: list[int] = []
    for number in range(first, first + 1000):
        try:
            post(url, number)
        except urllib.error.HTTPError as rejection:
            response = rejection.code, rejection.read()
            break
        created.append(number)
    assert response[0] == 500
    assert b"The state cannot be saved" in response[1]
    return created


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux to limit another process")
def test_change_that_does_not_fit_is_undone_and_later_ones_are_kept(tmp_path):
    file = tmp_path / "state"
    with serving("--http", "--state", str(file)) as running:
        hard = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)[1]
        created = []
        for first in (1000, 3000):
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (file.stat().st_size + 100_000, hard))
            created += post_until_rejected(running.url, first)
            stored = {row["pkey"] for row in json.loads(running.get("/api/tenants"))}
            assert stored == {"default", *(f"t{number}" for number in created)}
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            post(running.url, first + 1500)
            created.append(first + 1500)
        running.stop(signal.SIGKILL)
    assert len(created) > 4
    keys = {row["pkey"] for row in loaded(file).tables.rows("cluster")}
    assert keys == {"default", *(f"t{number}" for number in created)}


def test_server_killed_during_start_leaves_a_usable_file(tmp_path):
    file = tmp_path / "state"
    for wait in (0.3, 0.4, 0.5, 0.6, 0.7):
        process = subprocess.Popen([*PROCESS, "serve", "--port", "0", "--state", str(file)], stdout=subprocess.DEVNULL)
        time.sleep(wait)
        process.kill()
        process.wait()
    with serving("--http", "--state", str(file)) as running:
        assert len(json.loads(running.get("/api/tenants"))) == 1


def test_reset_and_its_seed_are_persisted(tmp_path):
    file = str(tmp_path / "state")
    with serving("--http", "--state", file, "--seed", "demo") as running:
        post(running.url, 1)
        running.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    with serving("--http", "--state", file) as running:
        assert len(json.loads(running.get("/api/tenants"))) == 3
        running.post("/_mock/reset")
        running.stop(signal.SIGKILL)
    with serving("--http", "--state", file) as running:
        assert [row["pkey"] for row in json.loads(running.get("/api/tenants"))] == ["default", "workshop"]


def test_two_servers_cannot_share_a_file(tmp_path):
    file = tmp_path / "state"
    with serving("--http", "--state", str(file)) as running:
        assert mistake("serve", "--port", "0", "--state", str(file)) == f"{file}: is in use by another server"
        post(running.url, 1)


# invalid files


WRITES = 6


def killed(file: Path, writes: int = WRITES) -> State:
    """Write to the file as a server that is then killed, and return the state."""
    state = State(load_seed("demo"), now=1000.0)
    storage = Storage(file)
    storage.save(state)
    for number in range(writes - 1):
        CHANGES["insert"](state, number)
        CHANGES["write"](state, number)
        storage.save(state)
    os.close(storage._file._handle)
    return state


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_after_a_kill_is_reported_or_harmless(
        tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("damaged")
    file = directory / "state"
    state = killed(file)
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)):]
    else:
        end = data.draw(st.sampled_from([60, len(content)]))  # the header is at the start
        content[data.draw(st.integers(0, end - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    message, state_after = "", None
    try:
        state_after = loaded(file)
    except FileError as error:
        message = str(error)
    if state_after is None:
        assert (message.startswith(f"{file}: "), "\n" in message, file.read_bytes()) == (True, False, bytes(content))
        assert list(directory.iterdir()) == [file]
    else:
        assert contents(state_after) == contents(state)


def test_salvage_restores_readable_changes(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)  # exFAT has no hard links
    file = tmp_path / "state"
    killed(file)
    content = file.read_bytes()
    file.write_bytes(content[:-10])
    with pytest.raises(FileError, match=r"6 changes were kept.*the first 5 changes can be read; --salvage"):
        Storage(file)
    with closing(Storage(file, salvage=True)) as storage:
        state = State(storage.seed, now=1000.0)
        storage.restore(state)
        state.tables.insert("cluster", {"pkey": "after"})
        storage.save(state)
    assert (tmp_path / "state.damaged").read_bytes() == content[:-10]
    keys = {row["pkey"] for row in loaded(file).tables.rows("cluster")}
    assert {"default", "workshop", "after"} < keys
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(FileError, match=r"state\.damaged: is in the way: rename or delete it"):
        Storage(file, salvage=True)


def test_incomplete_last_write_is_ignored(tmp_path):
    file = tmp_path / "state"
    state = killed(file)
    with file.open("ab") as stream:
        stream.write(b"\0\0\0\x20half a frame")
    assert contents(loaded(file)) == contents(state)


def test_file_is_compacted(tmp_path):
    file = tmp_path / "state"
    state = State(load_seed("demo"), now=1000.0)
    with closing(Storage(file)) as storage:
        for number in range(40):
            state.files["/large"] = PbxFile(bytes([number]) * 500_000, 1.0)
            storage.save(state)
        assert file.stat().st_size < 12_000_000
    assert contents(loaded(file)) == contents(state)
    assert list(tmp_path.iterdir()) == [file]


def test_file_is_readable_by_its_owner_only(tmp_path):
    file = tmp_path / "state"
    killed(file)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("harm", [Path.unlink, lambda file: file.rename(f"{file}.away"),
                                  lambda file: (file.unlink(), file.write_bytes(b"")),
                                  lambda file: file.write_bytes(b""), lambda file: os.truncate(file, 5000),
                                  lambda file: file.write_bytes(bytes(file.stat().st_size))])
def test_file_that_is_deleted_or_replaced_while_in_use_is_reported(tmp_path, harm):
    file = tmp_path / "state"
    state = State(load_seed("demo"), now=1000.0)
    storage = Storage(file)
    storage.save(state)
    storage.save(state)
    harm(file)
    storage.save(state)
    state.tables.insert("cluster", {"pkey": "lost"})
    with pytest.raises(OSError, match="was deleted, replaced or changed by another program"):
        storage.save(state)
    assert "lost" not in {row["pkey"] for row in state.tables.rows("cluster")}
    with pytest.raises(FileError, match="was deleted, replaced or changed by another program"):
        storage.close()


@pytest.mark.parametrize(("make", "message"), [
    (lambda file: file.write_text("tables: {}\n"), "is not a state file of sarkmock; it is not changed"),
    (lambda file: file.write_bytes(b""), "is empty, its contents are lost; delete it to start again"),
    (lambda file: file.write_bytes(b"sarkmock st"), "is damaged (it ends at byte 11)"),
    (lambda file: StateFile(file, 7, lambda parts: None).close(), "was written by another version of sarkmock"),
    (lambda file: (killed(file), remove_part(file, "machine")), "is damaged"),
])
def test_invalid_file_is_reported(tmp_path, make, message):
    file = tmp_path / "state"
    make(file)
    before = file.read_bytes()
    assert mistake("serve", "--port", "0", "--state", str(file)).startswith(f"{file}: {message}")
    assert file.read_bytes() == before


def remove_part(file: Path, part: str) -> None:
    with closing(StateFile(file, version(OLDEST), lambda parts: None)) as state_file:
        state_file.write({}, [(part, 0)])


def test_file_of_another_user_is_reported(tmp_path, monkeypatch):
    """A file that all may write to; only its owner can change its mode."""
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    killed(tmp_path / "state")
    monkeypatch.setattr(os, "fchmod", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(FileError, match="state: belongs to another user"):
        Storage(tmp_path / "state")


def test_impossible_path_is_reported(tmp_path):
    assert "is a directory" in mistake("serve", "--port", "0", "--state", str(tmp_path))
    assert "No such file or directory" in mistake("serve", "--port", "0", "--state", str(tmp_path / "no" / "state"))


def send(app, method: str, path: str, body: object = None) -> tuple[int, object]:
    started = []
    environ = create_environ(f"/api/{path}", method=method, json=body) if body else create_environ(
        f"/api/{path}", method=method)
    text = b"".join(app(environ, lambda *response: started.append(response)))
    return int(started[-1][0][:3]), json.loads(text) if text else None


def test_change_that_cannot_be_saved_is_undone_and_reads_work(tmp_path, monkeypatch):
    engine = Engine()
    with closing(Storage(tmp_path / "state")) as storage:
        app = Kept(create_app(engine), engine.state, storage, engine.lock)
        assert send(app, "POST", "tenants", {"pkey": "first", "description": "kept"})[0] == 201
        before = contents(engine.state)
        pwrite = os.pwrite
        monkeypatch.setattr(os, "pwrite", full_disk)
        for _ in range(3):
            status, body = send(app, "POST", "tenants", {"pkey": "second", "description": "not kept"})
            assert (status, body) == (500, {"message": "The state cannot be saved: [Errno 28] No space left on device"})
            assert contents(engine.state) == before
            assert [row["pkey"] for row in send(app, "GET", "tenants")[1]] == ["default", "first"]
        monkeypatch.setattr(os, "pwrite", pwrite)
        assert send(app, "POST", "tenants", {"pkey": "second", "description": "kept"})[0] == 201
    assert contents(loaded(tmp_path / "state")) == contents(engine.state)


def full_disk(handle: int, data: bytes, at: int) -> int:
    raise OSError(28, "No space left on device")


def test_change_undone_with_another_is_not_a_success(tmp_path):
    engine = Engine()
    with closing(Storage(tmp_path / "state")) as storage:
        inner = create_app(engine)

        def meanwhile(environ, start_response):
            response = inner(environ, start_response)
            storage.undone += 1  # another request's change could not be saved
            return response

        storage.save(engine.state)
        app = Kept(meanwhile, engine.state, storage, engine.lock)
        assert send(app, "POST", "tenants", {"pkey": "first", "description": "x"})[0] == 500
        assert send(app, "GET", "tenants")[0] == 200


def test_change_of_dropped_request_is_saved():
    saved = []

    class RecordingStorage:
        undone = 0

        def save(self, state):
            saved.append(state)

    def dropping(environ, start_response):
        raise ConnectionResetError

    engine = Engine()
    with pytest.raises(ConnectionResetError):
        Kept(dropping, engine.state, RecordingStorage(), engine.lock)({}, print)
    assert saved == [engine.state]
