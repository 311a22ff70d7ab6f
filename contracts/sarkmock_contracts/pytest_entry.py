"""Load the suite's plugin only for `pytest --pyargs sarkmock_contracts`."""

from __future__ import annotations

from pathlib import Path

import pytest

PACKAGE = "sarkmock_contracts"
HOME = Path(__file__).parent
PLUGIN = f"{PACKAGE}.plugin"


def is_suite(argument: str) -> bool:
    """Whether an argument names the suite, or a file or case of it."""
    place = argument.partition("::")[0]
    return place.partition(".")[0] == PACKAGE or Path(place).absolute().is_relative_to(HOME)


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    if any(map(is_suite, args)) and not early_config.pluginmanager.has_plugin(PLUGIN):
        early_config.pluginmanager.import_plugin(PLUGIN)
