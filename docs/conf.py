"""Sphinx configuration. `tox -e docs` builds the site offline and fails on every warning."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

project = "sarkmock"
author = "sarkmock contributors"
release = importlib.metadata.version("sarkmock")
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "sarkmock"
html_copy_source = False


def write_reference(_: Sphinx) -> None:
    """Generate the reference pages from the code and the document before Sphinx looks for pages."""
    from reference_pages import PAGES

    directory = Path(__file__).parent / "reference"
    for name, page in PAGES.items():
        (directory / f"{name}.md").write_text(page(), encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", write_reference)
