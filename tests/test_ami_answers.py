"""The recorded responses of the AMI functions, replayed in order on a box with one extension and one queue."""

import json
from pathlib import Path

from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.pbx.state import State
from sarkmock.spec.loading import load

EXCHANGES = json.loads((Path(__file__).parent / "cases" / "ami-answers.json").read_text())["exchanges"]
JSON = {"Content-Type": "application/json"}
# Start times of the recorded box.
VOLATILE = {"CoreStartupDate", "CoreStartupTime", "CoreReloadDate", "CoreReloadTime"}


def call(engine, method, path, body=""):
    return engine.handle(ApiRequest(method, path.strip("/"), "", JSON if body else {}, body.encode()))


def contains(actual, recorded):
    """Whether a response has everything that was recorded. Objects may have more keys."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        return all(key in actual and (key in VOLATILE or contains(actual[key], value))
                   for key, value in recorded.items())
    if isinstance(recorded, list) and isinstance(actual, list):
        return len(actual) == len(recorded) and all(map(contains, actual, recorded))
    return actual == recorded


def test_recorded_ami_responses_are_reproduced():
    engine = Engine(load("shipped"), State())
    for path, body in (("extensions/unprovisioned", {"pkey": "1001", "cluster": "default"}),
                       ("queues", {"pkey": "support", "cluster": "default"})):
        assert call(engine, "POST", path, json.dumps(body)).status == 201
    mismatches = []
    for exchange in EXCHANGES:
        method, path, *body = exchange["request"].split(" ", 2)
        reply = call(engine, method, path, *body)
        if reply.status != exchange["status"] or not contains(reply.body, exchange["body"]):
            mismatches.append((exchange["request"], reply.status, reply.body))
    assert mismatches == []
