"""The web UI at /_mock/: static files of this package and of Swagger UI."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Flask, Response, redirect, send_from_directory

STATIC = Path(str(files("sarkmock.ui").joinpath("static")))
SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"
# Swagger UI uses inline styles; everything that the page does not need is forbidden.
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'{}; img-src 'self' data:; connect-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
STRICT = POLICY.format("") + "; require-trusted-types-for 'script'"


def add_page(app: Flask, prefix: str) -> None:
    """Serve the page under a prefix. It contains no secret, and its files need no token."""
    page = Blueprint("page", __name__, url_prefix=prefix)
    page.add_url_rule("", "bare", lambda: redirect(f"{prefix}/", 308))
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
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
