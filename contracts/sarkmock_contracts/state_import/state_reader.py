"""What a box holds, read part by part: rows, files, runtime values, whether it runs. Knows where things are to be seen.

A column that no answer shows is what the factory has there, or a new row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sarkmock.suite_api import Operation, State, load_seed, pbx_files

if TYPE_CHECKING:
    from .importing import StateReader

Row = dict[str, Any]
Files = dict[str, bytes]

FACTORY, LAYOUT = load_seed("factory"), State().tables
# Lists come sorted by key; in which order rows were created is seen in this one alone.
BY_CREATION = {"Queues": "queue", "IVRs": "ivrmenu", "Trunks": "lineio"}
FIREWALLS = {"firewalls.ipv4.list": pbx_files.RULES_IPV4, "firewalls.ipv6.list": pbx_files.RULES_IPV6}
ARCHIVES = {"backups": ("backup", pbx_files.BACKUPS), "snapshots": ("snapshot", pbx_files.SNAPSHOTS)}
FOLDERS = {"NewMessageCount": "INBOX", "OldMessageCount": "Old"}


# rows

def read_tables(reader: StateReader) -> dict[str, list[Row]]:
    """The rows of every table that has a list."""
    lists = {one.id: one for one in reader.operations() if is_list(one)}
    tables: dict[str, list[Row]] = {}
    for number, operation in enumerate(lists.values()):
        assert operation.table is not None
        reader.tell("rows", number, len(lists))
        answer = reader.get(operation.id)
        shown = answer.json if answer else []
        rows = [row_of(reader, operation, item) for item in (shown if isinstance(shown, list) else [shown])]
        tables.setdefault(operation.table.name, []).extend(rows)
    tables["device"] += [row for row in FACTORY.tables["device"] if row.get("legacy") is not None]  # never listed
    answer = reader.get("destinations.list")
    order_by_creation(tables, answer.json if answer else None)
    return {table: list(unique(table, rows)) for table, rows in tables.items()}


def is_list(operation: Operation) -> bool:
    """Whether it shows rows of a table."""
    reads = operation.method == "GET" and operation.hazard == "read" and not operation.parameters
    return reads and operation.table is not None


def row_of(reader: StateReader, operation: Operation, item: Mapping[str, Any]) -> Row:
    """A row as the table holds it."""
    table = operation.table
    assert table is not None
    columns = LAYOUT.columns(table.name)
    shown = {table.key: table.fixed, **item} if table.fixed else dict(item)
    known = {name: value for name, value in shown.items() if name in columns and not isinstance(value, (list, dict))}
    tell(reader, operation, "the mock has no column for", shown.keys() - known.keys())
    tell(reader, operation, "not shown are", set(columns) - known.keys() - table.where.keys())
    return {**table.defaults, **usual(table.name, table.key, shown), **filtered(table.where, shown), **known}


def tell(reader: StateReader, operation: Operation, what: str, names: set[str]) -> None:
    if names:
        reader.note(f"{operation.section}: {what} {', '.join(sorted(names))}")


def usual(table: str, key: str, shown: Row) -> Row:
    """The row of the factory that has the same key."""
    return next((row for row in FACTORY.tables.get(table, ()) if row.get(key) == shown.get(key)), {})


def filtered(where: Mapping[str, Sequence[str]], shown: Row) -> Row:
    """The columns by which a list chooses its rows, and does not show: a trunk's technology is that of its carrier."""
    carrier = str(shown.get("carrier"))
    return {column: next((option for option in options if option in carrier), options[0])
            for column, options in where.items()}


def order_by_creation(tables: dict[str, list[Row]], destinations: Any) -> None:
    """Sort rows as they were created, as far as a list tells."""
    for group, table in BY_CREATION.items() if isinstance(destinations, dict) else ():
        order = {key: number for number, key in enumerate(destinations.get(group, ()))}
        tables[table].sort(key=lambda row: order.get(row.get("pkey"), len(order)))


def unique(table: str, rows: list[Row]) -> Iterator[Row]:
    """The rows, none of them twice."""
    seen = set()
    for row in rows:
        key = tuple(str(row.get(column)) for column in LAYOUT.key(table) if row.get(column) is not None)
        if not key or key not in seen:
            yield row
        seen.add(key)


# files

def read_files(reader: StateReader) -> Files:
    """Greetings, call records and the firewall's rules."""
    answer = reader.get("greetings.list")
    names = list(answer.json) if answer else []
    files = dict(downloads(reader, "greetings", "greeting", pbx_files.GREETINGS, names))
    records = reader.get("logs.cdrs.all")
    if records:
        files[pbx_files.CALL_RECORDS] = records.body
    for name, place in FIREWALLS.items():
        answer = reader.get(name)
        if answer:
            lines = answer.json.get("rules", []) if isinstance(answer.json, dict) else answer.json
            files[place] = "".join(f"{line}\n" for line in lines).encode()
    return files


def read_archives(reader: StateReader, secrets: bool) -> Files:
    """Backups and snapshots, which hold every password."""
    files: Files = {}
    for kind, (parameter, place) in ARCHIVES.items():
        answer = reader.get(f"{kind}.list")
        names = list(answer.json) if answer else []
        if secrets:
            files |= downloads(reader, kind, parameter, place, names)
        elif names:
            reader.note(f"{len(names)} {kind} are left out: they hold every password; --with-secrets takes them")
    return files


def downloads(reader: StateReader, kind: str, parameter: str, place: str,
              names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Files by the path where the PBX has them."""
    for number, name in enumerate(names):
        reader.tell(kind, number, len(names))
        answer = reader.get(f"{kind}.download", **{parameter: name})
        if answer:
            yield f"{place}/{name}", answer.body


# what Asterisk knows

def is_running(reader: StateReader) -> bool:
    answer = reader.get("syscommands.pbxrunstate")
    return bool(answer and answer.json.get("pbxrunstate"))


def read_runtime(reader: StateReader, phones: list[Row]) -> dict[tuple[str, str], str]:
    """The runtime values of every extension, by family and key of Asterisk's database."""
    found: dict[tuple[str, str], str] = {}
    numbers = [str(row["pkey"]) for row in phones if row.get("pkey")]
    for number, extension in enumerate(numbers):
        reader.tell("runtime values", number, len(numbers))
        answer = reader.get("extensions.runtime.show", extension=extension)
        values = answer.json if answer else {}
        found |= {(name, extension): str(value) for name, value in values.items() if value not in ("", None)}
    return found


def read_mailboxes(reader: StateReader) -> Files:
    """As many messages as mailboxes have, without their sound: nothing of what people said is read."""
    answer = reader.get("astamis.VoicemailUsersList")
    files: Files = {}
    for mailbox in answer.json if answer else []:
        for field, folder in FOLDERS.items():
            for number in range(int(mailbox.get(field) or 0)):
                files[f"{pbx_files.MAILBOXES}/{mailbox['VoiceMailbox']}/{folder}/msg{number:04}.txt"] = b""
    return files
