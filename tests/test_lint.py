"""`sarkmock lint` lists every mistake in a file with its line, and the JSON Schemas for editors match the loaders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner

from sarkmock.cli import cli
from sarkmock.http.engine import Program
from sarkmock.pbx.actions import try_operations
from sarkmock.spec import yaml12
from sarkmock.spec.data_files import openapi_dir
from sarkmock.spec.profiles import profile_names
from tests.serving import mistake

SEEDS = Path(__file__).parent.parent / "sarkmock" / "pbx" / "seeds"
OVERLAYS = sorted((openapi_dir() / "overlays").glob("*.yaml"))
SHIPPED = [*OVERLAYS, *(SEEDS / f"{name}.yaml" for name in ("demo", "empty", "factory"))]
SEED = """\
base: demo
tables:
  cluster:
    - {pkey: acme, description: Acme}
  ipphone:
    - {pkey: '3001', cluster: acme, desc: One}
files: {/etc/hosts: localhost}
astdb: {cfim: {'3001': 3002}}
pbx: running
"""
OVERLAY = """\
overlay: 1.0.0
info: {title: Ours, version: '1', x-extends: shipped}
x-deviations:
  ours: {summary: It is different., severity: breaks, reason: It was seen.}
actions:
  - target: $.components.schemas.TenantUpdate.properties.callgroup
    x-deviation: ours
    update: {x-rules: integer}
