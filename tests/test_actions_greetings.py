"""Greetings in both profiles: validated by content and name, downloaded with their type, never replaced."""

from __future__ import annotations

import pytest

from sarkmock.http.engine import Engine
from tests.boxes import WAV, box, send, upload

NAME = "usergreeting1234.wav"
MPEG = b"\0\0\1\xba" + bytes(100)


@pytest.fixture(params=["documented", "shipped"])
def pbx(request: pytest.FixtureRequest) -> Engine:
    return box(request.param)


def post(engine: Engine, name: str, content: bytes = WAV) -> tuple[int | None, object]:
    reply = upload(engine, "/greetings", "greeting", name, content)
    return reply.status, reply.body


@pytest.mark.parametrize(("content", "kind"), [(WAV, "audio/x-wav"), (MPEG, "video/mpeg")])
def test_greeting_is_downloaded_with_its_content_type(pbx: Engine, content: bytes, kind: str) -> None:
    assert post(pbx, NAME, content) == (200, [f"Uploaded {NAME}"])
    reply = send(pbx, f"GET /greetings/{NAME}")
    assert (reply.body, reply.content_type) == (content, kind)
    assert reply.headers["Content-Disposition"] == f"attachment; filename={NAME}"


def test_greetings_are_listed_in_descending_order(pbx: Engine) -> None:
    for number in (1001, 3003, 2002):
        post(pbx, f"usergreeting{number}.wav")
    assert send(pbx, "GET /greetings").body == [f"usergreeting{number}.wav" for number in (3003, 2002, 1001)]


def test_a_greeting_is_not_replaced(pbx: Engine) -> None:
    post(pbx, NAME)
    assert post(pbx, NAME, MPEG) == (422, {"Message": "UserGreeting Already exists"})
    assert send(pbx, f"GET /greetings/{NAME}").body == WAV


@pytest.mark.parametrize("content", [b"no audio", b"RIFF\0\0\0\0AVI ", b"\x89PNG\r\n\x1a\n", b"ID3\3\0"])
def test_type_is_detected_from_content(pbx: Engine, content: bytes) -> None:
    assert post(pbx, NAME, content) == (422, {"greeting": ["The greeting must be a file of type: wav, mpeg."]})


def test_a_greeting_of_50_mb_is_rejected(pbx: Engine) -> None:
    content = WAV + bytes(50 * 1024 * 1024)
    assert post(pbx, NAME, content) == (422, {"greeting": ["The greeting may not be greater than 32768 kilobytes."]})
    assert send(pbx, "GET /greetings").body == []


OTHER_NAMES = ["hello.wav", "usergreeting123.wav", "usergreeting12345.wav", "usergreeting1234.txt", "usergreeting1234"]


@pytest.mark.parametrize("name", [*OTHER_NAMES, "my usergreeting1234.wav"])
def test_other_names_are_rejected(name: str) -> None:
    message = "The greeting must be named usergreetingNNNN.wav or usergreetingNNNN.mp3."
    assert post(box(), name) == (422, {"greeting": [message]})


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_shipped_product_crashes_on_other_names(name: str) -> None:
    engine = box("shipped")
    assert post(engine, name)[0] == 500
    assert send(engine, "GET /greetings").body == []


def test_shipped_product_checks_only_end_of_name() -> None:
    engine = box("shipped")
    assert post(engine, "my-usergreeting1234.wav") == (200, ["Uploaded usergreeting1234.wav"])
    assert send(engine, "GET /greetings").body == []
    assert "/usr/share/asterisk/sounds/my-usergreeting1234.wav" in engine.state.files


@pytest.mark.parametrize(("profile", "status"), [("documented", 404), ("shipped", 500)])
def test_download_of_missing_greeting(profile: str, status: int) -> None:
    assert send(box(profile), f"GET /greetings/{NAME}").status == status


def test_a_greeting_is_deleted_once(pbx: Engine) -> None:
    post(pbx, NAME)
    assert send(pbx, f"DELETE /greetings/{NAME}").status == 204
    reply = send(pbx, f"DELETE /greetings/{NAME}")
    assert (reply.status, reply.body) == (404, {"Error": f"{NAME} not found in sounds set"})
