"""Loading the document: bundling, profiles, vocabulary; every mistake is told with its place."""

import shutil

import pytest
from openapi_spec_validator import validate

from sarkmock.spec import loading, profiles
from sarkmock.spec.data_files import openapi_dir
from sarkmock.spec.yaml12 import FileError


def refs(value):
    if isinstance(value, list):
        for item in value:
            yield from refs(item)
    elif isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from refs(item)


@pytest.mark.parametrize("profile", profiles.profiles())
def test_every_profile_is_one_valid_document_without_external_references(profile):
    document = loading.load(profile)
    validate(document)
    assert {ref for ref in refs(document) if not ref.startswith("#/components/")} == set()
    for ref in refs(document):
        assert loading.resolve(document, {"$ref": ref}) is not None


def test_merged_properties_override_in_place_and_append_what_is_new():
    """The order of rules is the order of messages; PHP keeps the place of a key that is set again."""
    create = list(loading.load()["components"]["schemas"]["TenantCreate"]["properties"])
    update = list(loading.load()["components"]["schemas"]["TenantUpdate"]["properties"])
    assert create == [*update, "pkey"]


def test_the_base_document_has_no_deviations_and_the_overlay_lists_its_own():
    assert loading.deviations_of("documented") == ()
    shipped = {deviation.id: deviation for deviation in loading.deviations_of("shipped")}
    assert shipped["tenant-delete-unchecked"].pointers == (
        "/paths/~1tenants~1{tenant}/delete/x-after", "/paths/~1tenants~1{tenant}/delete/x-after")
    assert all(deviation.pointers for deviation in shipped.values())


def test_an_unknown_profile_is_told_with_those_there_are():
    with pytest.raises(FileError, match=r"did you mean shipped\? Known: documented, 2020-06, shipped, L10"):
        loading.load("shiped")


OVERLAY = """\
overlay: 1.0.0
info: {title: mine, version: "1"}
x-deviations:
  mine:
    summary: One sentence for users.
    severity: cosmetic
    reason: Because it was seen.
actions:
  - target: $.info
    update: {title: Mine}
    x-deviation: mine
"""


def write(directory, text):
    file = directory / "box.yaml"
    file.write_text(text)
    return str(file)


def test_an_overlay_file_is_a_profile(tmp_path):
    assert loading.load(write(tmp_path, OVERLAY))["info"]["title"] == "Mine"


@pytest.mark.parametrize(("old", "new", "line", "problem"), [
    ("$.info", "$.inf", 9, "matches nothing"),
    ("{title: Mine}", "{title: SARK V6 API}", 9, "changes nothing"),
    ("x-deviation: mine", "x-deviation: yours", 9, "not listed"),
    ("severity: cosmetic", "severity: bad", 6, "severity"),
    ("update: {title: Mine}", "updated: {title: Mine}", 10, "actions.0.updated: unknown key .* did you mean update"),
    ("update: {title: Mine}", "update: {x-hazard: harmless}", 9, "x-hazard"),
    ("update: {title: Mine}", "update: {x-new: 1}", 9, "unknown key 'x-new'"),
    ("x-deviations:", "x-deviations: [", 5, "did not find"),
])
def test_a_mistake_in_an_overlay_is_told_with_its_line(tmp_path, old, new, line, problem):
    file = write(tmp_path, OVERLAY.replace(old, new, 1))
    with pytest.raises(FileError, match=problem) as caught:
        loading.load(file)
    assert caught.value.line == line


@pytest.mark.parametrize(("file", "old", "new", "problem"), [
    ("resources/tenants.yaml", '"#/schemas/Tenant"', '"#/somewhere/Tenant"', "only #/schemas/"),
    ("resources/tenants.yaml", "  TenantCreated:", "  Agent:", "defined twice"),
    ("resources/tenants.yaml", "item:", "thing:", "has no 'item'"),
])
def test_a_mistake_in_the_document_is_told_with_its_file(tmp_path, file, old, new, problem):
    shutil.copytree(openapi_dir(), tmp_path / "openapi")
    broken = tmp_path / "openapi" / file
    broken.write_text(broken.read_text().replace(old, new, 1))
    with pytest.raises(FileError, match=problem):
        loading.bundle(tmp_path / "openapi" / "openapi.yaml")


def test_an_unknown_key_of_the_document_is_told(tmp_path, monkeypatch):
    shutil.copytree(openapi_dir(), tmp_path / "openapi")
    broken = tmp_path / "openapi" / "openapi.yaml"
    broken.write_text(broken.read_text() + "x-crashez: reject\n")
    monkeypatch.setattr(loading, "openapi_dir", lambda: tmp_path / "openapi")
    monkeypatch.setattr(loading, "cached_value", lambda name, make: make())
    loading.load.cache_clear()
    with pytest.raises(FileError, match=r"^openapi: document: unknown key 'x-crashez'; did you mean x-crashes\?"):
        loading.load()


@pytest.mark.parametrize("profile", profiles.profiles())
def test_a_default_belongs_to_one_type(profile):
    """Generators give each type of a list the default of all; `anyOf` has no such place. A list of one is a type."""
    def lists(node):
        if isinstance(node, dict):
            if isinstance(node.get("type"), list):
                yield [kind for kind in node["type"] if kind != "null"], "default" in node
            for value in node.values():
                yield from lists(value)
        elif isinstance(node, list):
            for value in node:
                yield from lists(value)

    found = list(lists(loading.load(profile)))
    assert found
    assert [kinds for kinds, has_default in found if not kinds or (has_default and len(kinds) > 1)] == []
