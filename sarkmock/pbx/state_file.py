"""A file of named parts that survives `kill -9`: each write is atomic.

The file is a log: a header, a note with the length of the log, then one frame per write. A frame holds the changed
parts, and a checksum that continues that of the frame before. The note is updated after each frame, before the write
returns: data within that length must be intact, data beyond it is ignored. When the log is much longer than its
content, a new file replaces it.
"""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sarkmock.atomic import PRIVATE, lock_exclusively, locked_directory, sync_directory, write_whole
from sarkmock.spec.yaml12 import FileError

STATE_MAGIC = b"sarkmock state\n\0"
NOTE, FRAME, PART_HEADER = struct.Struct(">QQI"), struct.Struct(">II"), struct.Struct(">HIq")
HEADER = len(STATE_MAGIC) + 8
LOG_BEGIN = HEADER + NOTE.size
GONE = -1
SPARE_BYTES = 4 << 20  # a log may be four times as long as its content, plus this
UNTOUCHED = "it is not changed"
TAKEN = "was deleted, replaced or changed by another program while in use"
PartPlace = tuple[str, int]  # the name of a part, and its number among the parts of that name
Parts = dict[PartPlace, bytes]


@dataclass(frozen=True, slots=True)
class StateLog:
    """The content of a file: its parts, the number of writes, the end of the last one, and any damage."""

    parts: Parts
    writes: int
    end: int
    checksum: int
    damage: str = ""


class StateFile:
    """Parts by name and number. FileError if the file cannot be used; it is then left unchanged.

    ``accept`` receives the stored parts and raises KeyError or ValueError if they are incomplete or malformed.
    ``salvage`` uses the readable part of a damaged file, and keeps the original as FILE.damaged.
    """

    def __init__(self, file: Path, version: int, accept: Callable[[Parts], None], salvage: bool = False) -> None:
        self._file, self._version = file, version
        self._handle = lock_file(file, version)
        try:
            os.fchmod(self._handle, PRIVATE)
            self._log = log = read_log(file, self._handle, version)
            if log.damage and not salvage:
                raise FileError(file, None, f"{log.damage}; {damage_advice(log)}")
            accept(log.parts)
            self._size = 0
            if log.damage:
                self._keep_damaged(file.with_name(f"{file.name}.damaged"))
                self._renew()
        except (KeyError, ValueError):
            os.close(self._handle)
            raise FileError(file, None, f"is damaged (incomplete); {UNTOUCHED}") from None
        except OSError as error:
            theirs = os.fstat(self._handle).st_uid != os.geteuid()
            os.close(self._handle)
            raise FileError(file, None, "belongs to another user" if theirs else error.strerror or str(error)) from None
        except FileError:
            os.close(self._handle)
            raise

    def _keep_damaged(self, copy: Path) -> None:
        """Copy the file. FileError if there is a copy already."""
        if copy.exists():
            raise FileError(copy, None, "is in the way: rename or delete it to salvage again")
        write_whole(copy, os.pread(self._handle, os.fstat(self._handle).st_size, 0), private=True)

    def write(self, changed: Mapping[PartPlace, bytes], gone: Iterable[PartPlace]) -> None:
        """Replace and remove parts atomically; OSError if that fails."""
        if not self._is_ours():
            raise OSError(f"{self._file} {TAKEN}")
        log, gone = self._log, list(gone)
        data, checksum = frame([*changed.items(), *((place, None) for place in gone)], log.checksum)
        write_at(self._handle, data, log.end)
        write_at(self._handle, note(log.writes + 1, log.end + len(data)), HEADER)
        for place in gone:
            log.parts.pop(place, None)
        log.parts.update(changed)
        self._log = StateLog(log.parts, log.writes + 1, log.end + len(data), checksum)
        if self._is_long():
            with suppress(OSError):  # if there is no room for a second file, the log keeps growing
                self._renew()

    @property
    def parts(self) -> Mapping[PartPlace, bytes]:
        """The parts as of the last write."""
        return self._log.parts

    def _is_ours(self) -> bool:
        """Whether the file still has its name, and no other program has written to it or cut it off."""
        return (is_at(self._handle, self._file) and os.fstat(self._handle).st_size >= self._log.end
                and os.pread(self._handle, NOTE.size, HEADER) == note(self._log.writes, self._log.end))

    def _is_long(self) -> bool:
        if self._log.end <= 4 * self._size + SPARE_BYTES:
            return False
        self._size = sum(map(len, self.parts.values()))
        return self._log.end > 4 * self._size + SPARE_BYTES

    def _renew(self) -> None:
        """Replace the file by one with the same content in a single frame."""
        handle, self._log = created(self._file, self._version, self._log.parts, replace=True)
        os.close(self._handle)
        self._handle = handle

    def close(self) -> None:
        """Close and unlock the file. FileError if it is no longer the one that was written."""
        ours = self._is_ours()
        os.close(self._handle)
        if not ours:
            raise FileError(self._file, None, f"{TAKEN}; changes are no longer saved")


def lock_file(file: Path, version: int) -> int:
    """Open and lock the file; create an empty log if there is none."""
    if file.exists() and not file.is_file():
        raise FileError(file, None, "not a file")
    if not hasattr(os, "pwrite"):
        raise FileError(file, None, "cannot be used on Windows, which does not replace files that are open")
    try:
        handle = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        try:
            return created(file, version, {}, replace=False)[0]
        except FileExistsError:
            raise FileError(file, None, "is in use by another server") from None
        except OSError as error:
            raise FileError(file, None, error.strerror or str(error)) from None
    except OSError as error:
        raise FileError(file, None, error.strerror or str(error)) from None
    try:
        lock_exclusively(handle)
        if not is_at(handle, file):
            raise BlockingIOError
    except BlockingIOError:
        os.close(handle)
        raise FileError(file, None, "is in use by another server") from None
    return handle


