"""Tests of every path beyond its operations (HEAD, OPTIONS, 404, 405, content types of input), and of the framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from sarkmock.suite_api import JSON, Operation

from ..client.http import ACCEPT, FORM, Exchange, Request, Response, fill_path, with_form, with_json
from ..errors import Unavailable, Withheld
from ..fixtures import Body
from ..judge.agreement import CORS
from ..judge.oracle import Problem
from ..judge.row_model import UNDOCUMENTED, is_same_value, key_of_another_row
from ..run import Run
from ..spec.contract import Contract
from ..spec.operation_data import columns_derived, is_listed
from .scenarios import Scenario, expected_response, unmet

TRIED_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
UNKNOWN = "nosuchkey"
# The last one: names of AMI functions are case-sensitive (sark-v6-api.txt line 134).
UNKNOWN_PATHS = ("/nosuchpath", "/nosuchpath/at/all", "/tenants/default/nosuch", "/astamis/coresettings")
NO_INPUT = (b'{"a": ', b"[1, 2]", b"null", b'"x"', b"")


def check_head(run: Run, operation: Operation) -> None:
    """HEAD must have the status and content type of GET, and no body."""
    get = run.send(run.fixtures.request(operation))
    head = run.send(replace(get.request, method="HEAD"))
    if head.response.status != get.response.status:
        text = f"HEAD returned {head.response.status}, GET {get.response.status}"
        run.report(operation.id, Problem("head", "", "status", text), get, head)
    elif head.response.content_type != get.response.content_type:
        text = f"HEAD is {head.response.content_type or 'without type'}, GET {get.response.content_type}"
        run.report(operation.id, Problem("head", "", "content type", text), get, head)
    if head.response.body:
        run.report(operation.id, Problem("head", "", "body", "the response to HEAD has a body"), head)


def check_options(run: Run, operation: Operation) -> None:
    """OPTIONS on a known path must give 200, an empty body, and the methods of the path in Allow."""
    exchange = run.send(Request("OPTIONS", any_path(run, operation)))
    run.coverage.paths.add(operation.path)
    run.report(operation.id, options_problem(run.contract, exchange), exchange)


def options_problem(contract: Contract, exchange: Exchange) -> Problem | None:
    """Return what is wrong with a response to OPTIONS on a known path."""
    response, wanted = exchange.response, set(contract.router.allowed(exchange.request.path))
    if response.status != 200:
        return Problem("options", "", "status", f"OPTIONS returned {response.status}")
    if response.body:
        return Problem("options", "", "body", "the response to OPTIONS has a body")
    if response.allow != wanted:
        return Problem("options", "", "allow", f"Allow is {sorted(response.allow)}, expected {sorted(wanted)}")
    return None


def check_methods(run: Run, operation: Operation) -> None:
    """An unsupported method must give 405, with the supported methods in Allow."""
    supported = run.contract.router.allowed(any_path(run, operation))  # always GET: the fallback route takes any path
    for method in [method for method in TRIED_METHODS if method not in supported]:
        check_method(run, operation, method)


def check_method(run: Run, operation: Operation, method: str) -> None:
    exchange = run.send(Request(method, any_path(run, operation)))
    run.report(operation.id, method_problem(run.contract, exchange), exchange)


def method_problem(contract: Contract, exchange: Exchange) -> Problem | None:
    """Return what is wrong with a response to a method that a known path does not support."""
    response, method = exchange.response, exchange.request.method
    wanted = contract.router.allowed(exchange.request.path)
    if response.status != 405:
        return Problem("method", "", method, f"{method} returned {response.status}, expected 405")
    if response.allow != set(wanted):
        text = f"405 with Allow: {response.header('Allow')}, expected {sorted(wanted)}"
        return Problem("method", "", "allow", text)
    text = different_wording(contract, exchange)
    return Problem("method", "", "wording", text) if text else None


def different_wording(contract: Contract, exchange: Exchange) -> str:
    """Return how a 405 message differs from the framework's; empty if it does not."""
    template: str = contract.document["x-laravel"]["method-not-allowed"]
    wanted = template.format(method=exchange.request.method, path=f"api{exchange.request.path.rstrip('/')}",
                             allowed=exchange.response.header("Allow") or "")
    message = exchange.response.fields.get("message", "")
    return "" if message == wanted else f"the message of 405 is {message!r}, expected {wanted!r}"


