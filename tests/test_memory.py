"""What a client sends takes memory in proportion to its size. An expression that may backtrack keeps all its steps."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.http.wsgi import render
from sarkmock.laravel.php import bodies

SIZE = 200_000
MOST = 60  # bytes for each byte of the request; a step that is kept takes 100


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.mark.parametrize(("path", "field", "begin", "unit", "end"), [
    ("globals", "ALERT", "", "a.", "@b.c"), ("globals", "ALERT", '"', '\\"', '"@b.c'),
    ("globals", "ALERT", "a@[", "x", "]"),
    ("trunks", "host", "", "a.", "com"), ("trunks", "host", "", "a.b-", "com"),
    ("tenants", "pkey", "", '",', ""), ("tenants", "pkey", "", "\\,", ""), ("tenants", "cluster", "a->", "a->", ""),
])
def test_a_value(engine: Engine, monkeypatch: pytest.MonkeyPatch, path: str, field: str, begin: str, unit: str,
                 end: str) -> None:
    monkeypatch.setattr(bodies, "MOST_VALUES", 1000)
    value = begin + unit * (SIZE // len(unit)) + end
    body = json.dumps({"carrier": "GeneralSIP", "cluster": "default", "pkey": "1", field: value}).encode()
    request = ApiRequest("PUT" if path == "globals" else "POST", path, "", {"Content-Type": "application/json"}, body)
    engine.handle(request)
    tracemalloc.start()
    render(engine.handle(request), "POST")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST * len(body)
