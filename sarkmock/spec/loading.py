"""Load the document: bundle openapi.yaml and its resources, apply a profile's overlay, check the vocabulary.

The result is one effective document without external references.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sarkmock.spec import overlay, profiles, yaml12
from sarkmock.spec.data_files import BASE, openapi_dir
from sarkmock.spec.pointers import covers, keys_of, pointer, reach, with_references
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
from sarkmock.suggest import shortened, unknown_name

if TYPE_CHECKING:
    import jsonschema_rs

Document = dict[str, Any]
METHODS = ("get", "post", "put", "delete")
PROSE = {"summary", "description", "tags", "example", "examples", "x-source", "x-documented", "x-errata", "x-hazard"}


@dataclass(frozen=True)
class Deviation:
    """One known difference between the documentation and a profile: severity, reason and changed places.

    ``profile`` is the profile that introduces it; profiles that extend that one inherit it.
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
        """The JSON Pointers it changes, except descriptive text and examples."""
        return [place for place in self.pointers
                if place.rpartition("/")[2] not in PROSE and "/examples/" not in place]

    def touches(self, places: Iterable[str]) -> bool:
        """Whether it changes one of these places, or something above or below one."""
        return any(covers(changed, place) or covers(place, changed) for place in places for changed in self.observable)


SHAPE_ERRORS = (AttributeError, LookupError, TypeError, ValueError)


def incomplete(profile: str, verb: str) -> FileError:
    """Return the error of a document that raises one of SHAPE_ERRORS."""
    return FileError(profile, None, f"its document cannot be {verb}: after its actions, a part is missing or not the "
                     "mapping, list or text that OpenAPI requires")


@cache
def load(profile: str = BASE) -> Document:
    """Return the effective document of a profile, given as a name or overlay path. Callers must not modify it."""
    shipped = package_profile(profile)
    return cached_value(f"document-{shipped}", lambda: _loaded(shipped)) if shipped else _loaded(profile)


def _loaded(profile: str) -> Document:
    whole = overlay_with_parents(profile)
    try:
        document = _completed(_apply(bundle(openapi_dir() / "openapi.yaml"), whole), whole)
        mistakes = list(_vocabulary_mistakes(document))
    except SHAPE_ERRORS:
        raise incomplete(profile, "served") from None
    for place, problem in mistakes:
        raise FileError(*_written_at(whole, place), problem)
    return document


@lru_cache(maxsize=64)
def load_toggled(profile: str, *deviations: str) -> Document:
    """Return a profile's document with the given deviations toggled. Callers must not modify it.

    Deviations that the profile has are removed, others are added. Actions that cannot be applied without a
    removed deviation are skipped.
    """
    whole, origins = overlay_with_parents(profile), dict.fromkeys(map(_origin, deviations))
    kept = [action for action in whole.actions if action["x-deviation"] not in deviations]
    added = [action for origin in origins for action in overlay_with_parents(origin).actions
             if action["x-deviation"] in set(deviations).difference(whole.deviations)
             and _origin(action["x-deviation"]) == origin]
    document = overlay.apply_possible(load(BASE), [*kept, *added])[0]
    for name in (profile, *origins):
        document = _lending(document, load(name))
    return _completed(document, whole)


def _completed(document: Document, whole: OverlayLayer) -> Document:
    """Add the profile's x- facts and Crash responses; with an overlay, drop unused schemas."""
    facts = {key: value for key, value in whole.info.items() if key.startswith("x-")}
    document["info"] = document["info"] | facts
    document["paths"] = {path: _with_crashes(document, item) for path, item in document["paths"].items()}
    if whole.actions:
        document["components"] = document["components"] | {"schemas": _used_schemas(document)}
    return document


def _used_schemas(document: Document) -> dict[str, Any]:
    """Return the schemas that operations refer to. An overlay that removes an operation can leave unused ones."""
    used = reach(document, "/paths")
    return {name: schema for name, schema in document["components"]["schemas"].items()
            if pointer("components", "schemas", name) in used}


