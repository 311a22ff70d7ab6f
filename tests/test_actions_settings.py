"""Global settings: a single row, merged by PUT and returned as stored."""

from __future__ import annotations

import pytest

from sarkmock.http.engine import Engine
from tests.boxes import box, send

HIDDEN = {"pkey", "SNO", "LKEY", "TFTP", "FOPPASS", "HACLUSTERIP"}


@pytest.fixture
def documented() -> Engine:
    return box()


def test_settings_are_an_object_with_77_fields(documented: Engine) -> None:
    settings = send(documented, "GET /globals").body
    assert len(settings) == 77
    assert not HIDDEN & settings.keys()
    assert (settings["ABSTIMEOUT"], settings["EMERGENCY"], settings["z_updater"]) == (14400, "911 999 112", "system")


def test_put_merges_fields(documented: Engine) -> None:
    before = send(documented, "GET /globals").body
    documented.state.clock.advance(60)
    body = send(documented, "PUT /globals", {"RINGDELAY": 30, "COUNTRYCODE": "de"}).body
    assert body == before | {"RINGDELAY": "30", "COUNTRYCODE": "de", "z_updated": "2024-06-01 10:01:00"}
    assert send(documented, "GET /globals").body == body


@pytest.mark.parametrize(("sent", "stored"), [(700, 700), ("700", 700), (" 700 ", 700), ("+7", 7), (True, 1)])
def test_numeric_columns_return_numbers(documented: Engine, sent: object, stored: int) -> None:
    assert send(documented, "PUT /globals", {"SESSIONTIMOUT": sent}).body["SESSIONTIMOUT"] == stored


def test_hidden_columns_are_not_updated(documented: Engine) -> None:
    before = send(documented, "GET /globals").body
    assert send(documented, "PUT /globals", {"pkey": "x", "HASECNODE": "x", "VCL": 9, "SNO": 1}).body == before
    row = documented.state.tables.first("globals", "pkey", "global")
    assert row is not None
    assert row["SNO"] != "1"


@pytest.mark.parametrize(("field", "value", "message"), [
    ("PLAYBEEP", "YES", "The selected p l a y b e e p is invalid."),
    ("CALLRECORD1", "Inbound", "The selected c a l l r e c o r d1 is invalid."),
    ("VXT", 2, "The selected v x t is invalid."),
    ("EMERGENCY", "99", "The e m e r g e n c y must be 3 digits."),
    ("FQDN", "localhost", "The f q d n format is invalid."),
    ("EURL", "HTTP://example.com", "The e u r l format is invalid."),
    ("SUPEMAIL", "nobody", "The s u p e m a i l must be a valid email address."),
])
def test_invalid_value_is_rejected_with_message(documented: Engine, field: str, value: object, message: str) -> None:
    reply = send(documented, "PUT /globals", {field: value, "RINGDELAY": 99})
    assert (reply.status, reply.body) == (422, {field: [message]})
    assert send(documented, "GET /globals").body["RINGDELAY"] != "99"


@pytest.mark.parametrize(("field", "value"), [
    ("PLAYBEEP", "YES.NO"), ("CALLRECORD1", "Inbound.Outbound"), ("VXT", 1), ("VXT", "0"), ("EMERGENCY", "112"),
    ("FQDN", "sark.example.com"), ("EURL", "https://sark.example.com/prov"), ("LOCALIP", "192.0.2.1"),
    ("BLINDBUSY", None), ("SUPEMAIL", ""),
])
def test_valid_value_is_accepted(documented: Engine, field: str, value: object) -> None:
    assert send(documented, "PUT /globals", {field: value}).status == 200


def test_shipped_profile_serves_sysglobals() -> None:
    shipped = box("shipped")
    assert send(shipped, "GET /globals").status == 404
    assert send(shipped, "PUT /sysglobals", {"RINGDELAY": 30}).body["RINGDELAY"] == "30"
    assert len(send(shipped, "GET /sysglobals").body) == 77
