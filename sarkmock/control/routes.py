"""Flask routes: those of the control plane's document, with access checks, and the web UI at /_mock/.

A page of another site can make a browser send requests to this machine, and with DNS rebinding even read the
responses. It cannot forge Host, Origin and Sec-Fetch-Site, and browsers do not send JSON or a DELETE across sites
without a preflight.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import flask_swagger_ui
from flask import Blueprint, Flask, Request, Response, jsonify, make_response, redirect, request, send_from_directory
from werkzeug.exceptions import HTTPException

from sarkmock.control import Control, MockControl
from sarkmock.control.bodies import (
    CONTROL_PREFIX,
    ControlError,
    ControlRequest,
    Endpoint,
    Text,
    endpoints,
    line_in_body,
    read_body,
)
from sarkmock.control.handlers import handle
from sarkmock.http.replies import encode_json
from sarkmock.laravel.php.large_json import garbage_collection_paused
from sarkmock.server.addresses import LOOPBACK
from sarkmock.suggest import nearest_names


def check_admission(control: Control, endpoint: Endpoint, request: Request) -> None:
    """Raise ControlError 401 or 403 unless the client sends the token, or its host and origin are allowed."""
    if control.token is not None and has_token(control.token, request):
        return
    if control.token is not None and not endpoint.open:
        raise ControlError(401, "the control plane needs the token of --control-token, or the one printed at startup: "
                                "Authorization: Bearer ...")
    if control.token is None and not endpoint.open:
        reject_foreign_host(control, request)
    if not is_allowed_page(control, request):
        reject_other_sites(request)


def is_allowed_page(control: Control, request: Request) -> bool:
    """Whether the request comes from a page of an allowed origin."""
    return control.token is not None and request.headers.get("Origin") in control.origins


def has_token(token: str, request: Request) -> bool:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(secret.strip().encode(), token.encode())


def reject_foreign_host(control: Control, request: Request) -> None:
    host = url_parts(f"//{request.host}").hostname or ""
    if host not in LOOPBACK and not host.endswith(".localhost") and host not in control.hosts:
        addresses = " or ".join(dict.fromkeys((*LOOPBACK, *control.hosts)))
        raise ControlError(403, f"the control plane rejects the host {host!r}; use {addresses}, "
                           "or set --control-token")


def reject_other_sites(request: Request) -> None:
    origin = request.headers.get("Origin")
    if origin is not None and url_parts(origin).netloc != request.host:
        raise ControlError(403, f"the control plane rejects requests from other origins ({origin})")
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise ControlError(403, "the control plane rejects requests from other origins")


def url_parts(url: str) -> SplitResult:
    """Split a URL; all parts are empty if it is invalid."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


AT_ONCE = 8  # list items to encode in one call


def add_control_plane(app: Flask, mock: MockControl) -> None:
    """Add the control plane and the web UI to an application, if the mock has a control plane."""
    if (control := mock.control) is None:
        return
    add_page(app)
    blueprint = Blueprint("control", __name__, url_prefix=CONTROL_PREFIX)
    for endpoint in endpoints():
        blueprint.add_url_rule(flask_rule(endpoint.path), endpoint.id.replace(".", "-"), view(mock, control, endpoint),
                               methods=[endpoint.method], provide_automatic_options=False)
    if control.origins:
        blueprint.add_url_rule("/<path:any>", "preflight", lambda any: with_cors_headers(control, Response(status=204)),
                               methods=["OPTIONS"], provide_automatic_options=False)
    app.register_blueprint(blueprint)
    app.json.sort_keys = False  # type: ignore[attr-defined]


def flask_rule(path: str) -> str:
    """Convert a path of the document to Flask's syntax; the last parameter may contain slashes."""
    return re.sub(r"{(\w+)}$", r"<path:\1>", path).replace("{", "<").replace("}", ">")


def view(mock: MockControl, control: Control, endpoint: Endpoint) -> Callable[..., Any]:
    def answer(**path: str) -> Any:
        try:
            check_admission(control, endpoint, request)
            with garbage_collection_paused():
                value = handle(mock, endpoint.id, read_request(endpoint, path))
                return with_cors_headers(control, make_response(write_answer(value, endpoint)))
        except ControlError as problem:
            if problem.line is None and endpoint.body is not None:  # without a body schema, the body was not parsed
                problem.line = line_in_body(request.get_data(), problem.path)
            return with_cors_headers(control, make_response(jsonify(problem.content()), problem.status))
    return answer


