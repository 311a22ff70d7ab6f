"""Call detail records in both profiles: Asterisk's format, the last rows, finished calls."""

from __future__ import annotations

import csv
import io

import pytest

from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.pbx.seed import Seed
from tests.boxes import NOW, box, send
from tests.engines import client_of

COLUMNS = 18
DURATION, BILLED, DISPOSITION = 12, 13, 14


@pytest.fixture(params=["documented", "shipped"])
def pbx(request: pytest.FixtureRequest) -> Engine:
    return box(request.param)


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode())))


def test_records_are_downloaded_as_csv(pbx: Engine) -> None:
    reply = send(pbx, "GET /logs/cdrs")
    assert reply.content_type == "text/csv; charset=UTF-8"
    assert reply.headers == {
        "Content-Disposition": f"attachment; filename=Master.{NOW}.csv", "Cache-Control": "public",
        "Accept-Ranges": "bytes"}
    assert reply.body == Seed.factory().files["/var/log/asterisk/cdr-csv/Master.csv"]


def test_the_seeded_records_are_plausible() -> None:
    records = rows(send(box(), "GET /logs/cdrs").body)
    assert len(records) == 20
    for record in records:
        assert len(record) == COLUMNS
        assert int(record[DURATION]) >= int(record[BILLED])
        assert (record[DISPOSITION] == "ANSWERED") == (record[10] != "") == (record[BILLED] != "0")
    assert [record[9] for record in records] == sorted(record[9] for record in records)


@pytest.mark.parametrize(("range_header", "first", "last"), [
    ("bytes=0-9", 0, 10), ("bytes=10-", 10, None), ("bytes=-5", -5, None), ("bytes=3-99999999", 3, None),
    ("bytes=7", None, None), ("bytes=0", 0, 1), ("bytes=9-3", None, None), ("bytes=0-", None, None),
    ("items=0-9", None, None), ("bytes=x-9", 0, 10)])
def test_range_request(range_header: str, first: int | None, last: int | None) -> None:
    """As in Symfony: an invalid range returns the complete file."""
    engine = box()
    content = send(engine, "GET /logs/cdrs").body
    reply = client_of(engine).get("/api/logs/cdrs", headers={"Range": range_header})
    assert reply.status_code == (200 if first is None else 206)
    assert reply.data == content[first:last]
    if first is not None:
        start = first % len(content)
        assert reply.headers["Content-Range"] == f"bytes {start}-{start + len(reply.data) - 1}/{len(content)}"


@pytest.mark.parametrize("range_header", ["bytes=99999999-", "bytes=99999998-99999999", "bytes=-99999999"])
def test_range_beyond_end_of_file(range_header: str) -> None:
    engine = box()
    size = len(send(engine, "GET /logs/cdrs").body)
    reply = client_of(engine).get("/api/logs/cdrs", headers={"Range": range_header})
    open_end = range_header.endswith("9-")  # begins after the end that Symfony fills in
    assert reply.status_code == (200 if open_end else 416)
    assert reply.headers.get("Content-Range") == (None if open_end else f"bytes */{size}")


@pytest.mark.parametrize(("limit", "count"), [(0, 0), (1, 1), (7, 7), (20, 20), (21, 20), (10**17, 20)])
def test_limit_returns_last_rows(limit: int, count: int) -> None:
    engine = box()
    lines = send(engine, "GET /logs/cdrs").body.splitlines(keepends=True)
    assert send(engine, f"GET /logs/cdrs/{limit}").body == b"".join(lines[20 - count:])


@pytest.mark.parametrize("limit", ["ten", "-1", "1.5", "+1", "1e3", "\u0663", "9" * 5000])
def test_limit_must_be_an_integer(limit: str) -> None:
    reply = send(box(), f"GET /logs/cdrs/{limit}")
    assert (reply.status, reply.body) == (422, {"limit": ["The limit must be an integer."]})


def test_limit_crashes_shipped_product() -> None:
    engine = box("shipped")
    assert send(engine, "GET /logs/cdrs/10").status == 500
    assert send(engine, "GET /logs").body == {"Log": "Master.csv"}
    assert send(box(), "GET /logs").status == 404


def test_a_finished_call_is_recorded_once(pbx: Engine) -> None:
    pbx.state.pbx.originate("1001", "1002", "internal", 'Mary "M" Smith')
    pbx.state.clock.advance(10)
    assert len(rows(send(pbx, "GET /logs/cdrs").body)) == 20
    pbx.state.clock.advance(60)
    for _ in range(2):
        records = rows(send(pbx, "GET /logs/cdrs").body)
        assert len(records) == 21
    last = records[-1]
    assert len(last) == COLUMNS
    assert last[1:5] == ["1001", "1002", "internal", '"Mary "M" Smith" <1001>']
    assert last[9:15] == ["2024-06-01 10:00:00", "2024-06-01 10:00:05", "2024-06-01 10:00:30", "30", "25", "ANSWERED"]


def test_unanswered_call_is_recorded(pbx: Engine) -> None:
    call = pbx.state.pbx.originate("1001", "1002", "internal", "")
    pbx.state.clock.advance(2)
    assert pbx.state.pbx.hangup(call.names()[0])
    last = rows(send(pbx, "GET /logs/cdrs").body)[-1]
    assert last[4] == "1001"
    assert last[10:15] == ["", "2024-06-01 10:00:02", "2", "0", "NO ANSWER"]


@pytest.mark.parametrize(("target", "status"), [
    ("cdrs", 200), ("cdrs?limit=", 422), ("cdrs?limit=x", 422), ("cdrs?limit[]=5", 422), ("cdrs?limit=5", 500),
    ("cdrs/5", 500), ("cdrs/x", 500), ("cdrs/5?limit=", 422), ("cdrs/5?limit=x", 422), ("cdrs/5?limit[]=5", 422),
    ("cdrs/x?limit=3", 500)])
def test_shipped_product_validates_limit_before_it_crashes(target: str, status: int) -> None:
    path, _, query = target.partition("?")
    assert Engine(profile="shipped").handle(ApiRequest("GET", f"logs/{path}", query)).status == status
