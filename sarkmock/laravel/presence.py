"""The query of ``exists`` and ``unique``: Laravel's SQL, and SQLite's answer or error."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import chain, repeat
from typing import Any, NamedTuple, NoReturn, Protocol

from sarkmock.http.replies import QueryError
from sarkmock.laravel.php import to_text
from sarkmock.laravel.php.values import INT_MAX, INT_MIN, is_utf8

AS = re.compile(r"\s+as\s+", re.IGNORECASE)
SQL_TOKEN = re.compile(r'"(?:[^"]|"")*(?:"|$)|\'(?:[^\']|\'\')*(?:\'|$)')
OPERAND = re.compile(r"json_extract\(\*|(?:json_extract\()?(?:n\.){0,2}n?(?:, s\))?")  # n: a name, s: text
LONG_NAME = 100  # characters
WITH_INDEX = re.compile(r"(.*?)((?:\[[^\]]+\])+)", re.DOTALL)
WORD = re.compile(r" *(\w+|.)")


class Tables(Protocol):
    """The database queries that ``exists`` and ``unique`` need."""

    def columns(self, table: str) -> Sequence[str]: ...

    def count(self, table: str, column: str, value: Any) -> int: ...

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]: ...


class ColumnInQuery:
    """A column's name as Laravel reads it: it may have a table, an alias, and after ``->`` a path in its JSON."""

    def __init__(self, column: str, laravel_7: bool) -> None:
        column, *alias = AS.split(column) if " as " in column.lower() else [column]
        field, arrow, path = column.partition("->")
        self.is_json = bool(arrow)
        self.names = tuple(field.split("."))
        self.sql = ".".join(map(wrapped, self.names))
        if self.is_json:
            self.sql = f"json_extract({self.sql}, {json_path(path, laravel_7)})"
        self.sql += f" as {wrapped(alias[0])}" if alias else ""

    @cached_property
    def syntax_error(self) -> str | None:
        """SQLite's message where it cannot parse the SQL: a NUL ends the statement inside quotes."""
        tokens = SQL_TOKEN.findall(self.sql.partition("\0")[0])
        if "\0" in self.sql:
            return f'unrecognized token: "{tokens[-1]}"'
        shape = SQL_TOKEN.sub(lambda token: "n" if token[0].startswith('"') else "s", self.sql)
        parsed = OPERAND.match(shape)
        unexpected = WORD.match(shape, parsed.end() if parsed else 0)
        return f'near "{unexpected[1]}": syntax error' if unexpected else None


@lru_cache(maxsize=1024)
def known_column(column: str, laravel_7: bool) -> ColumnInQuery:
    return ColumnInQuery(column, laravel_7)


def json_path(path: str, laravel_7: bool) -> str:
    """Return a path in JSON as Laravel writes it in SQL. Later versions keep brackets at the end of a name."""
    steps = re.sub(r"(?<!\\)\\*'", "''", path).split("->")
    if laravel_7:
        return f"'$.{'.'.join(map(json_name, steps))}'"
    matches = [WITH_INDEX.fullmatch(step) if len(step) < LONG_NAME else None for step in steps]
    text = ".".join(f"{json_name(match[1]) if match[1] else ''}{match[2]}" if match else json_name(step)
                    for match, step in zip(matches, steps, strict=True))
    return f"'${'' if text.startswith('[') else '.'}{text}'"


def json_name(name: str) -> str:
    return f'"{name}"'


def wrapped(name: str) -> str:
    """Return a part of a column's name as Laravel writes it in SQL."""
    return name if name == "*" else '"' + name.replace('"', '""') + '"'


class WhereTerm(NamedTuple):
    """A comparison of a column, with a value or with null."""

    column: ColumnInQuery
    relation: str
    bindings: tuple[Any, ...]

    @classmethod
    def of(cls, column: str, value: Any, operator: str, laravel_7: bool) -> WhereTerm:
        read = (ColumnInQuery if len(column) > LONG_NAME else known_column)(column, laravel_7)
        if value is None:
            return cls(read, "is null" if operator == "=" else "is not null", ())
        return cls(read, f"{operator} ?", (value,))

    @classmethod
    def further(cls, column: str, expected: str, laravel_7: bool) -> WhereTerm:
        """Return the comparison that two further parameters of a rule are."""
        if expected in ("NULL", "NOT_NULL"):
            return cls.of(column, None, "=" if expected == "NULL" else "!=", laravel_7)
        return cls.of(column, expected.removeprefix("!"), "!=" if expected.startswith("!") else "=", laravel_7)


