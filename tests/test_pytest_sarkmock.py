"""The pytest plugin: fixtures, the marker, pytest-xdist, and messages about mistakes."""

import re
import socket
import subprocess
import sys

import pytest

from tests.prefork import run_pytest

CLIENTS = '''
    import asyncio, urllib.request
    import aiohttp, httpx, pytest, requests

    ACME = {"pkey": "acme", "description": "A tenant"}

    def with_requests(sark):
        return requests.post(f"{sark.url}/tenants", json=ACME, verify=sark.ca_file).status_code

    def with_httpx(sark):
        return httpx.post(f"{sark.url}/tenants", json=ACME, verify=sark.ssl_context).status_code

    def with_aiohttp(sark):
        async def post():
            async with (aiohttp.ClientSession() as client,
                        client.post(f"{sark.url}/tenants", json=ACME, ssl=sark.ssl_context) as answer):
                return answer.status
        return asyncio.run(post())

    def with_urllib(sark):
        request = urllib.request.Request(f"{sark.url}/tenants", b"pkey=acme&description=x")
        with urllib.request.urlopen(request, context=sark.ssl_context) as answer:
            return answer.status

    @pytest.mark.parametrize("again", range(3))
    @pytest.mark.parametrize("post", [with_requests, with_httpx, with_aiohttp, with_urllib])
    def test_a_tenant(sark, post, again):
        assert post(sark) == 201
        assert [row["pkey"] for row in sark.state.tables.rows("cluster")] == ["default", "acme"]
'''


@pytest.fixture
def run(pytester):
    """Run a file of tests without the configuration of this project."""
    def run(source, *options):
        pytester.makepyfile(source)
        return run_pytest(pytester, "-p", "no:schemathesis", *options)
    return run


def test_each_test_starts_with_clean_state(run):
    run(CLIENTS).assert_outcomes(passed=12)


def test_xdist_workers_are_isolated(run):
    result = run(CLIENTS, "-n", "2")
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(["*2 workers*"])


def test_marker_sets_up_the_mock(run):
    run('''
        import pytest, requests

        pytestmark = pytest.mark.sark(profile="shipped")

        def get(sark, path):
            return requests.get(f"{sark.url}/{path}", verify=sark.ca_file)

        @pytest.mark.sark(pbx="stopped")
        class TestMarked:
            def test_class_and_module(self, sark):
                assert get(sark, "sysglobals").status_code == 200
                assert get(sark, "astamis/CoreSettings").status_code == 503

            @pytest.mark.sark(pbx="running", profile="documented")
            def test_the_nearest_wins(self, sark):
                assert get(sark, "sysglobals").status_code == 404
                assert get(sark, "astamis/CoreSettings").status_code == 200

        @pytest.mark.sark(seed={"tables": {"cluster": [{"pkey": "acme"}]}}, now=1717236000, throttle=1)
        @pytest.mark.parametrize("again", range(2))
        def test_seed(sark, again):
            assert [row["pkey"] for row in get(sark, "tenants").json()] == ["acme"]
            assert sark.state.clock.stamp() == "2024-06-01 10:00:00"
            assert get(sark, "tenants").status_code == 429

        @pytest.mark.sark(faults=["tenants.list:status=503,times=1", {"operation": "tenants.show", "html": 502}])
        @pytest.mark.parametrize("again", range(2))
        def test_faults(sark, again):
            paths = ("tenants", "tenants", "tenants/default")
            assert [get(sark, path).status_code for path in paths] == [503, 200, 502]
            sark.requests.assert_called("tenants.list", times=2)
    ''', "--strict-markers").assert_outcomes(passed=6)


@pytest.mark.parametrize(("arguments", "message"), [
    ("sed='factory'", "unknown argument 'sed'; did you mean seed? Known: *"),
    ("seed='factry'", "unknown seed 'factry'; did you mean factory?*"),
    ("profile='shiped'", "unknown profile 'shiped'; did you mean shipped?*"),
    ("faults='tenant.list:drop'", "*did you mean tenants.list*"),
    ("faults=[{'stats': 500}]", "*did you mean status?*"),
    ("faults=5", "*"),
    ("pbx='stoped'", "unknown state of the PBX 'stoped'; did you mean stopped?*"),
    ("seed={'tables': {'clustr': []}}", "tables.clustr: unknown table 'clustr'; did you mean cluster?*"),
    ("'shipped'", "takes its arguments by name: profile, seed, pbx, faults, now, throttle, api_token, web_server"),
])
def test_mistake_in_marker_is_one_line_with_suggestion(run, arguments, message):
    result = run(f'''
        import pytest

        @pytest.mark.sark({arguments})
        def test_marked(sark):
            pass

        def test_beside(sark):
            pass
    ''')
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines([f"*@pytest.mark.sark*{message}".replace("[", "[[]")])
    assert "Traceback" not in result.stdout.str()
    assert "pytest_sarkmock.py:" not in result.stdout.str()


def test_assert_called_failure_shows_difference(run):
    result = run('''
        import requests

        def test_wrong(sark):
            requests.post(f"{sark.url}/tenants", json={"pkey": "acne", "description": "x"}, verify=sark.ca_file)
            sark.requests.assert_called("tenants.create", times=1, body={"pkey": "acme"})
    ''')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*expected operation=tenants.create*', '*body.pkey: expected "acme", got "acne"*'])


