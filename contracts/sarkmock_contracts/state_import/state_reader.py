"""Reads the parts of a box's state: rows, files, runtime values, and whether the PBX is running.

Columns that no response shows get the values of the factory's row, or of a new row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from sarkmock.suite_api import Operation, pbx_files

from ..client.http import header_number
from ..spec.contract import is_plain_read

if TYPE_CHECKING:
    from . import StateReader

StoredRow = dict[str, Any]
Files = dict[str, bytes]

# Lists are sorted by key. Only the destinations list shows the order of creation.
BY_CREATION = {"Queues": "queue", "IVRs": "ivrmenu", "Trunks": "lineio"}
FIREWALLS = {"firewalls.ipv4.list": pbx_files.RULES_IPV4, "firewalls.ipv6.list": pbx_files.RULES_IPV6}
ARCHIVES = {"backups": ("backup", pbx_files.BACKUPS), "snapshots": ("snapshot", pbx_files.SNAPSHOTS)}
USERS, FACTORY_PASSWORD = "users", "secret"
MOST_ZEROS = 1 << 20  # largest stand-in for a file that cannot be read
MOST_MESSAGES = 1000  # per folder
MAILBOX_FOLDERS = {"NewMessageCount": "INBOX", "OldMessageCount": "Old"}


# rows


def read_tables(reader: StateReader) -> dict[str, list[StoredRow]]:
    """Return the rows of every table that has a list."""
    lists = {read.id: read for read in reader.operations() if is_plain_read(read) and read.table}
    tables: dict[str, list[StoredRow]] = {}
    for place, operation in enumerate(lists.values()):
        assert operation.table is not None
        reader.on_progress("rows", place, len(lists))
        response = reader.get(operation.id)
        if response is not None:
            rows = [stored_row(reader, operation, item) for item in response.rows]
            tables.setdefault(operation.table.name, []).extend(rows)
    unlisted = (row for row in reader.factory.tables["device"] if row.get("legacy") is not None)
    tables.get("device", []).extend(unlisted)
    response = reader.get("destinations.list")
    order_by_creation(tables, response.json if response else None)
    return {table: list(unique_rows(reader.fresh.tables.key(table), rows)) for table, rows in tables.items()}


def stored_row(reader: StateReader, operation: Operation, item: Mapping[str, Any]) -> StoredRow:
    """Return a listed row as the table stores it."""
    table = operation.table
    assert table is not None
    columns = reader.fresh.tables.columns(table.name)
    listed = {table.key: table.fixed, **item} if table.fixed else dict(item)
    stored = {name: value for name, value in listed.items() if name in columns and not isinstance(value, (list, dict))}
    note_skipped(reader, operation, "the mock has no column for", listed.keys() - stored.keys())
    note_skipped(reader, operation, "not shown are", set(columns) - stored.keys() - table.where.keys())
    factory_rows = reader.factory.tables.get(table.name, ())
    factory = next((row for row in factory_rows if row.get(table.key) == listed.get(table.key)), {})
    return {**table.defaults, **factory, **list_filter(table.where, listed), **stored}


def note_skipped(reader: StateReader, operation: Operation, what: str, names: set[str]) -> None:
    if names:
        reader.note(f"{operation.section}: {what} {', '.join(sorted(names))}")


def list_filter(where: Mapping[str, Sequence[str]], listed: StoredRow) -> StoredRow:
    """Return the columns by which a list filters without showing them: a trunk's technology is in its carrier."""
    carrier = str(listed.get("carrier"))
    return {column: next((option for option in options if option in carrier), options[0])
            for column, options in where.items()}


def order_by_creation(tables: dict[str, list[StoredRow]], destinations: Any) -> None:
    """Sort rows by creation, as far as the destinations list shows it."""
    for group, table in BY_CREATION.items() if isinstance(destinations, dict) else ():
        keys = destinations.get(group)
        tables.get(table, []).sort(key=partial(next_place, places_of(keys if isinstance(keys, list) else ())))


def places_of(keys: Sequence[Any]) -> dict[str, list[int]]:
    """Return the positions of each key, the last one first. A key may occur twice."""
    result: dict[str, list[int]] = {}
    for place in reversed(range(len(keys))):
        result.setdefault(str(keys[place]), []).append(place)
    return result


def next_place(places: dict[str, list[int]], row: StoredRow) -> float:
    """Take the first unused position of a row's key; infinity if there is none."""
    left = places.get(str(row.get("pkey")))
    return left.pop() if left else inf


