"""Seeds and the state made from them: mistakes told with their line, reset exact, runs repeatable."""

import pytest

from sarkmock.seed import Seed
from sarkmock.state import State
from sarkmock.yaml12 import FileError

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
    return Seed.read(file)


def test_a_seed_fills_tables_files_astdb_and_run_state(tmp_path):
    state = State(read(tmp_path))
    assert state.tables.first("cluster", "pkey", "acme")["description"] == "Acme"
    assert state.files["/greeting"].content == b"RIFF"
    assert state.astdb == {("cfim", "1001"): "441234"}
    assert not state.pbx.running


def test_the_factory_seed_has_what_a_fresh_sark_has():
    tables = State().tables
    assert [row["pkey"] for row in tables.rows("cluster")] == ["default"]
    assert tables.count("device", "owner", "system") == 131
    assert tables.count("mfgmac", "name", "Yealink") == 3
    assert tables.first("globals", "pkey", "global")["SYSOP"] == "RINGALL"


@pytest.mark.parametrize(("old", "new", "line", "problem"), [
    ("cluster:", "clusters:", 2, "tables.clusters: unknown table"),
    ("description:", "descripton:", 5, "tables.cluster.1.descripton: unknown column"),
    ("Acme\n", "[Acme]\n", 5, "must be text, a number or null"),
    ("- {pkey: default}", "- default", 3, "must be a mapping"),
    ("UklGRg==", "U", 8, "files./greeting: must be text"),
    ("stopped", "asleep", 11, "must be running or stopped"),
    ("pbx:", "pbxx:", 11, "unknown key"),
    ("{pkey: default}", "{pkey: default", 4, "did not find"),
])
def test_a_mistake_is_told_with_its_line_and_field(tmp_path, old, new, line, problem):
    with pytest.raises(FileError, match=problem) as caught:
        read(tmp_path, SEED.replace(old, new, 1))
    assert caught.value.line == line


def test_reset_brings_everything_back(tmp_path):
    state = State(read(tmp_path), now=1000.0)
    image, files, first = state.tables.dump(), dict(state.files), state.dice.random()
    state.tables.insert("cluster", {"pkey": "new"})
    state.files.clear()
    state.astdb.clear()
    state.clock.advance(60)
    state.reset()
    assert (state.tables.dump(), state.files, state.clock.now()) == (image, files, 1000.0)
    assert state.astdb == {("cfim", "1001"): "441234"}
    assert state.dice.random() == first
