"""Types of files as PHP's fileinfo sees them: verdicts of PHP 8.2 on several hundred small files."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from sarkmock.laravel.php.finfo import extension_of, mime_type
from tests.replay import read

FILES = read(Path(__file__).parent / "cases" / "file-types.jsonl.gz")
# What libmagic decides by more than a signature, and no rule here asks for.
DIFFERENT = {"utf32", "sqlite2", "mpegts", "bmp", "xmlsvg", "swf"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file["name"])
def test_a_type_is_php_s(file: dict[str, Any]) -> None:
    found = mime_type(base64.b64decode(file["content"]))
    assert (found == file["type"]) is (file["name"] not in DIFFERENT)


def test_there_are_hundreds_of_files() -> None:
    assert len({file["content"] for file in FILES}) > 500


@pytest.mark.parametrize(("content", "expected"), [
    (b"RIFF\0\0\0\0WAVE", "wav"), (b"\xff\xe3\x90\0", "mp3"), (b"\0\0\1\xb3", "mpeg"), (b"PK\5\6" + bytes(18), "zip"),
    (b"text", "txt"), (b"\0\1\2", "bin"), (b"", None)])
def test_the_extension_that_a_rule_asks_for(content: bytes, expected: str | None) -> None:
    assert extension_of(content) == expected
