"""The web UI at /_mock/ in a real browser: display, interaction, and safety against hostile content."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from sarkmock import Engine, Journal, SarkMock, create_app
from sarkmock.control import Control
from sarkmock.server.https_server import Server

VIEWS = ("#journal", "#tables", "#tables/ipphone", "#controls", "#deviations", "reference")
HOSTILE = "<img src=x onerror=\"document.title='harmed'\"><script>document.title='harmed'</script>"
FLAGS = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-sandbox")
expect.set_options(timeout=15_000)  # for busy machines
# Violations of Swagger UI itself.
SWAGGER_UI = {"heading-order", "region"}


@pytest.fixture(scope="session")
def browser():
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.exit("chromium is missing, and comes from the operating system (apt-get install chromium)", 2)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def shared():
    with SarkMock(tls=False) as mock:
        yield mock


@pytest.fixture
def mock(shared):
    shared.reset()
    return shared


@pytest.fixture
def visit(browser, mock):
    """Open the page. The test fails if the page has errors or sends requests to other machines."""
    contexts, errors = [], []

    def record(line):
        if line.type == "error" and "status of" not in line.text:  # a rejected request is not an error of the page
            errors.append(line.text)

    def visit(path="", url=None, **options):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 850}, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)  # the reference takes several seconds on a busy machine
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", record)
        start = url or f"{mock.control_url}/"
        home = (start.partition("/_mock")[0], "data:", "blob:")
        page.on("request", lambda request: None if request.url.startswith(home) else errors.append(request.url))
        page.goto(start + path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert errors == []


def post(mock, path, **fields):
    return requests.post(f"{mock.url}/{path}", json=fields, timeout=5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_accessible(mock, visit, view, scheme):
    post(mock, "tenants", pkey="acme", description="A tenant")
    post(mock, "tenants", pkey="")
    page = visit(view, color_scheme=scheme)
    page.wait_for_load_state("networkidle") if view == "reference" else page.locator("tbody tr, .card").first.wait_for()
    violations = {rule["id"]: rule["nodes"][0]["html"] for rule in Axe().run(page).response["violations"]}
    assert {name: html for name, html in violations.items() if view != "reference" or name not in SWAGGER_UI} == {}


@pytest.mark.parametrize("view", VIEWS)
def test_views_fit_on_a_phone(mock, visit, view):
    page = visit(view)
    page.set_viewport_size({"width": 375, "height": 700})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_fields_of_a_fault_are_aligned_on_a_phone(mock, visit):
    page = visit("#controls")
    page.set_viewport_size({"width": 375, "height": 700})
    fields = page.get_by_role("form", name="Add a fault").locator("input, select")
    tops = fields.evaluate_all("fields => fields.map((field) => field.getBoundingClientRect().top)")
    assert tops[::2] == tops[1::2]
    assert len(tops) == 6


def test_journal_shows_new_requests(mock, visit):
    page = visit()
    expect(page.get_by_text("No requests yet")).to_be_visible()
    post(mock, "tenants", pkey="acme", description="A tenant")
    post(mock, "tenants", description="no key")
    expect(page.locator("tbody tr")).to_have_count(2)
    first = page.locator("tbody tr").first
    expect(first).to_contain_text("tenants.create")
    expect(first).to_contain_text("422")
    first.locator("button").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The pkey field is required.")
    expect(dialog).to_contain_text("no key")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_journal_can_be_filtered_and_cleared(mock, visit):
    post(mock, "tenants", pkey="acme", description="A tenant")
    requests.get(f"{mock.url}/nosuch", timeout=5)
    page = visit()
    page.get_by_label("Status").select_option("4xx")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("/api/nosuch")
    page.get_by_label("Status").select_option("")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("No requests yet")).to_be_visible()


def test_hostile_content_is_escaped(mock, visit):
    mock.state.tables.insert("cluster", {"pkey": HOSTILE, "description": HOSTILE})
    post(mock, "tenants", pkey=HOSTILE, description=HOSTILE)
    requests.get(f"{mock.url}/{HOSTILE}", headers={"X-Hostile": HOSTILE}, timeout=5)
    page = visit()
    page.locator("tbody tr button").last.click()
    expect(page.get_by_role("dialog")).to_contain_text("onerror")
    page.goto(page.url.partition("#")[0] + "#tables/cluster")
    expect(page.get_by_text("onerror").first).to_be_visible()
    assert page.title() != "harmed"
    assert page.locator("img[src=x]").count() == 0


def test_fault_can_be_added_and_removed(mock, visit):
    page = visit("#controls")
    form = page.get_by_role("form", name="Add a fault")
    form.get_by_label("Operation").fill("tenants.*")
    form.get_by_label("Status", exact=True).fill("503")
    form.get_by_label("Times").fill("1")
    form.get_by_role("button", name="Add").click()
    expect(page.locator("tbody tr")).to_contain_text("status 503")
    assert [requests.get(f"{mock.url}/tenants", timeout=5).status_code for _ in range(2)] == [503, 200]
    page.get_by_role("button", name="Remove", exact=False).last.click()
    expect(page.get_by_text("No faults.")).to_be_visible()


def test_mistake_is_shown_with_suggestion(mock, visit):
    page = visit("#controls")
    form = page.get_by_role("form", name="Add a fault")
    form.get_by_label("Operation").fill("tenant.create")
    form.get_by_role("button", name="Add").click()
    expect(page.get_by_text("did you mean tenants.create")).to_be_visible()


def test_deviation_can_be_switched_on_and_off(mock, visit):
    page = visit("#deviations")
    page.get_by_label("Filter Deviations").fill("cosclose-delete")
    switch = page.get_by_role("button", name="cosclose-delete-crashes switched on")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    assert [fault.fault.deviation for fault in mock.faults] == ["cosclose-delete-crashes"]
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    assert list(mock.faults) == []


def test_reference_sends_requests_to_this_mock(mock, visit):
    page = visit("reference#/Tenants/tenants.create")
    operation = page.locator(".opblock.is-open")
    expect(operation).to_contain_text("/tenants")
    operation.locator("button.execute").click()
    expect(operation.locator(".live-responses-table td.response-col_status").last).to_contain_text("201")
    assert mock.state.tables.first("cluster", "pkey", "acme") is not None


def test_reference_shows_the_control_plane(mock, visit):
    page = visit("reference")
    page.get_by_label("Document").select_option("control")
    expect(page.get_by_role("heading", name=re.compile("control plane"))).to_be_visible()
    expect(page.get_by_role("link", name="Faults", exact=True)).to_be_visible()


def test_page_can_be_used_with_the_keyboard(mock, visit):
    page = visit()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    for name in ("sarkmock", "Journal", "Tables"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Tables")).to_be_visible()


@pytest.fixture(scope="session")
def guarded():
    """The address of the page of a mock that requires a token."""
    engine = Engine()
    with Server(create_app(engine, journal=Journal(engine), control=Control(token="open sesame"))) as server:
        yield f"{server.url}/_mock/"


def test_token_is_requested_until_it_is_valid(guarded, visit):
    page = visit(url=guarded)
    dialog = page.get_by_role("dialog")
    for token in ("wrong", "open sesame"):
        dialog.get_by_label("Token").fill(token)
        dialog.get_by_role("button", name="Unlock").click()
        expect(dialog.get_by_text("Wrong token.")).to_be_visible(visible=token == "wrong")
    expect(page.get_by_text("No requests yet")).to_be_visible()
    page.get_by_role("link", name="Reference").click()
    expect(page.get_by_role("heading", name="SARK V6 API")).to_be_visible()


def test_token_of_a_link_is_removed_from_the_address(guarded, visit):
    page = visit("#token=open%20sesame", url=guarded)
    expect(page.get_by_text("No requests yet")).to_be_visible()
    assert page.url == guarded


@pytest.fixture(scope="session")
def big():
    with SarkMock(tls=False, seed="big") as mock:
        yield f"{mock.control_url}/"


def first_column(page):
    return page.locator("tbody tr td:first-child").all_inner_texts()


def test_large_table_can_be_sorted_filtered_and_paged(big, visit):
    page = visit("#tables/ipphone", url=big)
    expect(page.get_by_text("10,000 rows")).to_be_visible()
    assert page.locator("tbody tr").count() == 100
    page.get_by_role("button", name="Next page").click()
    assert first_column(page)[:2] == ["10100", "10101"]
    page.get_by_role("button", name="desc", exact=True).click()
    expect(page.get_by_role("columnheader", name="desc", exact=True)).to_have_attribute("aria-sort", "ascending")
    page.get_by_label("Filter Rows of ipphone").fill("workshop 77")
    expect(page.get_by_text("of 10,000 rows")).to_be_visible()
    rows = page.locator("tbody tr").all_inner_texts()
    assert rows
    assert all("Workshop 77" in row for row in rows)
    assert page.get_by_role("button", name="Next page").count() == 0
    page.get_by_label("Filter Rows of ipphone").fill("no such row")
    expect(page.get_by_text("No row matches the filter.")).to_be_visible()


def test_table_shows_changes_and_hides_uniform_columns(mock, visit):
    page = visit("#tables/cluster")
    expect(page.locator("tbody tr")).to_have_count(1)
    post(mock, "tenants", pkey="acme", description="A tenant")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("link", name="cluster")).to_contain_text("2")
    assert page.get_by_role("columnheader", name="callgroup", exact=True).count() == 0
    page.get_by_label("All columns").check()
    expect(page.get_by_role("columnheader", name="callgroup", exact=True)).to_be_visible()


def test_row_can_be_changed_and_removed(mock, visit):
    mock.state.tables.insert("cluster", {"pkey": "a/b é", "description": "before", "operator": "op"})
    page = visit("#tables/cluster")
    page.get_by_role("button", name="a/b é").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("description").fill("after")
    dialog.get_by_label("operator").fill("")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="after")).to_be_visible()
    row = mock.state.tables.first("cluster", "pkey", "a/b é")
    assert (row["description"], row["operator"]) == ("after", None)
    page.get_by_role("button", name="a/b é").click()
    dialog.get_by_role("button", name="Remove the row").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert mock.state.tables.first("cluster", "pkey", "a/b é") is None


def test_pbx_can_be_stopped_and_started(mock, visit):
    page = visit("#controls")
    page.get_by_role("button", name="Stop Asterisk").click()
    expect(page.get_by_text("PBX stopped")).to_be_visible()
    assert requests.get(f"{mock.url}/astamis/CoreSettings", timeout=5).status_code == 503
    page.get_by_role("button", name="Start Asterisk").click()
    expect(page.get_by_text("PBX running")).to_be_visible()
    assert mock.state.pbx.running
    page.get_by_label("Boot time, seconds").fill("5")
    page.get_by_label("Boot time, seconds").press("Tab")
    page.wait_for_function("async () => (await (await fetch('pbx')).json()).boot_seconds === 5")


def test_clock_can_be_frozen_set_and_advanced(mock, visit):
    page = visit("#controls")
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_text("clock frozen")).to_be_visible()
    page.get_by_label("Set to (UTC)").fill("2024-03-31T00:59:50")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_text("2024-03-31 00:59:50 UTC").first).to_be_visible()
    page.get_by_role("button", name="+1 hour").click()
    expect(page.get_by_text("2024-03-31 01:59:50 UTC").first).to_be_visible()
    assert mock.state.clock.stamp() == "2024-03-31 01:59:50"


def test_profile_can_be_changed(mock, visit):
    page = visit("#controls")
    page.get_by_label("Served profile").select_option("shipped")
    expect(page.locator(".status").get_by_text("shipped")).to_be_visible()
    assert requests.get(f"{mock.url}/sysglobals", timeout=5).status_code == 200
    page.get_by_label("Served profile").select_option("documented")
    expect(page.locator(".status").get_by_text("documented")).to_be_visible()


def test_state_can_be_saved_reset_and_loaded(mock, visit, tmp_path):
    post(mock, "tenants", pkey="acme", description="A tenant")
    page = visit("#controls")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Download").click()
    saving.value.save_as(tmp_path / "state.yaml")
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_text("The initial state is restored.").last).to_be_visible()
    assert mock.state.tables.first("cluster", "pkey", "acme") is None
    page.locator("input[type=file]").set_input_files(tmp_path / "state.yaml")
    expect(page.get_by_text("Loaded the state from state.yaml.")).to_be_visible()
    assert mock.state.tables.first("cluster", "pkey", "acme")["description"] == "A tenant"
    (tmp_path / "wrong.yaml").write_text("tables:\n  cluster:\n    - {pkey: x, descripton: y}\n")
    page.locator("input[type=file]").set_input_files(tmp_path / "wrong.yaml")
    expect(page.get_by_text("did you mean description?")).to_be_visible()


def test_page_reconnects_to_restarted_mock(browser):
    with SarkMock(tls=False) as mock:
        context = browser.new_context()
        page = context.new_page()
        page.goto(mock.control_url + "/")
        expect(page.get_by_text("PBX running")).to_be_visible()
    expect(page.get_by_text("the mock does not respond").first).to_be_visible()
    with SarkMock(tls=False, port=int(mock_port(page))):
        expect(page.get_by_text("PBX running")).to_be_visible()
    context.close()


def mock_port(page):
    return re.search(r":(\d+)/", page.url)[1]


def test_entry_explains_status_and_links_to_the_reference(mock, visit):
    post(mock, "tenants", pkey="acme", colour="red")
    page = visit("#journal/1")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Why 422")
    expect(dialog).to_contain_text("The description field is required.")
    expect(dialog).to_contain_text("has no variable 'colour'")
    dialog.get_by_role("link", name="Reference").click()
    expect(page.locator(".opblock.is-open")).to_contain_text("tenants.create")


def test_journal_names_deviations_of_the_product(mock, visit):
    post(mock, "queues", pkey="q1", cluster="nosuch")
    page = visit()
    expect(page.locator("tbody tr")).to_contain_text("queue-cluster-unchecked")


def test_response_of_another_profile_is_shown(mock, visit):
    mock.session().put(f"{mock.url}/tenants/default", json={"localarea": "2.5"}, timeout=5)
    page = visit("#journal/1")
    page.get_by_label("Profile").select_option("shipped")
    responses = page.locator(".answers > div")
    responses.nth(1).wait_for()
    heads = [text.split("\n")[0].split() for text in responses.all_inner_texts()]
    assert heads == [["documented", "422"], ["shipped", "200"]]


def test_older_entries_of_the_journal_can_be_shown(mock, visit):
    session = mock.session()
    for number in range(250):
        session.get(f"{mock.url}/tenants/{'default' if number % 50 else 'nosuch'}", timeout=5)
    page = visit()
    rows = page.locator("tbody tr")
    expect(page.locator(".count")).to_have_text("100 of 250 rows")
    for count, first, last in (("200 of 250 rows", 150, 51), ("250 rows", 50, 1)):
        page.get_by_role("button", name="Older").click()
        expect(page.locator(".count")).to_have_text(count)
        assert [rows.nth(index).locator("button").first.inner_text() for index in (0, -1)] == [str(first), str(last)]
    expect(page.get_by_role("button", name="Older")).to_be_disabled()
    session.get(f"{mock.url}/agents", timeout=5)  # does not change what is shown
    page.get_by_label("Operation").fill("tenants.show")
    page.get_by_label("Status").select_option("404")
    expect(page.locator(".count")).to_have_text("5 rows")


AWKWARD = [
    ("POST", "/tenants", "it's \"quoted\" \\ and wide: \u017eluv \U0001f600", {"Content-Type": "application/json"}),
    ("PUT", "/tenants/de%20fault%3F%23", '{"description": "x"}',
     {"Accept": "text/html", "Content-Type": "application/json"}),
    ("POST", "/tenants?a[]=1&b='", "pkey=b&chanmax=many", {"Content-Type": "application/x-www-form-urlencoded"}),
    ("HEAD", "/tenants/default", "", {}),
    ("POST", "/tenants/default", "", {"X-HTTP-Method-Override": "DELETE", "Accept": "application/json"}),
]


@pytest.mark.parametrize(("method", "target", "body", "headers"), AWKWARD, ids=lambda value: str(value)[:20])
def test_copied_request_is_identical(mock, visit, tmp_path, method, target, body, headers):
    profile = "documented" if "Accept" in headers else "shipped"
    requests.put(f"{mock.control_url}/profile", json={"profile": profile}, timeout=5)
    mock.session().request(method, mock.url + target, data=body.encode(), headers=headers, timeout=5)
    page = visit("#journal/1", permissions=["clipboard-read", "clipboard-write"])
    copies = []
    for label in ("Copy as curl", "Copy as pytest"):
        page.get_by_role("button", name=label).click()
        expect(page.locator(".toast").last).to_have_text(re.compile("Copied"))
        copies.append(page.evaluate("navigator.clipboard.readText()"))
        page.locator(".toast button").last.click()
    curl, test = copies
    subprocess.run(["sh", "-c", f"{curl} -s -o answer"], cwd=tmp_path, check=True)
    (tmp_path / "test_copied.py").write_text(test)
    subprocess.run([sys.executable, "-m", "pytest", "-q", "test_copied.py"], cwd=tmp_path, check=True)
    first, second = mock.requests[0], mock.requests[-1]
    assert (second.method, second.path, second.query, second.request_body, second.status) == (
        first.method, first.path, first.query, first.request_body, first.status)


def test_journal_can_be_saved_as_har(mock, visit):
    post(mock, "tenants", pkey="acme", description="A tenant")
    requests.get(f"{mock.url}/tenants", timeout=5)
    page = visit()
    page.get_by_label("Method").select_option("POST")
    expect(page.locator("tbody tr")).to_have_count(1)
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as HAR").click()
    entry, = json.loads(saving.value.path().read_text())["log"]["entries"]
    assert entry["request"]["method"] == "POST"
    assert entry["response"]["status"] == 201


@pytest.mark.parametrize("operation", ["logs.cdrs.all", "cosrules.list", "daytimers.list", "astamis.Agents"])
def test_operation_has_an_address_in_the_reference(mock, visit, operation):
    page = visit()
    address = page.evaluate("async (id) => (await import('/_mock/page/operations.js')).referenceOf(id)", operation)
    page.goto(page.url.partition("#")[0] + address)
    expect(page.locator(".opblock.is-open")).to_contain_text(operation)


def test_cleared_journal_is_not_mixed_with_the_new_one(mock, visit):
    for key in ("one", "two", "three"):
        post(mock, "tenants", pkey=key, description="before")
    page = visit()
    expect(page.locator("tbody tr")).to_have_count(3)
    mock.reset()
    for _ in range(4):
        requests.get(f"{mock.url}/trunks", timeout=5)
    expect(page.locator("tbody tr")).to_have_count(4)
    expect(page.get_by_text("tenants.create")).to_have_count(0)


@pytest.mark.parametrize("address", ["#%", "#nosuch", "#journal/99999", "#tables/nosuch"])
def test_unknown_address_shows_a_page(mock, visit, address):
    page = visit(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


FETCHES = """async (server) => {
    const headers = {"Content-Type": "application/json", Authorization: "Bearer 1|x"};
    const status = (method, path, body) => fetch(server + path, {method, headers, body}).then(
        async (response) => (await response.text()) && response.status, (error) => error.name);
    return [
        await status("POST", "/api/tenants", '{"pkey": "acme", "description": "a", "clusterclid": "1"}'),
        await status("PUT", "/api/tenants/acme", '{"description": "b"}'),
        await status("GET", "/api/tenants/none"), await status("POST", "/api/tenants", "{}"),
        await status("GET", "/_mock/state")];
}"""


@pytest.mark.parametrize("profile", ["documented", "shipped", "L10"])
def test_page_of_another_origin_can_use_the_api_alone(browser, shared, profile):
    """It can read every response, errors too; a browser sends a preflight before each of these requests."""
    with SarkMock(tls=False, profile=profile) as mock:
        page = browser.new_page()
        page.goto(f"{shared.control_url}/health")
        assert page.evaluate(FETCHES, mock.control_url.removesuffix("/_mock")) == [201, 200, 404, 422, "TypeError"]
        page.close()


PICTURES = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "pictures.py"))


def test_picture_of_journal_is_current(browser):
    picture = PICTURES["journal"](browser)
    assert PICTURES["words"](picture) == PICTURES["words"](PICTURES["JOURNAL"].read_bytes()), "run docs/pictures.py"
