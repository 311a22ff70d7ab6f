"""The documents that the mock answers by. Changes nothing in them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sarkmock.control import bodies
from sarkmock.control.bodies import ControlError, ControlRequest, Path, Text
from sarkmock.control.mock_control import MockControl
from sarkmock.http.engine import DatabaseMismatch
from sarkmock.spec import loading, profiles
from sarkmock.suggest import unknown

YAML_TYPE = "application/yaml"


def api_yaml(mock: MockControl, request: ControlRequest) -> Text:
    return Text(mock.engine.program.yaml, YAML_TYPE)


def api_json(mock: MockControl, request: ControlRequest) -> Any:
    return mock.engine.document


def control_yaml(mock: MockControl, request: ControlRequest) -> Text:
    return Text(bodies.control_document_yaml(), YAML_TYPE)


def control_json(mock: MockControl, request: ControlRequest) -> Any:
    return bodies.control_document()


def profile(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    known = {"profile": mock.engine.program.profile, "profiles": profiles.profiles()}
    return {**known, "upstream": mock.upstream} if mock.upstream else known


def use_profile(mock: MockControl, request: ControlRequest) -> dict[str, Any]:
    try:
        mock.engine.use(known_profile(request.body["profile"], ("profile",)))
    except DatabaseMismatch as error:
        raise ControlError(409, str(error), path=("profile",)) from None
    return profile(mock, request)


def known_profile(name: str, path: Path = ()) -> str:
    """The name of a profile; no request makes the mock read other files."""
    found = profiles.package_profile(name)
    if found is None:
        raise ControlError(422, unknown("profile", name, profiles.profiles()), path=path)
    return found


def list_deviations(mock: MockControl, request: ControlRequest) -> list[dict[str, Any]]:
    name = request.query.get("profile", profiles.product())
    return [asdict(deviation) for deviation in loading.deviations_of(known_profile(name))]
