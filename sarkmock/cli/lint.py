"""`sarkmock lint` and `schema`: checks of files that users write, without a server, and JSON Schemas for editors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from sarkmock.cli.output import names_or_file, write_text
from sarkmock.export import FOLDER_FORMS, TEXT_FORMS, written
from sarkmock.faults import Faults
from sarkmock.faults.fault import EFFECTS, Fault, FaultError
from sarkmock.http.engine import Engine, Program
from sarkmock.pbx.database import Database
from sarkmock.pbx.seed import PHONE_NUMBER, ROW_ID, SEED_KEYS, Place
from sarkmock.pbx.seeds import seed_mistakes, seed_names, seed_summary
from sarkmock.pbx.sql import DATABASES
from sarkmock.redaction import printable
from sarkmock.spec import overlay, yaml12
from sarkmock.spec.data_files import BASE
from sarkmock.spec.loading import Document, load, resolve
from sarkmock.spec.operations import body_schema, compile_document
from sarkmock.spec.profiles import overlay_with_parents, profile_names, shape_mistakes, vocabulary
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import shortened

DEFINITIONS = {
    "phone-number": {"type": ["string", "integer"], "pattern": f"^{PHONE_NUMBER.pattern}$"},
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
                  "from": {"$ref": "#/$defs/phone-number"}, "to": {"$ref": "#/$defs/phone-number"}}}},
    "pbx": {"description": "Whether Asterisk runs.", "enum": ["running", "stopped"], "default": "running"},
    "unchecked": {"description": "Load rows that the API would reject, too.", "type": "boolean", "default": False},
}


def seed_schema() -> dict[str, Any]:
    """Return the JSON Schema of a seed file, with the tables and columns of every database."""
    parts = {"tables": {"description": "Rows by table.", "type": ["object", "null"], "additionalProperties": False,
                        "properties": _tables_schema(load())}, **PART_SCHEMAS}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A seed of sarkmock",
            "description": "What a PBX holds at the start.", "type": "object", "additionalProperties": False,
            "properties": {"base": _base_property(), **{key: parts[key] for key in SEED_KEYS}}, "$defs": DEFINITIONS}


def _base_property() -> dict[str, Any]:
    named = "; ".join(f"{name}: {seed_summary(name)}" for name in seed_names())
    return {"description": f"The seed below this one. {named}.", "enum": seed_names()}


def _tables_schema(document: Document) -> dict[str, Any]:
    hints = _hints(document)
    columns: dict[str, dict[str, Any]] = {}
    for database in map(Database, DATABASES):
        for table in database.tables():
            columns.setdefault(table, {}).update({name: _column(kind, hints.get((table, name), {}))
                                                  for name, kind in database.column_types(table).items()})
    return {table: {"type": ["array", "null"], "items": {
        "type": "object", "additionalProperties": False, "properties": columns[table]}} for table in sorted(columns)}


def _column(kind: str, hint: Mapping[str, Any]) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{'row-id' if kind == ROW_ID else 'value'}", **hint}


def _hints(document: Document) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the API's description, rules and listed values of the variable for each (table, column)."""
    result: dict[tuple[str, str], dict[str, Any]] = {}
    for operation in compile_document(document):
        if operation.table is None or operation.method not in ("POST", "PUT"):
            continue
        properties = body_schema(document, operation.spec).get("properties", {})
        for column, rules in operation.rules.items():
            result[operation.table.name, column] = _hint(document, properties.get(column, {}), rules)
    return result


def _hint(document: Document, schema: Mapping[str, Any], rules: str | Sequence[str]) -> dict[str, Any]:
    rule = rules if isinstance(rules, str) else "|".join(rules)
    text = " ".join(schema.get("description", "").split())
    values = [value for value in resolve(document, dict(schema)).get("enum", ()) if value is not None]
    return {"description": f"{text} Rules: {rule}".strip()} | ({"examples": values} if values else {})


OVERLAY_KEYS = ("overlay", "actions", "x-deviations")  # each marks a file as an overlay
MOST_MISTAKES = 100  # mistakes that are listed per file
Mistakes = Iterator[tuple[Place, str]]
SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {"seed": seed_schema, "overlay": vocabulary}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--profile", default=BASE, show_default=True, metavar="NAME", shell_complete=names_or_file(profile_names),
              help="Profile for checking seeds and faults: a name that `sarkmock profiles` lists, or an overlay file.")
