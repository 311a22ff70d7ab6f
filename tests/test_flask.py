"""The Flask application and the blueprint: routes, hooks, and the same bytes as direct dispatch."""

from __future__ import annotations

import gc
import subprocess
import sys
import warnings
from collections import defaultdict

import flask
import pytest
from werkzeug.exceptions import HTTPException
from werkzeug.test import Client

from sarkmock import Engine, Fault, Journal, State, blueprint, create_app
from sarkmock.faults import Faults
from tests import fidelity, replay
from tests.engines import direct

JSON = {"Accept": "application/json"}
SAMPLE = [exchange for file in fidelity.FILES for exchange in replay.read(file)][::5]


def flask_command(*arguments):
    command = [sys.executable, "-m", "flask", "--app", "sarkmock", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_flask_routes_lists_every_operation():
    lines = flask_command("routes").splitlines()
    listed = {line.split()[0] for line in lines if line.startswith("sarkmock.")}
    names = {operation.id.replace(".", "-") for operation in Engine().operations}
    assert listed == {f"sarkmock.{name}" for name in names | {"any"}}
    assert any(line.split() == ["sarkmock.tenants-update", "PUT", "/api/tenants/<tenant>"] for line in lines)


def test_hooks_see_api_requests():
    app, seen = create_app(), []

    @app.before_request
    def before():
        seen.append(flask.request.endpoint)
        if flask.request.headers.get("Authorization") != "Bearer let-me-in":
            flask.abort(401)

    @app.after_request
    def after(response):
        response.headers["X-Seen"] = "yes"
        return response

    @app.errorhandler(401)
    def unauthorized(error):
        return {"error": "no"}, 401

    client = Client(direct(app))
    rejected = client.get("/api/tenants")
    assert (rejected.status_code, rejected.json, rejected.headers["X-Seen"]) == (401, {"error": "no"}, "yes")
    assert client.get("/api/tenants", headers={"Authorization": "Bearer let-me-in"}).status_code == 200
    assert seen == ["sarkmock.tenants-list"] * 2


@pytest.mark.parametrize("dispatch", [lambda app: app, direct])
@pytest.mark.parametrize("kind", [404, HTTPException, Exception])
def test_error_handler_sees_errors_of_the_api(dispatch, kind):
    app = create_app()

    @app.errorhandler(kind)
    def changed(error):
        return {"was": error.response.json, "code": error.code}, error.code

    client = Client(dispatch(app))
    answers = [client.get(path, headers=JSON) for path in ("/api/nosuch", "/api/tenants/nosuch", "/nosuch")]
    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [(404, 404)] * 3
    assert answers[0].json["was"] == {"message": "Page Not Found. Check your URI for correctness"}
    assert client.get("/api/tenants").status_code == 200
    assert client.get("/").text.startswith("<!DOCTYPE html>")


def test_error_handler_of_another_status_changes_nothing():
    plain, handled = create_app(web_server=False), create_app(web_server=False)
    handled.register_error_handler(503, lambda error: ("down", 503))
    for path in ("/api/nosuch", "/nosuch", "/_mock/nosuch", "/api/tenants/none"):
        first, second = (app.test_client().get(path, headers=JSON) for app in (plain, handled))
        assert (first.status, [*first.headers], first.data) == (second.status, [*second.headers], second.data)


def test_error_handler_of_another_application_is_for_its_own_views():
    app = flask.Flask("other")
    app.register_blueprint(blueprint(Engine()))
    app.register_error_handler(404, lambda error: ("own page", 404))
    client = app.test_client()
    assert (client.get("/nosuch").text, client.get("/api/nosuch").text == "own page") == ("own page", False)


@pytest.mark.parametrize("prefix", ["", "/", "/pbx/", "/<office>", "/a/<office>/b"])
def test_blueprint_below_any_prefix(prefix):
    app = flask.Flask("other")
    app.register_blueprint(blueprint(Engine()), url_prefix=prefix)
    client = app.test_client()
    with app.test_request_context():
        path = flask.url_for("sarkmock.tenants-show", tenant="default", office="london")
    assert (client.get(path).status_code, client.get(path).json["pkey"]) == (200, "default")
    unknown = client.get(path.replace("tenants", "nosuch"), headers=JSON)
    assert unknown.json == {"message": "Page Not Found. Check your URI for correctness"}


@pytest.mark.parametrize("path", ["/_mock/", "/_mock/page/main.js", "/favicon.ico"])
def test_client_that_reads_no_page_leaves_no_file_open(path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        create_app().test_client().get(path)
        gc.collect()
    assert not [warning for warning in caught if issubclass(warning.category, ResourceWarning)]


def test_hook_that_reads_form_does_not_consume_body():
    app = create_app()
    app.before_request(lambda: flask.request.form.get("pkey") and None)
    assert app.test_client().post("/api/tenants", data={"pkey": "acme", "description": "x"}).status_code == 201


def test_user_defined_route_takes_precedence():
    app = create_app()
    app.add_url_rule("/api/mine", "mine", lambda: "mine")
    assert Client(direct(app)).get("/api/mine").text == "mine"


def test_user_defined_middleware_sees_api_requests():
    app, seen = create_app(), []
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start_response: seen.append(environ["PATH_INFO"]) or inner(environ, start_response)
    Client(direct(app)).get("/api/tenants")
    assert seen == ["/api/tenants"]


def test_blueprint_with_url_prefix_in_another_application():
    engine, app = Engine(), flask.Flask("other")
    app.register_blueprint(blueprint(engine), url_prefix="/pbx/v6")
    app.add_url_rule("/", "home", lambda: "home")
    client = app.test_client()
    assert client.get("/").text == "home"
    assert client.post("/pbx/v6/tenants", json={"pkey": "acme", "description": "x"}).status_code == 201
    assert client.get("/pbx/v6/tenants/acme").json["pkey"] == "acme"
    unknown = client.get("/pbx/v6/nosuch", headers=JSON)
    assert (unknown.status_code, unknown.json) == (404, {"message": "Page Not Found. Check your URI for correctness"})
    assert client.patch("/pbx/v6/tenants", headers=JSON).status_code == 405


def test_two_blueprints_have_separate_state():
    app = flask.Flask("two")
    for name in ("left", "right"):
        app.register_blueprint(blueprint(Engine(state=State())), url_prefix=f"/{name}", name=name)
    client = app.test_client()
    client.post("/left/tenants", json={"pkey": "acme", "description": "x"})
    assert [client.get(f"/{name}/tenants/acme").status_code for name in ("left", "right")] == [200, 404]


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_flask_and_direct_dispatch_return_same_bytes(profile):
    clients = [Client(app) for app in (create_app(engine_of(profile)), direct(create_app(engine_of(profile))))]
    for exchange in SAMPLE:
        request = replay.request_of(exchange["request"], defaultdict(str))
        first, second = (send(client, request) for client in clients)
        assert first == second, exchange


@pytest.fixture(scope="module")
def both_clients():
    """Clients of both dispatch paths. The odd requests do not change the state."""
    return [Client(app) for app in (create_app(engine_of("shipped")), direct(create_app(engine_of("shipped"))))]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PATCH", "TRACE", "FOO"])
@pytest.mark.parametrize("path", ["/api", "/api/", "/api//tenants", "/api/tenants/", "/api/tenants//default",
                                  "/api/a%2Fb", "/api/extensions/mailbox", "/api/nosuch", "/apitenants", "/api/t%ffn"])
def test_flask_and_direct_dispatch_agree_on_odd_requests(both_clients, method, path):
    first, second = ((response.status, list(response.headers), response.data)
                     for response in (client.open(path, method=method) for client in both_clients))
    assert first == second


@pytest.mark.parametrize("path", ["/tenants/x{}y", "/x{}", "/api/tenants/x{}y", "/api/x{}"])
def test_line_break_in_path_is_an_ordinary_character(path):
    for hooks in (0, 1):
        app = create_app(web_server=False)
        app.before_request_funcs.update({None: [lambda: None]} if hooks else {})
        with_line_break, plain = (app.test_client().get(path.format(text), headers=JSON) for text in ("%0a", "a"))
        assert (with_line_break.status_code, with_line_break.json) == (plain.status_code, plain.json)


def test_faults_and_journal_work_with_flask_and_direct_dispatch():
    for dispatch in (lambda app: app, direct):
        engine = engine_of("documented")
        journal, faults = Journal(engine), Faults(engine, [Fault("tenants.list", status=503)])
        client = Client(dispatch(create_app(engine, journal=journal, faults=faults)))
        assert client.get("/api/tenants").status_code == 503
        journal.assert_called("tenants.list", times=1)


def engine_of(profile):
    return Engine(state=State(now=1717236000), profile=profile)


def send(client, request):
    response = client.open(f"/api/{request.path}", method=request.method, query_string=request.query, data=request.body,
                           headers={**JSON, **request.headers})
    return response.status, list(response.headers), response.data