def with_cors_headers(control: Control | None, response: Response) -> Response:
    """Add CORS headers to the response if the request comes from a page of an allowed origin."""
    if control and is_allowed_page(control, request):
        response.headers.update({"Access-Control-Allow-Origin": request.headers["Origin"], "Vary": "Origin",
                                 "Access-Control-Allow-Headers": "Authorization, Content-Type",
                                 "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE"})
    return response


def read_request(endpoint: Endpoint, path: dict[str, str]) -> ControlRequest:
    # A load balancer may add a query to the health check, which is the only open endpoint.
    parameters, query = endpoint.read_path(path), {} if endpoint.open else endpoint.read_query(request.args)
    body = None
    if endpoint.body is not None:
        body = read_body(request.get_data(), request.mimetype)
        endpoint.check_body(body)
    return ControlRequest(parameters, query, body, request.host_url.rstrip("/"))


def write_answer(value: Any, endpoint: Endpoint) -> Any:
    if value is None:
        return "", 204
    if isinstance(value, Text):
        return Response(value.content, endpoint.success, content_type=value.media_type)
    return Response("".join(json_pieces(value)) + "\n", endpoint.success, content_type="application/json")


def json_pieces(value: Any) -> Iterator[str]:
    """Encode JSON in many small calls: one call for megabytes would block requests to the API."""
    if isinstance(value, dict) and value:
        for number, (name, item) in enumerate(value.items()):
            yield f"{',' if number else '{'}{encode_json(name)}:"
            yield from json_pieces(item)
        yield "}"
    elif isinstance(value, list) and len(value) > AT_ONCE:
        for start in range(0, len(value), AT_ONCE):
            yield f"{',' if start else '['}{encode_json(value[start:start + AT_ONCE])[1:-1]}"
        yield "]"
    else:
        yield encode_json(value)


def unknown_route(app: Flask, control: Control | None, error: HTTPException) -> Response:
    """Return a JSON error for a request without a route, with the nearest path or the allowed methods."""
    routes = sorted({rule.rule for rule in app.url_map.iter_rules()})
    methods = sorted(getattr(error, "valid_methods", None) or ())
    if error.code == 404 or methods == ["OPTIONS"]:  # preflights are answered on every path
        text = f"no resource at {request.path}; the control plane is under {CONTROL_PREFIX}"
        nearest = nearest_names(request.path, routes)
        answer = make_response(jsonify(error=f"{text}; did you mean {nearest[0]}?" if nearest else text), 404)
    else:
        answer = make_response(jsonify(error=f"{request.method} {request.path}: {error.description}"), error.code)
        answer.headers["Allow"] = ", ".join(methods)
    return with_cors_headers(control, answer)


STATIC = Path(str(files("sarkmock.control").joinpath("static")))
SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"
# Swagger UI uses inline styles; everything that the page does not need is forbidden.
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'{}; img-src 'self' data:; connect-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
STRICT = POLICY.format("") + "; require-trusted-types-for 'script'"


def add_page(app: Flask) -> None:
    """Serve the web UI. It contains no secret, and its files need no token."""
    page = Blueprint("page", __name__, url_prefix=CONTROL_PREFIX)
    page.add_url_rule("", "bare", lambda: redirect(f"{CONTROL_PREFIX}/", 308))
    page.add_url_rule("/", "index", lambda: html_page("index.html", STRICT))
    page.add_url_rule("/reference", "reference", lambda: html_page("reference.html", POLICY.format(" 'unsafe-inline'")))
    page.add_url_rule("/page/<path:name>", "file", lambda name: static_file(STATIC, name))
    page.add_url_rule("/page/swagger-ui/<path:name>", "swagger-ui", lambda name: static_file(SWAGGER_UI, name))
    app.register_blueprint(page)


def html_page(name: str, policy: str) -> Response:
    answer = static_file(STATIC, name)
    answer.headers["Content-Security-Policy"] = policy
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def static_file(directory: Path, name: str) -> Response:
    """Return a file that browsers cache and revalidate each time."""
    answer = send_from_directory(directory, name, max_age=0, conditional=True)
    with answer:
        answer.direct_passthrough = False
        answer.set_data(answer.get_data())  # closes the file even if the client does not close the response
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
