"""Loading of seeds by name, from a file, or from a mapping, with checks by the document. Two seeds are computed.

A value is valid if at least one operation that writes its column accepts it. Values that the product itself stores
against its own rules are valid too: defaults of new rows, and factory values of the same row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from sarkmock.http.replies import PhpError
from sarkmock.laravel.php import to_text
from sarkmock.laravel.validation import Validator
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions import AFTER_CHECKS
from sarkmock.pbx.actions.backups import pack_backup
from sarkmock.pbx.actions.destinations import ABSTRACT, CLASS_OF_TABLE, route_class
from sarkmock.pbx.database import Database, Row
from sarkmock.pbx.seed import MOST_PROBLEMS, Origins, Place, Seed, SeedError, and_more, merged_seeds, shape_problems
from sarkmock.pbx.sql import OLDEST
from sarkmock.pbx.state import PbxFile, State
from sarkmock.spec import yaml12
from sarkmock.spec.data_files import seed_file
from sarkmock.spec.loading import Document, load
from sarkmock.spec.operations import Operation, compile_document
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import nearest_names, unknown_name

EXTENSIONS, TENANTS = 10_000, 20
FIRST_NUMBER = 10_000
PHONE_NAMES = ("Reception", "Accounts", "Sales", "Workshop", "Stores", "Dispatch", "Support", "Meeting Room")
WRITTEN = 1717236000  # the time in the names of the backup and the snapshot


def big_seed(database: str) -> Seed:
    """Build a seed of 10,000 extensions with a mailbox each, spread over 20 tenants in addition to the default one."""
    factory = Seed.factory(database)
    tenants = [tenant(number) for number in range(TENANTS)]
    phones = [big_extension(number) for number in range(EXTENSIONS)]
    tables = factory.tables | {"cluster": [*factory.tables["cluster"], *tenants], "ipphone": phones}
    return replace(factory, tables=tables)


def tenant(number: int) -> Row:
    return {"pkey": f"tenant{number:02}", "description": f"Tenant {number}", "abstimeout": "14400", "chanmax": "30",
            "include": "ALL", "oclo": "OPEN", "operator": str(FIRST_NUMBER + number)}


def big_extension(number: int) -> Row:
    return {"pkey": str(FIRST_NUMBER + number), "cluster": f"tenant{number % TENANTS:02}",
            "desc": f"{PHONE_NAMES[number % len(PHONE_NAMES)]} {number}", "device": "General SIP", "technology": "SIP",
            "location": "local", "passwd": f"big{number:09}", "callerid": str(FIRST_NUMBER + number)}


# Name -> a short description, and the function that builds the seed for a database.
NAMED_SEEDS: dict[str, tuple[str, Callable[[str], Seed]]] = {
    "factory": ("a factory-fresh SARK", Seed.factory),
    "empty": ("the default tenant and the row of settings only", lambda database: own_seed("empty", database)),
    "demo": ("a small firm in use: tenants, extensions, queues, IVR, routes, trunks, timers, greetings",
             lambda database: own_seed("demo", database)),
    "examples": ("all rows and files that the document's examples name, and a call in progress",
                 lambda database: with_archives(own_seed("examples", database))),
    "big": ("10,000 extensions in 20 tenants, on a factory-fresh SARK", big_seed),
}
TARGET_CHECKS = ("targets_resolve", "holiday_route_resolves")
EXISTS_RULE = re.compile(r"exists:(\w+),?(\w*)")
HINT = "; set `unchecked: true` in the seed to load it anyway"


def seed_names() -> list[str]:
    """Return the names that `load_seed` accepts."""
    return list(NAMED_SEEDS)


def seed_summary(name: str) -> str:
    """Return a short description of a named seed."""
    return NAMED_SEEDS[name][0]


def load_seed(seed: str | Path | Mapping[str, Any], document: Document | None = None) -> Seed:
    """Return the seed with that name, from the YAML file at that path, or from a mapping shaped like a seed file.

    The document (default ``documented``) names the database. Rows must be valid for its API unless the seed has
    ``unchecked: true``. Raises FileError with file, line and field of a mistake, or SeedError for a mapping.
    """
    if isinstance(seed, Mapping):
        return seed_from(dict(seed), document)
    if str(seed) in NAMED_SEEDS:
        return named_seed(str(seed), database_of(document))
    file = Path(seed)
    if file.suffix not in (".yaml", ".yml", ".json") and "/" not in str(seed) and not file.is_file():
        raise FileError("", None, f"{unknown_name('seed', seed, NAMED_SEEDS)}, or the path of a YAML file")
    try:
        return seed_from(yaml12.read(file), document)
    except SeedError as error:
        raise FileError(file, yaml12.line_of(file, error.place), str(error)) from None


def seed_from(content: Any, document: Document | None) -> Seed:
    seed, origins = on_base(content, database_of(document))
    if not seed.unchecked:
        check_rows(seed, origins, load() if document is None else document)
    return seed


def on_base(content: Any, database: str) -> tuple[Seed, Origins | None]:
    """Build the seed of a mapping on top of the base that it names, if any."""
    if not isinstance(content, dict) or "base" not in content:
        return Seed.of(content, database), None
    for place, problem in base_problems(content):
        raise SeedError(place, problem)
    own = Seed.of({key: value for key, value in content.items() if key != "base"}, database)
    return merged_seeds(named_seed(content["base"], database), own, stated="pbx" in content)


def base_problems(content: Any) -> Iterator[tuple[Place, str]]:
    """Yield place and problem of a base that is not a built-in seed."""
    if isinstance(content, dict) and "base" in content and str(content["base"]) not in NAMED_SEEDS:
        yield ("base",), unknown_name("seed", content["base"], NAMED_SEEDS)


def seed_mistakes(content: Any, document: Document) -> Iterator[tuple[Place, str]]:
    """Yield place and problem of each mistake in a seed file's shape, or, if there is none, in its values."""
    database, sound = database_of(document), True
    own = {key: value for key, value in content.items() if key != "base"} if isinstance(content, dict) else content
    for mistake in (*base_problems(content), *shape_problems(own, database)):
        yield mistake
        sound = False
    if not sound:
        return
    try:
        seed, origins = on_base(content, database)
    except SeedError as error:
        yield error.place, error.problem
    else:
        mistakes = () if seed.unchecked else invalid_values(seed, document)
        yield from ((place_on_base(place, origins), problem) for place, problem in mistakes)