class Query:
    """``select count(*) from table where ...``."""

    def __init__(self, tables: Tables, table: str, terms: Sequence[WhereTerm]) -> None:
        self.tables, self.table, self.terms = tables, table, terms

    def failed(self, reason: str) -> NoReturn:
        """Raise the QueryError for a reason. Its message has bindings in place of question marks, also quoted ones."""
        where = " and ".join(f"{term.column.sql} {term.relation}" for term in self.terms)
        begin, *rest = f'select count(*) as aggregate from "{self.table}" where {where}'.split("?")
        values = chain(*(map(to_text, term.bindings) for term in self.terms), repeat("?"))
        sql = begin + "".join(value + text for value, text in zip(values, rest, strict=False))
        raise QueryError(f"SQLSTATE[HY000]: General error: 1 {reason}", sql)

    def columns(self) -> dict[str, str]:
        """Return the table's columns by their lower case names. QueryError if SQLite rejects the statement."""
        for term in self.terms:
            if term.column.syntax_error:
                self.failed(term.column.syntax_error)
        try:
            columns = {name.lower(): name for name in self.tables.columns(self.table)}
        except KeyError:
            self.failed(f"no such table: {self.table}")
        for term in self.terms:
            *place, name = map(str.lower, term.column.names)
            if place and (place not in ([self.table], ["main", self.table]) or name not in columns):
                self.failed(f"no such column: {'.'.join(term.column.names)}")
        self.check_constants(columns)
        return columns

    def check_constants(self, columns: Collection[str]) -> None:
        """Check the JSON among the texts: SQLite reads a quoted name that is not a column as text.

        It compares texts before it reads rows, and stops at the first that differs.
        """
        for term in self.terms:
            text = term.column.names[-1]
            if text.lower() in columns:
                continue
            if term.column.is_json:
                self.check_json(text)
            if term.column.is_json or text not in term.bindings:
                return

    def check_json(self, value: Any) -> None:
        if isinstance(value, str) and not is_valid_json(value):
            self.failed("malformed JSON")

    def finds_row(self) -> bool:
        """Whether a row matches. Further terms are not compared: no row has the value that they are part of."""
        columns, (column, _, bindings) = self.columns(), self.terms[0]
        name = columns.get(column.names[-1].lower())
        bound = bindings[0] if bindings else None
        if name is None:
            return bool(not column.is_json and bound == column.names[-1] and self.tables.rows(self.table))
        if column.is_json:
            for row in self.tables.rows(self.table):
                self.check_json(row.get(name))
            return False
        if len(self.terms) > 1 or (isinstance(bound, str) and not is_utf8(bound)):
            return False
        if bound is None:
            return any(row.get(name) is None for row in self.tables.rows(self.table))
        return self.tables.count(self.table, name, bound) > 0


def row_exists(tables: Tables, table: str, column: str, value: Any, further: Iterable[str] = (), *,
               laravel_7: bool) -> bool:
    """Whether a row of the table has the value in the column. QueryError where SQLite fails.

    ``further`` are a rule's other parameters: columns, each followed by the value that is expected there.
    """
    pairs = iter(further)
    terms = [WhereTerm.of(column, binding(value), "=", laravel_7),
             *(WhereTerm.further(name, expected, laravel_7) for name, expected in zip(pairs, pairs, strict=True))]
    return Query(tables, table, terms).finds_row()


def too_many_bindings(table: str, column: str, first: Any) -> QueryError:
    """Return the error of ``where column in (?)`` with several values, the first of which its message shows."""
    shown = "?" if first is None else to_text(binding(first))
    sql = f'select count(distinct {wrapped(column)}) as aggregate from "{table}" where {wrapped(column)} in ({shown})'
    return QueryError("SQLSTATE[HY000]: General error: 25 column index out of range", sql)


def is_valid_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=int)  # NaN and Infinity are not JSON
    except (ValueError, RecursionError):
        return False
    return True


def binding(value: Any) -> str | int | None:
    """Return the value as Laravel binds it: int and bool as integer, null as None (IS NULL), anything else as text."""
    if value is None or isinstance(value, str):
        return value
    return int(value) if isinstance(value, int) and INT_MIN <= value <= INT_MAX else to_text(value)
