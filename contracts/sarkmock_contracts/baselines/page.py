"""A comparison as one self-contained page for a browser. Knows plain data only."""

from __future__ import annotations

from pathlib import Path

import jinja2

from .report import Data, by_kind, change, headline, name_of, sections, unreached_lines

TEMPLATE = Path(__file__).with_name("compare.html.j2")


def as_html(data: Data) -> str:
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    environment.filters.update(change=change, name_of=name_of)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(data=data, sections=sections(data), headline=headline(data), kinds=by_kind(data),
                           unreached=list(unreached_lines(data)))
