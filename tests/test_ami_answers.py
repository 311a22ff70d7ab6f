"""The recorded answers of the AMI functions, in their order, on a box with one extension and one queue."""

import json
from pathlib import Path

from sarkmock.http.engine import Engine, Request
from sarkmock.pbx.state import State
from sarkmock.spec.loading import load

EXCHANGES = json.loads((Path(__file__).parent / "cases" / "ami-answers.json").read_text())["exchanges"]
JSON = {"Content-Type": "application/json"}
# When Asterisk was started is the recorded box's own.
VOLATILE = {"CoreStartupDate", "CoreStartupTime", "CoreReloadDate", "CoreReloadTime"}


def ask(engine, method, path, body=""):
    return engine.handle(Request(method, path.strip("/"), "", JSON if body else {}, body.encode()))


def holds(answer, recorded):
    """Whether an answer has all that was recorded; objects may have more."""
    if isinstance(recorded, dict) and isinstance(answer, dict):
        return all(key in answer and (key in VOLATILE or holds(answer[key], value)) for key, value in recorded.items())
    if isinstance(recorded, list) and isinstance(answer, list):
        return len(answer) == len(recorded) and all(map(holds, answer, recorded))
    return answer == recorded


def test_every_recorded_ami_answer_is_given():
    engine = Engine(load("shipped"), State())
    for path, body in (("extensions/unprovisioned", {"pkey": "1001", "cluster": "default"}),
                       ("queues", {"pkey": "support", "cluster": "default"})):
        assert ask(engine, "POST", path, json.dumps(body)).status == 201
    wrong = []
    for exchange in EXCHANGES:
        method, path, *body = exchange["request"].split(" ", 2)
        reply = ask(engine, method, path, *body)
        if reply.status != exchange["status"] or not holds(reply.body, exchange["body"]):
            wrong.append((exchange["request"], reply.status, reply.body))
    assert wrong == []
