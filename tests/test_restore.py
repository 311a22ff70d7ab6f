"""Snapshots and backups: random sequences of copies, changes and restores."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test

from sarkmock.http.engine import Engine
from tests.boxes import WAV, box, send, tables, upload, zipped

KEYS = st.sampled_from(["1001", "1002", "default"])
TEXTS = st.text(max_size=8)
# Requests that change a PBX: method and path, and body. {key} and {text} are replaced.
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("POST /tenants", {"pkey": "{key}", "description": "{text}"}),
    ("PUT /tenants/{key}", {"description": "{text}", "chanmax": "7"}),
    ("DELETE /tenants/{key}", {}),
    ("POST /agents", {"pkey": "{key}", "cluster": "default", "name": "Mary", "passwd": "2021"}),
    ("PUT /agents/{key}", {"name": "{text}", "passwd": "3021"}),
    ("DELETE /agents/{key}", {}),
    ("POST /extensions/mailbox", {"pkey": "{key}", "cluster": "default"}),
    ("DELETE /extensions/{key}", {}),
    ("POST /customapps", {"pkey": "{key}", "cluster": "default", "desc": "{text}"}),
    ("PUT /customapps/{key}", {"extcode": "{text}"}),
    ("POST /cosrules", {"pkey": "{key}", "dialplan": "_0."}),
    ("DELETE /cosrules/{key}", {}),
    ("POST /daytimers", {"cluster": "default", "desc": "{text}"}),
    ("DELETE /daytimers/1", {}),
    ("POST /holidaytimers", {"cluster": "default", "desc": "{text}"}),
    ("PUT /globals", {"SUPEMAIL": "a@example.org", "VOIPMAX": "9"}),
    ("PUT /templates/Aastra", {"desc": "{text}"}),
]


def filled(value: Any, key: str, text: str) -> Any:
    if isinstance(value, dict):
        return {name: filled(item, key, text) for name, item in value.items()}
    return {"{key}": key, "{text}": text}.get(value, value)


class Restoring(RuleBasedStateMachine):
    """A PBX, and its content at the time of each copy."""

    profile = "documented"
    copies: Bundle[Any] = Bundle("copies")

    @initialize()
    def fresh(self) -> None:
        self.pbx: Engine = box(self.profile)

    @rule(changes=st.lists(st.tuples(st.sampled_from(CHANGES), KEYS, TEXTS), min_size=3, max_size=12))
    def change(self, changes: list[tuple[tuple[str, dict[str, Any]], str, str]]) -> None:
        for (line, body), key, text in changes:
            assert send(self.pbx, line.replace("{key}", key), filled(body, key, text)).status != 500
        self.pbx.state.clock.advance(1)

    @rule(number=st.integers(1000, 1003))
    def add_greeting(self, number: int) -> None:
        upload(self.pbx, "/greetings", "greeting", f"usergreeting{number}.wav", WAV)

    @rule(number=st.integers(1000, 1003))
    def delete_greeting(self, number: int) -> None:
        send(self.pbx, f"DELETE /greetings/usergreeting{number}.wav")

    @rule(target=copies)
    def take_snapshot(self) -> Any:
        name = send(self.pbx, "GET /snapshots/new").body["newsnapshotname"]
        return "snapshots", name, tables(self.pbx), self.greetings_and_tick()

    @rule(target=copies)
    def take_backup(self) -> Any:
        name = send(self.pbx, "GET /backups/new").body["newbackupname"]
        return "backups", name, tables(self.pbx), self.greetings_and_tick()

    def greetings_and_tick(self) -> list[str]:
        """The current greetings. Advances the clock, so that the next copy has a different name."""
        self.pbx.state.clock.advance(1)
        greetings: list[str] = send(self.pbx, "GET /greetings").body
        return greetings

    @rule(copy=copies)
    def restore(self, copy: Any) -> None:
        kind, name, rows, _ = copy
        files = {path: file.content for path, file in self.pbx.state.files.items()}
        reply = send(self.pbx, f"PUT /{kind}/{name}", {"restoredb": True})
        assert (reply.status, reply.body) == (200, {"restored": name})
        assert tables(self.pbx) == rows
        assert {path: file.content for path, file in self.pbx.state.files.items()} == files

    @rule(copy=copies)
    def restore_other_parts(self, copy: Any) -> None:
        kind, name, _, greetings = copy
        flag = "restoreusergreeting" if self.profile == "documented" else "restoreusergreets"
        if kind == "backups":
            rows = tables(self.pbx)
            assert send(self.pbx, f"PUT /backups/{name}", {flag: True}).status == 200
            assert tables(self.pbx) == rows
            assert not greetings or send(self.pbx, "GET /greetings").body == greetings

    @rule(copy=copies)
    def download_delete_and_upload(self, copy: Any) -> None:
        kind, name, _, _ = copy
        content = send(self.pbx, f"GET /{kind}/{name}").body
        if kind == "snapshots" and self.profile == "shipped":
            return  # snapshot-upload-mime
        assert send(self.pbx, f"DELETE /{kind}/{name}").status == 204
        field, sent = ("uploadzip", content) if kind == "backups" else ("uploadsnap", zipped({"sark.db": content}))
        assert upload(self.pbx, f"/{kind}", field, name, sent).status == 200

    @rule(copy=consumes(copies))
    def delete(self, copy: Any) -> None:
        kind, name, _, _ = copy
        assert send(self.pbx, f"DELETE /{kind}/{name}").status == 204


@pytest.mark.parametrize("kind", ["snapshots", "backups"])
@pytest.mark.parametrize("table", box().state.tables.tables())
def test_every_table_is_restored(kind: str, table: str) -> None:
    pbx = box()
    columns = pbx.state.tables.columns(table)
    pbx.state.tables.insert(table, {column: str(number) for number, column in enumerate(columns)})
    name = next(iter(send(pbx, f"GET /{kind}/new").body.values()))
    before = tables(pbx)
    pbx.state.tables.delete(table, columns[0], "0")
    assert tables(pbx) != before
    assert send(pbx, f"PUT /{kind}/{name}", {"restoredb": True}).status == 200
    assert tables(pbx) == before


class RestoringShipped(Restoring):
    profile = "shipped"


@pytest.mark.parametrize("machine", [Restoring, RestoringShipped])
def test_copies_are_restored(machine: type[Restoring]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None, derandomize=True))
