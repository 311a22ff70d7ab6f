"""The command line: text and JSON output, exit codes, one-line errors."""

import json
import os
import pty
import re
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from sarkmock import profile_names
from sarkmock.cli import SUITE, cli, document, summary
from sarkmock.cli.output import write_text
from sarkmock.suite_api import compile_document, deviations_of, load
from tests.prefork import COMMAND, PROCESS
from tests.serving import mistake, sarkmock

COMMANDS = ("serve", "seeds", "import", "check", "routes", "spec", "deviations", "export", "completion")
ESCAPE = "\x1b["


def output(*arguments, **environment):
    result = sarkmock(*arguments, **environment)
    assert (result.returncode, result.stderr) == (0, ""), result
    return result.stdout


def output_on_terminal(*arguments):
    """The output of a command on a terminal."""
    leader, follower = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}
    process = subprocess.Popen([*COMMAND, *arguments], stdout=follower, stdin=follower, stderr=follower,
                               env=environment | {"TERM": "xterm-256color", "COLUMNS": "200"})
    os.close(follower)
    written = b""
    try:
        while part := os.read(leader, 65536):
            written += part
    except OSError:  # the process has closed its end
        pass
    os.close(leader)
    assert process.wait(30) == 0
    return written.decode()


def test_version():
    assert re.fullmatch(r"sarkmock \d+\.\d+\.\d+\n", output("--version"))


def test_no_command_shows_the_help():
    result = sarkmock()
    assert result.returncode == 2
    assert all(command in result.stderr for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command):
    text = output(command, "--help")
    examples = [line.split()[1:] for line in text.splitlines() if line.strip().startswith(f"sarkmock {command}")]
    assert examples
    assert "Examples:" in text


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_spec_prints_the_effective_document(profile):
    assert json.loads(output("spec", "--format", "json", "--profile", profile)) == load(profile)


def test_spec_in_yaml_is_read_the_same_by_yaml_1_1_parsers():
    assert yaml.safe_load(output("spec")) == load()


def test_routes_as_json():
    described = {route["id"]: route for route in json.loads(output("routes", "--json"))}
    operations = compile_document(load())
    assert list(described) == [operation.id for operation in operations]
    for operation in operations:
        route = described[operation.id]
        assert (route["method"], route["path"], route["hazard"]) == (operation.method, operation.path, operation.hazard)
        assert {name: rule["rules"] for name, rule in route["rules"].items()} == operation.rules
        assert route["lines"] == list(operation.source)
    assert described["tenants.update"]["rules"]["chanmax"] == {"rules": "integer", "lines": [673]}


def test_routes_as_text_lists_every_operation_and_rule():
    lines = [line.split() for line in output("routes").splitlines()]
    brief = [line.split() for line in output("routes", "--brief").splitlines()]
    operations = compile_document(load())
    for operation in operations:
        head = [operation.method, operation.path, operation.id, operation.hazard]
        assert any(line[:4] == head for line in lines), head
        assert any(line[:4] == head for line in brief), head
    assert len(lines) - len(brief) == sum(len(operation.rules) for operation in operations)
    assert ["chanmax", "integer", "line", "673"] in lines


def test_deviations_as_json_and_text():
    deviations = deviations_of("shipped")
    described = json.loads(output("deviations", "--json"))
    assert [entry["id"] for entry in described] == [deviation.id for deviation in deviations]
    assert set(described[0]) == {"id", "summary", "severity", "reason", "pointers", "unseen", "profile"}
    text = output("deviations")
    assert all(f"{deviation.id} {deviation.severity}\n    {deviation.summary}\n" in text for deviation in deviations)


def test_documented_profile_has_no_deviations():
    assert output("deviations", "--profile", "documented", "--json") == "[]\n"


