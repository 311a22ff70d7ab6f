"""What is served at /_mock/: the page's files with their types, kept by browsers, closed against foreign content."""

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
def test_a_file_has_its_type_and_is_asked_for_once(client, path):
    answer = client.get(f"/_mock/{path}")
    assert answer.status_code == 200
    assert answer.mimetype == TYPES[Path(path).suffix or ".html"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(f"/_mock/{path}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("path", ["", "reference"])
def test_a_document_runs_nothing_but_our_own_files(client, path):
    policy = client.get(f"/_mock/{path}").headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy


def test_the_address_without_its_slash_leads_there(client):
    answer = client.get("/_mock")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/_mock/")


@pytest.mark.parametrize("path", ["page/nosuch.js", "page/../__init__.py", "page/%2e%2e/__init__.py",
                                  "page/swagger-ui/../__init__.py"])
def test_there_is_no_way_to_other_files(client, path):
    assert client.get(f"/_mock/{path}").status_code == 404


def test_the_page_is_open_and_what_it_shows_is_not():
    client = create_app(control=Control(token="secret")).test_client()
    assert client.get("/_mock/").status_code == 200
    assert client.get("/_mock/openapi.json").status_code == 401


def test_without_a_control_plane_there_is_no_page():
    assert create_app(control=None).test_client().get("/_mock/", follow_redirects=True).status_code == 404


@pytest.mark.parametrize("name", FILES)
def test_a_file_refers_to_nothing_elsewhere(name):
    foreign = set(re.findall(r"https?://[\w.]+", (STATIC / name).read_text())) - {"http://www.w3.org"}
    assert foreign == set()


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".js", ".html"))])
def test_nothing_parses_text_as_html(name):
    dangerous = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\son\w+=\"|style=\""
    assert re.findall(dangerous, (STATIC / name).read_text()) == []


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".js", ".html"))])
def test_what_a_file_imports_is_there(name):
    text = (STATIC / name).read_text()
    wanted = set(re.findall(r'from "\./([\w.-]+)"', text)) | set(re.findall(r'"page/([\w.-]+)"', text))
    assert wanted <= set(FILES)


