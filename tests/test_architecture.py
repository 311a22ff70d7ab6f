"""Import order of the modules, permitted users of each library, and size limits of the house style."""

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

from sarkmock.suite_api import describe_profile, profile_names

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "pytest_sarkmock.py"
SOURCES = sorted([PLUGIN, *(ROOT / "sarkmock").rglob("*.py"), *(ROOT / "contracts").rglob("*.py")])

# Layers of sarkmock/: a unit may import only units of earlier layers in this list.
LAYERS = [
    {"atomic", "redaction", "server.addresses", "spec.data_files", "spec.pointers", "spec.yaml_values",
     "suggest"},
    {"spec.overlay", "spec.yaml12", "http.replies", "pbx.sql"},
    {"http.web_server", "spec.prepared"},
    {"laravel.email_address", "pbx.asterisk", "pbx.database", "pbx.pbx_files", "server.http11",
     "spec.profiles"},
    {"spec.loading", "laravel.php", "pbx.accounts", "pbx.seed", "pbx.shorewall", "pbx.state_file",
     "server.application", "server.certificates", "server.tls"},
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
# Layers of the contract suite: its packages and modules, in the same way.
SUITE_LAYERS = [
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
# Libraries that only the listed units may import, so that they can be replaced.
LIBRARY_USERS = {
    "click": {"cli"},
    "cryptography": {"server.certificates"},
    "flask": {"http.flask_app", "server.mock", "control"},
    "jsonpath": {"spec.overlay"},
    "rich": {"cli"},
    "sqlite3": {"pbx.database", "pbx.sql", "pbx.actions"},
    "trustme": {"server.certificates"},
    "yaml": {"spec.yaml12", "spec.yaml_values"},
}
OPTION_DEFAULT = "sarkmock.spec.data_files.BASE"  # the default of options: their help must load no library but click
# Used if installed, not required.
OPTIONAL = {"anyio", "httpx"}
# A dependency only to pin its lowest version.
NEVER_IMPORTED = {"openapi-spec-validator"}
MODULE_LINES, FUNCTION_LINES = 350, 40
DEFINED_TWICE = {"pytest_configure"}  # a pytest hook


@cache
def tree(path):
    return ast.parse(path.read_text())


@cache
def nodes(path):
    return tuple(ast.walk(tree(path)))


def imported(path):
    """Absolute names of all modules that a file imports; `package.name` for names imported from our packages."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(path, node)
            ours = module.partition(".")[0] in ("sarkmock", "sarkmock_contracts")
            yield from (f"{module}.{alias.name}" for alias in node.names) if ours else (module,)


def absolute(path, node):
    """The module of an import. Only the suite uses relative imports."""
    if not node.level:
        return node.module
    package = path.relative_to(ROOT / "contracts").parts[:-node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def unit(module):
    """The unit of a module of sarkmock: a package, or a module of a package in SPLIT."""
    names = module.split(".")
    return ".".join(names[:2]) if names[0] in SPLIT else names[0]


def module_of(path):
    names = path.relative_to(ROOT / "sarkmock").with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" and len(names) > 1 else names)


@cache
def units():
    """Unit of sarkmock/ -> everything it imports. A package in SPLIT contains only a docstring."""
    imports = {}
    for path in SOURCES:
        if path.is_relative_to(ROOT / "sarkmock") and unit(module_of(path)) not in SPLIT:
            imports.setdefault(unit(module_of(path)), set()).update(imported(path))
    return imports


def functions():
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_every_unit_is_in_a_layer():
    assert set(units()) == set().union(*LAYERS)


def test_units_import_earlier_layers_only():
    earlier = set()
    for layer in LAYERS:
        for name in layer:
            used = {unit(module.removeprefix("sarkmock.")) for module in units()[name]
                    if module.startswith("sarkmock.")}
            assert used - {name, "__version__"} <= earlier, name
        earlier |= layer


def suite_unit(module):
    return module.removeprefix("sarkmock_contracts.").partition(".")[0]


@cache
def suite_units():
    """Package or module of the suite -> everything of the suite that it imports."""
    home = ROOT / "contracts" / "sarkmock_contracts"
    imports = {}
    for path in home.rglob("*.py"):
        name = path.relative_to(home).parts[0].removesuffix(".py")
        used = {suite_unit(module) for module in imported(path) if module.startswith("sarkmock_contracts.")}
        imports.setdefault(name, set()).update(used)
    return imports


def test_every_unit_of_suite_is_in_a_layer():
    assert set(suite_units()) == set().union(*SUITE_LAYERS)


def test_suite_units_import_earlier_layers_only():
    earlier = set()
    for layer in SUITE_LAYERS:
        for name in layer:
            assert suite_units()[name] - {name} <= earlier, name
        earlier |= layer


def test_mock_does_not_import_suite_and_suite_imports_public_names_only():
    for path in SOURCES:
        for module in imported(path):
            first, _, name = module.partition(".")
            assert first != "tests", path
            if path.is_relative_to(ROOT / "sarkmock"):
                assert first != "sarkmock_contracts", path
            elif first == "sarkmock" and path != PLUGIN:
                assert name.partition(".")[0] in ("suite_api", "proxy_api") or module == OPTION_DEFAULT, path


def test_check_does_not_import_server():
    code = ("import sarkmock_contracts.plugin, sys; "  # Hypothesis may load asyncio
            "print({'flask', 'cryptography', 'sarkmock.server.https_server'} & sys.modules.keys())")
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "set()\n"


def test_pytest_plugin_imports_sarkmock_lazily():
    first, *_ = subprocess.run([sys.executable, "-c", "import pytest_sarkmock, sys; print('sarkmock' in sys.modules)"],
                               capture_output=True, text=True, check=True).stdout.splitlines()
    assert first == "False"


def test_profile_names_occur_in_one_module_only():
    names = {name for profile in map(describe_profile, profile_names()) for name in (profile.name, *profile.aliases)}
    users = {path for path in SOURCES for node in nodes(path)
             if isinstance(node, ast.Constant) and node.value in names}
    assert users == {ROOT / "sarkmock" / "spec" / "data_files.py"}


@pytest.mark.parametrize("library", LIBRARY_USERS)
def test_library_is_imported_by_its_listed_units_only(library):
    users = {name for name, modules in units().items() if library in {module.partition(".")[0] for module in modules}}
    assert users == LIBRARY_USERS[library]


def test_dependencies_are_exactly_the_imported_libraries():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["check"]]
    declared = {re.match(r"[\w-]+", line)[0].lower() for line in lines} - NEVER_IMPORTED
    roots = {module.partition(".")[0] for path in SOURCES for module in imported(path)}
    libraries = roots - sys.stdlib_module_names - {"sarkmock", "sarkmock_contracts"} - OPTIONAL
    assert {packages_distributions()[library][0].lower().replace("_", "-") for library in libraries} == declared


def test_modules_have_docstrings():
    sentences = {str(path): (ast.get_docstring(tree(path)) or "").split("\n\n")[0] for path in SOURCES}
    assert {path: sentence for path, sentence in sentences.items()
            if len(sentence) <= 20 or not sentence.endswith((".", ":", "`"))} == {}


def test_modules_are_short():
    lengths = {str(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > MODULE_LINES} == {}


def test_functions_are_short():
    lengths = dict(functions())
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}
    assert median(lengths.values()) <= 6
    assert sorted(lengths.values())[int(len(lengths) * 0.9)] <= 20


def public_names(path):
    """The public names that a module defines at its top level."""
    for node in tree(path).body:
        targets = getattr(node, "targets", [getattr(node, "target", node)])
        names = [getattr(target, "id", getattr(target, "name", "_")) for target in targets]
        yield from (name for name in names if not name.startswith("_"))


def test_public_name_is_defined_once():
    """A search for a name finds one definition."""
    modules = Counter(name for path in SOURCES for name in set(public_names(path)))
    assert {name for name, count in modules.items() if count > 1} <= DEFINED_TWICE


def test_regexes_have_no_possessive_repeated_groups():
    """Before Python 3.11.5 (Debian 12 has 3.11.2) such a group continues after a failed repetition.

    A fixed number of repetitions is safe.
    """
    possessive = re.compile(r"\(\?[:P].*(?<!\\)\)(?:[*+?]|\{+\d*,\d*\}+)\+|\(\?>", re.DOTALL)
    assert [f"{path.relative_to(ROOT)}:{node.lineno}" for path in SOURCES
            if path.name != "pcre.py" and "(?" in path.read_text()
            for node in nodes(path) if isinstance(node, ast.JoinedStr) or (
                isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
            if possessive.search(ast.unparse(node))] == []


def test_text_files_are_read_and_written_as_utf_8():
    """The default differs in a C locale and on Windows."""
    calls = {(path, node) for path in SOURCES for node in nodes(path)
             if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"read_text", "write_text"}}
    assert calls
    assert [f"{path.relative_to(ROOT)}:{node.lineno}" for path, node in calls
            if "encoding" not in {keyword.arg for keyword in node.keywords}] == []


def test_sources_contain_no_todo_markers():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError")
    assert [str(path) for path in SOURCES if marks.search(path.read_text())] == []
