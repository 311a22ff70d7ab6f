"""The documents that the mock answers by. Changes nothing in them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sarkmock import spec, yaml12
from sarkmock.control import contract
from sarkmock.control.asking import Asked, Text
from sarkmock.control.box import Box
from sarkmock.control.problems import Path, Problem
from sarkmock.names import unknown

YAML = "application/yaml"
SHIPPED = "shipped"


def api_yaml(box: Box, asked: Asked) -> Text:
    return Text(yaml12.dump(box.engine.document), YAML)


def api_json(box: Box, asked: Asked) -> Any:
    return box.engine.document


def control_yaml(box: Box, asked: Asked) -> Text:
    return Text(yaml12.dump(contract.document()), YAML)


def control_json(box: Box, asked: Asked) -> Any:
    return contract.document()


def profile(box: Box, asked: Asked) -> dict[str, Any]:
    return {"profile": box.engine.program.profile, "profiles": spec.profiles()}


def use_profile(box: Box, asked: Asked) -> dict[str, Any]:
    box.engine.use(known(asked.body["profile"], ("profile",)))
    return profile(box, asked)


def known(name: str, path: Path = ()) -> str:
    """The name of a profile; no request makes the mock read other files."""
    if name not in spec.profiles():
        raise Problem(422, unknown("profile", name, spec.profiles()), path=path)
    return name


def deviations(box: Box, asked: Asked) -> list[dict[str, Any]]:
    return [asdict(deviation) for deviation in spec.deviations(known(asked.query.get("profile", SHIPPED)))]
