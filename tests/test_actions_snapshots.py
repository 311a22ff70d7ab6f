"""Snapshots in both profiles: created, downloaded, uploaded and restored, including those of a real SARK."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from sarkmock.http.engine import Engine
from sarkmock.pbx import database as databases
from sarkmock.pbx.state import PbxFile
from tests.boxes import NOW, box, database, send, tables, upload, upload_all, zipped

NAME = f"sark.db.{NOW}"
# A SARK of a different version: different column order, additional columns and tables, a view and a trigger.
REAL = (
    "create table cluster (id integer primary key, extra text, operator text, pkey text unique, abstimeout text)",
    "insert into cluster values (1, 'x', 'System Operator', 'default', 14400), (2, 'x', '0', 'acme', 60)",
    "create table globals (pkey text primary key, VOIPMAX integer, nowhere text)",
    "insert into globals values ('global', 99, 'x')",
    "create table shell (pkey text); insert into shell values ('x')",
    "create view master as select pkey from cluster",
    "create trigger noted after update on cluster begin update cluster set extra = 'y' where id = new.id; end",
    "create index by_key on cluster (pkey)",
)


@pytest.fixture(params=["documented", "shipped"])
def pbx(request: pytest.FixtureRequest) -> Engine:
    return box(request.param)


def tenants(engine: Engine) -> list[str]:
    return [row["pkey"] for row in send(engine, "GET /tenants").body]


def test_a_snapshot_is_the_database_itself(pbx: Engine) -> None:
    send(pbx, "POST /tenants", {"pkey": "acme", "description": "Acme"})
    assert send(pbx, "GET /snapshots/new").body == {"newsnapshotname": NAME}
    reply = send(pbx, f"GET /snapshots/{NAME}")
    assert reply.content_type == "application/x-sqlite3"
    assert reply.headers["Content-Disposition"] == f"attachment; filename={NAME}"
    with closing(sqlite3.connect(":memory:")) as copy:
        copy.deserialize(reply.body)
        assert copy.execute("select pkey from cluster order by pkey").fetchall() == [("acme",), ("default",)]
    assert send(pbx, "GET /snapshots").body == {NAME: {"filesize": len(reply.body), "date": "Sat 01 Jun 10:00:00 2024"}}


def test_restore_restores_all_tables(pbx: Engine) -> None:
    send(pbx, "GET /snapshots/new")
    before = tables(pbx)
    send(pbx, "POST /tenants", {"pkey": "acme", "description": "Acme"})
    send(pbx, "PUT /templates/Aastra", {"desc": "changed"})
    assert send(pbx, f"PUT /snapshots/{NAME}", {}).body == {"restored": NAME}
    assert tables(pbx) == before


def test_a_snapshot_of_a_real_sark_is_restored(pbx: Engine) -> None:
    pbx.state.files[f"/opt/sark/snap/{NAME}"] = PbxFile(database(*REAL), NOW)
    assert send(pbx, f"PUT /snapshots/{NAME}").status == 200
    assert tenants(pbx) == ["acme", "default"]
    acme = send(pbx, "GET /tenants/acme").body
    assert (acme["operator"], acme["chanmax"]) == ("0", None)
    assert send(pbx, "GET /agents").body == []
    assert send(pbx, "POST /tenants", {"pkey": "later", "description": "Later"}).status == 201


def test_a_database_in_wal_mode_is_restored(pbx: Engine) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "sark.db"
        live = sqlite3.connect(file)
        live.execute("pragma journal_mode = wal")
        for statement in REAL:
            live.executescript(statement)
        live.close()
        pbx.state.files[f"/opt/sark/snap/{NAME}"] = PbxFile(file.read_bytes(), NOW)
    assert send(pbx, f"PUT /snapshots/{NAME}").status == 200
    assert tenants(pbx) == ["acme", "default"]


@pytest.mark.parametrize("name", ["sark.db.7", "sark.db.7.zip"])
def test_uploaded_zip_is_listed_as_snapshot(name: str) -> None:
    engine = box()
    reply = upload(engine, "/snapshots", "uploadsnap", name, zipped({"whatever": database(*REAL)}))
    assert (reply.status, reply.body) == (200, ["Uploaded snaps/sark.db.7"])
    assert list(send(engine, "GET /snapshots").body) == ["sark.db.7"]
    assert send(engine, "GET /snapshots/sark.db.7").body == database(*REAL)
    assert send(engine, "PUT /snapshots/sark.db.7").status == 200
    assert tenants(engine) == ["acme", "default"]


def infinite() -> bytes:
    """A database with an infinite view in place of a table."""
    rows = "with recursive n(pkey) as (select 1 union all select pkey + 1 from n) select pkey from n"
    return database("create table globals (pkey); insert into globals values (1)", f"create view cluster as {rows}")


def crowded() -> bytes:
    rows = f"with recursive n(k) as (select 1 union all select k + 1 from n limit {databases.MOST_ROWS + 1})"
    return database(*REAL, f"create table agent (pkey integer); {rows} insert into agent select k from n")


REJECTED = {
    "unzipped database": (lambda: database(*REAL), "must be a file of type: application/zip"),
    "empty zip file": (lambda: zipped({}), "must hold one database, not 0 files"),
    "two files": (lambda: zipped({"a": b"", "b": b""}), "must hold one database, not 2 files"),
    "text": (lambda: zipped({"sark.db": b"hello"}), "it is not a SQLite database"),
    "truncated database": (lambda: zipped({"sark.db": database(*REAL)[:5000]}), "cannot be restored"),
    "foreign database": (lambda: zipped({"sark.db": database("create table a (b)")}), "it is not a SARK database"),
    "no tenant": (lambda: zipped({"a": database(*REAL, "delete from cluster")}), "its table cluster is empty"),
    "infinite view": (lambda: zipped({"a": infinite()}), "its table cluster is empty"),
    "too many rows": (lambda: zipped({"a": crowded()}), "more than 100000 rows"),
    "binary data": (lambda: zipped({"a": database(*REAL, "update cluster set operator = x'ff00'")}), "binary data"),
    "infinity": (lambda: zipped({"a": database(*REAL, "update globals set VOIPMAX = 9e999")}), "out-of-range number"),
    "50 MB": (lambda: b"PK\3\4" + bytes(50 * 1024 * 1024), "may not be greater than 32768 kilobytes"),
}


@pytest.mark.parametrize("kind", REJECTED)
def test_rejected_upload_changes_nothing(kind: str) -> None:
    engine, (make, reason) = box(), REJECTED[kind]
    before = (engine.state.tables.dump(), dict(engine.state.files))
    content, began = make(), time.monotonic()
    reply = upload(engine, "/snapshots", "uploadsnap", "sark.db.1", content)
    assert time.monotonic() - began < 20
    assert reply.status == 422
    assert [reason in message for message in reply.body["uploadsnap"]] == [True]
    assert (engine.state.tables.dump(), engine.state.files) == before


def test_upload_must_have_snapshot_file_name() -> None:
    reply = upload(box(), "/snapshots", "uploadsnap", "snapshot.zip", zipped({"a": database(*REAL)}))
    assert reply.body == {
        "uploadsnap": ["The uploadsnap must be named sark.db.<epoch seconds> or sark.db.<epoch seconds>.zip."]}


@pytest.mark.parametrize("content", [zipped({"a": database(*REAL)}), database(*REAL)])
def test_shipped_product_rejects_real_snapshot(content: bytes) -> None:
    reply = upload(box("shipped"), "/snapshots", "uploadsnap", "sark.db.1", content)
    assert reply.body == {"uploadsnap": ["The uploadsnap must be a file of type: application/octet-stream."]}


def test_shipped_product_checks_uploadsnap_and_stores_uploadzip() -> None:
    engine = box("shipped")
    assert upload(engine, "/snapshots", "uploadsnap", "sark.db.1", b"\0\1\2").status == 500
    files = {"uploadsnap": ("x", b"\0\1\2"), "uploadzip": ("sark.db.1", b"text")}
    assert upload_all(engine, "/snapshots", files).body == ["Uploaded snaps/sark.db.1"]
    reply = send(engine, "PUT /snapshots/sark.db.1")
    assert reply.status == 422
    assert reply.body == {"Error": "sark.db.1 cannot be restored: it is not a SQLite database."}
    assert tenants(engine) == ["default"]


@pytest.mark.parametrize(("profile", "status"), [("documented", 404), ("shipped", 500)])
def test_download_of_missing_snapshot(profile: str, status: int) -> None:
    assert send(box(profile), "GET /snapshots/sark.db.1").status == status


def test_delete_and_restore_of_missing_snapshot(pbx: Engine) -> None:
    assert send(pbx, "DELETE /snapshots/sark.db.1").body == {"Error": "sark.db.1 not found in snapshot set"}
    assert send(pbx, "PUT /snapshots/sark.db.1").body == {"Error": "snapshot file not found"}