"""
FAULTS = """\
- {operation: tenants.create, status: 500}
- latency: 0.5
"""
# The text of a valid file, replacements, and the beginning of every line of the output.
MISTAKES: list[tuple[str, list[tuple[str, str]], list[str]]] = [
    (SEED, [("acme, desc:", "amce, desc:"), ("demo", "dmeo")], ["1: base: unknown seed 'dmeo'; did you mean demo?"]),
    (SEED, [("acme, desc: One", "amce, desc: One"), ("description: Acme", "chanmax: many")],
     ["4: tables.cluster.0.chanmax: the API rejects 'many'", "6: tables.ipphone.0.cluster: the API rejects 'amce'"]),
    (SEED, [("desc: One", "dsec: One"), ("demo", "dmeo")],
     ["1: base: unknown seed 'dmeo'; did you mean demo?", "6: tables.ipphone.0.dsec: unknown column"]),
    (SEED, [("desc: One", "dsec: One"), ("pbx: running", "pbx: maybe"), ("cluster:\n", "clutser:\n")],
     ["3: tables.clutser: unknown table", "6: tables.ipphone.0.dsec: unknown column", "9: pbx: must be running"]),
    (SEED, [("/etc/hosts", "etc/hosts")], ["7: files.etc/hosts: must be an absolute path"]),
    (SEED, [("files:", "pbx:")], ["9: duplicate key 'pbx'"]),
    (OVERLAY, [("breaks", "broken"), ("x-extends", "x-extend")],
     ["2: info.x-extend: unknown key 'x-extend'; did you mean x-extends", "4: x-deviations.ours.severity: \"broken\""]),
    (OVERLAY, [("callgroup", "calgroup")],
     ["6: action 1 ($.components.schemas.TenantUpdate.properties.calgroup): m"]),
    (OVERLAY, [("  - target", "  - {target: $.nosuch, x-deviation: ours, remove: true}\n  - target"),
               ("x-rules: integer", "x-rules: integer|nullable")],
     ["6: action 1 ($.nosuch): matches nothing",
      "7: action 2 ($.components.schemas.TenantUpdate.properties.callgroup): changes nothing"]),
    (OVERLAY, [("x-rules: integer", "x-rules: intger")],
     ["6: its document cannot be served: field callgroup, rule 'intger'"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/tenants'].post"),
               ("x-rules: integer", "x-action: creat")],
     ["6: its document cannot be served: tenants.create: unknown action 'creat'; did you mean"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/tenants'].post"),
               ("x-rules: integer", "x-after: [key_is_fre]")],
     ["6: its document cannot be served: tenants.create: unknown check 'key_is_fre'; did you mean"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/tenants'].post"),
               ("x-rules: integer", "x-after: [tenant_is_unused]")],
     ["6: its document cannot be served: tenants.create: the check 'tenant_is_unused' needs a row that the path"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/tenants'].get"),
               ("x-rules: integer", "x-action: show")],
     ["6: its document cannot be served: tenants.list: the action 'show' needs a row that the path names"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/backups'].post"),
               ("x-rules: integer", "x-after: [key_is_new]")],
     ["6: its document cannot be served: backups.upload: the check 'key_is_new' needs a table (x-table)"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/backups'].get"),
               ("x-rules: integer", "x-action: backups_delete")],
     ["6: its document cannot be served: backups.list: the action 'backups_delete' needs the path parameter 'backup'"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/tenants'].get"),
               ("x-rules: integer", "x-action: whoami")],
     ["6: its document cannot be served: tenants.list: the action 'whoami' needs a user (security)"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/agents/{agent}'].delete"),
               ("x-rules: integer", "x-after: [system_template_stays]")],
     ["6: its document cannot be served: agents.delete: the check 'system_template_stays' needs the column "]),
    (OVERLAY, [("  ours:", "  idle: {summary: Something else, severity: cosmetic, reason: It was seen.}\n  ours:")],
     ["4: x-deviations: no action belongs to 'idle'"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/tenants'].get"),
               ("x-rules: integer", "x-action: crash")],
     [" its document cannot be served: tenants.list: x-action crash needs a 500 response"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/tenants'].get"),
               ("{x-rules: integer}", "[x]")],
     [" its document cannot be served: after its actions, a part is missing or not the mapping"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths"),
               ("{x-rules: integer}", "{/a: [[]]}")],
     [" its document cannot be served: after its actions, a part is missing"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/tenants'].get"),
               ("{x-rules: integer}", "{operationId: {}}")],
     [" its document cannot be served: after its actions, a part is missing"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.paths['/tenants']['x-table']"),
               ("{x-rules: integer}", "{table: clutser}")],
     [" its document cannot be served: tenants.list: unknown table 'clutser'; did you mean cluster?"]),
    (OVERLAY, [("$.components.schemas.TenantUpdate.properties.callgroup", "$.tags[0]"),
               ("{x-rules: integer}", "{description: 1}")],
     [" its document cannot be exported: after its actions, a part is missing"]),
    (OVERLAY, [("x-rules: integer", "null: integer")], ["8: actions.0.update: has a key that is not a string"]),
    (OVERLAY, [("x-rules: integer", "x-rule: integer")],
     ["6: /components/schemas/TenantUpdate/properties/callgroup: unkn"]),
    (OVERLAY, [("x-deviation: ours", "x-deviation: other")], ["6: x-deviation 'other' is not listed"]),
    (SEED, [("demo", "[demo]")], ["1: base: unknown seed"]),
    (SEED, [("- {pkey: acme, description: Acme}", "- {}"), ("desc: One", "desc: 9223372036854775808")],
     ["4: tables.cluster.0: needs pkey", "6: tables.ipphone.0.desc: must be a number of at most 64 bits"]),
    (SEED, [("localhost", "'\0'")], ["7: the character '\\x00' is not allowed in YAML"]),
    (FAULTS, [("tenants", "tenantz")], ["1: unknown operation 'tenantz.create'; did you mean"]),
    (FAULTS, [("status: 500", "staus: 500"), ("0.5", "never")], ["1: unknown key 'staus'", "2: latency: "]),
    (SEED, [("base:", '"\\e[31m": 1\nbase:')], ["1: \\x1b[31m: unknown key '\\x1b[31m'"]),
    ("", [], ["1: neither a seed (tables, files, astdb, "]),
    ("boxes: [{name: office, url: 'https://pbx.example/api'}]", [], ["1: neither a seed"]),
    ("- {operation: GET /tenants, reads: [pkey]}", [], ["1: neither a seed"]),
    ("- {id: 'tenants.list:schema:description:type', reason: It is ours., expires: 2027-06-30}", [], ["1: neit"]),
    ("- [", [], ["2: did not find expected node content"]),
]


def linted(*arguments: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(cli, ["lint", *arguments], catch_exceptions=False, standalone_mode=False)
    return int(result.return_value), result.output.splitlines()


@pytest.mark.parametrize("text", [SEED, OVERLAY, FAULTS], ids=["seed", "overlay", "faults"])
def test_valid_file_passes(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    assert linted(str(tmp_path / "file.yaml")) == (0, [])


@pytest.mark.parametrize("profile", profile_names())
def test_operations_of_every_profile_are_complete(profile: str) -> None:
    program = Program.of(profile)
    try_operations(program.operations, (), program.database)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_packaged_files_are_valid_and_name_their_schema(file: Path) -> None:
    comment = file.read_text().splitlines()[0]
    schema = json.loads((file.parent / comment.removeprefix("# yaml-language-server: $schema=")).read_text())
    assert jsonschema_rs.validator_for(schema).is_valid(yaml12.read(file))
    assert linted(str(file)) == (0, [])


@pytest.mark.parametrize(("text", "changes", "expected"), MISTAKES)
def test_every_mistake_is_listed_with_its_line(
        tmp_path: Path, text: str, changes: list[tuple[str, str]], expected: list[str]) -> None:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / "file.yaml"
    file.write_text(text)
    code, lines = linted(str(file))
    assert code == 1
    assert len(lines) == len(expected), lines
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(f"{file}:{start}"), line


def test_unreadable_file_is_an_error_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"# one\nbase: f\xe4ctory")
    assert mistake("lint", str(tmp_path / "gone.yaml")) == f"{tmp_path}/gone.yaml: No such file or directory"
    assert mistake("lint", str(tmp_path)).endswith("Is a directory")
    assert mistake("lint", str(tmp_path / "latin.yaml")) == f"{tmp_path}/latin.yaml:2: not a text file in UTF-8"
    assert "unknown profile" in mistake("lint", "--profile", "nosuch", str(tmp_path / "gone.yaml"))


def test_an_overlay_that_cannot_be_served_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text(OVERLAY.replace("x-rules: integer", "x-rules: intger"))
    assert "its document cannot be served: field callgroup" in mistake("serve", "--port", "0", "--profile", str(file))


def schema_of(kind: str) -> dict[str, Any]:
    return json.loads(CliRunner().invoke(cli, ["schema", kind], catch_exceptions=False).output)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("kind", "file"), [("seed", SEEDS / "seed.schema.json"),
                                            ("overlay", openapi_dir() / "vocabulary.schema.json")])
def test_packaged_schema_matches_printed_schema(kind: str, file: Path) -> None:
    """After a change of tables or rules: sarkmock schema seed -o sarkmock/pbx/seeds/seed.schema.json"""
    assert json.loads(file.read_text()) == schema_of(kind)


SEED_SCHEMA = json.loads((SEEDS / "seed.schema.json").read_text())
VALID_FILES = {"seed": SEED, "overlay": OVERLAY}
INVALID_FILES = [("seed", "dmeo", "demo"), ("seed", "clutser", "cluster"), ("seed", "dsec", "desc"),
                 ("seed", "maybe", "running"), ("seed", "fiels", "files"), ("seed", "{etc/", "{/etc/"),
                 ("seed", "[acme]", "acme"),
                 ("overlay", "broken", "breaks"), ("overlay", "x-extend:", "x-extends:"), ("overlay", "2.0.0", "1.0.0"),
                 ("overlay", "x-deviaton", "x-deviation"), ("overlay", "tagret", "target")]


@pytest.mark.parametrize(("kind", "new", "old"), INVALID_FILES)
def test_schema_rejects_invalid_file(kind: str, new: str, old: str) -> None:
    validator = jsonschema_rs.validator_for(schema_of(kind))
    assert validator.is_valid(yaml12.parse(VALID_FILES[kind], "file"))
    assert old in VALID_FILES[kind]
    assert not validator.is_valid(yaml12.parse(VALID_FILES[kind].replace(old, new, 1), "file"))


VALUES = ["null", "running", "[]", "{}", "0", "false", "''", "[1]", "{a: 1}", "{/a: {base64: '', text: ''}}",
          "[{from: '1', to: '2'}]", "[{from: a, to: 2}]", "{cluster: [{pkey: acme}]}"]


@pytest.mark.parametrize("key", ["tables", "files", "astdb", "calls", "pbx", "unchecked"])
def test_schema_and_lint_agree_on_types(tmp_path: Path, key: str) -> None:
    file = tmp_path / "seed.yaml"
    valid = {}
    for value in VALUES:
        file.write_text(f"base: factory\n{key}: {value}\n")
        valid[value] = jsonschema_rs.validator_for(SEED_SCHEMA).is_valid(yaml12.read(file))
        assert linted(str(file))[0] == (0 if valid[value] else 1), value
    assert set(valid.values()) == {True, False}


def test_many_mistakes_take_one_pass(tmp_path: Path) -> None:
    rows = "".join(f"    - {{pkey: t{number}, nosuch: 1}}\n" for number in range(1000))
    (tmp_path / "seed.yaml").write_text(f"tables:\n  cluster:\n{rows}")
    _, lines = linted(str(tmp_path / "seed.yaml"))
    assert len(lines) == 101
    assert lines[-1] == f"{tmp_path}/seed.yaml: there are more mistakes"


def test_schema_has_examples_and_description_of_column() -> None:
    column = schema_of("seed")["properties"]["tables"]["properties"]["ipphone"]["items"]["properties"]["location"]
    assert column["examples"] == ["local", "remote"]
    assert column["description"] == ("Whether the phone is in the PBX's own network or beyond a router. "
                                     "Rules: in:local,remote")
