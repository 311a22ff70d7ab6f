"""The profiles: overlay files, which can extend each other, with their descriptions and deviations.

Reads overlays and resolves their parents. Does not apply them to a document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sarkmock.spec import yaml12
from sarkmock.spec.data_files import BASE, openapi_dir
from sarkmock.spec.pointers import dotted
from sarkmock.spec.prepared import cached_value
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import shortened, unknown_name

if TYPE_CHECKING:
    import jsonschema_rs

SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Profile:
    """A profile's description; ``extends`` is None for the base document."""

    name: str
    title: str
    line: str = ""
    framework: str = ""
    date: str = ""
    extends: str | None = None
    aliases: tuple[str, ...] = ()
    default: bool = False

    @classmethod
    def of(cls, name: str, info: Mapping[str, Any], extends: str | None) -> Profile:
        return cls(name, info["title"], info.get("x-line", ""), info.get("x-framework", ""),
                   str(info.get("x-date", "")), extends, tuple(info.get("x-aliases", ())), info.get("x-default", False))


@dataclass(frozen=True)
class OverlayLayer:
    """An overlay merged with its parents: actions on the base document, each with its file and index."""

    actions: tuple[Mapping[str, Any], ...] = ()
    places: tuple[tuple[Path, int], ...] = ()
    deviations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)  # deviation -> the profile that introduces it
    info: Mapping[str, Any] = field(default_factory=dict)


def profile_names() -> list[str]:
    """Return the names that ``load`` accepts: the base document and every shipped overlay, the oldest first."""
    return [BASE, *_shipped()]


def product() -> str:
    """Return the default product profile: the overlay with ``x-default``, or the base document if there is none."""
    return next((name for name, profile in _shipped().items() if profile.default), BASE)


def describe_profile(name: str) -> Profile:
    """Return a profile's description. FileError if there is no profile of that name."""
    file = overlay_file(name)
    if file is None:
        return Profile.of(BASE, yaml12.read(openapi_dir() / "openapi.yaml")["info"], None)
    info = read_overlay(file)["info"]
    return Profile.of(canonical_name(name), info, checked_parent(file, info))


@cache
def _shipped() -> dict[str, Profile]:
    """Return the shipped overlays' profiles by name, sorted by date."""
    profiles = [Profile.of(name, info, parent_of(info)) for name, info in cached_value("profiles", _infos).items()]
    return {profile.name: profile for profile in sorted(profiles, key=lambda profile: (profile.date, profile.name))}


def _infos() -> dict[str, dict[str, Any]]:
    """Return the info object of each shipped overlay by name."""
    return {file.stem: read_overlay(file)["info"] for file in sorted((openapi_dir() / "overlays").glob("*.yaml"))}


def parent_of(info: Mapping[str, Any]) -> str:
    """Return the profile that an overlay's info says it extends; the base document by default."""
    return str(info.get("x-extends", info.get("extends", BASE)))


def checked_parent(file: Path, info: Mapping[str, Any]) -> str:
    """Return the profile that an overlay extends. FileError with the line of the key if it does not exist."""
    parent, key = parent_of(info), "x-extends" if "x-extends" in info else "extends"
    try:
        parent_file = overlay_file(parent, file.parent)
        problem = None if parent_file is None or parent_file.is_file() else f"file not found: {parent_file}"
    except FileError as error:
        problem = error.problem
    if problem is not None:
        raise FileError(file, yaml12.line_of(file, ("info", key)), f"info.{key}: {problem}")
    return canonical_name(parent, file.parent)


def canonical_name(name: str, beside: Path = Path()) -> str:
    """Resolve an alias to its profile's name, or a file's path against ``beside``. FileError for other names."""
    shipped = package_profile(name)
    if shipped is not None:
        return shipped
    if name.endswith(SUFFIXES):
        return str(beside / name)
    if "/" in name and (beside / name).exists():
        raise FileError(name, None, f"the name of an overlay file must end in {' or '.join(SUFFIXES)}")
    raise FileError("", None, f"{unknown_name('profile', name, profile_names())}, or the path of an overlay file")


def package_profile(name: str) -> str | None:
    """Return the shipped profile with this name or alias, or None."""
    if name == BASE:
        return BASE
    return next((profile.name for profile in _shipped().values() if name in (profile.name, *profile.aliases)), None)


def overlay_file(name: str, beside: Path = Path()) -> Path | None:
    """Return the overlay file of a profile; None for the base. FileError if the profile is unknown."""
    name = canonical_name(name, beside)
    if name == BASE:
        return None
    return openapi_dir() / "overlays" / f"{name}.yaml" if name in _shipped() else Path(name)


def overlay_files(name: str) -> list[Path]:
    """Return the overlay files that a profile is made of, its own file last."""
    return list(dict.fromkeys(file for file, _ in overlay_with_parents(name).places))


