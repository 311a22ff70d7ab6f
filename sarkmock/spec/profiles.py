"""The profiles: overlay files, which may extend each other, their descriptions and deviations.

Reads overlays and resolves what they extend; applies nothing to a document.
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
from sarkmock.spec.prepared import cached_value
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import unknown_name

if TYPE_CHECKING:
    import jsonschema_rs

SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Profile:
    """What a profile says of itself; ``extends`` is None for the document without an overlay."""

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
    """An overlay with everything it inherits: actions on the base document, each with where it is written."""

    actions: tuple[Mapping[str, Any], ...] = ()
    places: tuple[tuple[Path, int], ...] = ()
    deviations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)  # deviation -> the profile that introduces it
    info: Mapping[str, Any] = field(default_factory=dict)


def profiles() -> list[str]:
    """The names ``load`` knows: the base document and every overlay beside it, the oldest first."""
    return [BASE, *_shipped()]


def product() -> str:
    """The published product that is meant where no profile is named: the overlay that says ``x-default``."""
    return next((name for name, profile in _shipped().items() if profile.default), BASE)


def describe_profile(name: str) -> Profile:
    """What a profile says of itself; FileError if there is none of that name."""
    file = overlay_file(name)
    if file is None:
        return Profile.of(BASE, yaml12.read(openapi_dir() / "openapi.yaml")["info"], None)
    info = read_overlay(file)["info"]
    return Profile.of(canonical_name(name), info, checked_parent(file, info))


@cache
def _shipped() -> dict[str, Profile]:
    """The overlays in the package by name."""
    found = [Profile.of(name, info, parent_of(info)) for name, info in cached_value("profiles", _infos).items()]
    return {profile.name: profile for profile in sorted(found, key=lambda profile: (profile.date, profile.name))}


def _infos() -> dict[str, dict[str, Any]]:
    """What each overlay in the package says of itself."""
    return {file.stem: read_overlay(file)["info"] for file in sorted((openapi_dir() / "overlays").glob("*.yaml"))}


def parent_of(info: Mapping[str, Any]) -> str:
    """What an overlay says that it extends."""
    return str(info.get("x-extends", info.get("extends", BASE)))


def checked_parent(file: Path, info: Mapping[str, Any]) -> str:
    """The profile that an overlay extends; FileError with the line that names it if there is none."""
    parent, key = parent_of(info), "x-extends" if "x-extends" in info else "extends"
    try:
        found = overlay_file(parent, file.parent)
        problem = None if found is None or found.is_file() else f"there is no file {found}"
    except FileError as error:
        problem = error.problem
    if problem is not None:
        raise FileError(file, yaml12.line_of(file, ("info", key)), f"info.{key}: {problem}")
    return canonical_name(parent, file.parent)


def canonical_name(name: str, beside: Path = Path()) -> str:
    """A profile's own name: an alias is replaced, the path of a file is taken from the folder ``beside``."""
    shipped = package_profile(name)
    if shipped is not None:
        return shipped
    if name.endswith(SUFFIXES):
        return str(beside / name)
    raise FileError(name, None, f"{unknown_name('profile', name, profiles())}, or the path of an overlay file")


def package_profile(name: str) -> str | None:
    """The profile of the package that has this name or alias, if any."""
    if name == BASE:
        return BASE
    return next((profile.name for profile in _shipped().values() if name in (profile.name, *profile.aliases)), None)


def overlay_file(name: str, beside: Path = Path()) -> Path | None:
    """The overlay of a profile; None for the base. FileError if there is no such profile or file."""
    name = canonical_name(name, beside)
    if name == BASE:
        return None
    return openapi_dir() / "overlays" / f"{name}.yaml" if name in _shipped() else Path(name)


def overlay_files(name: str) -> list[Path]:
    """The overlays that a profile is made of, its own one last."""
    return list(dict.fromkeys(file for file, _ in overlay_with_parents(name).places))


@cache
def overlay_with_parents(name: str, above: tuple[Path, ...] = (), beside: Path = Path()) -> OverlayLayer:
    """A profile's overlay with everything that it inherits."""
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
    """All that turns the base document into a profile, as one overlay. Not to be changed by callers."""
    whole = overlay_with_parents(name)
    return {"actions": list(whole.actions), "x-deviations": dict(whole.deviations)}


@cache
def read_overlay(file: Path) -> dict[str, Any]:
    """An overlay file, its shape checked."""
    content = yaml12.read(file)
    for path, problem in shape_mistakes(content):
        raise FileError(file, yaml12.line_of(file, path), problem)
    return content  # type: ignore[no-any-return]


def shape_mistakes(content: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where the content of an overlay file is not as the vocabulary wants it, and what is wrong there."""
    if not isinstance(content, dict):
        yield (), "must be a mapping with overlay, info, x-deviations and actions"
        return
    import jsonschema_rs  # where everything is prepared, it is not needed

    wrong = next(keys_not_text(content), None)
    if wrong is not None:
        yield wrong, f"{'.'.join(map(str, wrong)) or 'overlay'}: has a key that is no text; put it in quotes"
        return
    for error in vocabulary_validator("overlay").iter_errors(content):
        path = tuple(error.instance_path)
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
            shape: Any = vocabulary()
            for step in error.schema_path[:-1]:
                shape = shape[step]
            for key in error.kind.unexpected:
                place = (*path, key)
                yield place, f"{'.'.join(map(str, place))}: {unknown_name('key', key, shape.get('properties', ()))}"
        else:
            yield path, f"{'.'.join(map(str, path)) or 'overlay'}: {error.message}"


def keys_not_text(content: Any) -> Iterator[tuple[str | int, ...]]:
    """Where mappings are whose keys no JSON can have."""
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
    """The compiled schema of that name in the vocabulary."""
    import jsonschema_rs

    return jsonschema_rs.validator_for({"$defs": definitions(), "$ref": f"#/$defs/{name}"})


def definitions() -> dict[str, Any]:
    """The vocabulary's schemas."""
    return vocabulary()["$defs"]  # type: ignore[no-any-return]


@cache
def vocabulary() -> dict[str, Any]:
    """The JSON Schema of overlay files, with the schemas of every key of ours beside it."""
    return json.loads((openapi_dir() / "vocabulary.schema.json").read_text())  # type: ignore[no-any-return]


def clear_file_cache() -> None:
    """Forget the files that were read, so that the next use reads them again."""
    for remembered in (_shipped, overlay_with_parents, read_overlay, vocabulary_validator, vocabulary):
        remembered.cache_clear()
