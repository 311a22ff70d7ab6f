"""The files in which states are saved: below the one directory that the user named, and nowhere else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from sarkmock.atomic import write_whole
from sarkmock.control.messages import ControlError, ControlRequest
from sarkmock.control.mock_control import MockControl
from sarkmock.suggest import unknown

STATE_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml")


def list_saved(mock: MockControl, request: ControlRequest) -> list[str]:
    return saved_names(directory(mock))


def save_state(mock: MockControl, request: ControlRequest) -> None:
    """A state may hold rows that the API would reject, and must be restored unchanged."""
    file = file_of(mock, request.body["file"])
    seed = mock.engine.copy().to_seed()
    try:
        write_whole(file, replace(seed, unchecked=True).text().encode(), private=True)
    except OSError as error:
        raise ControlError(409, f"{file.name} cannot be written: {error.strerror}") from None


def saved_names(where: Path) -> list[str]:
    return sorted(file.name for file in where.iterdir() if file.is_file() and STATE_FILE_NAME.fullmatch(file.name))


def file_of(mock: MockControl, name: str, *, must_exist: bool = False) -> Path:
    """The file of a name in the directory for states; Problem if the name leads elsewhere."""
    where = directory(mock)
    if not STATE_FILE_NAME.fullmatch(name):
        raise ControlError(422, f"file: {name!r} is not a name of letters, digits, dots and dashes that ends in .yaml",
                      path=("file",))
    file = where / name
    if not file.resolve().is_relative_to(where.resolve()):
        raise ControlError(422, f"file: {name} leads out of the directory for states", path=("file",))
    if must_exist and not file.is_file():
        raise ControlError(404, unknown("file", name, saved_names(where)), path=("file",))
    return file


def directory(mock: MockControl) -> Path:
    if mock.control.directory is None:
        raise ControlError(404, "there is no directory for states; start the mock with --save-dir DIRECTORY")
    if not mock.control.directory.is_dir():
        raise ControlError(404, "the directory for states is gone")
    return mock.control.directory
