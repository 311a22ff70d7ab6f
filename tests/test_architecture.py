"""The import ladder as a table, who may use which library, and the sizes and manners of the house style."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from statistics import median

import pytest

import sarkmock

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "pytest_sarkmock.py"
SOURCES = sorted([PLUGIN, *(ROOT / "sarkmock").rglob("*.py"), *(ROOT / "contracts").rglob("*.py")])

# What each module or package of sarkmock/ may import of the others, from the ground up.
LADDER = {
    "atomic": set(),
    "connections": set(),
    "redaction": set(),
    "database": set(),
    "inprocess": set(),
    "page": set(),
    "mailaddress": set(),
    "names": set(),
    "overlay": set(),
    "paths": set(),
    "pbx": set(),
    "pointers": set(),
    "replies": set(),
    "resources": set(),
    "wire": set(),
    "yaml12": set(),
    "certificates": {"yaml12"},
    "places": {"resources", "yaml12"},
    "php": {"replies"},
    "seed": {"database", "names", "yaml12"},
    "sending": {"connections"},
    "server": {"certificates", "connections", "sending", "wire"},
    "contextserver": {"server"},
    "shorewall": {"yaml12"},
    "spec": {"names", "overlay", "resources", "yaml12"},
    "rules": {"mailaddress", "php", "replies"},
    "state": {"database", "pbx", "seed"},
    "statefile": {"database", "yaml12"},
    "storage": {"database", "seed", "state", "statefile"},
    "validation": {"php", "replies", "rules"},
    "operations": {"php", "replies", "spec", "validation"},
    "export": {"operations", "spec"},
    "calls": {"database", "operations", "replies", "state"},
    "actions": {"calls", "database", "operations", "paths", "pbx", "php", "replies", "shorewall",
                "state"},
    "seeds": {"actions", "database", "names", "operations", "php", "replies", "seed", "spec", "state", "validation",
              "yaml12"},
    "engine": {"actions", "calls", "database", "operations", "php", "replies", "spec", "state", "validation"},
    "gateway": {"engine", "php", "replies", "wire"},
    "throttle": {"engine", "replies"},
    "faults": {"database", "engine", "names", "operations", "replies", "resources", "spec", "state", "throttle",
               "validation", "yaml12"},
    "journal": {"actions", "database", "engine", "gateway", "names", "operations", "php", "pointers", "redaction",
                "replies", "spec"},
    "control": {"atomic", "database", "engine", "faults", "journal", "names", "php", "redaction", "resources", "seed",
                "seeds", "spec", "state", "throttle", "yaml12"},
    "app": {"control", "engine", "faults", "gateway", "journal", "page", "throttle"},
    "mock": {"app", "certificates", "contextserver", "control", "engine", "faults", "gateway", "inprocess", "journal",
             "names", "seed", "seeds", "server", "state"},
    "cli": {"app", "atomic", "certificates", "control", "engine", "export", "faults", "gateway", "journal",
            "operations", "resources", "seed", "seeds", "server", "spec", "state", "storage", "yaml12"},
    "__init__": {"actions", "app", "atomic", "control", "engine", "faults", "journal", "mock", "names",
                 "operations", "overlay", "paths", "php", "places", "pointers", "redaction", "replies", "seed", "seeds",
                 "server", "spec", "state", "validation", "yaml12"},
    "__main__": {"cli"},
}
# Libraries that one place alone may know, so that another can take their part.
KEEPERS = {
    "click": {"cli"},
    "cryptography": {"certificates"},
    "flask": {"app", "control", "page"},
    "granian": {"server"},
    "jsonpath": {"overlay"},
    "pytest": {"cli"},
    "rich": {"cli"},
    "sqlite3": {"database", "actions", "statefile"},
    "trustme": {"certificates"},
    "yaml": {"validation", "yaml12"},
}
# What is used where it is installed, and not needed.
OPTIONAL = {"anyio", "httpx"}
MODULE_LINES, FUNCTION_LINES = 350, 40


@cache
def tree(path):
    return ast.parse(path.read_text())


def imported(path):
    """Every module a file imports, `from package import name` as package.name for packages of ours."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            ours = node.module in ("sarkmock", "contracts")
            yield from (f"{node.module}.{alias.name}" for alias in node.names) if ours else (node.module,)


def unit(path):
    return path.relative_to(ROOT / "sarkmock").parts[0].removesuffix(".py")


@cache
def units():
    """Module or package of sarkmock/ -> everything it imports."""
    found = {}
    for path in SOURCES:
        if path.is_relative_to(ROOT / "sarkmock"):
            found.setdefault(unit(path), set()).update(imported(path))
    return found


def functions():
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_imports_go_down_the_ladder():
    used = {name: {module.split(".")[1] for module in modules if module.startswith("sarkmock.")} - {name}
            for name, modules in units().items()}
    assert used == LADDER


def test_the_ladder_has_no_rung_above_itself():
    climbed = []
    for name, below in LADDER.items():
        assert below <= set(climbed), name
        climbed.append(name)


def test_the_mock_never_imports_its_judge_and_the_judge_only_public_names():
    for path in SOURCES:
        for module in imported(path):
            first, _, name = module.partition(".")
            assert first != "tests", path
            if path.is_relative_to(ROOT / "sarkmock"):
                assert first != "contracts", path
            elif first == "sarkmock":
                assert name in sarkmock.__all__, path


def test_the_plugin_imports_nothing_of_ours_before_a_test_asks_for_it():
    first, *_ = subprocess.run([sys.executable, "-c", "import pytest_sarkmock, sys; print('sarkmock' in sys.modules)"],
                               capture_output=True, text=True, check=True).stdout.splitlines()
    assert first == "False"


@pytest.mark.parametrize("library", KEEPERS)
def test_a_library_has_one_keeper(library):
    users = {name for name, modules in units().items() if library in {module.partition(".")[0] for module in modules}}
    assert users == KEEPERS[library]


def test_what_is_imported_is_declared_and_nothing_else():
    declared = {re.match(r"[\w-]+", line)[0].lower()
                for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]}
    roots = {module.partition(".")[0] for path in SOURCES for module in imported(path)}
    libraries = roots - sys.stdlib_module_names - {"sarkmock", "contracts"} - OPTIONAL
    assert {packages_distributions()[library][0].lower().replace("_", "-") for library in libraries} == declared


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_opens_with_a_sentence_and_is_not_long(path):
    sentence = (ast.get_docstring(tree(path)) or "").split("\n\n")[0]
    assert len(sentence) > 20, sentence
    assert sentence.endswith((".", ":", "`")), sentence
    assert len(path.read_text().splitlines()) <= MODULE_LINES


def test_functions_are_short():
    lengths = dict(functions())
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}
    assert median(lengths.values()) <= 6
    assert sorted(lengths.values())[int(len(lengths) * 0.9)] <= 20


def test_nothing_is_left_undone():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError")
    assert [str(path) for path in SOURCES if marks.search(path.read_text())] == []
