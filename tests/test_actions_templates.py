"""Templates in both profiles: listing, deletion, and references to BLF templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sarkmock.http.engine import Engine
from sarkmock.pbx.state import State
from sarkmock.spec import loading
from tests import replay
from tests.boxes import box, send

FOR_SIP = "blfkeyname only allowed for template type of SIP! "
IN_SIP = "blfkeyname only allowed in template type of SIP! "
NOT_BLF = "blfkeyname reference must be of type 'BLF Template'!"
UNKNOWN = "The selected blfkeyname is invalid."
KEYS = "snom.Fkey"


@pytest.fixture
def documented() -> Engine:
    return box()


@pytest.fixture
def shipped() -> Engine:
    return box("shipped")


def test_factory_pbx_lists_supported_templates(documented: Engine) -> None:
    listed = [template["pkey"] for template in send(documented, "GET /templates").body]
    assert len(listed) == 56
    assert listed == sorted(listed)
    assert "Snom 300" not in listed
    assert documented.state.tables.first("device", "pkey", "Snom 300") is not None


def test_unsupported_template_can_be_shown(documented: Engine) -> None:
    assert send(documented, "GET /templates/SipStack").body["desc"] == "Local H/S Stack"


def test_new_template_is_owned_by_customer(documented: Engine) -> None:
    created = send(documented, "POST /templates", {"pkey": "Lobby", "technology": "SIP", "blfkeyname": KEYS})
    assert created.status == 201
    assert created.body == {"pkey": "Lobby", "technology": "SIP", "blfkeyname": KEYS, "owner": "cust"}
    shown = send(documented, "GET /templates/Lobby").body
    assert (shown["owner"], shown["desc"], shown["z_created"]) == ("cust", None, "2024-06-01 10:00:00")
    assert "Lobby" in [template["pkey"] for template in send(documented, "GET /templates").body]


def test_duplicate_name_is_rejected(documented: Engine) -> None:
    assert send(documented, "POST /templates", {"pkey": "Aastra", "technology": "SIP"}).status == 409
    assert send(documented, "GET /templates/Aastra").body["owner"] == "system"


def test_system_template_cannot_be_deleted(documented: Engine) -> None:
    send(documented, "POST /templates", {"pkey": "Lobby", "technology": "Descriptor"})
    assert send(documented, "DELETE /templates/Lobby").status == 204
    rejected = send(documented, "DELETE /templates/Aastra")
    assert (rejected.status, rejected.body) == (409, {"Error": "Aastra is a system template and cannot be deleted"})


@pytest.mark.parametrize(("body", "messages"), [
    ({"technology": "SIP", "blfkeyname": KEYS}, None),
    ({"technology": "SIP", "blfkeyname": None}, None),
    ({"technology": "Descriptor"}, None),
    ({"technology": "SIP", "blfkeyname": "Aastra"}, [NOT_BLF]),
    ({"technology": "SIP", "blfkeyname": "nosuch"}, [UNKNOWN, NOT_BLF]),
    ({"technology": "Descriptor", "blfkeyname": KEYS}, [FOR_SIP]),
    ({"technology": "BLF Template", "blfkeyname": "Aastra"}, [FOR_SIP, NOT_BLF]),
])
def test_blf_reference_in_new_template(documented: Engine, body: object, messages: list[str] | None) -> None:
    reply = send(documented, "POST /templates", {"pkey": "Lobby", **body})  # type: ignore[dict-item]
    assert (reply.status, reply.body.get("blfkeyname") if reply.status == 422 else None) == (
        (422, messages) if messages else (201, None))


@pytest.mark.parametrize(("template", "body", "messages"), [
    ("Aastra", {"blfkeyname": KEYS}, None),
    ("Aastra", {"desc": "Phones"}, None),
    ("Aastra", {"blfkeyname": None}, None),
    ("Aastra", {"blfkeyname": "Aastra"}, [NOT_BLF]),
    ("AnalogFXS", {"blfkeyname": KEYS}, [IN_SIP]),
    ("AnalogFXS", {"blfkeyname": KEYS, "technology": "SIP"}, [IN_SIP]),
    ("Aastra", {"blfkeyname": KEYS, "technology": "Descriptor"}, None),
])
def test_blf_reference_in_update(
        documented: Engine, template: str, body: object, messages: list[str] | None) -> None:
    reply = send(documented, f"PUT /templates/{template}", body)
    assert (reply.status, reply.body.get("blfkeyname") if reply.status == 422 else None) == (
        (422, messages) if messages else (200, None))


def test_shipped_rejects_every_creation(shipped: Engine) -> None:
    reply = send(shipped, "POST /templates", {"pkey": "Lobby", "technology": "SIP", "blfkeyname": KEYS})
    assert (reply.status, reply.body) == (422, {"blfkeyname": [NOT_BLF]})


def test_shipped_update_requires_blf_reference(shipped: Engine) -> None:
    assert send(shipped, "PUT /templates/Aastra", {"desc": "Phones"}).body == {"blfkeyname": [NOT_BLF]}
    assert send(shipped, "PUT /templates/Aastra", {"blfkeyname": [KEYS]}).body["exception"] == "TypeError"
    assert send(shipped, "PUT /templates/Aastra", {"desc": "Phones", "blfkeyname": KEYS}).body["desc"] == "Phones"


def test_shipped_deletes_system_templates(shipped: Engine) -> None:
    assert send(shipped, "DELETE /templates/Aastra").status == 204
    assert send(shipped, "GET /templates/Aastra").status == 404


@pytest.mark.parametrize("value", [0, False, [], {}, 0.0])
def test_falsy_blf_reference_is_rejected(documented: Engine, value: object) -> None:
    """For `!= NULL` it is missing, so the technology is not checked, but it is not a BLF template either."""
    rejected = send(documented, "POST /templates", {"pkey": "x", "technology": "Descriptor", "blfkeyname": value})
    assert FOR_SIP not in json.dumps(rejected.body)
    assert NOT_BLF in json.dumps(rejected.body)


def test_seed_has_recorded_provisioning_texts() -> None:
    file = Path(__file__).parent.parent / "contracts" / "exchanges" / "templates.jsonl"
    recorded = next(item["response"]["body"] for item in replay.read(file)
                    if item["request"]["path"] == "/templates" and item["response"]["status"] == 200)
    rows = State().tables.rows("device", order=["pkey"])
    texts = {row["pkey"]: row["provision"] for row in rows}
    assert {template["pkey"]: texts[template["pkey"]] for template in recorded} == {
        template["pkey"]: template["provision"] for template in recorded}


def test_document_lists_three_technologies() -> None:
    schemas = loading.load()["components"]["schemas"]
    assert schemas["TemplateCreate"]["properties"]["technology"]["enum"] == ["SIP", "Descriptor", "BLF Template"]
