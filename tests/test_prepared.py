"""The cache of prepared documents: kept between runs, and discarded when it is damaged or not trustworthy."""

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest

from sarkmock import __version__
from sarkmock.suite_api import load, profile_names

LOAD = ("import json, sys; from sarkmock.spec.loading import load; from sarkmock import profile_names;"
        "json.dump([profile_names(), load(sys.argv[1])], sys.stdout); "
        "print('jsonpath' in sys.modules, file=sys.stderr)")


def loaded(home, profile="shipped", **environment):
    """Load a profile in another process with that cache. Returns whether the process had to apply an overlay."""
    result = subprocess.run([sys.executable, "-c", LOAD, profile], capture_output=True, text=True, check=True,
                            env=os.environ | {"XDG_CACHE_HOME": str(home)} | environment)
    assert json.loads(result.stdout) == [profile_names(), load(profile)]
    return result.stderr.split()[-1] == "True"


def entries(home):
    return {file.stem: file for file in (home / "sarkmock" / __version__).iterdir()}


@pytest.fixture(scope="module")
def filled_cache(tmp_path_factory):
    """A cache written by one run."""
    home = tmp_path_factory.mktemp("made")
    loaded(home)
    return home


@pytest.fixture
def home(filled_cache, tmp_path):
    return shutil.copytree(filled_cache, tmp_path / "home")


def test_second_run_uses_cache(tmp_path):
    assert loaded(tmp_path)
    assert entries(tmp_path).keys() == {"document-shipped", "profiles"}
    assert not loaded(tmp_path)


def test_cache_is_private_to_its_user(filled_cache):
    assert {stat.S_IMODE(file.stat().st_mode) for file in entries(filled_cache).values()} == {0o600}
    assert stat.S_IMODE((filled_cache / "sarkmock" / __version__).stat().st_mode) == 0o700


DAMAGES = {
    "empty": lambda text: b"",
    "cut off": lambda text: text[:len(text) // 2],
    "not JSON": lambda text: b"\xff" + text,
    "another digest": lambda text: text.replace(text[2:10], b"00000000", 1).replace(b"tenants", b"tenantz"),
    "an empty object": lambda text: b"{}",
    "deep": lambda text: b"[" * 100_000,
    "a number": lambda text: b"7",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entry_is_rebuilt(home, damage):
    file = entries(home)["document-shipped"]
    original = file.read_bytes()
    file.write_bytes(DAMAGES[damage](original))
    assert loaded(home)
    assert file.read_bytes() == original


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_entry_writable_by_others_is_ignored(home):
    file = entries(home)["document-shipped"]
    digest, _ = json.loads(file.read_bytes())
    file.write_text(json.dumps([digest, {"paths": {}}]))
    file.chmod(0o666)
    assert loaded(home)


@pytest.mark.parametrize("environment", [{"XDG_CACHE_HOME": "/dev/null"}, {"XDG_CACHE_HOME": "/proc"},
                                         {"XDG_CACHE_HOME": "", "HOME": "/dev/null/nowhere"}])
def test_no_cache_without_writable_directory(tmp_path, environment):
    assert loaded(tmp_path, **environment)
    assert loaded(tmp_path, **environment)


def test_flask_is_imported_for_control_plane_only():
    code = ("import sys, sarkmock.cli.serve; from sarkmock import SarkMock; sark = SarkMock();"
            "assert sark.session().get(f'{sark.url}/tenants').ok; print('flask' in sys.modules);"
            "assert sark.session().get(f'{sark.control_url}/health').ok; print('flask' in sys.modules)")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "True"]
