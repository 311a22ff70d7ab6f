"""The import ladder as a table, who may use which library, and the sizes and manners of the house style."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from statistics import median

import pytest

from sarkmock.suite_api import describe_profile, profiles

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "pytest_sarkmock.py"
SOURCES = sorted([PLUGIN, *(ROOT / "sarkmock").rglob("*.py"), *(ROOT / "contracts").rglob("*.py")])

# The ladder of sarkmock/: a unit may import only units of the steps above it in this list.
LADDER = [
    {"atomic", "redaction", "server.addresses", "spec.data_files", "spec.pointers", "spec.yaml_values",
     "suggest"},
    {"spec.overlay", "spec.yaml12", "http.replies", "pbx.sql"},
    {"http.web_server", "spec.prepared"},
    {"laravel.email_address", "pbx.asterisk", "pbx.database", "pbx.pbx_files", "server.http11",
     "spec.profiles"},
    {"spec.loading", "laravel.php", "pbx.accounts", "pbx.seed", "pbx.shorewall", "pbx.state_file",
     "server.application", "server.tls"},
    {"laravel.presence"},
    {"laravel.rules", "pbx.state", "server.connection", "server.in_process"},
    {"laravel.validation", "pbx.persistence", "server.https_server"},
    {"spec.operations"},
    {"export", "http.context"},
    {"pbx.actions"},
    {"http.engine", "pbx.seeds"},
    {"http.middleware"},
    {"http.wsgi"},
    {"faults", "journal"},
    {"control"},
    {"http.flask_app"},
    {"http.direct"},
    {"server.mock", "proxy"},
    {"cli", "schemathesis"},
    {"suite_api", "proxy_api"},
    {"__init__", "__main__"},
]
# The ladder of the contract suite: its packages and modules, in the same way.
SUITE_LADDER = [
    {"__init__", "errors", "options", "pytest_entry"},
    {"client"},
    {"spec"},
    {"fixtures"},
    {"judge"},
    {"safety"},
    {"run_options"},
    {"run"},
    {"checks", "reports", "state_import"},
    {"baselines", "plugin"},
    {"fleet"},
    {"cli", "schemathesis_hooks", "test_contract"},
    {"report_cli"},
    {"proxy"},
]
# Packages whose modules are units; any other package is one unit.
SPLIT = {"spec", "laravel", "pbx", "http", "server"}
# Libraries that one place alone may know, so that another can take their part.
KEEPERS = {
    "click": {"cli"},
    "cryptography": {"server.tls"},
    "flask": {"http.flask_app", "server.mock", "control"},
    "jsonpath": {"spec.overlay"},
    "rich": {"cli"},
    "sqlite3": {"pbx.database", "pbx.sql", "pbx.actions"},
    "trustme": {"server.tls"},
    "yaml": {"spec.yaml12", "spec.yaml_values"},
}
OF_OPTIONS = "sarkmock.spec.data_files.BASE"  # the default of options, whose help loads no library but click
# What is used where it is installed, and not needed.
OPTIONAL = {"anyio", "httpx"}
# The validator is there for its lowest version.
NEVER_IMPORTED = {"openapi-spec-validator"}
MODULE_LINES, FUNCTION_LINES = 350, 40
# Terms of both halves, a hook of pytest, and a command with the name of what it lists.
DEFINED_TWICE = {"JSON", "Request", "profiles", "pytest_configure"}


@cache
def tree(path):
    return ast.parse(path.read_text())


@cache
def nodes(path):
    return tuple(ast.walk(tree(path)))


def imported(path):
    """Every module a file imports, absolute; `from package import name` as package.name for packages of ours."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(path, node)
            ours = module.partition(".")[0] in ("sarkmock", "sarkmock_contracts")
            yield from (f"{module}.{alias.name}" for alias in node.names) if ours else (module,)


