"""A second opinion on a sample of responses: openapi-core, an independent implementation of OpenAPI.

It is too slow for every exchange and cannot read form bodies with type lists (its issue 1180), so it checks only
responses.
"""

from __future__ import annotations

from typing import Any

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError

from sarkmock.suite_api import Operation

from ..client.http import Exchange, Request, Response
from ..judge.oracle import Problem
from ..run import Run

MADE_UP_HOST = "https://127.0.0.1:44300"
BASE_PATH = "/api"


class CoreRequest:
    """A request in the form that openapi-core expects."""

    def __init__(self, request: Request) -> None:
        self.host_url = MADE_UP_HOST
        self.path = BASE_PATH + request.path
        self.full_url_pattern = MADE_UP_HOST + BASE_PATH + request.path
        self.method = request.method.lower()
        self.content_type = request.content_type
        self.body = request.body
        self.parameters = RequestParameters()


class CoreResponse:
    """A response in the form that openapi-core expects."""

    def __init__(self, response: Response) -> None:
        self.status_code = response.status
        self.content_type = response.content_type
        self.headers = dict(response.headers)
        self.data = response.body


def openapi_core_of(run: Run) -> OpenAPI:
    """Return the document compiled by openapi-core, without a second validation.

    The server is set explicitly, since openapi-core matches hosts.
    """
    document = {**run.contract.document, "servers": [{"url": MADE_UP_HOST + BASE_PATH}]}
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


def check_openapi_core(run: Run, core: OpenAPI, operation: Operation) -> None:
    """Report responses that openapi-core rejects and in which the judge found no problem."""
    for (name, status), sample in run.judge.samples.items():
        error = core_problem(core, sample) if name == operation.id and not (sample.problems or sample.excused) else None
        if error is not None:
            run.report(operation.id, Problem("openapi-core", "", str(status), error), sample)


def core_problem(core: OpenAPI, exchange: Exchange) -> str | None:
    """Return the errors of openapi-core for a response, without a page that follows its JSON, which the judge reads.

    Downloads are skipped: it validates text bodies only.
    """
    if exchange.response.content_type not in ("application/json", ""):
        return None
    request: Any = CoreRequest(exchange.request)
    response: Any = CoreResponse(exchange.response.error_and_page[0])
    try:
        core.validate_response(request, response)
    except OpenAPIError as error:
        details = getattr(error.__cause__, "schema_errors", ())
        return "; ".join([str(error), *(detail.message for detail in details)])
    return None
