"""Backups in both profiles: content, restore and rejected uploads."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from sarkmock.http.engine import Engine
from sarkmock.pbx.actions import backups, stored
from sarkmock.pbx.state import PbxFile
from tests.boxes import NOW, WAV, box, database, send, upload, zipped

NAME = f"sarkbak.{NOW}.zip"
VOICEMAIL = "/var/spool/asterisk/voicemail/default/1001/INBOX/msg0000.wav"


@pytest.fixture(params=["documented", "shipped"])
def pbx(request: pytest.FixtureRequest) -> Engine:
    return box(request.param)


def test_a_backup_is_a_zip_file_of_the_pbx(pbx: Engine) -> None:
    upload(pbx, "/greetings", "greeting", "usergreeting1001.wav", WAV)
    pbx.state.files[VOICEMAIL] = PbxFile(b"hello", NOW)
    assert send(pbx, "GET /backups/new").body == {"newbackupname": NAME}
    reply = send(pbx, f"GET /backups/{NAME}")
    assert reply.content_type == "application/zip"
    assert reply.headers["Content-Disposition"] == f"attachment; filename={NAME}"
    archive = zipfile.ZipFile(io.BytesIO(reply.body))
    assert archive.testzip() is None
    assert {"opt/sark/db/sark.db", "etc/asterisk/sip.conf", "etc/shorewall/sark_rules", "tmp/sark.local.ldif",
            "usr/share/asterisk/sounds/usergreeting1001.wav", VOICEMAIL[1:]} <= set(archive.namelist())
    assert archive.read("opt/sark/db/sark.db").startswith(b"SQLite format 3\0")
    assert send(pbx, "GET /backups").body == {NAME: {"filesize": len(reply.body), "date": "Sat 01 Jun 10:00:00 2024"}}


def test_full_disk_is_reported_and_stores_nothing(pbx: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "DISK", 2 * len(WAV))
    upload(pbx, "/greetings", "greeting", "usergreeting1001.wav", WAV)
    before = dict(pbx.state.files)
    second = upload(pbx, "/greetings", "greeting", "usergreeting1002.wav", WAV * 2)
    for reply in (second, send(pbx, "GET /backups/new")):
        assert reply.status == 500
        assert "No space left on device" in str(reply.body)
    assert pbx.state.files == before


def test_a_large_backup_is_not_compressed(pbx: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "MOST_COMPRESSED", 1000)
    name = send(pbx, "GET /backups/new").body["newbackupname"]
    members = zipfile.ZipFile(io.BytesIO(send(pbx, f"GET /backups/{name}").body)).infolist()
    assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}


def test_backups_are_listed_by_descending_name(pbx: Engine) -> None:
    for second in (5, 500_000_000, 70):
        pbx.state.clock.frozen = second
        send(pbx, "GET /backups/new")
    assert list(send(pbx, "GET /backups").body) == [
        "sarkbak.70.zip", "sarkbak.500000000.zip", "sarkbak.5.zip"]  # by name, as the product does


def change_everything(engine: Engine) -> None:
    send(engine, "POST /tenants", {"pkey": "later", "description": "Later"})
    upload(engine, "/greetings", "greeting", "usergreeting2002.wav", WAV)
    for path in ("/etc/asterisk/sip.conf", VOICEMAIL, "/var/lib/ldap/sark.local.ldif"):
        engine.state.files[path] = PbxFile(b"changed", NOW)
    engine.state.files["/etc/asterisk/later.conf"] = PbxFile(b"new", NOW)


def differing(engine: Engine, before: dict[str, bytes]) -> set[str]:
    """The parts that differ from ``before``."""
    parts = {"db": tenants(engine) != ["default"]}
    now = {path: file.content for path, file in engine.state.files.items()}
    for part, prefix in {"asterisk": "/etc/asterisk/", "greetings": "/usr/share/asterisk/sounds/usergreeting",
                         "vmail": "/var/spool/", "ldap": "/var/lib/ldap/"}.items():
        parts[part] = below(prefix, now) != below(prefix, before)
    return {part for part, differs in parts.items() if differs}


def below(prefix: str, content: dict[str, bytes]) -> dict[str, bytes]:
    return {path: value for path, value in content.items() if path.startswith(prefix)}


def tenants(engine: Engine) -> list[str]:
    return [row["pkey"] for row in send(engine, "GET /tenants").body]


ALL = {"db", "asterisk", "greetings", "vmail", "ldap"}
FLAGS = {"restoredb": "db", "restoreasterisk": "asterisk", "restoreusergreeting": "greetings", "restorevmail": "vmail",
         "restoreldap": "ldap"}


def changed_pbx(profile: str) -> tuple[Engine, dict[str, bytes]]:
    engine = box(profile)
    engine.state.files[VOICEMAIL] = PbxFile(b"hello", NOW)
    upload(engine, "/greetings", "greeting", "usergreeting1001.wav", WAV)
    before = {path: file.content for path, file in engine.state.files.items()}
    send(engine, "GET /backups/new")
    change_everything(engine)
    assert differing(engine, before) == ALL
    return engine, before


@pytest.mark.parametrize("flag", FLAGS)
def test_restore_restores_only_flagged_parts(flag: str) -> None:
    engine, before = changed_pbx("documented")
    assert send(engine, f"PUT /backups/{NAME}", {flag: True}).body == {"restored": NAME}
    assert differing(engine, before) == ALL - {FLAGS[flag]}


def test_all_parts_can_be_restored_at_once() -> None:
    engine, before = changed_pbx("documented")
    send(engine, f"PUT /backups/{NAME}", dict.fromkeys(FLAGS, True))
    assert differing(engine, before) == set()


@pytest.mark.parametrize("value", [1, "1", False, 0, "0", None])
def test_restore_flag_must_be_json_true(value: Any) -> None:
    engine, before = changed_pbx("documented")
    reply = send(engine, f"PUT /backups/{NAME}", dict.fromkeys(FLAGS, value))
    assert reply.status == (422 if value is None else 200)
    assert differing(engine, before) == ALL


def test_shipped_restore_uses_different_flag_for_greetings() -> None:
    engine, before = changed_pbx("shipped")
    send(engine, f"PUT /backups/{NAME}", dict.fromkeys(FLAGS, True))
    assert differing(engine, before) == {"greetings"}
    send(engine, f"PUT /backups/{NAME}", {"restoreusergreets": True})
    assert differing(engine, before) == set()


def test_shipped_restore_prefers_name_in_body() -> None:
    engine, before = changed_pbx("shipped")
    upload(engine, "/backups", "uploadzip", "sarkbak.1.zip", zipped({}))
    assert send(engine, "PUT /backups/sarkbak.1.zip", {"backup": NAME, "restoreldap": True}).status == 200
    assert differing(engine, before) == ALL - {"ldap"}
    reply = send(engine, f"PUT /backups/{NAME}", {"backup": None, "restoredb": True})
    assert (reply.status, differing(engine, before)) == (200, ALL - {"ldap"})
    reply = send(engine, f"PUT /backups/{NAME}", {"backup": "none.zip"})
    assert (reply.status, reply.body) == (404, {"Error": f"{NAME} has errors see logs for details"})


def test_restore_keeps_parts_missing_from_backup(pbx: Engine) -> None:
    upload(pbx, "/backups", "uploadzip", NAME, zipped({}))
    change_everything(pbx)
    before = {path: file.content for path, file in pbx.state.files.items()}
    assert send(pbx, f"PUT /backups/{NAME}", dict.fromkeys(FLAGS, True)).status == 200
    assert {path: file.content for path, file in pbx.state.files.items()} == before
    assert tenants(pbx) == ["default", "later"]


def test_uploaded_backup_is_listed_and_restored(pbx: Engine) -> None:
    send(pbx, "GET /backups/new")
    content = send(pbx, f"GET /backups/{NAME}").body
    send(pbx, f"DELETE /backups/{NAME}")
    change_everything(pbx)
    assert upload(pbx, "/backups", "uploadzip", "sarkbak.7.zip", content).body == ["Uploaded bkups/sarkbak.7.zip"]
    assert list(send(pbx, "GET /backups").body) == ["sarkbak.7.zip"]
    assert send(pbx, "PUT /backups/sarkbak.7.zip", {"restoredb": True}).status == 200
    assert tenants(pbx) == ["default"]


REJECTED = {
    "not a zip file": (b"hello", "must be a file of type: application/zip"),
    "damaged zip file": (zipped({"a": bytes(range(256))})[:-4], "is damaged"),
    "path traversal": (zipped({"../../etc/passwd": b"x"}), "has a member outside of it"),
    "no database": (zipped({"opt/sark/db/sark.db": b"x" * 4096}), "it is not a SQLite database"),
    "truncated database": (zipped({"opt/sark/db/sark.db": b"SQLite format 3\0" + bytes(999)}), "cannot be restored"),
    "foreign database": (zipped({"opt/sark/db/sark.db": database("create table a (b)")}), "it is not a SARK database"),
    "50 MB": (b"PK\3\4" + bytes(50 * 1024 * 1024), "may not be greater than 32768 kilobytes"),
}


@pytest.mark.parametrize("kind", REJECTED)
def test_rejected_upload_changes_nothing(kind: str) -> None:
    content, reason = REJECTED[kind]
    pbx = box()
    before = (pbx.state.tables.dump(), dict(pbx.state.files))
    reply = upload(pbx, "/backups", "uploadzip", "sarkbak.1.zip", content)
    assert reply.status == 422
    assert list(reply.body) == ["uploadzip"]
    assert [reason in message for message in reply.body["uploadzip"]] == [True]
    assert (pbx.state.tables.dump(), pbx.state.files) == before


@pytest.mark.parametrize("kind", ["path traversal", "no database", "truncated database", "foreign database"])
def test_shipped_product_checks_only_file_type_of_upload(kind: str) -> None:
    engine = box("shipped")
    assert upload(engine, "/backups", "uploadzip", NAME, REJECTED[kind][0]).status == 200
    before = engine.state.tables.dump()
    assert send(engine, f"PUT /backups/{NAME}", {"restoredb": True, "restoreasterisk": True}).status == 200
    assert engine.state.tables.dump() == before


def test_corrupt_backup_on_server_restores_nothing(pbx: Engine) -> None:
    bad = zipped({"opt/sark/db/sark.db": b"x", "etc/asterisk/sip.conf": b"evil"})
    pbx.state.files[f"/opt/sark/bkup/{NAME}"] = PbxFile(bad, NOW)
    before = dict(pbx.state.files)
    reply = send(pbx, f"PUT /backups/{NAME}", {"restoredb": True, "restoreasterisk": True})
    if not pbx.program.debug:
        assert (reply.status, "cannot be restored" in reply.body["Error"]) == (422, True)
    else:
        assert (reply.status, reply.body) == (200, {"restored": NAME})  # the product reports nothing
    assert pbx.state.files == before


def test_upload_must_have_backup_file_name() -> None:
    for name in ("backup.zip", "sarkbak.zip", "sarkbak.1.zip.exe", "sarkbak.99999999999.zip"):
        reply = upload(box(), "/backups", "uploadzip", name, zipped({}))
        assert reply.body == {"uploadzip": ["The uploadzip must be named sarkbak.<epoch seconds>.zip."]}


def test_shipped_product_accepts_any_name_but_does_not_list_it() -> None:
    engine = box("shipped")
    assert upload(engine, "/backups", "uploadzip", "backup.zip", zipped({})).body == ["Uploaded bkups/backup.zip"]
    assert send(engine, "GET /backups").body == []
    assert send(engine, "DELETE /backups/backup.zip").status == 204


def test_number_too_large_for_php_in_name_crashes_shipped_list() -> None:
    engine = box("shipped")
    upload(engine, "/backups", "uploadzip", "sarkbak.9223372036854775807.zip", zipped({}))
    dates = send(engine, "GET /backups").body
    assert dates["sarkbak.9223372036854775807.zip"]["date"] == "Sun 04 Dec 15:30:07 292277026596"
    upload(engine, "/backups", "uploadzip", f"sarkbak.{'9' * 240}.zip", zipped({}))
    assert send(engine, "GET /backups").status == 500


@pytest.mark.parametrize(("profile", "status"), [("documented", 404), ("shipped", 500)])
def test_download_of_missing_backup(profile: str, status: int) -> None:
    assert send(box(profile), "GET /backups/sarkbak.1.zip").status == status


@pytest.mark.parametrize("name", ["..", ".", "..%2F..%2Fetc%2Fasterisk%2Fsip.conf", "sark.db"])
def test_backup_name_cannot_escape_directory(pbx: Engine, name: str) -> None:
    before = dict(pbx.state.files)
    deleted = 204 if pbx.program.debug and name in (".", "..") else 404  # as `rm` does, which leaves directories alone
    assert send(pbx, f"DELETE /backups/{name}").status == deleted
    assert send(pbx, f"PUT /backups/{name}").status == 404
    assert pbx.state.files == before