def absolute(path, node):
    """The module that an import names; only the suite imports relatively."""
    if not node.level:
        return node.module
    package = path.relative_to(ROOT / "contracts").parts[:-node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def unit(module):
    """The unit of a module below sarkmock: a package, or a module of a package that is split."""
    names = module.split(".")
    return ".".join(names[:2]) if names[0] in SPLIT else names[0]


def module_of(path):
    names = path.relative_to(ROOT / "sarkmock").with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" and len(names) > 1 else names)


@cache
def units():
    """Unit of sarkmock/ -> everything it imports. A package that is split has nothing but a docstring itself."""
    found = {}
    for path in SOURCES:
        if path.is_relative_to(ROOT / "sarkmock") and unit(module_of(path)) not in SPLIT:
            found.setdefault(unit(module_of(path)), set()).update(imported(path))
    return found


def functions():
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_every_unit_has_its_step_on_the_ladder():
    assert set(units()) == set().union(*LADDER)


@pytest.mark.parametrize("name", sorted(set().union(*LADDER)))
def test_imports_go_up_the_list(name):
    step = next(number for number, names in enumerate(LADDER) if name in names)
    above = set().union(*LADDER[:step])
    used = {unit(module.removeprefix("sarkmock.")) for module in units()[name] if module.startswith("sarkmock.")}
    assert used - {name, "__version__"} <= above


def suite_unit(module):
    return module.removeprefix("sarkmock_contracts.").partition(".")[0]


@cache
def suite_units():
    """Package or module of the suite -> everything of the suite that it imports."""
    home = ROOT / "contracts" / "sarkmock_contracts"
    found = {}
    for path in home.rglob("*.py"):
        name = path.relative_to(home).parts[0].removesuffix(".py")
        used = {suite_unit(module) for module in imported(path) if module.startswith("sarkmock_contracts.")}
        found.setdefault(name, set()).update(used)
    return found


def test_every_part_of_the_suite_has_its_step():
    assert set(suite_units()) == set().union(*SUITE_LADDER)


@pytest.mark.parametrize("name", sorted(set().union(*SUITE_LADDER)))
def test_the_suite_imports_up_the_list(name):
    step = next(number for number, names in enumerate(SUITE_LADDER) if name in names)
    assert suite_units()[name] - {name} <= set().union(*SUITE_LADDER[:step])


def test_the_mock_never_imports_its_judge_and_the_judge_only_public_names():
    for path in SOURCES:
        for module in imported(path):
            first, _, name = module.partition(".")
            assert first != "tests", path
            if path.is_relative_to(ROOT / "sarkmock"):
                assert first != "sarkmock_contracts", path
            elif first == "sarkmock" and path != PLUGIN:
                assert name.partition(".")[0] in ("suite_api", "proxy_api") or module == OF_OPTIONS, path


def test_a_check_does_not_load_the_server():
    code = ("import sarkmock_contracts.plugin, sys; "  # Hypothesis may load asyncio
            "print({'flask', 'cryptography', 'sarkmock.server.https_server'} & sys.modules.keys())")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


def test_the_plugin_imports_nothing_of_ours_before_a_test_asks_for_it():
    first, *_ = subprocess.run([sys.executable, "-c", "import pytest_sarkmock, sys; print('sarkmock' in sys.modules)"],
                               capture_output=True, text=True, check=True).stdout.splitlines()
    assert first == "False"


def test_one_module_alone_names_a_profile():
    names = {name for profile in map(describe_profile, profiles()) for name in (profile.name, *profile.aliases)}
    users = {path for path in SOURCES for node in nodes(path)
             if isinstance(node, ast.Constant) and node.value in names}
    assert users == {ROOT / "sarkmock" / "spec" / "data_files.py"}


@pytest.mark.parametrize("library", KEEPERS)
def test_a_library_has_one_keeper(library):
    users = {name for name, modules in units().items() if library in {module.partition(".")[0] for module in modules}}
    assert users == KEEPERS[library]


def test_what_is_imported_is_declared_and_nothing_else():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["check"]]
    declared = {re.match(r"[\w-]+", line)[0].lower() for line in lines} - NEVER_IMPORTED
    roots = {module.partition(".")[0] for path in SOURCES for module in imported(path)}
    libraries = roots - sys.stdlib_module_names - {"sarkmock", "sarkmock_contracts"} - OPTIONAL
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


def defined(path):
    """The public names that a module defines at its top level."""
    for node in tree(path).body:
        targets = getattr(node, "targets", [getattr(node, "target", node)])
        names = [getattr(target, "id", getattr(target, "name", "_")) for target in targets]
        yield from (name for name in names if not name.startswith("_"))


def test_a_name_is_defined_once():
    """A reader who searches for a name finds one thing."""
    modules = Counter(name for path in SOURCES for name in set(defined(path)))
    assert {name for name, count in modules.items() if count > 1} <= DEFINED_TWICE


def test_no_repeated_group_of_an_expression_is_possessive():
    """Before Python 3.11.5 (Debian 12 has 3.11.2) such a group goes on behind a repetition that failed.

    Unless their number is fixed.
    """
    possessive = re.compile(r"\(\?[:P].*(?<!\\)\)(?:[*+?]|\{+\d*,\d*\}+)\+|\(\?>", re.DOTALL)
    assert [f"{path.relative_to(ROOT)}:{node.lineno}" for path in SOURCES
            if path.name != "pcre.py" and "(?" in path.read_text()
            for node in nodes(path) if isinstance(node, ast.JoinedStr) or (
                isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
            if possessive.search(ast.unparse(node))] == []


def test_text_files_are_read_and_written_in_utf_8():
    """A C locale, or Windows, has another default."""
    calls = {(path, node) for path in SOURCES for node in nodes(path)
             if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"read_text", "write_text"}}
    assert calls
    assert [f"{path.relative_to(ROOT)}:{node.lineno}" for path, node in calls
            if "encoding" not in {keyword.arg for keyword in node.keywords}] == []


def test_nothing_is_left_undone():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError")
    assert [str(path) for path in SOURCES if marks.search(path.read_text())] == []
