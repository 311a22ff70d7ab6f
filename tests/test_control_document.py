"""The OpenAPI document of the control plane, and conformance of the control plane to it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from sarkmock import Engine, Journal, create_app
from sarkmock.control import Control
from sarkmock.control.bodies import control_document, endpoints
from sarkmock.faults import Faults

CONFORMANCE = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
               negative_data_rejection]


def test_document_is_valid_openapi():
    validate(control_document())


def test_request_bodies_are_components_in_json_and_yaml():
    for path, item in control_document()["paths"].items():
        for method in item.keys() - {"parameters"}:
            content = item[method].get("requestBody", {}).get("content")
            if content:
                assert content.keys() == {"application/json", "application/yaml"}, path
                assert content["application/json"]["schema"] == content["application/yaml"]["schema"], path
                assert list(content["application/json"]["schema"]) == ["$ref"], path


def test_every_endpoint_has_summary_and_error_responses():
    for endpoint in endpoints():
        spec = control_document()["paths"][endpoint.path][endpoint.method.lower()]
        assert spec["summary"][0].isupper()
        assert not spec["summary"].endswith(".")
        assert endpoint.open or {"401", "403"} <= spec["responses"].keys(), endpoint.id
        assert endpoint.body is None or {"400", "415", "422"} <= spec["responses"].keys(), endpoint.id


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """The Schemathesis schema of the control plane of a mock with journal entries."""
    engine = Engine()
    app = create_app(engine, journal=Journal(engine), faults=Faults(engine),
                     control=Control(directory=tmp_path_factory.mktemp("saved")))
    client = app.test_client()
    for path in ("tenants", "tenants/nosuch", "nosuch"):
        client.get(f"/api/{path}")
    return schemathesis.openapi.from_wsgi("/_mock/control.json", app)


@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
@pytest.mark.parametrize("endpoint", list(endpoints()), ids=lambda endpoint: endpoint.id)
def test_control_plane_conforms_to_document(control, endpoint, mode):
    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(control[endpoint.path][endpoint.method].as_strategy(generation_mode=mode))
    def conforms(case):
        case.call_and_validate(checks=CONFORMANCE)
    try:
        conforms()
    except Unsatisfiable:
        assert mode is schemathesis.GenerationMode.NEGATIVE  # an endpoint without input has no invalid input


def test_no_description_is_split_by_an_unquoted_comma():
    pending = [control_document()]
    for value in pending:
        if isinstance(value, dict):
            assert [key for key, member in value.items() if member is None and key != "default"] == []
        pending += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