def database_of(document: Document | None) -> str:
    return OLDEST if document is None else str(document["x-database"])


def check_rows(seed: Seed, origins: Origins | None, document: Document) -> None:
    """Raise SeedError for the first value that the API would reject, with the number of others."""
    problems = islice(invalid_values(seed, document), MOST_PROBLEMS)
    mistakes = [(place_on_base(place, origins), problem) for place, problem in problems]
    if mistakes:
        place, problem = mistakes[0]
        raise SeedError(place, problem + and_more(len(mistakes), " like it") + HINT)


def place_on_base(place: Place, origins: Origins | None) -> Place:
    """Map a place in a merged seed to the place in the seed on top."""
    if origins is None:
        return place
    kind, table, index, *rest = place
    return kind, table, origins.get((str(table), int(index)), 0), *rest


@cache
def named_seed(name: str, database: str) -> Seed:
    return NAMED_SEEDS[name][1](database)


def own_seed(name: str, database: str) -> Seed:
    """Return one of the seeds of this package. A test checks its rows against the document's rules."""
    return on_base(yaml12.read(seed_file(name)), database)[0]


def with_archives(seed: Seed) -> Seed:
    """Return the seed with a backup and a snapshot of its content added."""
    state = State(seed, now=WRITTEN)
    image = state.tables.dump()
    copies = {f"{pbx_files.BACKUPS}/sarkbak.{WRITTEN}.zip": pack_backup(state, PbxFile(image, WRITTEN)),
              f"{pbx_files.SNAPSHOTS}/sark.db.{WRITTEN}": image}
    return replace(seed, files=seed.files | copies)


# values that the API would reject


