"""`serve --watch`: changes apply without a restart; an invalid file is reported and changes nothing."""

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


def eventually(actual: Callable[[], Any], expected: Any) -> None:
    """Wait until a function returns the expected value."""
    deadline = time.monotonic() + 15
    while actual() != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert actual() == expected


def test_changed_seed_is_loaded_and_invalid_one_is_reported(tmp_path: Path) -> None:
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


def test_changed_overlay_keeps_the_state(overlay: Path) -> None:
    engine = Engine(state=State(load_seed("demo")), profile=str(overlay))
    engine.state.tables.insert("cluster", {"pkey": "mine"})
    document, = watched_files(engine, str(overlay), None)
    assert document.look() is None
    overlay.write_text(yaml.safe_dump(OVERLAY).replace("One", "Two and more"))
    assert document.look() is None  # it may still be incomplete
    assert document.look() == f"{overlay} was reloaded"
    assert engine.document["paths"]["/tenants"]["get"]["summary"] == "Two and more"
    assert engine.state.tables.count("cluster", "pkey", "mine") == 1
    assert document.look() is None


@pytest.mark.parametrize(("old", "new", "message"), [
    ("One", "[", ": "),
    ("'/tenants'", "'/tenantz'", "matches nothing"),
    ("summary: One", "x-after: [no_such_check]", "unknown check 'no_such_check'"),
    ("summary: One", "x-hazard: harmless", "harmless"),
])
def test_invalid_overlay_is_reported_and_previous_one_is_kept(overlay: Path, old: str, new: str, message: str) -> None:
    engine = Engine(state=State(load_seed("empty")), profile=str(overlay))
    document, = watched_files(engine, str(overlay), None)
    before = engine.document
    overlay.write_text(yaml.safe_dump(OVERLAY).replace(old, new, 1))
    document.look()
    notice = document.look() or ""
    assert notice.endswith("; the mock continues with the previous version")
    assert message in notice
    assert "\n" not in notice
    assert engine.document is before
    overlay.write_text(yaml.safe_dump(OVERLAY))
    document.look()
    assert document.look() == f"{overlay} was reloaded"


def test_only_files_are_watched() -> None:
    engine = Engine(state=State(load_seed("empty")))
    assert [item.name for item in watched_files(engine, "shipped", "demo")] == ["the document"]
    assert [item.name for item in watched_files(engine, "shipped", "mine.yaml")] == ["the document", "mine.yaml"]
