"""A mock of the SARK V6 PBX API: the public names. Everything else is private."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sarkmock._public import (
        CannotListen,
        CriteriaError,
        Engine,
        Entry,
        Fault,
        FaultError,
        FileError,
        Journal,
        SarkMock,
        Seed,
        SeedError,
        State,
        load_seed,
        profiles,
        seed_names,
    )
    from sarkmock.http.flask_app import blueprint, create_app

WITH_FLASK = "sarkmock.http.flask_app"  # takes half of the time to import
__version__ = "0.1.0"
__all__ = [
    "CannotListen", "CriteriaError", "Engine", "Entry", "Fault", "FaultError", "FileError", "Journal", "SarkMock",
    "Seed", "SeedError", "State", "blueprint", "create_app", "load_seed", "profiles", "seed_names"]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used: `sarkmock --help` needs none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(WITH_FLASK if name in ("blueprint", "create_app") else "sarkmock._public"), name)
