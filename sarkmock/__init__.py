"""A mock of the SARK V6 PBX API: the public names. Everything else is private."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sarkmock.faults import Fault, FaultError
    from sarkmock.http.engine import Engine
    from sarkmock.http.flask_app import blueprint, create_app
    from sarkmock.journal import CriteriaError, Entry, Journal
    from sarkmock.pbx.seed import Seed, SeedError
    from sarkmock.pbx.seeds import load_seed, seed_names
    from sarkmock.pbx.state import State
    from sarkmock.server.https_server import CannotListen
    from sarkmock.server.mock import SarkMock
    from sarkmock.spec.profiles import profile_names
    from sarkmock.spec.yaml12 import FileError

__version__ = "0.1.0"
__all__ = [
    "CannotListen", "CriteriaError", "Engine", "Entry", "Fault", "FaultError", "FileError", "Journal", "SarkMock",
    "Seed", "SeedError", "State", "blueprint", "create_app", "load_seed", "profile_names", "seed_names"]
MODULES = (  # modules that define the names
    "faults", "http.engine", "journal", "pbx.seed", "pbx.seeds", "pbx.state", "server.https_server", "server.mock",
    "spec.profiles", "spec.yaml12", "http.flask_app")  # Flask last: it takes half of the import time


def __getattr__(name: str) -> Any:
    """Import a public name on first use: `sarkmock --help` needs none of them."""
    if name in __all__:
        modules = (import_module(f"sarkmock.{module}") for module in MODULES)
        return next(vars(module)[name] for module in modules if name in vars(module))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
