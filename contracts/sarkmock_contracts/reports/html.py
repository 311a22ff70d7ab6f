"""The run as one self-contained page for a browser: what was found and covered, with filters. Knows plain data only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

from ..judge.findings import SEVERITIES
from .data import Data

REPORT_TEMPLATE = Path(__file__).with_name("report.html.j2")
STATUSES = ("new", "expired", "known", "accepted")


def render_page(template: Path, filters: Mapping[str, Callable[..., Any]], **values: Any) -> str:
    """A template as one self-contained page."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    environment.filters.update(filters)
    return environment.from_string(template.read_text(encoding="utf-8")).render(**values)


def as_html(data: Data) -> str:
    return render_page(REPORT_TEMPLATE, {"state": state}, data=data, sections=report_sections(data), statuses=STATUSES,
                severities=SEVERITIES, findings=sorted(data["findings"], key=rank), status_of=status_by_finding(data))


def report_sections(data: Data) -> list[tuple[str, list[Data]]]:
    return [(name, list(members)) for name, members in groupby(data["coverage"], key=lambda one: str(one["section"]))]


def rank(finding: Data) -> tuple[int, int]:
    return STATUSES.index(finding["status"]), SEVERITIES.index(finding["severity"])


def status_by_finding(data: Data) -> dict[str, str]:
    """The status of every finding by its id."""
    return {finding["id"]: finding["status"] for finding in data["findings"]}


def state(rule: Any) -> str:
    """What a run saw a variable's rules do, in words that are also the names of styles."""
    if rule["findings"]:
        return "finding"
    if rule["accepted"] and rule["refused"]:
        return "both"
    return "accepted" if rule["accepted"] else "refused" if rule["refused"] else "untested"
