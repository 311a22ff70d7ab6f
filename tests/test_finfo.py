"""File types as PHP's fileinfo detects them: results of PHP 8.2 for several thousand small files."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from sarkmock.laravel.php.finfo import extension_of, mime_type
from sarkmock.spec import yaml12
from tests.replay import read

FILES = read(Path(__file__).parent / "cases" / "file-types.jsonl.gz")


def test_mime_types_match_php() -> None:
    different = {file["name"]: (file["type"], detected) for file in FILES
                 if (detected := mime_type(base64.b64decode(file["content"]))) != file["type"]}
    assert different == {}


def test_repetitive_files_match_php() -> None:
    cases = yaml12.read(Path(__file__).parent / "cases" / "repetitive-files.yaml")
    different = [case for case in cases
                 if mime_type(case[0].encode("latin-1") * case[1] + case[2].encode("latin-1")) != case[3]]
    assert different == []


@pytest.mark.parametrize(("tags", "expected"), [(49, "audio/mpeg"), (50, "application/octet-stream"),
                                                (100_000, "application/octet-stream")])
def test_nested_id3_tags(tags: int, expected: str) -> None:
    assert mime_type(b"ID3\3\0\0\0\0\0\0" * tags + b"\xff\xfb\x90\x64" + bytes(50)) == expected


def test_cases_include_thousands_of_files() -> None:
    assert len({file["content"] for file in FILES}) > 2000


@pytest.mark.parametrize(("content", "expected"), [
    (b"RIFF\0\0\0\0WAVE", "wav"), (b"\xff\xe3\x90\0", "mp3"), (b"\0\0\1\xb3", "mpeg"), (b"PK\5\6" + bytes(18), "zip"),
    (b"text", "txt"), (b"\0\1\2", "bin"), (b"", None)])
def test_extension_for_validation_rules(content: bytes, expected: str | None) -> None:
    assert extension_of(content) == expected
