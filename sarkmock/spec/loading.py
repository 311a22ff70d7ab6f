"""Loads the document: bundles openapi.yaml and its resources, applies a profile's overlay, checks the vocabulary.

Gives one effective document without external references.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sarkmock.spec import overlay, profiles, yaml12
from sarkmock.spec.data_files import BASE, openapi_dir
from sarkmock.spec.pointers import covers, keys_of, pointer, reach
from sarkmock.spec.prepared import cached_value, sources_digest
from sarkmock.spec.profiles import (
    OverlayLayer,
    definitions,
    describe_profile,
    overlay_with_parents,
    package_profile,
    vocabulary_validator,
)
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import unknown_name

if TYPE_CHECKING:
    import jsonschema_rs

Document = dict[str, Any]
METHODS = ("get", "post", "put", "delete")
PROSE = {"summary", "description", "tags", "example", "examples", "x-source", "x-documented", "x-errata", "x-hazard"}


@dataclass(frozen=True)
class Deviation:
    """One known difference between the page and a profile: who notices, why we believe it, where it stands.

    ``profile`` is the one that introduces it; those that extend that one inherit it.
    """

    id: str
    summary: str
    severity: str
    reason: str
    pointers: tuple[str, ...] = field(default=())
    unseen: str = ""  # why no client can observe it
    profile: str = ""

    @cached_property
    def observable(self) -> list[str]:
        """The places it changes, but for words that only people read."""
        return [place for place in self.pointers
                if place.rpartition("/")[2] not in PROSE and "/examples/" not in place]


@cache
def load(profile: str = BASE) -> Document:
    """The effective document of a profile: its name, or the path of an overlay file. Not to be changed by callers."""
    shipped = package_profile(profile)
    return cached_value(f"document-{shipped}", lambda: _loaded(shipped)) if shipped else _loaded(profile)


def _loaded(profile: str) -> Document:
    whole = overlay_with_parents(profile)
    try:
        document = _completed(_apply(_base(), whole), whole)
        mistakes = list(_vocabulary_mistakes(document))
    except (AttributeError, KeyError, TypeError):
        raise FileError(profile, None, "its document cannot be served: after its actions, a part is missing, or is not "
                        "the mapping or list that OpenAPI has there") from None
    for place, problem in mistakes:
        raise FileError(*_written_at(whole, place), problem)
    return document


@lru_cache(maxsize=64)
def load_toggled(profile: str, *deviations: str) -> Document:
    """A profile's document without some of its deviations, or with some that it lacks. Not to be changed by callers.

    Actions of other deviations that build on them are left out.
    """
    whole, origins = overlay_with_parents(profile), dict.fromkeys(map(_origin, deviations))
    kept = [action for action in whole.actions if action["x-deviation"] not in deviations]
    added = [action for origin in origins for action in overlay_with_parents(origin).actions
             if action["x-deviation"] in set(deviations).difference(whole.deviations)
             and _origin(action["x-deviation"]) == origin]
    document = overlay.apply_possible(_base(), [*kept, *added])[0]
    for name in (profile, *origins):
        document = _lending(document, load(name))
    return _completed(document, whole)


def _completed(document: Document, whole: OverlayLayer) -> Document:
    """A document with what its profile says of itself, and what follows from it."""
    facts = {key: value for key, value in whole.info.items() if key.startswith("x-")}
    document["info"] = document["info"] | facts
    document["paths"] = {path: _with_crashes(document, item) for path, item in document["paths"].items()}
    if whole.actions:
        document["components"] = document["components"] | {"schemas": _used_schemas(document)}
    return document


def _used_schemas(document: Document) -> dict[str, Any]:
    """The schemas that operations refer to: an overlay that removes an operation may leave others."""
    used = reach(document, "/paths")
    return {name: schema for name, schema in document["components"]["schemas"].items()
            if pointer("components", "schemas", name) in used}


def _with_crashes(document: Document, item: Mapping[str, Any]) -> dict[str, Any]:
    """A path item whose operations declare the 500 that a product with debug pages may answer anywhere.

    As a page, too: that is what clients get that do not ask for JSON.
    """
    crash = document["components"]["responses"].get("Crash")
    if crash is None:
        return dict(item)
    return {key: {**value, "responses": _with_crash(document, value["responses"], crash)} if key in METHODS else value
            for key, value in item.items()}


def _with_crash(document: Document, responses: Mapping[str, Any], crash: Mapping[str, Any]) -> dict[str, Any]:
    declared = resolve(document, responses.get("500", {}))
    content = {**crash["content"], **declared.get("content", {})}
    crashed = {**declared, "content": content} if declared else {"$ref": "#/components/responses/Crash"}
    return {**responses, "500": crashed}


@cache
def deviations_of(profile: str) -> tuple[Deviation, ...]:
    """The profile's deviations from the base document, inherited ones first, in the overlays' order."""
    whole = overlay_with_parents(profile)
    places: dict[str, list[str]] = {name: [] for name in whole.deviations}
    with _placed(whole):
        for action, place in overlay.changed_pointers(_base(), list(whole.actions)):
            places[action["x-deviation"]].append(place)
    return tuple(Deviation(name, **facts, pointers=tuple(places[name]), profile=whole.origins[name])
                 for name, facts in whole.deviations.items())


@lru_cache(maxsize=32)
def load_with_deviation(deviation: str) -> tuple[Document, Document]:
    """The base document without and with one deviation of the overlays beside it. Not to be changed by callers.

    A deviation of a profile that extends another may need what that one changes: then its document is the base.
    """
    origin = _origin(deviation)
    actions = [action for action in overlay_with_parents(origin).actions if action["x-deviation"] == deviation]
    before = _base()
    try:
        after = overlay.apply(before, actions)
    except overlay.OverlayError:
        before = load(describe_profile(origin).extends or BASE)
        after = overlay.apply(before, actions)
    return before, _lending(after, load(origin))


def _lending(document: Document, other: Document) -> Document:
    """A document with the components of another that it lacks: deviations share them, and may refer to them."""
    own = document["components"]
    lent = {kind: {**entries, **own.get(kind, {})} for kind, entries in other["components"].items()}
    return {**document, "components": {**own, **lent}}


def _origin(deviation: str) -> str:
    """The profile that introduces a deviation."""
    origins = {known.id: known.profile for profile in profiles.profiles() for known in deviations_of(profile)}
    if deviation not in origins:
        raise FileError("overlays", None, f"there is no deviation {deviation!r}")
    return origins[deviation]


def _base() -> Document:
    return bundle(openapi_dir() / "openapi.yaml")


def _apply(document: Document, whole: OverlayLayer) -> Document:
    if not whole.actions:
        return {**document}
    with _placed(whole):
        return overlay.apply(document, list(whole.actions))  # type: ignore[no-any-return]


@contextmanager
def _placed(whole: OverlayLayer) -> Iterator[None]:
    """An action that cannot be applied is reported with its file and line."""
    try:
        yield
    except overlay.OverlayError as error:
        file, index = whole.places[error.index]
        raise FileError(file, yaml12.line_of(file, ("actions", index)), error.message_at(index)) from None


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
    for schema, value in _schemas(file).items():
        earlier = schemas.setdefault(schema, value)
        if earlier is not value and earlier != value:
            raise FileError(file, yaml12.line_of(file, ("schemas", schema)), f"schema {schema} is defined twice")
    return _localise(content[key], file)


@cache
def _resource(file: Path) -> dict[str, Any]:
    return yaml12.read(file)  # type: ignore[no-any-return]


@cache
def _schemas(file: Path) -> dict[str, Any]:
    """The schemas of a resource file, as components of the bundled document."""
    return {name: _localise(schema, file) for name, schema in _resource(file).get("schemas", {}).items()}


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


def _vocabulary_mistakes(document: Document) -> Iterator[tuple[str, str]]:
    """The pointer of an unknown or misshapen x- key, and what is wrong with it."""
    for place, key, value in extensions(document):
        check = _vocabulary().get(key)
        if check is None:
            yield place + pointer(key), f"{place}: {unknown_name('key', key, _vocabulary())}"
        else:
            yield from ((place + pointer(key), f"{place}/{key}: {error.message}") for error in check.iter_errors(value))


def _written_at(whole: OverlayLayer, place: str) -> tuple[Path | str, int | None]:
    """The file and line of the last action that changes a place of the document."""
    changed = overlay.changed_pointers(_base(), list(whole.actions))
    found = [action for action, at in changed if covers(at, place) or covers(place, at)]
    if not found:
        return "openapi", None
    file, index = next(where for action, where in zip(whole.actions, whole.places, strict=True) if action is found[-1])
    return file, yaml12.line_of(file, ("actions", index))


def line_naming(profile: str, name: str) -> tuple[Path | str, int | None]:
    """The file and line of the last action that brings a name into the document: of a rule, a check or an action."""
    whole, word = overlay_with_parents(profile), re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    for action, (file, index) in reversed(list(zip(whole.actions, whole.places, strict=True))):
        update = action.get("update")
        values = [value for _, _, value in extensions(update)] if isinstance(update, (dict, list)) else [update]
        if any(word.search(str(value)) for value in values):
            return file, yaml12.line_of(file, ("actions", index))
    return profile, None


def extensions(value: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every x- key outside examples: the JSON Pointer of its object, the key, its value."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from extensions(item, f"{place}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key.startswith("x-"):
                yield place, key, item
            elif key not in ("example", "examples"):
                yield from extensions(item, place + pointer(key))


def clear_cache() -> None:
    """Forget the documents that were loaded, so that the next use loads them again."""
    profiles.clear_file_cache()
    for remembered in (load, load_toggled, deviations_of, load_with_deviation, bundle, _resource, _schemas, _vocabulary,
                       sources_digest):
        remembered.cache_clear()


def resolve(document: Document, value: Any) -> Any:
    """The target of a ``$ref`` into the document; other values are returned unchanged."""
    while isinstance(value, dict) and "$ref" in value:
        target: Any = document
        for key in keys_of(value["$ref"].removeprefix("#")):
            target = target[key]
        value = target
    return value


@cache
def _vocabulary() -> dict[str, jsonschema_rs.Validator]:
    return {key: vocabulary_validator(key) for key in definitions() if key.startswith("x-")}