def _with_crashes(document: Document, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a path item whose operations declare the document's Crash response as their 500.

    Content types that an operation declares for its 500 are kept. Crash also covers the HTML debug page that clients
    get if they do not ask for JSON.
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
    """Return the profile's deviations from the base document, inherited ones first, in the overlays' order."""
    whole = overlay_with_parents(profile)
    places: dict[str, list[str]] = {name: [] for name in whole.deviations}
    with _placed(whole):
        for action, place in overlay.changed_pointers(load(BASE), list(whole.actions)):
            places[action["x-deviation"]].append(place)
    return tuple(Deviation(name, **facts, pointers=tuple(places[name]), profile=whole.origins[name])
                 for name, facts in whole.deviations.items())


@lru_cache(maxsize=32)
def load_with_deviation(deviation: str) -> tuple[Document, Document]:
    """Return the base document without and with one shipped deviation. Callers must not modify them.

    If the deviation needs changes of the profile that its own profile extends, the first document is that parent's.
    """
    origin = _origin(deviation)
    actions = [action for action in overlay_with_parents(origin).actions if action["x-deviation"] == deviation]
    before = load(BASE)
    try:
        after = overlay.apply(before, actions)
    except overlay.OverlayError:
        before = load(describe_profile(origin).extends or BASE)
        after = overlay.apply(before, actions)
    return before, _lending(after, load(origin))


def _lending(document: Document, lender: Document) -> Document:
    """Return a document with components that it lacks added from another: deviations share components."""
    own = document["components"]
    lent = {kind: {**entries, **own.get(kind, {})} for kind, entries in lender["components"].items()}
    return {**document, "components": {**own, **lent}}


def _origin(deviation: str) -> str:
    """Return the name of the shipped profile that introduces a deviation. FileError if there is none."""
    origins = {listed.id: listed.profile for profile in profiles.profile_names() for listed in deviations_of(profile)}
    if deviation not in origins:
        raise FileError("overlays", None, f"unknown deviation {deviation!r}")
    return origins[deviation]


def _apply(document: Document, whole: OverlayLayer) -> Document:
    if not whole.actions:
        return {**document}
    with _placed(whole):
        return overlay.apply(document, list(whole.actions))  # type: ignore[no-any-return]


@contextmanager
def _placed(whole: OverlayLayer) -> Iterator[None]:
    """Convert an OverlayError to a FileError with the action's file and line."""
    try:
        yield
    except overlay.OverlayError as error:
        file, index = whole.places[error.index]
        raise FileError(file, yaml12.line_of(file, ("actions", index)), error.message_at(index)) from None


@cache
def bundle(root: Path) -> Document:
    """Merge the document and the files it refers to into one; schemas of resource files become components."""
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
    content = _resource_file(file)
    if key not in content:
        raise FileError(root, yaml12.line_of(root, ("paths", path)), f"{path}: {name} has no {key!r}")
    for schema, value in _schemas(file).items():
        earlier = schemas.setdefault(schema, value)
        if earlier is not value and earlier != value:
            raise FileError(file, yaml12.line_of(file, ("schemas", schema)), f"schema {schema} is defined twice")
    return with_references(content[key], partial(_local_ref, file=file))


@cache
def _resource_file(file: Path) -> dict[str, Any]:
    return yaml12.read(file)  # type: ignore[no-any-return]


@cache
def _schemas(file: Path) -> dict[str, Any]:
    """Return the schemas of a resource file, as components of the bundled document."""
    return {name: with_references(schema, partial(_local_ref, file=file))
            for name, schema in _resource_file(file).get("schemas", {}).items()}


def _local_ref(ref: str, file: Path) -> str:
    """Return a reference of a file as one into the bundled document."""
    if ref.startswith("#/schemas/"):
        return "#/components" + ref[1:]
    if ref.startswith("../openapi.yaml#/components/"):
        return ref.removeprefix("../openapi.yaml")
    raise FileError(file, None, f"reference {ref!r}: only #/schemas/... and ../openapi.yaml#/components/... are known")


def _vocabulary_mistakes(document: Document) -> Iterator[tuple[str, str]]:
    """Yield the pointer of each unknown or malformed x- key, and the problem."""
    for place, key, value in extensions(document):
        check = _vocabulary().get(key)
        if check is None:
            yield place + pointer(key), f"{place or 'document'}: {unknown_name('key', key, _vocabulary())}"
        else:
            yield from ((place + pointer(key), f"{place}/{key}: {shortened(error.message)}")
                        for error in check.iter_errors(value))


def _written_at(whole: OverlayLayer, place: str) -> tuple[Path | str, int | None]:
    """Return the file and line of the last action that changes a place of the document."""
    changed = overlay.changed_pointers(load(BASE), list(whole.actions)) if whole.actions else ()
    actions = [action for action, at in changed if covers(at, place) or covers(place, at)]
    if not actions:
        return "openapi", None
    file, index = next(where for action, where in zip(whole.actions, whole.places, strict=True)
                       if action is actions[-1])
    return file, yaml12.line_of(file, ("actions", index))


def line_naming(profile: str, name: str) -> tuple[Path | str, int | None]:
    """Return the file and line of the last action whose x- values contain a rule, check or action name."""
    whole, word = overlay_with_parents(profile), re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    for action, (file, index) in reversed(list(zip(whole.actions, whole.places, strict=True))):
        update = action.get("update")
        values = [value for _, _, value in extensions(update)] if isinstance(update, (dict, list)) else [update]
        if any(word.search(str(value)) for value in values):
            return file, yaml12.line_of(file, ("actions", index))
    return profile, None


def extensions(value: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield every x- key outside examples: the JSON Pointer of its object, the key and its value."""
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
    """Clear the cached documents, so that the next use loads them again."""
    profiles.clear_file_cache()
    for remembered in (load, load_toggled, deviations_of, load_with_deviation, bundle, _resource_file, _schemas,
                       _vocabulary, sources_digest):
        remembered.cache_clear()


def resolve(document: Document, value: Any) -> Any:
    """Follow a ``$ref`` into the document to its target. Return other values unchanged."""
    while isinstance(value, dict) and "$ref" in value:
        target: Any = document
        for key in keys_of(value["$ref"].removeprefix("#")):
            target = target[key]
        value = target
    return value


@cache
def _vocabulary() -> dict[str, jsonschema_rs.Validator]:
    return {key: vocabulary_validator(key) for key in definitions() if key.startswith("x-")}
