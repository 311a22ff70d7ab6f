"""The tables: SQLite behaviour visible in the API, dumps and foreign databases."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.http.replies import to_json
from sarkmock.http.wsgi import render
from sarkmock.pbx.database import MANY_CHANGES, Database, LockedDatabase
from sarkmock.pbx.seed import Seed
from sarkmock.pbx.state import State


@pytest.fixture
def tables():
    return Database()


def test_affinity_stores_digits_as_integers_only_in_integer_columns(tables):
    tables.insert("holiday", {"desc": "12", "stime": "1262546612", "etime": "soon"})
    row = tables.rows("holiday")[0]
    assert (row["desc"], row["stime"], row["etime"]) == ("12", 1262546612, "soon")


def test_integer_key_matches_text_and_is_reused_after_delete(tables):
    assert tables.insert("holiday", {"cluster": "default"}) == 1
    assert tables.first("holiday", "id", "1")["cluster"] == "default"
    assert tables.delete("holiday", "id", "1") == 1
    assert tables.insert("holiday", {"cluster": "default"}) == 1


def test_rows_are_sorted_by_key_in_binary_order(tables):
    for key in ("b", "A", "a", "1.0E+20"):
        tables.insert("cluster", {"pkey": key})
    assert [row["pkey"] for row in tables.rows("cluster", order=["pkey"])] == ["1.0E+20", "A", "a", "b"]


def test_rows_can_be_filtered_by_several_values(tables):
    for key, technology in (("a", "SIP"), ("b", "IAX2"), ("c", "DiD"), ("d", None)):
        tables.insert("lineio", {"pkey": key, "technology": technology})
    rows = tables.rows("lineio", {"technology": ["SIP", "IAX2"]}, ["pkey"])
    assert [row["pkey"] for row in rows] == ["a", "b"]


def test_count_takes_one_value_or_several(tables):
    tables.insert("cluster", {"pkey": "a"})
    tables.insert("cluster", {"pkey": "b"})
    assert (tables.count("cluster", "pkey", "a"), tables.count("cluster", "pkey", ["a", "b", "c"])) == (1, 2)


def test_a_duplicate_key_is_rejected(tables):
    tables.insert("cluster", {"pkey": "a"})
    with pytest.raises(sqlite3.IntegrityError):
        tables.insert("cluster", {"pkey": "a"})


def test_restore_restores_dump_exactly(tables):
    tables.insert("cluster", {"pkey": "a", "abstimeout": "1"})
    before, image = tables.rows("cluster"), tables.dump()
    tables.update("cluster", "pkey", "a", {"abstimeout": "2"})
    tables.insert("cluster", {"pkey": "b"})
    tables.restore(image)
    assert tables.rows("cluster") == before


def foreign(*statements):
    with closing(sqlite3.connect(":memory:")) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
        return bytes(database.serialize())


def test_common_columns_of_foreign_database_are_loaded(tables):
    tables.insert("queue", {"pkey": "old"})
    tables.load(foreign(
        "CREATE TABLE cluster (extra, operator TEXT, pkey TEXT)", "CREATE TABLE elsewhere (x)",
        "CREATE TRIGGER t AFTER INSERT ON elsewhere BEGIN SELECT 1; END",
        "INSERT INTO cluster VALUES (1, '0', 'acme')"))
    assert [(row["pkey"], row["operator"]) for row in tables.rows("cluster")] == [("acme", "0")]
    assert tables.rows("queue") == []
    assert "extra" not in tables.columns("cluster")


@pytest.mark.parametrize("image", [b"", b"no database", b"SQLite format 3\0" + b"x" * 4096])
def test_invalid_database_is_rejected_and_changes_nothing(tables, image):
    tables.insert("cluster", {"pkey": "a"})
    with pytest.raises(sqlite3.DatabaseError):
        tables.load(image)
    assert [row["pkey"] for row in tables.rows("cluster")] == ["a"]


def test_rows_that_violate_constraints_are_rejected_and_change_nothing(tables):
    tables.insert("cluster", {"pkey": "a"})
    twice = ["INSERT INTO cluster VALUES ('x')"] * 2
    image = foreign("CREATE TABLE cluster (pkey TEXT)", *twice)
    with pytest.raises(sqlite3.DatabaseError):
        tables.load(image)
    assert [row["pkey"] for row in tables.rows("cluster")] == ["a"]


VALUES = (st.none() | st.integers(-2**63, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
          | st.text(st.characters(codec="utf-8"), max_size=5)
          | st.sampled_from(["1.5", "a/b", '"', "\\", "[1]", "null", "\x7f"]))


def test_ordinary_rows_are_encoded_by_sqlite(tables):
    tables.insert("cluster", {"pkey": "a", "abstimeout": "2"})
    assert tables.as_json("cluster", {}, ("pkey",), ("pkey", "abstimeout")) == b'[{"pkey":"a","abstimeout":"2"}]'


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries({"desc": VALUES, "stime": VALUES, "z_created": VALUES}), max_size=3))
def test_json_encoded_by_sqlite_equals_to_json(rows):
    tables, only = Database(), ("id", "desc", "stime", "z_created")
    for row in rows:
        tables.insert("holiday", row)
    text = tables.as_json("holiday", {}, ("id",), only)
    if text is not None:
        assert text == to_json(tables.rows("holiday", order=("id",), only=only))
    tables.close()


CHANGES = {
    "insert": lambda tables: tables.insert("cluster", {"pkey": "b"}),
    "update": lambda tables: tables.update("cluster", "pkey", "a", {"abstimeout": "2"}),
    "change": lambda tables: tables.change("cluster", {"pkey": "a"}, {"abstimeout": "3"}),
    "delete": lambda tables: tables.delete("cluster", "pkey", "a"),
    "remove": lambda tables: tables.remove("cluster", {}),
    "load": lambda tables: tables.load(Database().dump()),
    "restore": lambda tables: tables.restore(Database().dump()),
    "text that is not UTF-8": lambda tables: tables.insert("cluster", {"pkey": "\udcff"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_cached_list_is_invalidated_by_change(change):
    engine = Engine()
    tables = engine.state.tables

    def listed(encoded):
        return render(engine.handle(ApiRequest("GET", "tenants", encoded=encoded)), "GET")

    tables.insert("cluster", {"pkey": "a"})
    for _ in range(2):
        assert listed(True) == listed(False)
    CHANGES[change](tables)
    assert listed(True) == listed(False)
    assert LockedDatabase(tables).changes == tables.changes


@pytest.mark.parametrize("rows", [1, MANY_CHANGES + 1])
def test_reset_reverts_any_number_of_changes(rows):
    phones = [{"pkey": str(100_000 + number), "desc": "as it was"} for number in range(rows)]
    state = State(Seed.of({"tables": {"ipphone": phones}}))
    tables = state.tables
    image, counted = tables.dump(), []
    state.reset()
    for change in (lambda: tables.change("ipphone", {}, {"desc": "changed"}), lambda: tables.remove("ipphone", {})) * 3:
        change()
        counted.append(tables.changes)
        state.reset()
        counted.append(tables.changes)
        assert tables.values("ipphone", "desc") == ["as it was"] * rows
    assert counted == sorted(set(counted))
    assert tables.dump() == image
    state.reseed(Seed.of({"tables": {"ipphone": phones[:1]}}))
    tables.remove("ipphone", {})
    state.reset()
    assert tables.size("ipphone") == 1
    tables.close()