def lint(files: tuple[Path, ...], profile: str) -> int:
    """Check seeds, overlays and lists of faults, and list every mistake with its line.

    The kind of a file is recognised by its content. Exit code 1 means that there are mistakes, 2 that a file cannot be
    read.

    \b
    Examples:
        sarkmock lint my-box.yaml box-overlay.yaml
        sarkmock lint --profile L11 seeds/*.yaml
    """
    load(profile)
    mistakes = [line for file in files for line in _mistake_lines(file, profile)]
    for line in mistakes:
        click.echo(printable(line))
    return 1 if mistakes else 0


@click.command()
@click.argument("kind", type=click.Choice(list(SCHEMAS)))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write to a file instead of standard output.")
def schema(kind: str, output: Path | None) -> None:
    """Print the JSON Schema of seed or overlay files, for editors.

    An editor that uses yaml-language-server reads it where a comment at the top of a file is
    `# yaml-language-server: $schema=seed.schema.json`.

    \b
    Examples:
        sarkmock schema seed -o seed.schema.json
        sarkmock schema overlay -o overlay.schema.json
    """
    write_text(output, json.dumps(SCHEMAS[kind](), indent=1, ensure_ascii=False) + "\n")


def _mistake_lines(file: Path, profile: str) -> list[str]:
    """Return the mistakes in a file, one per line, sorted by line."""
    text = yaml12.text_of(file)
    try:
        problems = list(islice(_problems(file, yaml12.parse(text, file), profile), MOST_MISTAKES + 1))
    except FileError as error:
        return [str(error)]
    lines = yaml12.lines_in(text, (place for place, _ in problems[:MOST_MISTAKES]))
    placed = sorted((line or 1, problem) for line, (_, problem) in zip(lines, problems, strict=False))
    more = [f"{file}: there are more mistakes"] if len(problems) > MOST_MISTAKES else []
    return [f"{file}:{line}: {problem}" for line, problem in dict.fromkeys(placed)] + more


def _problems(file: Path, content: Any, profile: str) -> Mistakes:
    if isinstance(content, dict) and content.keys() & {*OVERLAY_KEYS}:
        return _of_overlay(file, content)
    if isinstance(content, dict) and (not content or content.keys() & {"base", *SEED_KEYS}):
        return ((place, f"{'.'.join(map(str, place))}: {problem}")
                for place, problem in seed_mistakes(content, load(profile)))
    entries = content if isinstance(content, list) else [content]
    keys = {key: None for entry in entries if isinstance(entry, dict) for key in entry}
    if isinstance(content, list) and (not content or keys.keys() & {"latency", *EFFECTS}):
        return _of_faults(content, Engine(load(profile)))
    keys_shown = f"its keys are {', '.join(map(str, keys))}" if keys else "it has no keys"
    kinds = (f"neither a seed ({', '.join(SEED_KEYS)}), nor an overlay ({', '.join(OVERLAY_KEYS)}), "
             f"nor a list of faults (latency, {', '.join(EFFECTS)})")
    return iter([((), f"{kinds}: {shortened(keys_shown)}")])


def _of_faults(content: list[Any], engine: Engine) -> Mistakes:
    faults = Faults(engine)
    for index, item in enumerate(content):
        try:
            faults.add(Fault.of(item))
        except FaultError as error:
            yield (index,), str(error)


def _of_overlay(file: Path, content: Any) -> Mistakes:
    """Yield mistakes of shape; if there are none, actions that cannot be applied. FileError for an invalid result."""
    shape = list(shape_mistakes(content))
    yield from shape
    if shape:
        return
    whole = overlay_with_parents(str(file))
    _, errors = overlay.apply_possible(load(BASE), whole.actions)
    wrong = [(whole.places[error.index][1], error) for error in errors]
    for index, error in wrong:
        yield ("actions", index), error.message_at(index)
    if not wrong:
        Program.of(str(file))
        for form in (*TEXT_FORMS, *FOLDER_FORMS):
            written(form, str(file), "https://127.0.0.1")