def any_path(run: Run, operation: Operation) -> str:
    """Return a path of the operation with placeholder parameters."""
    return fill_path(operation.path, dict.fromkeys(operation.parameters, run.fixtures.texts.prefix + UNKNOWN))


def check_unknown_key(run: Run, operation: Operation) -> None:
    """A key without a row must give 404, before any rule applies."""
    if run.coverage.statuses[operation.id, 404]:
        return  # already tested
    exchange = run.send(Request(operation.method, any_path(run, operation)))
    if exchange.response.status != 404 and "404" in operation.spec["responses"]:
        text = f"{operation.method} of an unknown key returned {exchange.response.status}, expected 404"
        run.report(operation.id, Problem("unknown-key", "", str(exchange.response.status), text), exchange)


def check_unknown_paths(run: Run) -> None:
    """An unknown path must give 404 with the product's message for GET, and 405 for other methods.

    The product's fallback route supports only GET.
    """
    run.coverage.framework.add("fallback")
    for path in UNKNOWN_PATHS:
        exchange = run.send(Request("GET", path))
        problem = unknown_path_problem(run.contract, exchange)
        run.report("", problem, exchange)
        if problem is None and run.contract.operation_of(exchange.request) is not None:
            look_for_lost_functions(run, exchange)
        with suppress(Withheld):
            deleted = run.send(Request("DELETE", path))
            run.report("", unknown_path_problem(run.contract, deleted), deleted)


def look_for_lost_functions(run: Run, unknown: Exchange) -> None:
    """Report an operation as missing if it responds like an unknown name. Its path also matches another template."""
    taker = run.contract.operation_of(unknown.request)
    for (name, status), sample in run.judge.samples.items():
        operation, path = run.contract.by_id[name], sample.request.path
        if operation != taker and status == unknown.response.status and sample.response.body == unknown.response.body \
                and path == operation.path and path.count("/") == unknown.request.path.count("/"):
            text = f"{operation.method} {path} returned the response for an unknown name"
            run.report(name, Problem("unknown-path", path, operation.method, text), sample)


def unknown_path_problem(contract: Contract, exchange: Exchange) -> Problem | None:
    """Return what is wrong with a response to a request for a path, or name, that does not exist."""
    request, response = exchange.request, exchange.response
    if request.method == "GET":
        known = contract.operation_of(request) is not None
        worded = known or response.json == contract.document["x-laravel"]["fallback"]
        text = f"GET {request.path} returned {response.status} {response.body[:80]!r}"
        return None if response.status == 404 and worded else Problem("unknown-path", "", "GET", text)
    if response.status != 405 or response.allow != {"GET", "HEAD"}:
        text = f"{request.method} {request.path} returned {response.status}, Allow: {response.header('Allow')}"
        return Problem("unknown-path", "", request.method, text)
    text = different_wording(contract, exchange)
    return Problem("unknown-path", "", "wording", text) if text else None


def check_no_input(run: Run, operation: Operation) -> None:
    """Bodies that are not JSON objects must count as empty input: required fields are missing, and nothing crashes."""
    for body in NO_INPUT:
        headers = (ACCEPT, ("Content-Type", JSON))
        run.send(Request(operation.method, request_path(run, operation), "", headers, body))