def test_failed_test_shows_requests_with_redacted_secrets(run):
    result = run('''
        import requests

        def test_passes(sark):
            requests.get(f"{sark.url}/tenants", verify=sark.ca_file)

        def test_fails(sark):
            requests.get(f"{sark.url}/tenants?token=geheim", verify=sark.ca_file)
            assert requests.post(f"{sark.url}/queues", data={"pkey": "q", "cluster": "no"}, verify=sark.ca_file).ok
    ''')
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([
        "*- SARK requests -*", "[#]1 GET /api/tenants?token=REDACTED -> 200*",
        "[#]2 POST /api/queues -> 422", "    cluster *", "    *queue*tenant*"])
    assert result.stdout.str().count("SARK requests") == 1


def test_sark_profile_can_be_parametrized(run):
    run('''
        import pytest, requests

        @pytest.fixture(params=["documented", "shipped"])
        def sark_profile(request):
            return request.param

        def test_settings(sark, sark_profile):
            path = {"documented": "globals", "shipped": "sysglobals"}[sark_profile]
            assert requests.get(f"{sark.url}/{path}", verify=sark.ca_file).ok
    ''').assert_outcomes(passed=2)


def test_address_and_ssl_context_can_be_overridden(run):
    run('''
        import ssl
        import pytest, requests, trustme

        @pytest.fixture(scope="session")
        def sark_listen_address():
            return "localhost", 0

        @pytest.fixture(scope="session")
        def authority():
            return trustme.CA()

        @pytest.fixture(scope="session")
        def sark_ssl_context(authority):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost").configure_cert(context)
            return context

        def test_context(sark, authority, tmp_path):
            assert sark.url.startswith("https://localhost:")
            authority.cert_pem.write_to_path(tmp_path / "ca.pem")
            assert requests.get(f"{sark.url}/tenants", verify=str(tmp_path / "ca.pem")).ok
    ''').assert_outcomes(passed=1)


def test_address_in_use_is_reported(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run(f'''
            import pytest

            @pytest.fixture(scope="session")
            def sark_listen_address():
                return "127.0.0.1", {taken.getsockname()[1]}

            def test_never(sark):
                pass
        ''')
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*sark_listen_address: port * is in use*"])


def test_tls_can_be_disabled(run):
    run('''
        import pytest, requests

        @pytest.fixture(scope="session")
        def sark_ssl_context():
            return False

        def test_plain(sark):
            assert sark.url.startswith("http://127.0.0.1:")
            assert requests.get(f"{sark.url}/tenants").ok
    ''').assert_outcomes(passed=1)


def test_additional_mocks_live_until_session_ends(run):
    run('''
        import pytest, requests

        @pytest.fixture(scope="module")
        def other(make_sark):
            return make_sark(profile="shipped", seed="empty")

        @pytest.mark.parametrize("name", ["one", "two"])
        def test_two_boxes(sark, other, name):
            requests.post(f"{other.url}/tenants", data={"pkey": name, "description": "x"}, verify=other.ca_file)
            assert name in [row["pkey"] for row in other.state.tables.rows("cluster")]
            assert [row["pkey"] for row in sark.state.tables.rows("cluster")] == ["default"]
            assert sark.url != other.url

        def test_kept(other):
            assert len(other.state.tables.rows("cluster")) == 3
    ''').assert_outcomes(passed=3)


def test_proxy_of_environment_is_bypassed(run, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com")
    run('''
        import httpx, os, requests, urllib.request

        def test_own_url(sark):
            assert requests.get(f"{sark.url}/tenants", verify=sark.ca_file).ok
            assert httpx.get(f"{sark.url}/tenants", verify=sark.ssl_context).is_success
            assert urllib.request.urlopen(f"{sark.url}/tenants", context=sark.ssl_context).status == 200
            assert os.environ["NO_PROXY"].startswith("example.com,")
    ''').assert_outcomes(passed=1)


def test_unused_mocks_are_stopped(run):
    run('''
        import pytest, requests, threading

        @pytest.mark.parametrize("index", [pytest.param(i, marks=pytest.mark.sark(now=i)) for i in range(40)])
        def test_box(sark, index):
            assert requests.get(f"{sark.url}/tenants", verify=sark.ca_file).ok
            assert threading.active_count() < 60
    ''').assert_outcomes(passed=40)


def test_unused_plugin_imports_nothing(pytester):
    pytester.makepyfile('''
        import sys

        def test_cheap():
            assert "pytest_sarkmock" in sys.modules
            assert not {"sarkmock", "flask", "trustme"} & set(sys.modules)
    ''')
    pytester.runpytest_subprocess("-p", "no:schemathesis").assert_outcomes(passed=1)


def test_pytest_lists_fixtures_and_marker(run):
    output = run("", "--fixtures", "--markers").stdout.str()
    assert "@pytest.mark.sark(*, profile, seed, pbx, faults, now, throttle, api_token, web_server)" in output
    listed = run("", "--fixtures").stdout.str()
    for name in ("sark", "make_sark", "sark_profile", "sark_listen_address", "sark_ssl_context"):
        assert re.search(rf"^{name}\b.* -- ", listed, re.MULTILINE), name


def test_marker_help_lists_all_arguments():
    code = "import pytest_sarkmock as p; print(', '.join(p.known_arguments()) in p.MARKER)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
