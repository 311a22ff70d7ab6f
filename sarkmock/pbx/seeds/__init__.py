"""Loading of seeds by name, from a file, or from a mapping, with checks by the document. Two seeds are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions.backups import pack_backup
from sarkmock.pbx.database import Row
from sarkmock.pbx.seed import MOST_PROBLEMS, Origins, Place, Seed, SeedError, and_more, merged_seeds, shape_problems
from sarkmock.pbx.seeds.checks import invalid_values
from sarkmock.pbx.sql import OLDEST
from sarkmock.pbx.state import PbxFile, State
from sarkmock.spec import yaml12
from sarkmock.spec.loading import Document, load
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import unknown_name

EXTENSIONS, TENANTS = 10_000, 20
FIRST_NUMBER = 10_000
PHONE_NAMES = ("Reception", "Accounts", "Sales", "Workshop", "Stores", "Dispatch", "Support", "Meeting Room")
WRITTEN = 1717236000  # the time in the names of the backup and the snapshot


def big_seed(database: str) -> Seed:
    """Build a seed of 10,000 extensions with a mailbox each, spread over 20 tenants in addition to the default one."""
    factory = Seed.factory(database)
    tenants = [tenant(number) for number in range(TENANTS)]
    phones = [big_extension(number) for number in range(EXTENSIONS)]
    tables = factory.tables | {"cluster": [*factory.tables["cluster"], *tenants], "ipphone": phones}
    return replace(factory, tables=tables)


def tenant(number: int) -> Row:
    return {"pkey": f"tenant{number:02}", "description": f"Tenant {number}", "abstimeout": "14400", "chanmax": "30",
            "include": "ALL", "oclo": "OPEN", "operator": str(FIRST_NUMBER + number)}


def big_extension(number: int) -> Row:
    return {"pkey": str(FIRST_NUMBER + number), "cluster": f"tenant{number % TENANTS:02}",
            "desc": f"{PHONE_NAMES[number % len(PHONE_NAMES)]} {number}", "device": "General SIP", "technology": "SIP",
            "location": "local", "passwd": f"big{number:09}", "callerid": str(FIRST_NUMBER + number)}


# Name -> a short description, and the function that builds the seed for a database.
NAMED_SEEDS: dict[str, tuple[str, Callable[[str], Seed]]] = {
    "factory": ("a factory-fresh SARK", Seed.factory),
    "empty": ("the default tenant and the settings' row, nothing else", lambda database: own_seed("empty", database)),
    "demo": ("a small firm in use: tenants, extensions, queues, IVR, routes, trunks, timers, greetings",
             lambda database: own_seed("demo", database)),
    "examples": ("every row and file that the examples of the document name, and a call in progress",
                 lambda database: with_archives(own_seed("examples", database))),
    "big": ("10,000 extensions in 20 tenants, on a factory-fresh SARK", big_seed),
}
HINT = "; `unchecked: true` in the seed loads it anyway"


def seed_names() -> list[str]:
    """Return the names that `load_seed` accepts."""
    return list(NAMED_SEEDS)


def seed_summary(name: str) -> str:
    """Return a short description of a named seed."""
    return NAMED_SEEDS[name][0]


def load_seed(seed: str | Path | Mapping[str, Any], document: Document | None = None) -> Seed:
    """Return the seed with that name, from the YAML file at that path, or from a mapping shaped like a seed file.

    The document (default ``documented``) names the database. Rows must be valid for its API unless the seed has
    ``unchecked: true``. Raises FileError with file, line and field of a mistake, or SeedError for a mapping.
    """
    if isinstance(seed, Mapping):
        return seed_from(dict(seed), document)
    if str(seed) in NAMED_SEEDS:
        return named_seed(str(seed), database_of(document))
    file = Path(seed)
    if file.suffix not in (".yaml", ".yml", ".json") and not file.is_file():
        raise FileError(seed, None, f"{unknown_name('seed', seed, NAMED_SEEDS)}, or the path of a YAML file")
    try:
        return seed_from(yaml12.read(file), document)
    except SeedError as error:
        raise FileError(file, yaml12.line_of(file, error.place), str(error)) from None


def seed_from(content: Any, document: Document | None) -> Seed:
    seed, origins = on_base(content, database_of(document))
    if not seed.unchecked:
        check_rows(seed, origins, load() if document is None else document)
    return seed


def on_base(content: Any, database: str) -> tuple[Seed, Origins | None]:
    """Build the seed of a mapping on top of the base that it names, if any."""
    if not isinstance(content, dict) or "base" not in content:
        return Seed.of(content, database), None
    if content["base"] not in NAMED_SEEDS:
        raise SeedError(("base",), unknown_name("seed", content["base"], NAMED_SEEDS))
    own = Seed.of({key: value for key, value in content.items() if key != "base"}, database)
    return merged_seeds(named_seed(content["base"], database), own, stated="pbx" in content)


def seed_mistakes(content: Any, document: Document) -> Iterator[tuple[Place, str]]:
    """Yield place and problem of each mistake in a seed file's shape, or, if there is none, in its values."""
    database = database_of(document)
    own = {key: value for key, value in content.items() if key != "base"} if isinstance(content, dict) else content
    shape = list(shape_problems(own, database))
    yield from shape
    if shape:
        return
    try:
        seed, origins = on_base(content, database)
    except SeedError as error:
        yield error.place, error.problem
    else:
        found = () if seed.unchecked else invalid_values(seed, document)
        yield from ((place_on_base(place, origins), problem) for place, problem in found)


def database_of(document: Document | None) -> str:
    return OLDEST if document is None else str(document["x-database"])


def check_rows(seed: Seed, origins: Origins | None, document: Document) -> None:
    """Raise SeedError for the first value that the API would reject, with the number of others."""
    problems = islice(invalid_values(seed, document), MOST_PROBLEMS)
    found = [(place_on_base(place, origins), problem) for place, problem in problems]
    if found:
        place, problem = found[0]
        raise SeedError(place, problem + and_more(len(found), " like it") + HINT)


def place_on_base(place: Place, origins: Origins | None) -> Place:
    """Map a place in a merged seed to the place in the seed on top."""
    if origins is None:
        return place
    kind, table, index, *rest = place
    return kind, table, origins.get((str(table), int(index)), 0), *rest


@cache
def named_seed(name: str, database: str) -> Seed:
    return NAMED_SEEDS[name][1](database)


def own_seed(name: str, database: str) -> Seed:
    """Return one of the seeds of this package. A test checks its rows against the document's rules."""
    return on_base(yaml12.read(Path(str(files("sarkmock.pbx").joinpath(f"seeds/{name}.yaml")))), database)[0]


def with_archives(seed: Seed) -> Seed:
    """Return the seed with a backup and a snapshot of its content added."""
    state = State(seed, now=WRITTEN)
    image = state.tables.dump()
    copies = {f"{pbx_files.BACKUPS}/sarkbak.{WRITTEN}.zip": pack_backup(state, PbxFile(image, WRITTEN)),
              f"{pbx_files.SNAPSHOTS}/sark.db.{WRITTEN}": image}
    return replace(seed, files=seed.files | copies)
