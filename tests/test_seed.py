"""Seeds and the states created from them: mistakes with their line, exact reset, repeatable runs."""

import sqlite3

import pytest
import yaml

from sarkmock.pbx.seed import Seed, SeedError
from sarkmock.pbx.seeds import load_seed
from sarkmock.pbx.state import PbxFile, State
from sarkmock.spec import yaml12
from sarkmock.spec.yaml12 import FileError

SEED = """\
tables:
  cluster:
    - {pkey: default}
    - pkey: acme
      description: Acme
files:
  /etc/shorewall/sark_rules: "ACCEPT net fw tcp 22"
  /greeting: {base64: UklGRg==}
astdb:
  cfim: {"1001": "441234"}
pbx: stopped
"""


def read(directory, text=SEED):
    file = directory / "seed.yaml"
    file.write_text(text)
    return load_seed(file)


def test_seed_sets_tables_files_astdb_and_run_state(tmp_path):
    state = State(read(tmp_path))
    assert state.tables.first("cluster", "pkey", "acme")["description"] == "Acme"
    assert state.files["/greeting"].content == b"RIFF"
    assert state.astdb == {("cfim", "1001"): "441234"}
    assert not state.pbx.running


def test_factory_seed_has_rows_of_a_fresh_sark():
    tables = State().tables
    assert [row["pkey"] for row in tables.rows("cluster")] == ["default"]
    assert tables.count("device", "owner", "system") == 131
    assert tables.count("mfgmac", "name", "Yealink") == 3
    assert tables.first("globals", "pkey", "global")["SYSOP"] == "RINGALL"


@pytest.mark.parametrize(("old", "new", "line", "problem"), [
    ("cluster:", "clusters:", 2, "tables.clusters: unknown table"),
    ("description:", "'':", 5, "tables.cluster.1.'': unknown column ''"),
    ("description:", "descripton:", 5, "tables.cluster.1.descripton: unknown column"),
    ("Acme\n", "[Acme]\n", 5, "must be text, a number or null"),
    ("- {pkey: default}", "- default", 3, "must be a mapping"),
    ("UklGRg==", "U", 8, "files./greeting: must be text"),
    ("stopped", "asleep", 11, "must be running or stopped"),
    ("pbx:", "pbxx:", 11, "unknown key 'pbxx'; did you mean pbx"),
    ("description:", "Descripton:", 5, "did you mean description"),
    ("pkey: acme", "pkey: default", 4, "row default already exists"),
    ("description: Acme", "pkey: true", 5, "duplicate key 'pkey'"),
    ("Acme\n", "true\n", 5, "write 'true' if you mean the text"),
    ("Acme\n", "99999999999999999999\n", 5, "description: must be a number of at most 64 bits"),
    ("Acme\n", ".nan\n", 5, "must be a finite number"),
    ("/greeting", "greeting", 8, "must be an absolute path"),
    ('"441234"', "[441234]", 10, "astdb.cfim.1001: must be text or a whole number"),
    ("{pkey: default}", "{pkey: default", 4, "did not find"),
])
def test_mistake_is_reported_with_line_and_field(tmp_path, old, new, line, problem):
    with pytest.raises(FileError, match=problem) as caught:
        read(tmp_path, SEED.replace(old, new, 1))
    assert caught.value.line == line


@pytest.mark.parametrize(("table", "row"), [
    ("queue", "{id: one, pkey: sales}"),
    ("queue", "{id: 1.5}"),
    ("holiday", "{id: 99999999999999999999}"),
])
def test_row_number_must_be_an_integer(tmp_path, table, row):
    with pytest.raises(FileError, match="must be an integer or null"):
        read(tmp_path, f"tables:\n  {table}:\n    - {row}\n")


def test_row_number_that_is_already_assigned_is_reported(tmp_path):
    with pytest.raises(FileError, match="the database rejects it: UNIQUE constraint failed") as caught:
        read(tmp_path, "tables:\n  queue:\n    - {pkey: one}\n    - {id: 1, pkey: two}\n")
    assert caught.value.line == 4


@pytest.mark.parametrize(("content", "problem"), [
    ([], "expected a mapping with tables, "),
    ({"tables": [1]}, "tables: must be a mapping"),
    ({"tables": {"cluster": {"pkey": "one"}}}, "tables.cluster: must be a list of rows"),
    ({"astdb": {"cfim": ["441234"]}}, "astdb.cfim: must be a mapping of keys to values"),
    ({"calls": {"from": "1001"}}, "calls: must be a list of calls"),
    ({"calls": [{"from": "1001"}]}, "calls.0: must have the keys from and to"),
    ({"unchecked": "yes"}, "unchecked: must be true or false"),
])
def test_wrong_type_is_reported_with_its_path(content, problem):
    with pytest.raises(SeedError, match=problem):
        Seed.of(content)


@pytest.mark.parametrize("content", [
    {"tables": {"cluster": [{"pkey": "\ud800"}]}},
    {"files": {"/greeting": "\ud800"}},
])
def test_surrogate_is_rejected(content):
    with pytest.raises(SeedError, match="must be text"):
        Seed.of(content)


def test_state_can_be_exported_as_seed(tmp_path):
    state = State(read(tmp_path), now=1000.0)
    state.tables.insert("ipphone", {"pkey": "1001", "cluster": "acme", "desc": "01 ä\t'NO'"})
    state.files["/image"] = PbxFile(b"\xff\0", 5.0)
    copy = State(Seed.of(yaml.safe_load(yaml12.dump(state.to_seed().content()))), now=2000.0)
    assert copy.to_seed() == state.to_seed()


def test_emptied_table_is_empty_in_another_database():
    state = State()
    assert state.tables.rows("device")
    state.tables.remove("device", {})
    moved = State(state.to_seed().for_database("sark-6.5"))
    assert moved.tables.rows("device") == []
    assert moved.tables.rows("cluster")
    content = state.to_seed().content()["tables"]
    assert content["device"] == []
    assert "agent" not in content  # also empty in the factory seed


def test_reseed_replaces_everything(tmp_path):
    state = State(now=1000.0)
    clock, tables = state.clock, state.tables
    state.clock.advance(60)
    state.reseed(read(tmp_path))
    state.astdb.clear()
    state.tables.delete("cluster", "pkey", "acme")
    state.reset()
    assert state.to_seed() == State(read(tmp_path), now=1000.0).to_seed()
    assert (state.clock, state.tables) == (clock, tables)


def test_rejected_seed_changes_nothing():
    state = State(now=1000.0)
    before = state.to_seed()
    with pytest.raises(sqlite3.IntegrityError):
        state.reseed(Seed({"cluster": [{"pkey": "twice"}, {"pkey": "twice"}]}))
    state.reset()
    assert state.to_seed() == before


def test_reset_restores_everything(tmp_path):
    state = State(read(tmp_path), now=1000.0)
    image, files, first = state.tables.dump(), dict(state.files), state.draw().random()
    state.tables.insert("cluster", {"pkey": "new"})
    state.files.clear()
    state.astdb.clear()
    state.clock.advance(60)
    state.reset()
    assert (state.tables.dump(), state.files, state.clock.now()) == (image, files, 1000.0)
    assert state.astdb == {("cfim", "1001"): "441234"}
    assert state.draw().random() == first