@dataclass(frozen=True)
class Writer:
    """One operation that writes a column."""

    validator: Validator
    where: Mapping[str, Sequence[str]]
    rules: str
    resolves: bool
    default: Any

    def writes(self, row: Row) -> bool:
        return all(row.get(column) in options for column, options in self.where.items())

    def rejection(self, column: str, texts: Mapping[str, str], tables: Database) -> str | None:
        """Return why the operation rejects a row's value; None if it accepts it."""
        if texts[column] == to_text(self.default):
            return None
        try:
            messages = self.validator.errors(texts, tables).get(column, [])
            if not messages and self.resolves and route_class(tables, texts[column]) is None:
                messages = ["It leads nowhere."]
        except PhpError:
            return None  # a profile whose rule crashes does not judge the value
        return messages[0] if messages else None

    def known(self, column: str, tables: Database) -> list[str]:
        """Return the values that the operation accepts by name."""
        keys = [str(key) for table in ("ipphone", *CLASS_OF_TABLE) for key in tables.values(table, "pkey")]
        named = [*ABSTRACT, *keys] if self.resolves else []
        for table, named_column in EXISTS_RULE.findall(self.rules):
            named += map(str, tables.values(table, named_column or column))
        listed = re.search(r"\bin:([^|]+)", self.rules)
        return named + (listed[1].split(",") if listed else [])


def invalid_values(seed: Seed, document: Document) -> Iterator[tuple[Place, str]]:
    """Yield place and problem of each value that no operation could have written."""
    yield from duplicate_keys(seed, document)
    tables, usual, columns = State(seed).tables, Seed.factory(seed.database).tables, writers(document)
    answers: dict[tuple[Any, ...], str | None] = {}
    for table, rows in seed.tables.items():
        defaults = tables.defaults(table)
        for index, row in enumerate(rows):
            fresh = next((before for before in usual.get(table, ()) if before.get("pkey") == row.get("pkey")), {})
            texts = {column: to_text(value) for column, value in row.items() if value is not None}
            for column in texts:
                matching = [writer for writer in columns.get((table, column), ()) if writer.writes(row)]
                question = (column, texts[column], *map(id, matching))  # many rows hold the same value
                if question not in answers:
                    answers[question] = why_invalid(matching, column, texts, tables)
                problem = answers[question]
                if problem and row[column] not in (fresh.get(column), defaults[column]):
                    yield ("tables", table, index, column), problem


def duplicate_keys(seed: Seed, document: Document) -> Iterator[tuple[Place, str]]:
    """Yield rows whose key another row has already, in tables for which the API checks it."""
    keys = {operation.table.name: operation.table.key for operation in compile_document(document)
            if operation.table and {"key_is_new", "key_is_free"} & set(operation.checks)}
    for table, key in keys.items():
        seen = set()
        for index, row in enumerate(seed.tables.get(table, ())):
            if row.get(key) in seen:
                yield ("tables", table, index, key), f"row {row[key]} already exists"
            seen.add(row.get(key, index))


def why_invalid(writers: list[Writer], column: str, texts: Mapping[str, str], tables: Database) -> str | None:
    """Return why every writer rejects the value, in the words of the last one (an update); None if one accepts it."""
    text, problem = texts[column], None
    for writer in writers:
        problem = writer.rejection(column, texts, tables)
        if problem is None:
            return None
    hint = [f"; did you mean {name}?" for name in nearest_names(text, writer.known(column, tables))] if problem else []
    return problem and f"the API rejects {text!r}: {problem}{''.join(hint)}"


def writers(document: Document) -> dict[tuple[str, str], list[Writer]]:
    """Return the operations that write each (table, column)."""
    result: dict[tuple[str, str], list[Writer]] = {}
    for operation in compile_document(document):
        if operation.table and operation.method in ("POST", "PUT"):
            for column, rules in operation.rules.items():
                result.setdefault((operation.table.name, column), []).append(writer_of(operation, column, rules))
    return result


def writer_of(operation: Operation, column: str, rules: str | list[str]) -> Writer:
    assert operation.table is not None
    targets = {field for name in TARGET_CHECKS if name in operation.checks for field in AFTER_CHECKS[name].texts}
    text = rules if isinstance(rules, str) else "|".join(rules)
    default = {**operation.defaults, **operation.table.defaults}.get(column)
    return Writer(Validator({column: rules}), operation.table.where, text, column in targets, default)
