"""Loads the document: bundles openapi.yaml and its resources, applies a profile's overlay, checks the vocabulary.

Gives one effective document without external references; knows nothing of requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from sarkmock.spec import overlay, yaml12
from sarkmock.spec.data_files import openapi_dir
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import unknown

Document = dict[str, Any]
METHODS = ("get", "post", "put", "delete")
BASE = "documented"
PROSE = {"summary", "description", "tags", "example", "examples", "x-source", "x-documented", "x-errata", "x-hazard"}


@dataclass(frozen=True)
class Deviation:
    """One known difference between the page and a profile: who notices, why we believe it, where it stands."""

    id: str
    summary: str
    severity: str
    reason: str
    pointers: tuple[str, ...] = field(default=())
    unseen: str = ""  # why nobody can see it from outside

    @property
    def telling(self) -> list[str]:
        """The places it changes, but for words that only people read."""
        return [place for place in self.pointers
                if place.rpartition("/")[2] not in PROSE and "/examples/" not in place]


def profiles() -> list[str]:
    """The names ``load`` knows: the base document and every overlay beside it."""
    return [BASE, *sorted(file.stem for file in (openapi_dir() / "overlays").glob("*.yaml"))]


@cache
def load(profile: str = BASE) -> Document:
    """The effective document of a profile: its name, or the path of an overlay file. Not to be changed by callers."""
    document = bundle(openapi_dir() / "openapi.yaml")
    file = overlay_file(profile)
    if file is not None:
        document = _apply(document, file)
    _check_vocabulary(document)
    return document


@cache
def deviations(profile: str) -> tuple[Deviation, ...]:
    """The profile's deviations from the base document, in the overlay's order."""
    file = overlay_file(profile)
    if file is None:
        return ()
    content = read_overlay(file)
    places: dict[str, list[str]] = {name: [] for name in content["x-deviations"]}
    for action, pointer in overlay.pointers(bundle(openapi_dir() / "openapi.yaml"), content["actions"]):
        places[action["x-deviation"]].append(pointer)
    return tuple(Deviation(name, **facts, pointers=tuple(places[name]))
                 for name, facts in content["x-deviations"].items())


@cache
def load_deviating(deviation: str) -> Document:
    """The base document with one deviation out of the overlays beside it. Not to be changed by callers."""
    for profile in profiles():
        file = overlay_file(profile)
        listed = read_overlay(file)["actions"] if file else []
        actions = [action for action in listed if action["x-deviation"] == deviation]
        if actions:
            document: Document = overlay.apply(bundle(openapi_dir() / "openapi.yaml"), actions)
            # Deviations share components; one that another deviation brings along may be referred to.
            document["components"] = {kind: {**entries, **document["components"].get(kind, {})}
                                      for kind, entries in load(profile)["components"].items()}
            return document
    raise FileError("overlays", None, f"there is no deviation {deviation!r}")


def overlay_file(profile: str) -> Path | None:
    """The overlay of a profile; None for the base. FileError if there is no such profile or file."""
    if profile == BASE:
        return None
    named = openapi_dir() / "overlays" / f"{profile}.yaml"
    if named.is_file():
        return named
    if profile.endswith((".yaml", ".yml", ".json")):
        return Path(profile)
    raise FileError(profile, None, f"{unknown('profile', profile, profiles())}, or the path of an overlay file")


def overlay_of(profile: str) -> dict[str, Any]:
    """The overlay of a profile as it is written; one without actions for the base. Not to be changed by callers."""
    file = overlay_file(profile)
    return read_overlay(file) if file is not None else {"actions": [], "x-deviations": {}}


@cache
def read_overlay(file: Path) -> dict[str, Any]:
    """An overlay file, its shape checked."""
    content = yaml12.read(file)
    for error in _validator("overlay").iter_errors(content):
        path = tuple(error.instance_path)
        raise FileError(file, yaml12.line_of(file, path), f"{'.'.join(map(str, path))}: {error.message}")
    for index, action in enumerate(content["actions"]):
        if action["x-deviation"] not in content["x-deviations"]:
            raise FileError(file, yaml12.line_of(file, ("actions", index)),
                            f"x-deviation {action['x-deviation']!r} is not listed under x-deviations")
    return content  # type: ignore[no-any-return]


def _apply(document: Document, file: Path) -> Document:
    try:
        return overlay.apply(document, read_overlay(file)["actions"])  # type: ignore[no-any-return]
    except overlay.OverlayError as error:
        raise FileError(file, yaml12.line_of(file, ("actions", error.index)), str(error)) from None


@cache
def bundle(root: Path) -> Document:
    """The document and the files it refers to, as one; schemas of resource files become components."""
    document = yaml12.read(root)
    schemas: dict[str, Any] = {}
    paths = {path: _path_item(root, path, item["$ref"], schemas) for path, item in document["paths"].items()}
    components = document["components"]
    for name, schema in schemas.items():
        if name in components["schemas"]:
            raise FileError(root, None, f"schema {name} is defined twice")
        components["schemas"][name] = schema
    return {**document, "paths": paths}


def _path_item(root: Path, path: str, ref: str, schemas: dict[str, Any]) -> Any:
    name, _, key = ref.partition("#/")
    file = root.parent / name
    content = _resource(file)
    if key not in content:
        raise FileError(root, yaml12.line_of(root, ("paths", path)), f"{path}: {name} has no {key!r}")
    for schema, value in content.get("schemas", {}).items():
        known = schemas.setdefault(schema, _localise(value, file))
        if known != _localise(value, file):
            raise FileError(file, yaml12.line_of(file, ("schemas", schema)), f"schema {schema} is defined twice")
    return _localise(content[key], file)


@cache
def _resource(file: Path) -> dict[str, Any]:
    return yaml12.read(file)  # type: ignore[no-any-return]


def _localise(value: Any, file: Path) -> Any:
    """A copy in which every reference points into the bundled document."""
    if isinstance(value, list):
        return [_localise(item, file) for item in value]
    if isinstance(value, dict):
        return {key: _local_ref(item, file) if key == "$ref" and isinstance(item, str) else _localise(item, file)
                for key, item in value.items()}
    return value


def _local_ref(ref: str, file: Path) -> str:
    if ref.startswith("#/schemas/"):
        return "#/components" + ref[1:]
    if ref.startswith("../openapi.yaml#/components/"):
        return ref.removeprefix("../openapi.yaml")
    raise FileError(file, None, f"reference {ref!r}: only #/schemas/... and ../openapi.yaml#/components/... are known")


def _check_vocabulary(document: Document) -> None:
    """Refuse an unknown or misshapen x- key, with its place."""
    for pointer, key, value in extensions(document):
        check = _vocabulary().get(key)
        if check is None:
            raise FileError("openapi", None, f"{pointer}: unknown key {key}")
        for error in check.iter_errors(value):
            raise FileError("openapi", None, f"{pointer}/{key}: {error.message}")


def extensions(value: Any, pointer: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every x- key outside examples: the JSON Pointer of its object, the key, its value."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from extensions(item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key.startswith("x-"):
                yield pointer, key, item
            elif key not in ("example", "examples"):
                yield from extensions(item, f"{pointer}/{overlay.escape(key)}")


def forget() -> None:
    """Read the files again when they are asked for next."""
    for remembered in (load, deviations, read_overlay, bundle, _resource, _vocabulary, _validator):
        remembered.cache_clear()


def resolve(document: Document, value: Any) -> Any:
    """What a ``$ref`` into the document stands for; anything else as it is."""
    while isinstance(value, dict) and "$ref" in value:
        target: Any = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        value = target
    return value


@cache
def _vocabulary() -> dict[str, jsonschema_rs.Validator]:
    schemas = json.loads((openapi_dir() / "vocabulary.schema.json").read_text())["$defs"]
    return {key: jsonschema_rs.validator_for({"$defs": schemas, "$ref": f"#/$defs/{key}"})
            for key in schemas if key.startswith("x-")}


@cache
def _validator(name: str) -> jsonschema_rs.Validator:
    schemas = json.loads((openapi_dir() / "vocabulary.schema.json").read_text())["$defs"]
    return jsonschema_rs.validator_for({"$defs": schemas, "$ref": f"#/$defs/{name}"})