def unique_rows(key_columns: Sequence[str], rows: list[StoredRow]) -> Iterator[StoredRow]:
    """Yield the rows without duplicates of a key."""
    seen = set()
    for row in rows:
        key = tuple(str(row.get(column)) for column in key_columns if row.get(column) is not None)
        if not key or key not in seen:
            yield row
        seen.add(key)


def read_users(reader: StateReader) -> dict[str, list[StoredRow]]:
    """Return the accounts, if the version has any. Passwords are not shown: all get that of the factory."""
    if not reader.fresh.tables.has(USERS):
        return {}
    response = reader.get("auth.users.list")
    if response is None:
        return {}
    columns = reader.fresh.tables.columns(USERS)
    password = next(iter(reader.factory.tables[USERS]))["password"]
    reader.note(f"Accounts: passwords cannot be read; in the mock, every user has {FACTORY_PASSWORD!r}")
    return {USERS: [{**{name: stored_time(name, value) for name, value in user.items() if name in columns},
                     "password": password} for user in response.rows]}


def stored_time(column: str, value: Any) -> Any:
    """Return a time in the format of the table; other values unchanged."""
    is_time = column.endswith("_at") and isinstance(value, str)
    return value[:19].replace("T", " ") if is_time else value


# files


def read_files(reader: StateReader) -> Files:
    """Return greetings, call records and firewall rules, by path."""
    response = reader.get("greetings.list")
    names = response.names if response else []
    files = dict(downloads(reader, "greetings", "greeting", pbx_files.GREETINGS, names))
    records = reader.get("logs.cdrs.all")
    if records:
        files[pbx_files.CALL_RECORDS] = records.body
    for name, place in FIREWALLS.items():
        response = reader.get(name)
        if response:
            lines = response.fields.get("rules", []) if isinstance(response.json, dict) else response.json
            texts = [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []
            files[place] = "".join(f"{line}\n" for line in texts).encode("utf-8", "replace")
    return files


def read_archives(reader: StateReader, secrets: bool) -> Files:
    """Return backups and snapshots by path; none without ``secrets``, because they contain every password."""
    files: Files = {}
    for kind, (parameter, place) in ARCHIVES.items():
        response = reader.get(f"{kind}.list")
        names = response.names if response else []
        if secrets:
            files |= downloads(reader, kind, parameter, place, names, response.fields if response else None)
        elif names:
            reader.note(f"{len(names)} {kind} are left out because they contain passwords; --with-secrets imports them")
    return files


def downloads(reader: StateReader, kind: str, parameter: str, place: str,
              names: list[str], listed: Mapping[str, Any] | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield paths and contents of files; zeros of the listed size where downloads crash, as in L10 and L11."""
    for index, name in enumerate(names):
        reader.on_progress(kind, index, len(names))
        response = reader.get(f"{kind}.download", **{parameter: name})
        if response or reader.status >= 500:
            yield f"{place}/{name}", response.body if response else bytes(file_size((listed or {}).get(name)))


def file_size(listed: Any) -> int:
    """Return the size of a file in a list, within bounds."""
    size = listed.get("filesize") if isinstance(listed, dict) else 0
    return max(0, min(size, MOST_ZEROS)) if isinstance(size, int) else 0


# Asterisk's state


def is_running(reader: StateReader) -> bool:
    response = reader.get("syscommands.pbxrunstate")
    return bool(response and response.fields.get("pbxrunstate"))


def read_runtime(reader: StateReader, phones: list[StoredRow]) -> dict[tuple[str, str], str]:
    """Return the runtime values of every extension, by family and key of Asterisk's database."""
    result: dict[tuple[str, str], str] = {}
    numbers = [str(row["pkey"]) for row in phones if row.get("pkey")]
    for index, extension in enumerate(numbers):
        reader.on_progress("runtime values", index, len(numbers))
        response = reader.get("extensions.runtime.show", extension=extension)
        values = response.fields if response else {}
        result |= {(name, extension): str(value) for name, value in values.items() if value not in ("", None)}
    return result


def read_mailboxes(reader: StateReader) -> Files:
    """Return empty message files, as many as the mailboxes have. Recordings are never read."""
    response = reader.get("astamis.VoicemailUsersList")
    files: Files = {}
    for mailbox in response.rows if response else []:
        for field, folder in MAILBOX_FOLDERS.items():
            for index in range(min(header_number(str(mailbox.get(field))) or 0, MOST_MESSAGES)):
                place = f"{pbx_files.MAILBOXES}/{mailbox.get('VoiceMailbox')}/{folder}"
                files[f"{place}/msg{index:04}.txt"] = b""
    return files