def created(file: Path, version: int, parts: Parts, *, replace: bool) -> tuple[int, StateLog]:
    """Create and lock a file with these parts; it gets its name once it is complete."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        lock_exclusively(handle)
        head = log_header(version)
        data, checksum = frame(parts.items(), zlib.crc32(head)) if parts else (b"", zlib.crc32(head))
        log = StateLog(dict(parts), bool(parts), LOG_BEGIN + len(data), checksum)
        write_at(handle, head + note(log.writes, log.end) + data, 0)
        os.fsync(handle)
        with locked_directory(file.parent):  # not os.link(), which some file systems do not have
            if not replace and file.exists():
                raise FileExistsError
            Path(name).replace(file)
    except BaseException:
        os.close(handle)
        Path(name).unlink(missing_ok=True)
        raise
    sync_directory(file.parent)
    return handle, log


def is_at(handle: int, file: Path) -> bool:
    """Whether the open file still has that name."""
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except OSError:
        return False


def log_header(version: int) -> bytes:
    head = STATE_MAGIC + version.to_bytes(4, "big")
    return head + zlib.crc32(head).to_bytes(4, "big")


def note(writes: int, end: int) -> bytes:
    """Return the note: the number of writes in the log, and where the last one ends."""
    numbers = NOTE.pack(writes, end, 0)
    return NOTE.pack(writes, end, zlib.crc32(numbers))


def frame(parts: Iterable[tuple[PartPlace, bytes | None]], before: int) -> tuple[bytes, int]:
    """Return the frame of one write, and its checksum, which continues the previous one."""
    chunks = []
    for (name, number), content in parts:
        key = name.encode("utf-8", "surrogateescape")
        chunks += [PART_HEADER.pack(len(key), number, GONE if content is None else len(content)), key, content or b""]
    body = b"".join(chunks)
    checksum = zlib.crc32(body, zlib.crc32(len(body).to_bytes(4, "big"), before))
    return FRAME.pack(len(body), checksum) + body, checksum


def write_at(handle: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, at)
        view, at = view[written:], at + written


def read_log(file: Path, handle: int, version: int) -> StateLog:
    """Read the intact part of a file."""
    content = os.pread(handle, os.fstat(handle).st_size, 0)
    head, numbers = content[:HEADER], content[HEADER:LOG_BEGIN]
    if not content:
        raise FileError(file, None, "is empty, its contents are lost; delete it to start again")
    if head[:len(STATE_MAGIC)] != STATE_MAGIC[:len(head)]:
        raise FileError(file, None, f"is not a state file of sarkmock; {UNTOUCHED}")
    if len(head) == HEADER and head != log_header(int.from_bytes(head[len(STATE_MAGIC):-4], "big")):
        return follow_log(content, version, f"is damaged at byte {len(STATE_MAGIC)}")
    if len(head) == HEADER and head != log_header(version):
        raise FileError(file, None, f"was written by another version of sarkmock, or for a profile with another "
                                    f"database; {UNTOUCHED}")
    if len(numbers) < NOTE.size:
        return StateLog({}, 0, LOG_BEGIN, 0, f"is damaged (it ends at byte {len(content)})")
    writes, end, _ = NOTE.unpack(numbers)
    if note(writes, end) != numbers:
        return follow_log(content, version, f"is damaged at byte {HEADER}")
    log = follow_log(content[:end], version, "")
    if log.end == end and log.writes == writes:
        return log
    where = f"it ends at byte {len(content)}" if len(content) < end and log.end > len(content) - FRAME.size else (
        f"at byte {log.end}")
    return StateLog(log.parts, log.writes, log.end, log.checksum, f"is damaged ({where}; {writes} changes were kept)")


def follow_log(content: bytes, version: int, damage: str) -> StateLog:
    """Apply the writes of a log up to the first that is damaged or incomplete."""
    parts: Parts = {}
    writes, end, checksum = 0, LOG_BEGIN, zlib.crc32(log_header(version))
    for body, after in frames(content, checksum):
        for place, value in entries(body):
            if value is None:
                parts.pop(place, None)
            else:
                parts[place] = value
        writes, end, checksum = writes + 1, end + FRAME.size + len(body), after
    return StateLog(parts, writes, end, checksum, damage)


def frames(content: bytes, checksum: int) -> Iterator[tuple[bytes, int]]:
    start = LOG_BEGIN
    while start + FRAME.size <= len(content):
        length, stored_checksum = FRAME.unpack_from(content, start)
        body = content[start + FRAME.size:start + FRAME.size + length]
        checksum = zlib.crc32(body, zlib.crc32(length.to_bytes(4, "big"), checksum))
        if len(body) != length or checksum != stored_checksum:
            return
        yield body, checksum
        start += FRAME.size + length


def entries(body: bytes) -> Iterator[tuple[PartPlace, bytes | None]]:
    start = 0
    while start < len(body):
        length, number, size = PART_HEADER.unpack_from(body, start)
        start += PART_HEADER.size
        name = body[start:start + length].decode("utf-8", "surrogateescape")
        start += length
        yield (name, number), None if size == GONE else body[start:start + size]
        start += max(size, 0)


def damage_advice(log: StateLog) -> str:
    """Return what the user can do about a damaged file."""
    if not log.parts:
        return f"no data can be read; {UNTOUCHED}"
    return (f"the first {log.writes} changes can be read; --salvage continues from there and keeps this file as "
            f"FILE.damaged; {UNTOUCHED}")
