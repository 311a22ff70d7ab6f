"""Zip files that are rejected, each with its error message."""

from __future__ import annotations

import io
import stat
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarkmock.pbx.actions import archives
from tests.boxes import zipped


def with_entries(*entries: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return target.getvalue()


def patched(content: bytes, offset: int, value: bytes) -> bytes:
    """The archive with some bytes of its (first) central directory entry changed."""
    place = content.index(archives.CENTRAL_ENTRY) + offset
    return content[:place] + value + content[place + len(value):]


def link() -> bytes:
    info = zipfile.ZipInfo("etc/asterisk/passwd")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return with_entries((info, b"/etc/passwd"))


def duplicate_members() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return with_entries((zipfile.ZipInfo("a"), b"1"), (zipfile.ZipInfo("a"), b"2"))


SMALL = zipped({"a": b"hello"}, zipfile.ZIP_STORED)
HOSTILE = {
    "a zip bomb": (lambda: zipped({"a": bytes(archives.LARGEST_CONTENT), "b": b"1"}), "unpacks to more than 128 MB"),
    "declared size of 4 GB": (lambda: patched(SMALL, 24, b"\xfe\xff\xff\xff"), "unpacks to more than 128 MB"),
    "many members": (lambda: zipped({str(n): b"" for n in range(archives.MOST_MEMBERS + 1)}), "than 20000 members"),
    "parent directory": (lambda: zipped({"../etc/passwd": b""}), "member outside of it: '../etc/passwd'"),
    "parent directory inside path": (lambda: zipped({"etc/../../passwd": b""}), "member outside of it"),
    "absolute path": (lambda: zipped({"/etc/passwd": b""}), "member outside of it"),
    "backslashes": (lambda: zipped({"..\\passwd": b""}), "member outside of it"),
    "drive letter": (lambda: zipped({"C:passwd": b""}), "member outside of it"),
    "symbolic link": (link, "member that is not a file"),
    "encryption": (lambda: patched(SMALL, 8, b"\1\0"), "is encrypted"),
    "unsupported compression": (lambda: zipped({"a": b"1"}, zipfile.ZIP_LZMA), "compressed in an unknown way"),
    "duplicate member": (duplicate_members, "two members of one name"),
    "corrupted byte": (lambda: SMALL.replace(b"hello", b"hallo"), "is damaged: 'a'"),
    "declared size too large": (lambda: patched(SMALL, 24, b"\x09\0\0\0"), "is damaged: 'a'"),
    "truncated file": (lambda: SMALL[:-30], "is damaged"),
    "not a zip file": (lambda: b"PK\3\4 but nothing else", "is damaged"),
    "empty file": (lambda: b"", "is damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive_is_rejected_quickly(name: str) -> None:
    make, reason = HOSTILE[name]
    content = make()
    started = time.monotonic()
    with pytest.raises(archives.BadArchive) as rejection:
        archives.open_archive(content)
    assert reason in str(rejection.value)
    assert time.monotonic() - started < 20


def test_valid_archive_can_be_read() -> None:
    archive = archives.open_archive(zipped({"etc/asterisk/sip.conf": b"[general]", "etc/asterisk/": b""}))
    assert archive.read("etc/asterisk/sip.conf") == b"[general]"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_corrupted_archive_is_rejected_or_readable(data: st.DataObject) -> None:
    content = bytearray(zipped({"etc/asterisk/sip.conf": b"[general]" * 20, "b": b"1"}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        archive = archives.open_archive(bytes(content[:data.draw(st.integers(0, len(content)))]))
    except archives.BadArchive:
        return
    for member in archive.infolist():
        assert len(archive.read(member)) == member.file_size
