"""The JSON Schema of seed files, for editors: made from the databases' layouts and the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sarkmock.pbx.database import Database
from sarkmock.pbx.seed import ROW_ID, SEED_KEYS
from sarkmock.pbx.seeds import seed_names, seed_summary
from sarkmock.pbx.sql import DATABASES
from sarkmock.spec.loading import Document, load, resolve
from sarkmock.spec.operations import body_schema, compile_document

DEFINITIONS = {
    "value": {"type": ["string", "number", "null"]},
    "row-id": {"type": ["string", "integer", "null"], "pattern": "^[-+]?[0-9]{1,18}$"},
    "file": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["base64"], "additionalProperties": False,
                                            "properties": {"base64": {"type": "string"}}}]},
}
PART_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "files": {"description": "Files of the PBX by absolute path: text, or {base64: ...}.", "type": ["object", "null"],
              "propertyNames": {"pattern": "^/"}, "additionalProperties": {"$ref": "#/$defs/file"}},
    "astdb": {"description": "Values of Asterisk's database by family and key.", "type": ["object", "null"],
              "additionalProperties": {"type": ["object", "null"],
                                       "additionalProperties": {"type": ["string", "integer"]}}},
    "calls": {"description": "Calls in progress, which last until they are hung up.", "type": ["array", "null"],
              "items": {"type": "object", "required": ["from", "to"], "additionalProperties": False, "properties": {
                  "from": {"type": ["string", "integer"]}, "to": {"type": ["string", "integer"]}}}},
    "pbx": {"description": "Whether Asterisk runs.", "enum": ["running", "stopped"], "default": "running"},
    "unchecked": {"description": "Load rows that the API would reject, too.", "type": "boolean", "default": False},
}


def seed_schema() -> dict[str, Any]:
    """The shape of a seed file, with the tables and columns of every database."""
    parts = {"tables": {"description": "Rows by table.", "type": ["object", "null"], "additionalProperties": False,
                        "properties": _tables(load())}, **PART_SCHEMAS}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A seed of sarkmock",
            "description": "What a PBX holds at the start.", "type": "object", "additionalProperties": False,
            "properties": {"base": _base(), **{key: parts[key] for key in SEED_KEYS}}, "$defs": DEFINITIONS}


def _base() -> dict[str, Any]:
    named = "; ".join(f"{name}: {seed_summary(name)}" for name in seed_names())
    return {"description": f"The seed below this one. {named}.", "enum": seed_names()}


def _tables(document: Document) -> dict[str, Any]:
    hints = _hints(document)
    columns: dict[str, dict[str, Any]] = {}
    for database in map(Database, DATABASES):
        for table in database.tables():
            columns.setdefault(table, {}).update(
                {name: _column(kind, hints.get((table, name), {})) for name, kind in database.kinds(table).items()})
    return {table: {"type": ["array", "null"], "items": {
        "type": "object", "additionalProperties": False, "properties": columns[table]}} for table in sorted(columns)}


def _column(kind: str, hint: Mapping[str, Any]) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{'row-id' if kind == ROW_ID else 'value'}", **hint}


def _hints(document: Document) -> dict[tuple[str, str], dict[str, Any]]:
    """By table and column, what the API says of the variable, and the values that it lists."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for operation in compile_document(document):
        if operation.table is None or operation.method not in ("POST", "PUT"):
            continue
        properties = body_schema(document, operation.spec).get("properties", {})
        for column, rules in operation.rules.items():
            found[operation.table.name, column] = _hint(document, properties.get(column, {}), rules)
    return found


def _hint(document: Document, schema: Mapping[str, Any], rules: str | Sequence[str]) -> dict[str, Any]:
    rule = rules if isinstance(rules, str) else "|".join(rules)
    text = " ".join(schema.get("description", "").split())
    values = [value for value in resolve(document, dict(schema)).get("enum", ()) if value is not None]
    return {"description": f"{text} Rules: {rule}".strip()} | ({"examples": values} if values else {})