@cache
def overlay_with_parents(name: str, above: tuple[Path, ...] = (), beside: Path = Path()) -> OverlayLayer:
    """Return a profile's overlay merged with those it extends. FileError for cycles and unknown deviations."""
    file = overlay_file(name, beside)
    if file is None:
        return OverlayLayer()
    if file in above:
        chain = " -> ".join(overlay.stem for overlay in (*above, file))
        raise FileError(above[-1], yaml12.line_of(above[-1], ("info",)), f"the profiles extend one another: {chain}")
    content = read_overlay(file)
    checked_parent(file, content["info"])
    below = overlay_with_parents(parent_of(content["info"]), (*above, file), file.parent)
    dropped = content.get("x-without", [])
    for index, identity in enumerate(dropped):
        if identity not in below.deviations:
            raise FileError(file, yaml12.line_of(file, ("x-without", index)),
                            f"x-without: {unknown_name('deviation', identity, below.deviations)}")
    return _laid_over(below, set(dropped), file, content, canonical_name(name, beside))


def _laid_over(below: OverlayLayer, dropped: set[str], file: Path, content: Mapping[str, Any],
               name: str) -> OverlayLayer:
    kept = [(action, place) for action, place in zip(below.actions, below.places, strict=True)
            if action["x-deviation"] not in dropped]
    inherited = {key: facts for key, facts in below.deviations.items() if key not in dropped}
    deviations = inherited | content["x-deviations"]
    for index, action in enumerate(content["actions"]):
        if action["x-deviation"] not in deviations:
            raise FileError(file, yaml12.line_of(file, ("actions", index)),
                            f"x-deviation {action['x-deviation']!r} is not listed under x-deviations")
    acting = {action["x-deviation"] for action, _ in kept} | {action["x-deviation"] for action in content["actions"]}
    for identity in content["x-deviations"]:
        if identity not in acting:
            raise FileError(file, yaml12.line_of(file, ("x-deviations", identity)),
                            f"x-deviations: no action belongs to {identity!r}; add one, or remove it")
    own = [(action, (file, index)) for index, action in enumerate(content["actions"])]
    origins = dict.fromkeys(deviations, name) | {key: below.origins[key] for key in inherited}
    actions, places = zip(*kept, *own, strict=True)
    return OverlayLayer(actions, places, deviations, origins, content["info"])


def overlay_of(name: str) -> dict[str, Any]:
    """Return a profile as a single overlay on the base document. Callers must not modify it."""
    whole = overlay_with_parents(name)
    return {"actions": list(whole.actions), "x-deviations": dict(whole.deviations)}


@cache
def read_overlay(file: Path) -> dict[str, Any]:
    """Read an overlay file and validate its structure."""
    content = yaml12.read(file)
    for path, problem in shape_mistakes(content):
        raise FileError(file, yaml12.line_of(file, path), problem)
    return content  # type: ignore[no-any-return]


def shape_mistakes(content: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the path and problem of everything in an overlay that the vocabulary does not allow."""
    if not isinstance(content, dict):
        yield (), "must be a mapping with overlay, info, x-deviations and actions"
        return
    import jsonschema_rs  # not needed if the shipped profiles are cached

    wrong = next(keys_not_text(content), None)
    if wrong is not None:
        yield wrong, f"{dotted(wrong, 'overlay')}: has a key that is not a string; quote it"
        return
    for error in vocabulary_validator("overlay").iter_errors(content):
        path = tuple(error.instance_path)
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
            shape: Any = vocabulary()
            for step in error.schema_path[:-1]:
                shape = shape[step]
            for key in error.kind.unexpected:
                place = (*path, key)
                yield place, f"{dotted(place)}: {unknown_name('key', key, shape.get('properties', ()))}"
        else:
            yield path, f"{dotted(path, 'overlay')}: {shortened(error.message)}"


def keys_not_text(content: Any) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of mappings with keys that JSON cannot represent."""
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), content)]
    while pending:
        place, value = pending.pop()
        if isinstance(value, dict):
            if not all(isinstance(key, str | int) for key in value):
                yield place
            pending += (((*place, key), member) for key, member in value.items())
        elif isinstance(value, list):
            pending += (((*place, index), member) for index, member in enumerate(value))


@cache
def vocabulary_validator(name: str) -> jsonschema_rs.Validator:
    """Return a validator for one of the vocabulary's schemas."""
    import jsonschema_rs

    return jsonschema_rs.validator_for({"$defs": definitions(), "$ref": f"#/$defs/{name}"})


def definitions() -> dict[str, Any]:
    """Return the vocabulary's schemas by name."""
    return vocabulary()["$defs"]  # type: ignore[no-any-return]


@cache
def vocabulary() -> dict[str, Any]:
    """Return the JSON Schema of overlay files, which also defines the project's x- keys."""
    return json.loads((openapi_dir() / "vocabulary.schema.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def clear_file_cache() -> None:
    """Clear the cached files, so that the next use reads them again."""
    for remembered in (_shipped, overlay_with_parents, read_overlay, vocabulary_validator, vocabulary):
        remembered.cache_clear()