def check_unknown_fields(run: Run, operation: Operation) -> None:
    """Fields that an operation does not know must change nothing, nor may fields named like path parameters."""
    body = run.fixtures.minimal(operation)
    path = request_path(run, operation, body)
    plain = run.send(with_json(operation.method, path, body))
    properties = run.contract.body(operation)["properties"]
    ignored = {name: UNDOCUMENTED for name in (*operation.parameters, "nosuchfield") if name not in properties}
    exchange = run.send(with_json(operation.method, path, {**run.fixtures.minimal(operation), **ignored}))
    if exchange.response.status != plain.response.status:
        text = f"with unknown fields the status is {exchange.response.status}, without {plain.response.status}"
        run.report(operation.id, Problem("unknown-field", "", str(exchange.response.status), text), plain, exchange)


def check_fixed_columns(run: Run, operation: Operation) -> None:
    """Columns that are not variables of an update must keep their values, the key too (sark-v6-api.txt line 109)."""
    path = request_path(run, operation)
    before = run.get(path).json
    if operation.table is None or not isinstance(before, dict):
        return
    key = operation.table.key
    for name in sorted(before.keys() - operation.rules.keys() - {key}) + [key] * (key not in operation.rules):
        body = {**run.fixtures.minimal(operation), name: UNDOCUMENTED}
        exchange = run.send(with_json(operation.method, path, body))
        after = run.send(Request("GET", path))
        if exchange.response.ok and (not after.response.ok or after.response.json.get(name) == UNDOCUMENTED):
            text = f"{name} is not a variable, but is stored"
            run.report(operation.id, Problem("stored", name, "unknown field", text), exchange, after)


def check_forms(run: Run, operation: Operation) -> None:
    """A form body must be read like a JSON body: the same rules apply and the same values are stored."""
    body = text_values(run, operation)
    exchange = run.send(with_form(operation.method, request_path(run, operation, body), body))
    for problem in form_problems(operation, body, exchange.response):
        run.report(operation.id, problem, exchange)


def check_query(run: Run, operation: Operation) -> None:
    """Variables of the query string are validated but must not be stored."""
    name, accepted = next((name, values) for name in operation.rules
                          if (values := run.fixtures.bounds(operation, name).accept))
    path = request_path(run, operation)
    before = run.get(path).json
    value = run.fixtures.value(operation, name, accepted[-1])
    needed = run.fixtures.minimal(operation)
    query = with_form("GET", "", {name: str(value)}).body.decode()
    exchange = run.send(with_json(operation.method, path, needed, query))
    after = run.get(path).json
    if name in needed or not (exchange.response.ok and isinstance(before, dict) and isinstance(after, dict)):
        return
    if before.get(name) != after.get(name):
        text = f"{name} of the query string was stored: {before.get(name)!r} became {after.get(name)!r}"
        run.report(operation.id, Problem("query", name, "stored", text), exchange)


def text_values(run: Run, operation: Operation) -> dict[str, str]:
    """Return a text for every field that accepts one, and for required fields."""
    minimal = run.fixtures.minimal(operation)
    body = {name: str(value) for name, value in minimal.items()}
    for name in operation.rules:
        texts = [value for value in run.fixtures.bounds(operation, name).accept if isinstance(value, str)]
        if name not in body and texts:
            body[name] = texts[0]
    return body


def form_problems(operation: Operation, body: Body, response: Response) -> Iterator[Problem]:
    """Yield the columns of a response that differ from the values of a form."""
    shown = response.json
    if not response.ok or not isinstance(shown, dict):
        return
    if key_of_another_row(operation, body, shown):
        return  # as after a JSON body
    for name in shown.keys() & body.keys() - columns_derived(operation.id, body):
        if not is_same_value(operation, body[name], shown[name]):
            yield Problem("form", name, "changed", f"{name} was sent as {body[name]!r} and is {shown[name]!r}")


def request_path(run: Run, operation: Operation, body: Body | None = None) -> str:
    return run.fixtures.request(operation, body).path


PathCheck = Callable[[Run, Operation], None]


