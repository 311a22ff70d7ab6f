"""`serve --watch`: changes are served without a restart, and a broken file is told in a line and changes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sarkmock import Engine, State, load_seed
from sarkmock.cli.serve import watched_files
from tests.serving import Serving, serving

SEED = "tables:\n  cluster:\n    - {pkey: %s}\n"
OVERLAY = {
    "overlay": "1.0.0", "info": {"title": "A box", "version": "1"},
    "x-deviations": {"tenant-name": {"summary": "A tenant is called otherwise.", "severity": "cosmetic",
                                     "reason": "It was seen at a box of ours."}},
    "actions": [{"x-deviation": "tenant-name", "target": "$.paths['/tenants'].get", "update": {"summary": "One"}}],
}


def tenants(running: Serving) -> list[str]:
    return [row["pkey"] for row in json.loads(running.get("/api/tenants"))]


def eventually(found: Callable[[], Any], expected: Any) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 15
    while found() != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found() == expected


def test_a_changed_seed_is_served_on_the_same_port_and_a_broken_one_is_told(tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text(SEED % "one")
    with serving("--http", "--seed", str(file), "--watch") as running:
        assert tenants(running) == ["one"]
        file.write_text(SEED % "two")
        eventually(lambda: tenants(running), ["two"])
        file.write_text("tables:\n  clusters: []\n")
        broken = f"sarkmock: {file}:2: tables.clusters: unknown table 'clusters'; did you mean cluster?"
        eventually(lambda: sum(line.startswith(broken) for line in running.errors), 1)
        assert tenants(running) == ["two"]
        file.unlink()
        eventually(lambda: any("No such file" in line for line in running.errors), True)
        file.write_text(SEED % "three")
        eventually(lambda: tenants(running), ["three"])
        running.post("/_mock/reset")
        assert tenants(running) == ["three"]


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    file = tmp_path / "box.yaml"
    file.write_text(yaml.safe_dump(OVERLAY))
    return file


def test_a_changed_overlay_is_served_by_the_same_state(overlay: Path) -> None:
    engine = Engine(state=State(load_seed("demo")), profile=str(overlay))
    engine.state.tables.insert("cluster", {"pkey": "mine"})
    document, = watched_files(engine, str(overlay), None)
    assert document.look() is None
    overlay.write_text(yaml.safe_dump(OVERLAY).replace("One", "Two and more"))
    assert document.look() is None  # it may still be written
    assert document.look() == f"{overlay} was reloaded"
    assert engine.document["paths"]["/tenants"]["get"]["summary"] == "Two and more"
    assert engine.state.tables.count("cluster", "pkey", "mine") == 1
    assert document.look() is None


@pytest.mark.parametrize(("old", "new", "said"), [
    ("One", "[", ": "),
    ("'/tenants'", "'/tenantz'", "matches nothing"),
    ("summary: One", "x-after: [no_such_check]", "unknown check 'no_such_check'"),
    ("summary: One", "x-hazard: harmless", "harmless"),
])
def test_a_broken_overlay_is_one_line_and_the_old_one_stays(overlay: Path, old: str, new: str, said: str) -> None:
    engine = Engine(state=State(load_seed("empty")), profile=str(overlay))
    document, = watched_files(engine, str(overlay), None)
    before = engine.document
    overlay.write_text(yaml.safe_dump(OVERLAY).replace(old, new, 1))
    document.look()
    told = document.look() or ""
    assert told.endswith("; the mock continues with the previous version")
    assert said in told
    assert "\n" not in told
    assert engine.document is before
    overlay.write_text(yaml.safe_dump(OVERLAY))
    document.look()
    assert document.look() == f"{overlay} was reloaded"


def test_only_files_are_watched() -> None:
    engine = Engine(state=State(load_seed("empty")))
    assert [one.name for one in watched_files(engine, "shipped", "demo")] == ["the document"]
    assert [one.name for one in watched_files(engine, "shipped", "mine.yaml")] == ["the document", "mine.yaml"]
