"""Values in a seed that the API would reject: the document's rules and checks, applied to rows.

A value is valid if at least one operation that writes its column accepts it. Values that the product itself stores
against its own rules are valid too: defaults of new rows, and factory values of the same row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sarkmock.http.replies import PhpError
from sarkmock.laravel.php import to_text
from sarkmock.laravel.validation import Validator
from sarkmock.pbx.actions import AFTER_CHECKS
from sarkmock.pbx.actions.destinations import ABSTRACT, CLASS_OF_TABLE, route_class
from sarkmock.pbx.database import Database, Row
from sarkmock.pbx.seed import Place, Seed
from sarkmock.pbx.state import State
from sarkmock.spec.loading import Document
from sarkmock.spec.operations import Operation, compile_document
from sarkmock.suggest import nearest_names

TARGET_CHECKS = ("targets_resolve", "holiday_route_resolves")
EXISTS_RULE = re.compile(r"exists:(\w+),?(\w*)")


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

    def refusal(self, column: str, texts: Mapping[str, str], tables: Database) -> str | None:
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
        for table, other in EXISTS_RULE.findall(self.rules):
            named += map(str, tables.values(table, other or column))
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
            fresh = next((other for other in usual.get(table, ()) if other.get("pkey") == row.get("pkey")), {})
            texts = {column: to_text(value) for column, value in row.items() if value is not None}
            for column in texts:
                found = [writer for writer in columns.get((table, column), ()) if writer.writes(row)]
                question = (column, texts[column], *map(id, found))  # many rows hold the same value
                if question not in answers:
                    answers[question] = why_invalid(found, column, texts, tables)
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
                yield ("tables", table, index, key), f"there is a row {row[key]} already"
            seen.add(row.get(key, index))


def why_invalid(found: list[Writer], column: str, texts: Mapping[str, str], tables: Database) -> str | None:
    """Return why every writer rejects the value, in the words of the last one (an update); None if one accepts it."""
    text, problem = texts[column], None
    for writer in found:
        problem = writer.refusal(column, texts, tables)
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
    targets = {field for name in TARGET_CHECKS if name in operation.checks for field in AFTER_CHECKS[name].fields}
    text = rules if isinstance(rules, str) else "|".join(rules)
    default = {**operation.defaults, **operation.table.defaults}.get(column)
    return Writer(Validator({column: rules}), operation.table.where, text, column in targets, default)