def output_in_process(command, *options):
    """The output of a command that runs in this process, where profiles are cached."""
    result = CliRunner(env={"COLUMNS": "300"}).invoke(command, options, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def cells(text):
    """The rows of a Markdown table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_matrix_lists_deviations_by_version():
    versions = [name for name in profile_names() if deviations_of(name)]
    having = {name: {deviation.id for deviation in deviations_of(name)} for name in versions}
    described = {entry["id"]: entry
                 for entry in json.loads(output_in_process(document.deviations, "--matrix", "--json"))}
    assert set(described) == set().union(*having.values())
    heading, _, *rows = cells(output_in_process(document.deviations, "--matrix", "--markdown"))
    assert heading == ["deviation", "severity", *versions, "what happens"]
    head, *lines = output_in_process(document.deviations, "--matrix").splitlines()
    assert head.split() == ["deviation", "severity", *versions]
    assert len(rows) == len(lines) == len(described)
    for row, line in zip(rows, lines, strict=True):
        identity, severity, *marks = row[:2 + len(versions)]
        entry = described[identity.strip("`")]
        expected = [name for name in versions if entry["id"] in having[name]]
        assert entry["profiles"] == expected
        assert marks == ["yes" if name in expected else "" for name in versions]
        assert line.split() == [entry["id"], severity, *["x"] * len(expected)]
        assert entry["severity"] == severity


def test_deviations_as_markdown_table():
    heading, _, *rows = cells(output_in_process(document.deviations, "--markdown"))
    assert heading == ["deviation", "severity", "what happens"]
    assert [row[:2] for row in rows] == [[f"`{known.id}`", known.severity] for known in deviations_of("shipped")]


def test_profiles_as_json_and_text():
    listed = {entry["name"]: entry for entry in json.loads(output_in_process(document.profiles, "--json"))}
    assert list(listed) == list(profile_names())
    lines = output_in_process(document.profiles).splitlines()
    for (name, entry), line in zip(listed.items(), lines[1:], strict=True):
        assert entry["deviations"] == len(deviations_of(name))
        assert line.split()[0] == name
        assert all(str(entry[key] or "-") in line for key in ("line", "framework", "date", "deviations", "title"))


@pytest.mark.parametrize("command", ["routes", "deviations"])
def test_colour_is_used_on_terminals_only(command):
    assert ESCAPE not in output(command)
    assert ESCAPE in output_on_terminal(command)


def test_no_color_overrides_force_color():
    assert ESCAPE in output("profiles", FORCE_COLOR="1", NO_COLOR="")
    assert ESCAPE not in output("profiles", FORCE_COLOR="1", NO_COLOR="1")


def numeric_options():
    """Every option that takes a number, with its type."""
    context = click.Context(cli)
    for name in cli.list_commands(context):
        for option in cli.get_command(context, name).params:
            if isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType)):
                yield pytest.param(name, option.opts[0], option.type, id=f"{name} {option.opts[0]}")


@pytest.mark.parametrize(("command", "option", "kind"), list(numeric_options()))
def test_invalid_number_is_rejected_with_expected_range(command, option, kind):
    integer = isinstance(kind, click.types.IntParamType)
    minimum = getattr(kind, "min", None)
    for value in ["abc", *(["-1"] if minimum is not None else [])]:
        message = mistake(command, f"{option}={value}")
        assert re.search(rf"'{option}'.*: '?{value}(\.0)?'? is not a {'whole ' if integer else ''}number\b",
                         message), message
        assert minimum is None or f" {minimum}" in message


SHORT_CHECK = "check --quick -n 1 --only Destinations"


def in_shell(line, command=COMMAND):
    """Exit code and standard error of a shell command."""
    result = subprocess.run(["bash", "-c", line.replace("sarkmock", " ".join(command), 1)], capture_output=True,
                            text=True, timeout=60, check=False)
    return result.returncode, result.stderr


@pytest.mark.parametrize(("command", "code"), [
    ("spec", 0), ("routes", 0), ("routes --help", 0), ("--version", 0), (SHORT_CHECK, 0),
    ("check --quick -n 1 --only Agents --target-profile shipped --strict", 1)])
def test_closed_pipe_is_not_an_error(command, code):
    assert in_shell(f"sarkmock {command} | true; exit ${{PIPESTATUS[0]}}") == (code, "")


@pytest.mark.parametrize("command", ["spec", "routes", "--version", "routes --help", "serve --port 0", SHORT_CHECK])
def test_write_error_on_standard_output_is_reported(command):
    full = "sarkmock: standard output: No space left on device\n"
    assert in_shell(f"sarkmock {command} >/dev/full") == (2, full)


@pytest.mark.parametrize(("line", "code"), [
    ("sarkmock nosuch 2>/dev/full", 2), ("sarkmock nosuch 2>&-", 2), ("sarkmock routes >&-", 0),
    (f"sarkmock {SHORT_CHECK} <&- >&- 2>&-", 0)])
def test_exit_codes_do_not_depend_on_streams(line, code):
    assert in_shell(line, PROCESS)[0] == code


def test_no_file_is_left_open():
    assert in_shell("sarkmock --version", (sys.executable, "-W", "error", "-m", "sarkmock")) == (0, "")


def test_output_to_device_does_not_replace_it(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    output("schema", "seed", "-o", str(pipe))
    assert json.loads(reader.communicate(timeout=60)[0])
    assert pipe.is_fifo()


def test_output_file_may_be_dev_stdout():
    assert json.loads(output("schema", "seed", "-o", "/dev/stdout"))


def test_pipe_without_reader_is_reported(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("sarkmock.atomic.PIPE_WAIT", 0.01)
    with pytest.raises(click.ClickException, match="/pipe: a pipe from which nothing is read"):
        write_text(tmp_path / "pipe", "text")


def test_pipe_without_writer_is_reported(tmp_path):
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    commands = ["serve", "--seed"], ["serve", "--cert", pipe, "--key"], ["compare", "shipped", "L10", "--clients"]
    with ThreadPoolExecutor(len(commands)) as pool:  # each waits for a writer
        errors = {result.stderr for result in pool.map(lambda words: sarkmock(*words, pipe), commands)}
    assert errors == {f"sarkmock: {pipe}: a pipe to which nothing is written\n"}


def test_input_file_may_be_a_pipe(tmp_path):
    """As with `<(...)` in a shell. It is read once, even if an error message needs the line of the file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    slow = f"exec > '{pipe}'; echo 'base: empty'; sleep 0.3; echo 'tables: {{cluster: [{{pkey: x, nothing: 1}}]}}'"
    with subprocess.Popen(["sh", "-c", slow]):
        assert mistake("serve", "--seed", str(pipe)).startswith(f"{pipe}:2: tables.cluster")


@pytest.mark.parametrize(("words", "message"), [
    (["serve", "--state", "/dev/null"], "/dev/null: not a file"), (["cleanup", "/dev/full"], "/dev/full: not a file"),
    (["compare", "/dev/full", "L10"], "/dev/full: a device"),
    (["serve", "--boot-time", "nan"], "nan is not a number of seconds"),
    (["proxy", "https://127.0.0.1:1/api", "--timeout", "nan"], "--timeout nan: not a number of seconds"),
    (["compare", "shipped", "L10", "--slower", "nan"], "--slower nan: not a number"),
    (["check", "-n", "99999"], "-n takes a number of processes up to"),
    (["check", "--example-database", __file__], "not a directory"),
    (["check", "https://127.0.0.1:1/api", "--header", "X: \u20ac"], "no characters beyond Latin-1"),
    (["serve", "--profile", __file__], "the name of an overlay file must end in .yaml"),
    (["serve", "--seed", str(Path(__file__).parent)], "Is a directory")])
def test_invalid_value_is_rejected_with_message(words, message):
    assert message in mistake(*words)


def test_non_ascii_token_is_rejected():
    result = sarkmock("check", "https://127.0.0.1:1/api", "--token-env", "SARK_TOKEN", SARK_TOKEN="\u20ac uro")
    assert (result.returncode, result.stderr) == (
        2, "sarkmock: --token-env SARK_TOKEN: the value is not a token of ASCII characters\n")


@pytest.mark.parametrize("command", ["serve", "check", "routes", "spec", "deviations", "export curl"])
def test_unknown_profile_is_rejected_with_list_of_profiles(command):
    message = mistake(*command.split(), "--profile", "shiped")
    assert message == ("unknown profile 'shiped'; did you mean shipped? "
                       f"Known: {', '.join(profile_names())}, or the path of an overlay file")


def test_unknown_option_or_command_is_rejected_with_hint():
    message = mistake("serve", "--prot", "1")
    assert "--prot" in message
    assert message.endswith("(see sarkmock serve --help)")
    assert mistake("serv").endswith("(see sarkmock --help)")
    assert "--port" in mistake("serve", "--port", "70000")


OVERLAY = """\
overlay: 1.0.0
info: {title: Mine, version: "1"}
x-deviations:
  mine: {summary: One sentence., severity: cosmetic, reason: It was seen.}
actions:
  - target: $.paths['/tenants'].patch
    update: {summary: Other}
    x-deviation: mine
"""


def test_overlay_error_is_reported_with_line(tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(OVERLAY)
    assert mistake("spec", "--profile", str(overlay)).startswith(f"{overlay}:6: ")


def check(*arguments, cwd):
    command = [*COMMAND, "check", "-n", "1", "--max-examples", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


def test_check_of_embedded_mock_writes_no_files(tmp_path):
    result = check("--only", "Destinations", cwd=tmp_path)
    assert result.returncode == 0, result
    assert "conforming" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_check_stores_hypothesis_data_in_cache_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("HYPOTHESIS_STORAGE_DIRECTORY")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert check("--only", "Agents", cwd=tmp_path).returncode == 0
    [cache] = (tmp_path / "sarkmock").iterdir()
    assert list((cache / "hypothesis").iterdir())


def test_check_ignores_pytest_configuration_of_current_project(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise SystemExit('not mine')\n")
    assert check("--only", "Destinations", cwd=tmp_path).returncode == 0


def test_check_reports_nonconformance(tmp_path):
    result = check("--only", "Logs", "--target-profile", "shipped", "--strict", cwd=tmp_path)
    assert result.returncode == 1, result
    assert "logs.cdrs.limit" in result.stdout


@pytest.mark.parametrize(("url", "message"), [
    ("http://pbx.example/api", "http://pbx.example/api is not encrypted"),
    ("tenants", "tenants is not an http or https URL"), ("", "an empty string is not an http or https URL"),
    ("localhost:44300/api", "did you mean https://localhost:44300/api?"),
    ("http://127.0.0.1:9/api", "http://127.0.0.1:9/api does not respond"),
])
def test_check_explains_why_it_cannot_run(tmp_path, url, message):
    result = check(url, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize(("words", "message"), [
    (["baseline", "", "-o", "x.sark"], "an empty string is not"), (["proxy", ""], "an empty string is not"),
    (["serve", "--seed", ""], "The value of --seed is empty."),
    (["check", "--report="], "The value of --report is empty."),
    (["baseline", "https://127.0.0.1:1/api", "-o", ""], "The value of -o is empty."),
    (["check", "--plan", ""], "an empty string is not"),
])
def test_empty_value_is_not_treated_as_omitted(words, message):
    """With an unset shell variable, the embedded mock must not be checked instead of a box."""
    assert message in mistake(*words)


def test_disruptive_run_must_be_confirmed_at_terminal():
    error = mistake("check", "https://pbx.example/api", "--allow-disruptive")
    assert error.startswith("--allow-disruptive needs a terminal to confirm the host; or pass --yes-i-mean pbx.example")


def test_only_check_sends_hostile_input():
    assert mistake("check", "--hostile-input") == "--hostile-input needs the URL of a target"
    for command in (["baseline", URL, "-o", "x"], ["compare", "shipped", URL]):
        assert mistake(*command, "--hostile-input").startswith("No such option")


@pytest.mark.parametrize("command", [["check"], ["compare", "shipped", "L10"]])
@pytest.mark.parametrize("option", [
    "--rate 0", "--rate 60/m", "--allow-writes", "--allow-operational", "--yes-i-mean x",
    "--ledger x", "--insecure", "--ca x", "--cert x", "--key x", "--token-env x", "--login x", "--header x:y"])
def test_target_option_without_target_is_rejected(command, option):
    assert mistake(*command, *option.split()) == f"{option.split()[0]} needs the URL of a target"


URL = "https://127.0.0.1:1/api"


@pytest.mark.parametrize(("words", "message"), [
    (["check", URL, "--insecure", "--ca", "x"], "--insecure and --ca exclude each other"),
    (["import", URL, "--insecure", "--ca", "x"], "--insecure and --ca exclude each other"),
    (["check", "http://127.0.0.1:1/api", "--ca", "x"], "--ca needs an https URL"),
    (["baseline", "http://127.0.0.1:1/api", "-o", "x", "--cert", "x"], "--cert needs an https URL"),
    (["check", URL, "--token-env", "PATH", "--header", "authorization: x"], "exclude each other"),
    (["check", URL, "--login", "a@b.c", "--token-env", "PATH"], "exclude each other"),
    (["check", URL, "--password-env", "PATH"], "--password-env needs --login"),
    (["cleanup", "run.ledger", "--password-env", "PATH"], "--password-env needs --login"),
    (["check", "--update-accepted"], "--update-accepted needs --accept"),
    (["check", "--quick", "--max-examples", "5"], "--quick and --max-examples exclude each other"),
    (["check", URL, "--ledger", "x"], "--ledger needs --allow-writes"),
    (["baseline", URL, "-o", "x", "--ledger", "x"], "--ledger needs --allow-writes"),
    (["baseline", URL, "-o", "x", "--depth", "full"], "--depth needs --allow-writes"),
    (["serve", "--no-control", "--journal", "5"], "--journal has no effect with --no-control"),
    (["proxy", URL, "--no-control", "--journal", "5"], "--journal has no effect with --no-control"),
    (["check", URL, "--yes-i-mean", "x"], "--yes-i-mean needs --allow-disruptive"),
    (["compare", "shipped", "L10", "--max-time", "5m"], "--max-time needs the URL of a target"),
    (["fleet", "boxes.yaml", "--matrix", "-o", "fleet"], "--matrix writes no files: omit -o"),
    (["export", "openapi-python-client", "--base-url", URL], "--base-url has no effect on openapi-python-client"),
    (["proxy", URL, "--queue", "5"], "--queue needs --throttle or --rate"),
    (["proxy", URL, "--read-only", "--allow-disruptive"], "exclude each other"),
    (["proxy", URL, "--http", "--listen-cert", "x", "--listen-key", "x"], "--listen-cert and --listen-key cannot be"),
    (["serve", "--http", "--cert", "x", "--key", "x"], "--cert and --key cannot be used with --http"),
    (["serve", "--salvage"], "--salvage needs --state"),
    (["deviations", "--matrix", "--profile", "L10"], "--matrix and --profile exclude each other"),
    (["deviations", "--json", "--markdown"], "--json and --markdown exclude each other"),
    (["routes", "--brief", "--json"], "--brief and --json exclude each other")])
def test_option_without_effect_is_rejected(words, message):
    assert message in mistake(*words)


@pytest.mark.parametrize(("words", "message"), [
    (["chek"], "did you mean check?"), (["x"], "known: baseline, check,"),
    (["export", "pstman"], "'bruno'; did you mean postman? (see"),
    (["report", "mrge"], "'mrge' is not 'merge'; did you mean merge?"),
    (["spec", "--format", "xml"], "'xml' is not one of 'yaml', 'json'. (see")])
def test_unknown_command_or_choice_suggests_the_nearest(words, message):
    assert message in mistake(*words)


def test_unencodable_characters_are_replaced():
    text = output("check", "--quick", "-n", "1", "--only", "Destinations", PYTHONIOENCODING="ascii:strict")
    assert text.splitlines()[-1].startswith("conforming - ")


def test_check_output_ends_with_table_and_summary_line():
    lines = output("check", "--quick", "-n", "1", "--only", "Destinations").splitlines()
    table = next(number for number, line in enumerate(lines) if line.startswith("section "))
    assert [line.partition(" ")[0] for line in lines[table:]] == ["section", "Destinations", "all", "", "conforming"]


@pytest.mark.parametrize("command", [["lint"], ["serve", "--seed"], ["compare", "L10", "L11", "--clients"]])
def test_file_too_large_for_memory_is_reported(tmp_path, command):
    file = tmp_path / "large.yaml"
    with file.open("wb") as stream:
        stream.truncate(2**31)
    result = subprocess.run([sys.executable, "-m", "sarkmock", *command, str(file)], capture_output=True, text=True,
                            check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)))
    assert (result.returncode, result.stderr) == (2, "sarkmock: not enough memory\n")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_no_library_except_click(option):
    code = ("import sys; before = set(sys.modules); from sarkmock.cli import cli\n"
            f"cli([{option!r}], standalone_mode=False)\n"
            "loaded = {name.partition('.')[0] for name in sys.modules.keys() - before}\n"
            "print(*sorted(loaded - sys.stdlib_module_names - {'sarkmock', 'sarkmock_contracts'}))")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "click"


def test_summaries_in_help_match_commands():
    assert {entry.name for entry in entry_points(group=SUITE)} < set(cli.list_commands(None))
    for name in cli.list_commands(None):
        assert summary(name) == cli.get_command(None, name).get_short_help_str(limit=120)


@pytest.mark.parametrize("command", [("check",), ("import", "https://127.0.0.1:1/api"), ("cleanup", "nosuch.ledger")])
def test_missing_suite_dependencies_are_reported_with_extra(command):
    code = ("import sys\nfor name in ('pytest', 'schemathesis', 'hypothesis', 'requests'): sys.modules[name] = None\n"
            f"sys.argv[1:] = {list(command)}\nfrom sarkmock.cli import main\nmain()")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"sarkmock: \w+ is not installed: pip install 'sarkmock\[check\]'\n", result.stderr)


def test_installed_pytest_plugins_are_not_loaded(tmp_path):
    plugin = tmp_path / "loud"
    plugin.mkdir()
    (plugin / "loud.py").write_text("raise RuntimeError('the plugin was loaded')\n")
    info = plugin / "loud-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: loud\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[pytest11]\nloud = loud\n")
    text = output("check", "--quick", "-n", "1", "--only", "Destinations", PYTHONPATH=str(plugin))
    assert text.splitlines()[-1].startswith("conforming")


INTERRUPTING = """\
import os, runpy, signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.argv[1:] = {arguments!r}
runpy.run_module("sarkmock", run_name="__main__")
"""


@pytest.mark.parametrize(("module", "arguments"), [
    ("sarkmock.cli", ["--help"]), ("click", ["--version"]), ("click.core", ["serve"]),
    ("sarkmock.cli.serve", ["serve"]), ("asyncio", ["serve"]), ("sarkmock.spec.operations", ["routes"]),
    ("sarkmock_contracts.cli", ["check"]),
    ("sarkmock_contracts.run", ["proxy", "http://127.0.0.1:1/api"]), ("importlib.metadata", ["compare", "a", "b"]),
    ("sarkmock.spec.loading", ["lint", "nosuch.yaml"])])
def test_interrupt_during_import_prints_no_traceback(module, arguments):
    code = INTERRUPTING.format(module=module, arguments=arguments)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr.strip()) == (130, "")
