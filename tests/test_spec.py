"""Loading the document: bundling, profiles, vocabulary, and the location of mistakes."""

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


@pytest.mark.parametrize("profile", profiles.profile_names())
def test_profile_is_valid_document_without_external_references(profile):
    document = loading.load(profile)
    validate(document)
    assert {ref for ref in refs(document) if not ref.startswith("#/components/")} == set()
    for ref in refs(document):
        assert loading.resolve(document, {"$ref": ref}) is not None


def test_merged_properties_keep_order_and_append_new_ones():
    """The order of rules is the order of messages; PHP keeps the position of a key that is set again."""
    create = list(loading.load()["components"]["schemas"]["TenantCreate"]["properties"])
    update = list(loading.load()["components"]["schemas"]["TenantUpdate"]["properties"])
    assert create == [*update, "pkey"]


def test_overlays_list_deviations_and_base_document_has_none():
    assert loading.deviations_of("documented") == ()
    shipped = {deviation.id: deviation for deviation in loading.deviations_of("shipped")}
    assert shipped["tenant-delete-unchecked"].pointers == (
        "/paths/~1tenants~1{tenant}/delete/x-after", "/paths/~1tenants~1{tenant}/delete/x-after")
    assert all(deviation.pointers for deviation in shipped.values())


def test_unknown_profile_is_reported_with_known_profiles():
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


def test_overlay_file_is_a_profile(tmp_path):
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
def test_mistake_in_overlay_is_reported_with_line(tmp_path, old, new, line, problem):
    file = write(tmp_path, OVERLAY.replace(old, new, 1))
    with pytest.raises(FileError, match=problem) as caught:
        loading.load(file)
    assert caught.value.line == line


@pytest.mark.parametrize(("file", "old", "new", "problem"), [
    ("resources/tenants.yaml", '"#/schemas/Tenant"', '"#/somewhere/Tenant"', "only #/schemas/"),
    ("resources/tenants.yaml", "  TenantCreated:", "  Agent:", "defined twice"),
    ("resources/tenants.yaml", "item:", "thing:", "has no 'item'"),
])
def test_mistake_in_document_is_reported(tmp_path, file, old, new, problem):
    shutil.copytree(openapi_dir(), tmp_path / "openapi")
    broken = tmp_path / "openapi" / file
    broken.write_text(broken.read_text().replace(old, new, 1))
    with pytest.raises(FileError, match=problem):
        loading.bundle(tmp_path / "openapi" / "openapi.yaml")


def test_unknown_key_of_document_is_reported(tmp_path, monkeypatch):
    shutil.copytree(openapi_dir(), tmp_path / "openapi")
    broken = tmp_path / "openapi" / "openapi.yaml"
    broken.write_text(broken.read_text() + "x-crashez: reject\n")
    monkeypatch.setattr(loading, "openapi_dir", lambda: tmp_path / "openapi")
    monkeypatch.setattr(loading, "cached_value", lambda name, make: make())
    loading.load.cache_clear()
    with pytest.raises(FileError, match=r"^openapi: document: unknown key 'x-crashez'; did you mean x-crashes\?"):
        loading.load()


@pytest.mark.parametrize("profile", profiles.profile_names())
def test_type_lists_with_default_have_one_type(profile):
    """Generators apply the default of a type list to each of its types, so such a schema must use `anyOf`."""
    def find(node):
        if isinstance(node, dict):
            if isinstance(node.get("type"), list):
                yield [kind for kind in node["type"] if kind != "null"], "default" in node
            for value in node.values():
                yield from find(value)
        elif isinstance(node, list):
            for value in node:
                yield from find(value)

    type_lists = list(find(loading.load(profile)))
    assert type_lists
    assert [kinds for kinds, has_default in type_lists if not kinds or (has_default and len(kinds) > 1)] == []
