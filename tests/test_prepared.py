"""What is prepared from the package's files: kept between runs, and never believed when something is wrong with it."""

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest

from sarkmock import __version__
from sarkmock.suite_api import load, profiles

LOAD = ("import json, sys; from sarkmock.spec.loading import load; from sarkmock.spec.profiles import profiles;"
        "json.dump([profiles(), load(sys.argv[1])], sys.stdout); print('jsonpath' in sys.modules, file=sys.stderr)")


def loaded(home, profile="shipped", **environment):
    """What another process loads with that cache, and whether it had to apply an overlay for that."""
    result = subprocess.run([sys.executable, "-c", LOAD, profile], capture_output=True, text=True, check=True,
                            env=os.environ | {"XDG_CACHE_HOME": str(home)} | environment)
    assert json.loads(result.stdout) == [profiles(), load(profile)]
    return result.stderr.split()[-1] == "True"


def entries(home):
    return {file.stem: file for file in (home / "sarkmock" / __version__).iterdir()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cache that one run has made."""
    home = tmp_path_factory.mktemp("made")
    loaded(home)
    return home


@pytest.fixture
def home(made, tmp_path):
    return shutil.copytree(made, tmp_path / "home")


def test_the_second_run_finds_what_the_first_one_has_made(tmp_path):
    assert loaded(tmp_path)
    assert entries(tmp_path).keys() == {"document-shipped", "profiles"}
    assert not loaded(tmp_path)


def test_an_entry_is_for_its_user_alone(made):
    assert {stat.S_IMODE(file.stat().st_mode) for file in entries(made).values()} == {0o600}
    assert stat.S_IMODE((made / "sarkmock" / __version__).stat().st_mode) == 0o700


DAMAGES = {
    "empty": lambda text: b"",
    "cut off": lambda text: text[:len(text) // 2],
    "no JSON": lambda text: b"\xff" + text,
    "of other files": lambda text: text.replace(text[2:10], b"00000000", 1).replace(b"tenants", b"tenantz"),
    "another shape": lambda text: b"{}",
    "deep": lambda text: b"[" * 100_000,
    "a number": lambda text: b"7",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_anew(home, damage):
    file = entries(home)["document-shipped"]
    whole = file.read_bytes()
    file.write_bytes(DAMAGES[damage](whole))
    assert loaded(home)
    assert file.read_bytes() == whole


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_an_entry_that_others_can_write_is_not_believed(home):
    file = entries(home)["document-shipped"]
    digest, _ = json.loads(file.read_bytes())
    file.write_text(json.dumps([digest, {"paths": {}}]))
    file.chmod(0o666)
    assert loaded(home)


@pytest.mark.parametrize("environment", [{"XDG_CACHE_HOME": "/dev/null"}, {"XDG_CACHE_HOME": "/proc"},
                                         {"XDG_CACHE_HOME": "", "HOME": "/dev/null/nowhere"}])
def test_without_a_place_for_it_nothing_is_kept(tmp_path, environment):
    assert loaded(tmp_path, **environment)
    assert loaded(tmp_path, **environment)


def test_a_mock_that_is_asked_for_the_api_alone_does_without_flask():
    code = ("import sys, sarkmock.cli.serve; from sarkmock import SarkMock; sark = SarkMock();"
            "assert sark.session().get(f'{sark.url}/tenants').ok; print('flask' in sys.modules);"
            "assert sark.session().get(f'{sark.control_url}/health').ok; print('flask' in sys.modules)")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "True"]
