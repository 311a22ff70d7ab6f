"""The web UI at /_mock/: files with their media types, browser caching, content security policy."""

import re
from pathlib import Path

import pytest

from sarkmock import create_app
from sarkmock.control import Control

STATIC = Path(__file__).parent.parent / "sarkmock" / "control" / "static"
FILES = sorted(file.name for file in STATIC.iterdir())
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@pytest.fixture(scope="module")
def client():
    return create_app().test_client()


@pytest.mark.parametrize("path", ["", "reference", *(f"page/{name}" for name in FILES),
                                  *(f"page/swagger-ui/swagger-ui{rest}" for rest in (".css", "-bundle.js"))])
def test_file_has_media_type_and_is_cached(client, path):
    response = client.get(f"/_mock/{path}")
    assert response.status_code == 200
    assert response.mimetype == TYPES[Path(path).suffix or ".html"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    cached = client.get(f"/_mock/{path}", headers={"If-None-Match": response.headers["ETag"]})
    assert (cached.status_code, cached.data) == (304, b"")


@pytest.mark.parametrize("path", ["", "reference"])
def test_content_security_policy_allows_own_files_only(client, path):
    policy = client.get(f"/_mock/{path}").headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy


def test_url_without_slash_redirects(client):
    response = client.get("/_mock")
    assert (response.status_code, response.headers["Location"]) == (308, "/_mock/")


@pytest.mark.parametrize("path", ["page/nosuch.js", "page/../__init__.py", "page/%2e%2e/__init__.py",
                                  "page/swagger-ui/../__init__.py"])
def test_path_traversal_is_not_found(client, path):
    assert client.get(f"/_mock/{path}").status_code == 404


def test_page_is_public_and_its_data_requires_token():
    client = create_app(control=Control(token="secret")).test_client()
    assert client.get("/_mock/").status_code == 200
    assert client.get("/_mock/openapi.json").status_code == 401


def test_no_page_without_control_plane():
    assert create_app(control=None).test_client().get("/_mock/", follow_redirects=True).status_code == 404


@pytest.mark.parametrize("name", FILES)
def test_files_have_no_external_references(name):
    foreign = set(re.findall(r"https?://[\w.]+", (STATIC / name).read_text())) - {"http://www.w3.org"}
    assert foreign == set()


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".js", ".html"))])
def test_text_is_never_inserted_as_html(name):
    dangerous = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\son\w+=\"|style=\""
    assert re.findall(dangerous, (STATIC / name).read_text()) == []


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".js", ".html"))])
def test_imported_files_exist(name):
    text = (STATIC / name).read_text()
    imported = set(re.findall(r'from "\./([\w.-]+)"', text)) | set(re.findall(r'"page/([\w.-]+)"', text))
    assert imported <= set(FILES)


