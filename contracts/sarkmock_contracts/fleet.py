"""Check the boxes listed in a file, one after the other, and write a summary page.

Every box has its own report in a folder of its name, so that each job of a CI matrix can check one box.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sarkmock.suite_api import FileError, line_of, read_yaml, unknown_name, write_whole

from .errors import CannotRun, file_errors
from .options import Option, options_of
from .reports import MARKS, render_page, table_lines
from .reports.data import Data
from .reports.merging import read_report

BOX_NAME = re.compile(r"\w[\w.-]{0,63}")
SINGLE_RUN_OPTIONS = ("report", "plan", "shard", "update-accepted")  # options that make sense for a single run only
FLEET_GROUPS = ("check", "limits", "time", "rate", "safety", "hostile", "access", "login", "header")
FLEET_OPTIONS: Mapping[str, Option] = {option.name: option for option in options_of(*FLEET_GROUPS)
                                       if option.name not in SINGLE_RUN_OPTIONS}
FLEET_TEMPLATE = Path(__file__).parent / "reports" / "fleet.html.j2"
REASON = "stopped.txt"  # why a box has no report
YamlPath = tuple[str | int, ...]
FLEET_COUNTS = ("new", "expired", "accepted", "known", "fixed")


@dataclass(frozen=True)
class Box:
    """One box and the options of its check."""

    name: str
    url: str
    values: Mapping[str, Any]

    def arguments(self, report: Path) -> list[str]:
        """Return the arguments of `sarkmock check`."""
        words = [self.url, "--report", str(report)]
        for name, value in self.values.items():
            for item in value if isinstance(value, list) else [value]:
                words += [] if item is False else [f"--{name}"] if item is True else [f"--{name}", str(item)]
        return words


def read_boxes(file: Path) -> list[Box]:
    """Read the boxes of a file. Raise FileError with file, line and field if it is invalid."""
    content = read_yaml(file)
    if not isinstance(content, dict) or not isinstance(content.get("boxes"), list) or not content["boxes"]:
        raise FileError(file, 1, "expected a list `boxes`, such as - {name: office, url: https://pbx.example/api}")
    for key in content:
        if key not in ("boxes", "defaults"):
            raise FileError(file, line_of(file, (key,)), unknown_name("key", key, ("boxes", "defaults")))
    defaults = option_values(file, ("defaults",), content.get("defaults") or {}, FLEET_OPTIONS)
    boxes: list[Box] = []
    for index, entry in enumerate(content["boxes"]):
        box = box_of(file, ("boxes", index), entry, defaults)
        if any(box.name == earlier.name for earlier in boxes):
            raise FileError(file, line_of(file, ("boxes", index)), f"name: {box.name} is listed twice")
        boxes.append(box)
    return boxes


def box_of(file: Path, place: YamlPath, entry: Any, defaults: Mapping[str, Any]) -> Box:
    values = option_values(file, place, entry, {"name": None, "url": None, **FLEET_OPTIONS})
    for name in ("name", "url"):
        if not isinstance(values.get(name), str) or not values[name]:
            raise FileError(file, line_of(file, place), f"{name}: is missing, empty or not a string")
    if not BOX_NAME.fullmatch(values["name"]):
        raise FileError(file, line_of(file, (*place, "name")), "name: must be letters, digits, dots and hyphens")
    name, url = values.pop("name"), values.pop("url")
    return Box(name, url, {**defaults, **values})


def option_values(file: Path, place: YamlPath, entry: Any, allowed: Mapping[str, Option | None]) -> dict[str, Any]:
    """Check a mapping of options of `sarkmock check`, and return it as a dict."""
    if not isinstance(entry, dict):
        raise FileError(file, line_of(file, place), "must be a mapping")
    for key, value in entry.items():
        if key not in allowed:
            raise FileError(file, line_of(file, (*place, str(key))), unknown_name("key", key, allowed))
        option = allowed[key]
        if option is not None and not option_takes(option, value):
            kind = {bool: "true or false", list: "a list of strings", int: "a whole number"}.get(option.kind, "a text")
            raise FileError(file, line_of(file, (*place, key)), f"{key}: must be {kind}")
    return dict(entry)


def option_takes(option: Option, value: Any) -> bool:
    if option.kind is list:
        return isinstance(value, list) and all(isinstance(text, str) for text in value)
    if option.kind is bool or isinstance(value, bool):
        return option.kind is bool and isinstance(value, bool)
    return isinstance(value, int) if option.kind is int else isinstance(value, str | int)


def chosen_boxes(boxes: Sequence[Box], names: Sequence[str]) -> list[Box]:
    """Return the boxes with these names; all boxes if there are no names."""
    listed = [box.name for box in boxes]
    for name in names:
        if name not in listed:
            raise CannotRun(f"--box: {unknown_name('box', name, listed)}")
    return [box for box in boxes if not names or box.name in names]


def check_all(boxes: Sequence[Box], output: Path) -> None:
    """Check one box after the other. The terminal shows the output of `sarkmock check` for each."""
    for box in boxes:
        sys.stdout.write(f"== {box.name}: {box.url}\n")
        sys.stdout.flush()
        folder = output / box.name
        for name in ("report.json", REASON):
            (folder / name).unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-m", "sarkmock", "check", *box.arguments(folder)], text=True,
                                   encoding="utf-8", errors="replace", stderr=subprocess.PIPE)
        assert process.stderr is not None
        last = ""
        try:
            for last in process.stderr:
                sys.stderr.write(last)
            process.wait()
        except KeyboardInterrupt:
            process.wait()  # the child gets the signal, too, and cleans up
            raise
        if last and not (folder / "report.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / REASON).write_text(last.removeprefix("sarkmock: "), encoding="utf-8")


def fleet_summary(boxes: Sequence[Box], output: Path) -> Data:
    """Return the summary: a line for each box from its report, and the causes with the boxes that have them."""
    files = {box.name: output / box.name / "report.json" for box in boxes}
    reports = {name: read_report(file) if file.is_file() else None for name, file in files.items()}
    lines = [fleet_line(box, reports[box.name], output / box.name / REASON) for box in boxes]
    causes: dict[str, list[str]] = {}
    for name, report in reports.items():
        for cause in report["causes"] if report else ():
            causes.setdefault(cause["title"], []).append(name)
    shared = sorted(causes.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    results = {line["result"] for line in lines}
    return {"format": "sarkmock-fleet/1", "boxes": lines,
            "result": next((result for result in ("failed", "stopped") if result in results), "passed"),
            "causes": [{"title": title, "boxes": names} for title, names in shared]}


def fleet_line(box: Box, report: Data | None, reason: Path) -> Data:
    """Return the summary of one box. A box without a report counts as stopped."""
    if report is None:
        ending = reason.read_text(encoding="utf-8").strip() if reason.is_file() else "no report"
        return {"name": box.name, "url": box.url, "result": "stopped", "ending": ending, "version": "", "requests": 0,
                "started": "", "summary": dict.fromkeys(FLEET_COUNTS, 0), "report": None}
    run = report["run"]
    return {"name": box.name, "url": box.url, "result": report["result"], "ending": run["ending"],
            "version": report["target"]["version"],
            "requests": run["requests"], "started": run["started"],
            "summary": {name: report["summary"][name] for name in FLEET_COUNTS}, "report": f"{box.name}/report.html"}


def write_summary(data: Data, output: Path) -> None:
    texts = {"fleet.json": json.dumps(data, indent=2, ensure_ascii=False) + "\n",
             "index.html": render_page(FLEET_TEMPLATE, {}, data=data, counts=FLEET_COUNTS),
             "summary.md": "\n".join(fleet_markdown(data)) + "\n"}
    with file_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_whole(output / name, text.encode("utf-8", "backslashreplace"))


def fleet_markdown(data: Data) -> Iterator[str]:
    number = len(data["boxes"])
    yield f"## {MARKS[data['result']]} {number} {'box' if number == 1 else 'boxes'}: {data['result']}"
    yield ""
    counts = [f"{name}:" for name in FLEET_COUNTS]
    yield from table_lines(("box", "result", "version", *counts, "requests:"), (
        (box["name"], f"{MARKS[box['result']]} {': '.join(filter(None, (box['result'], box['ending'])))}",
         box["version"], *(box["summary"][name] for name in FLEET_COUNTS), box["requests"]) for box in data["boxes"]))
    if data["causes"]:
        yield ""
        yield from table_lines(("cause", "boxes"), ((box["title"], ", ".join(box["boxes"])) for box in data["causes"]))