def checks_for(run: Run, operation: Operation) -> Iterable[PathCheck]:
    """Yield the checks of this module that apply to an operation."""
    if run.is_first_of_path(operation):
        yield check_methods
    if operation.method == "GET" and operation.hazard == "read":
        yield check_head
    if operation.rules and "multipart/form-data" not in operation.spec["requestBody"]["content"]:
        yield from (check_no_input, check_unknown_fields)
        yield from (check_forms,) if FORM in operation.spec["requestBody"]["content"] else ()
        yield from (check_query,) if operation.method == "PUT" and not is_listed("reads_query", operation.id) else ()
        yield from (check_fixed_columns,) if operation.method == "PUT" and operation.key else ()


def check_protocol(run: Run, operation: Operation) -> None:
    """Run all checks of this module that apply to an operation."""
    for check in checks_for(run, operation):
        try:
            check(run, operation)
        except (Unavailable, Withheld):
            continue


def blanks_are_trimmed_as_the_framework_does(run: Run) -> None:
    """Texts must be trimmed as in the judging document's Laravel: 9 also trims Unicode blanks, 11 also U+200E."""
    create = run.contract.by_id["customapps.create"]
    for blank in ("\u3000", "\u200e"):
        body = {**run.fixtures.minimal(create), "desc": f"{blank}zz{blank}"}
        exchange = run.send(run.fixtures.request(create, body))
        stored, trimmed = exchange.response.fields.get("desc"), expected_response(run, exchange).fields.get("desc")
        ways = body["desc"], "zz"
        if exchange.response.ok and stored in ways and trimmed in ways:  # other checks report other texts
            run.coverage.framework.add("trim")
            if stored != trimmed:
                text = f"{body['desc']!r} is stored as {stored!r}, expected {trimmed!r}"
                unmet(run, create.id, f"trim U+{ord(blank):04X}", text, exchange)


def empty_texts_are_null_as_the_framework_makes_them(run: Run) -> None:
    """Laravel makes empty texts null, which rules reject. The judge of every exchange compares the response."""
    create = run.contract.by_id["queues.create"]
    run.send(run.fixtures.request(create, {**run.fixtures.minimal(create), "devicerec": ""}))


def an_empty_method_is_read_as_the_framework_does(run: Run) -> None:
    """An empty `_method` in a form must be handled as by the judging document's framework."""
    create = run.contract.by_id["customapps.create"]
    exchange = run.send(with_form("POST", create.path, {"_method": ""}))
    run.coverage.framework.add("method-override")
    wanted = expected_response(run, exchange).status
    if exchange.response.status != wanted:
        text = f"an empty _method returned {exchange.response.status}, expected {wanted}"
        unmet(run, create.id, "method", text, exchange)


def other_origins_are_allowed_as_the_framework_does(run: Run) -> None:
    """Pages of another origin may read responses as in the document. A box without the CORS header is not judged."""
    exchange = run.send(Request("GET", "/tenants", headers=(ACCEPT, ("Origin", "https://client.example"))))
    actual, wanted = exchange.response.header(CORS), expected_response(run, exchange).header(CORS)
    if actual is None and run.options.url is not None:
        run.gaps.unavailable.add(f"what other origins may read: the target sends no {CORS}")
        return
    run.coverage.framework.add("cors")
    if actual != wanted:
        run.report("tenants.list", Problem("header", CORS, "wrong", f"{CORS} is {actual}, expected {wanted}"), exchange)


FRAMEWORK = (
    Scenario(blanks_are_trimmed_as_the_framework_does, ("customapps.create",)),
    Scenario(empty_texts_are_null_as_the_framework_makes_them, ("queues.create",)),
    Scenario(an_empty_method_is_read_as_the_framework_does, ("customapps.create",)),
    Scenario(other_origins_are_allowed_as_the_framework_does, ("tenants.list",)),
)
