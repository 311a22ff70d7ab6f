"""The command line from outside: what it prints for people and programs, exit codes, one line for a mistake."""

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

from sarkmock import profiles
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


def on_a_terminal(*arguments):
    """What a command writes to its own terminal."""
    leader, follower = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}
    process = subprocess.Popen([*COMMAND, *arguments], stdout=follower, stdin=follower, stderr=follower,
                               env=environment | {"TERM": "xterm-256color", "COLUMNS": "200"})
    os.close(follower)
    written = b""
    try:
        while part := os.read(leader, 65536):
            written += part
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    assert process.wait(30) == 0
    return written.decode()


def test_the_version():
    assert re.fullmatch(r"sarkmock \d+\.\d+\.\d+\n", output("--version"))


def test_no_command_shows_the_help():
    result = sarkmock()
    assert result.returncode == 2
    assert all(command in result.stderr for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_examples(command):
    text = output(command, "--help")
    examples = [line.split()[1:] for line in text.splitlines() if line.strip().startswith(f"sarkmock {command}")]
    assert examples
    assert "Examples:" in text


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_spec_prints_the_effective_document(profile):
    assert json.loads(output("spec", "--format", "json", "--profile", profile)) == load(profile)


def test_spec_in_yaml_means_the_same_to_yaml_1_1_readers():
    assert yaml.safe_load(output("spec")) == load()


def test_routes_for_programs():
    described = {route["id"]: route for route in json.loads(output("routes", "--json"))}
    operations = compile_document(load())
    assert list(described) == [operation.id for operation in operations]
    for operation in operations:
        route = described[operation.id]
        assert (route["method"], route["path"], route["hazard"]) == (operation.method, operation.path, operation.hazard)
        assert {name: rule["rules"] for name, rule in route["rules"].items()} == operation.rules
        assert route["lines"] == list(operation.source)
    assert described["tenants.update"]["rules"]["chanmax"] == {"rules": "integer", "lines": [673]}


def test_routes_for_people_has_every_operation_and_rule_on_a_line():
    lines = [line.split() for line in output("routes").splitlines()]
    brief = [line.split() for line in output("routes", "--brief").splitlines()]
    operations = compile_document(load())
    for operation in operations:
        head = [operation.method, operation.path, operation.id, operation.hazard]
        assert any(line[:4] == head for line in lines), head
        assert any(line[:4] == head for line in brief), head
    assert len(lines) - len(brief) == sum(len(operation.rules) for operation in operations)
    assert ["chanmax", "integer", "line", "673"] in lines


def test_deviations_for_programs_and_people():
    known = deviations_of("shipped")
    described = json.loads(output("deviations", "--json"))
    assert [one["id"] for one in described] == [deviation.id for deviation in known]
    assert set(described[0]) == {"id", "summary", "severity", "reason", "pointers", "unseen", "profile"}
    text = output("deviations")
    assert all(f"{deviation.id} {deviation.severity}\n    {deviation.summary}\n" in text for deviation in known)


def test_the_documented_profile_has_no_deviations():
    assert output("deviations", "--profile", "documented", "--json") == "[]\n"


def listed_by(command, *options):
    """What a command prints that runs in this process, where the profiles are loaded once."""
    result = CliRunner(env={"COLUMNS": "300"}).invoke(command, options, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def cells(text):
    """The rows of a Markdown table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_the_matrix_says_which_version_has_which_deviation():
    versions = [name for name in profiles() if deviations_of(name)]
    having = {name: {deviation.id for deviation in deviations_of(name)} for name in versions}
    described = {one["id"]: one for one in json.loads(listed_by(document.deviations, "--matrix", "--json"))}
    assert set(described) == set().union(*having.values())
    heading, _, *rows = cells(listed_by(document.deviations, "--matrix", "--markdown"))
    assert heading == ["deviation", "severity", *versions, "what happens"]
    head, *lines = listed_by(document.deviations, "--matrix").splitlines()
    assert head.split() == ["deviation", "severity", *versions]
    assert len(rows) == len(lines) == len(described)
    for row, line in zip(rows, lines, strict=True):
        identity, severity, *marks = row[:2 + len(versions)]
        one = described[identity.strip("`")]
        expected = [name for name in versions if one["id"] in having[name]]
        assert one["profiles"] == expected
        assert marks == ["yes" if name in expected else "" for name in versions]
        assert line.split() == [one["id"], severity, *["x"] * len(expected)]
        assert one["severity"] == severity


def test_the_deviations_of_a_profile_as_a_markdown_table():
    heading, _, *rows = cells(listed_by(document.deviations, "--markdown"))
    assert heading == ["deviation", "severity", "what happens"]
    assert [row[:2] for row in rows] == [[f"`{known.id}`", known.severity] for known in deviations_of("shipped")]


def test_profiles_for_programs_and_people():
    listed = {one["name"]: one for one in json.loads(listed_by(document.profiles, "--json"))}
    assert list(listed) == list(profiles())
    lines = listed_by(document.profiles).splitlines()
    for (name, one), line in zip(listed.items(), lines[1:], strict=True):
        assert one["deviations"] == len(deviations_of(name))
        assert line.split()[0] == name
        assert all(str(one[key] or "-") in line for key in ("line", "framework", "date", "deviations", "title"))


@pytest.mark.parametrize("command", ["routes", "deviations"])
def test_colour_is_for_terminals_only(command):
    assert ESCAPE not in output(command)
    assert ESCAPE in on_a_terminal(command)


def test_no_color_wins():
    assert ESCAPE in output("profiles", FORCE_COLOR="1", NO_COLOR="")
    assert ESCAPE not in output("profiles", FORCE_COLOR="1", NO_COLOR="1")


def numeric_options():
    """Each option of a command that takes a number, with its type."""
    context = click.Context(cli)
    for name in cli.list_commands(context):
        for option in cli.get_command(context, name).params:
            if isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType)):
                yield pytest.param(name, option.opts[0], option.type, id=f"{name} {option.opts[0]}")


@pytest.mark.parametrize(("command", "option", "kind"), list(numeric_options()))
def test_a_wrong_number_is_told_with_the_numbers_that_are_expected(command, option, kind):
    whole = isinstance(kind, click.types.IntParamType)
    least = getattr(kind, "min", None)
    for value in ["abc", *(["-1"] if least is not None else [])]:
        told = mistake(command, f"{option}={value}")
        assert re.search(rf"'{option}'.*: '?{value}(\.0)?'? is not a {'whole ' if whole else ''}number\b", told), told
        assert least is None or f" {least}" in told



SHORT_CHECK = "check --quick -n 1 --only Destinations"


def in_shell(line, command=COMMAND):
    """The exit code of a command as the shell calls it, and its errors."""
    result = subprocess.run(["bash", "-c", line.replace("sarkmock", " ".join(command), 1)], capture_output=True,
                            text=True, timeout=60, check=False)
    return result.returncode, result.stderr


@pytest.mark.parametrize(("command", "code"), [
    ("spec", 0), ("routes", 0), ("routes --help", 0), ("--version", 0), (SHORT_CHECK, 0),
    ("check --quick -n 1 --only Agents --target-profile shipped --strict", 1)])
def test_a_reader_that_has_enough_is_no_error(command, code):
    assert in_shell(f"sarkmock {command} | true; exit ${{PIPESTATUS[0]}}") == (code, "")


@pytest.mark.parametrize("command", ["spec", "routes", "--version", "routes --help", "serve --port 0", SHORT_CHECK])
def test_output_that_cannot_be_written_is_told(command):
    full = "sarkmock: standard output: No space left on device\n"
    assert in_shell(f"sarkmock {command} >/dev/full") == (2, full)


@pytest.mark.parametrize(("line", "code"), [
    ("sarkmock nosuch 2>/dev/full", 2), ("sarkmock nosuch 2>&-", 2), ("sarkmock routes >&-", 0),
    (f"sarkmock {SHORT_CHECK} <&- >&- 2>&-", 0)])
def test_exit_codes_do_not_depend_on_streams(line, code):
    assert in_shell(line, PROCESS)[0] == code


def test_a_command_leaves_no_file_open():
    assert in_shell("sarkmock --version", (sys.executable, "-W", "error", "-m", "sarkmock")) == (0, "")


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    output("schema", "seed", "-o", str(pipe))
    assert json.loads(reader.communicate(timeout=60)[0])
    assert pipe.is_fifo()


def test_the_standard_output_may_be_named_as_a_file():
    assert json.loads(output("schema", "seed", "-o", "/dev/stdout"))


def test_a_pipe_from_which_nobody_reads_is_told(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("sarkmock.atomic.PIPE_WAIT", 0.01)
    with pytest.raises(click.ClickException, match="/pipe: a pipe from which nothing is read"):
        write_text(tmp_path / "pipe", "text")


def test_a_pipe_to_which_nobody_writes_is_told(tmp_path):
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    commands = ["serve", "--seed"], ["serve", "--cert", pipe, "--key"], ["compare", "shipped", "L10", "--clients"]
    with ThreadPoolExecutor(len(commands)) as pool:  # each waits for a writer
        told = {*pool.map(lambda words: mistake(*words, pipe), commands)}
    assert told == {f"{pipe}: a pipe to which nothing is written"}


def test_a_file_may_be_a_pipe(tmp_path):
    """As `<(...)` of a shell. It is read once, also where a mistake needs the line of the file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    slow = f"exec > '{pipe}'; echo 'base: empty'; sleep 0.3; echo 'tables: {{cluster: [{{pkey: x, nothing: 1}}]}}'"
    with subprocess.Popen(["sh", "-c", slow]):
        assert mistake("serve", "--seed", str(pipe)).startswith(f"{pipe}:2: tables.cluster")


@pytest.mark.parametrize(("words", "said"), [
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
def test_a_value_that_cannot_be_used_is_told(words, said):
    assert said in mistake(*words)


def test_a_token_that_http_cannot_send_is_told():
    result = sarkmock("check", "https://127.0.0.1:1/api", "--token-env", "SARK_TOKEN", SARK_TOKEN="\u20ac uro")
    assert (result.returncode, result.stderr) == (
        2, "sarkmock: --token-env SARK_TOKEN: the value is not a token of ASCII characters\n")


@pytest.mark.parametrize("command", ["serve", "check", "routes", "spec", "deviations", "export curl"])
def test_an_unknown_profile_is_told_with_those_there_are(command):
    said = mistake(*command.split(), "--profile", "shiped")
    assert said == ("unknown profile 'shiped'; did you mean shipped? "
                    f"Known: {', '.join(profiles())}, or the path of an overlay file")


def test_an_unknown_option_is_told_with_where_to_look():
    said = mistake("serve", "--prot", "1")
    assert "--prot" in said
    assert said.endswith("(see sarkmock serve --help)")
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


def test_a_mistake_in_an_overlay_file_is_told_with_its_line(tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(OVERLAY)
    assert mistake("spec", "--profile", str(overlay)).startswith(f"{overlay}:6: ")


def check(*arguments, cwd):
    command = [*COMMAND, "check", "-n", "1", "--max-examples", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


def test_check_judges_the_embedded_mock_and_leaves_nothing_behind(tmp_path):
    result = check("--only", "Destinations", cwd=tmp_path)
    assert result.returncode == 0, result
    assert "conforming" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_check_keeps_the_tables_of_hypothesis_in_the_cache_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("HYPOTHESIS_STORAGE_DIRECTORY")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert check("--only", "Agents", cwd=tmp_path).returncode == 0
    [cache] = (tmp_path / "sarkmock").iterdir()
    assert list((cache / "hypothesis").iterdir())


def test_check_is_not_moved_by_the_project_it_runs_in(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise SystemExit('not mine')\n")
    assert check("--only", "Destinations", cwd=tmp_path).returncode == 0


def test_check_finds_what_does_not_conform(tmp_path):
    result = check("--only", "Logs", "--target-profile", "shipped", "--strict", cwd=tmp_path)
    assert result.returncode == 1, result
    assert "logs.cdrs.limit" in result.stdout


@pytest.mark.parametrize(("url", "said"), [
    ("http://pbx.example/api", "http://pbx.example/api is not encrypted"),
    ("tenants", "tenants is not an http or https URL"), ("", "an empty string is not an http or https URL"),
    ("localhost:44300/api", "did you mean https://localhost:44300/api?"),
    ("http://127.0.0.1:9/api", "http://127.0.0.1:9/api does not respond"),
])
def test_check_says_why_it_cannot_run(tmp_path, url, said):
    result = check(url, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize(("words", "said"), [
    (["baseline", "", "-o", "x.sark"], "an empty string is not"), (["proxy", ""], "an empty string is not"),
    (["serve", "--seed", ""], "The value of --seed is empty."),
    (["check", "--report="], "The value of --report is empty."),
    (["baseline", "https://127.0.0.1:1/api", "-o", ""], "The value of -o is empty."),
    (["check", "--plan", ""], "an empty string is not"),
])
def test_what_is_empty_is_not_what_is_left_out(words, said):
    """A variable of the shell that is not set: the mock must not be checked in the place of a box."""
    assert said in mistake(*words)


def test_what_may_stop_a_box_is_confirmed_by_a_person_at_a_terminal():
    said = mistake("check", "https://pbx.example/api", "--allow-disruptive")
    assert said.startswith("--allow-disruptive needs a terminal to confirm the host; or pass --yes-i-mean pbx.example")


@pytest.mark.parametrize("command", [["check"], ["compare", "shipped", "L10"]])
@pytest.mark.parametrize("option", [
    "--rate 0", "--rate 60/m", "--allow-writes", "--allow-operational", "--hostile-input", "--yes-i-mean x",
    "--ledger x", "--insecure", "--ca x", "--cert x", "--key x", "--token-env x", "--login x", "--header x:y"])
def test_an_option_of_a_target_is_not_ignored_without_one(command, option):
    assert mistake(*command, *option.split()) == f"{option.split()[0]} needs the URL of a target"


URL = "https://127.0.0.1:1/api"


@pytest.mark.parametrize(("words", "said"), [
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
def test_an_option_without_effect_is_a_mistake(words, said):
    assert said in mistake(*words)


@pytest.mark.parametrize(("word", "said"), [("chek", "did you mean check?"), ("x", "known: baseline, check,")])
def test_an_unknown_command_names_the_nearest(word, said):
    assert said in mistake(word)


def test_a_console_without_a_character_gets_another_one():
    told = output("check", "--quick", "-n", "1", "--only", "Destinations", PYTHONIOENCODING="ascii:strict")
    assert told.splitlines()[-1].startswith("conforming - ")


def test_a_check_of_the_embedded_mock_ends_with_its_table_and_one_line():
    lines = output("check", "--quick", "-n", "1", "--only", "Destinations").splitlines()
    table = next(number for number, line in enumerate(lines) if line.startswith("section "))
    assert [line.partition(" ")[0] for line in lines[table:]] == ["section", "Destinations", "all", "", "conforming"]


@pytest.mark.parametrize("command", [["lint"], ["serve", "--seed"], ["compare", "L10", "L11", "--clients"]])
def test_a_file_that_is_too_large_for_the_memory_is_told(tmp_path, command):
    file = tmp_path / "large.yaml"
    with file.open("wb") as stream:
        stream.truncate(2**31)
    ended = subprocess.run([sys.executable, "-m", "sarkmock", *command, str(file)], capture_output=True, text=True,
                           check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)))
    assert (ended.returncode, ended.stderr) == (2, "sarkmock: not enough memory\n")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_help_loads_no_library_but_click(option):
    code = ("import sys; before = set(sys.modules); from sarkmock.cli import cli\n"
            f"cli([{option!r}], standalone_mode=False)\n"
            "loaded = {name.partition('.')[0] for name in sys.modules.keys() - before}\n"
            "print(*sorted(loaded - sys.stdlib_module_names - {'sarkmock', 'sarkmock_contracts'}))")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "click"


def test_the_summaries_of_the_help_are_those_of_the_commands():
    assert {entry.name for entry in entry_points(group=SUITE)} < set(cli.list_commands(None))
    for name in cli.list_commands(None):
        assert summary(name) == cli.get_command(None, name).get_short_help_str(limit=120)


@pytest.mark.parametrize("command", [("check",), ("import", "https://127.0.0.1:1/api"), ("cleanup", "nosuch.ledger")])
def test_without_the_libraries_of_the_suite_one_line_names_the_extra(command):
    code = ("import sys\nfor name in ('pytest', 'schemathesis', 'hypothesis', 'requests'): sys.modules[name] = None\n"
            f"sys.argv[1:] = {list(command)}\nfrom sarkmock.cli import main\nmain()")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"sarkmock: \w+ is not installed: pip install 'sarkmock\[check\]'\n", result.stderr)


def test_plugins_that_are_installed_are_not_loaded(tmp_path):
    plugin = tmp_path / "loud"
    plugin.mkdir()
    (plugin / "loud.py").write_text("raise RuntimeError('the plugin was loaded')\n")
    info = plugin / "loud-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: loud\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[pytest11]\nloud = loud\n")
    told = output("check", "--quick", "-n", "1", "--only", "Destinations", PYTHONPATH=str(plugin))
    assert told.splitlines()[-1].startswith("conforming")


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
def test_an_interrupt_while_a_command_is_loaded_is_no_traceback(module, arguments):
    code = INTERRUPTING.format(module=module, arguments=arguments)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr.strip()) == (130, "")
