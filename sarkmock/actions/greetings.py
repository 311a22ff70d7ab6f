"""Greetings: recordings among Asterisk's sounds. Knows names; the rules have judged what a recording is."""

from __future__ import annotations

import re

from sarkmock import paths
from sarkmock.actions import stored
from sarkmock.actions.stored import Shelf
from sarkmock.calls import Call
from sarkmock.php import UploadedFile
from sarkmock.php.finfo import mime_type
from sarkmock.replies import PhpError, Refusal, Reply

GREETINGS = Shelf(paths.GREETINGS, "greeting", "sounds set", re.compile(r"usergreeting[^/]*"))
FIELD = "greeting"
NAME = re.compile(r"usergreeting[0-9]{4}\.(?:mp3|wav)")


def index(call: Call) -> Reply:
    return Reply(GREETINGS.names(call.state))


def exists(call: Call) -> None:
    stored.must_exist(call, GREETINGS)


def download(call: Call) -> Reply:
    file = GREETINGS.find(call)
    return stored.download(call, GREETINGS, mime_type(file.content) if file else "")


def delete(call: Call) -> Reply:
    return stored.delete(call, GREETINGS)


def is_named(call: Call) -> None:
    """A recording must bear the name of a greeting; told only if nothing else is wrong with it."""
    file = call.input.get(FIELD)
    if isinstance(file, UploadedFile) and not call.errors and not NAME.fullmatch(file.name):
        call.refuse(FIELD, f"The {FIELD} must be named usergreetingNNNN.wav or usergreetingNNNN.mp3.")


def upload(call: Call) -> Reply:
    """The product answers and compares the end of the name that is a greeting's, but keeps the file under all of it."""
    file: UploadedFile = call.input[FIELD]
    found = re.search(rf"{NAME.pattern}\n?\Z", file.name)
    if found is None:
        raise PhpError("Undefined array key 1", field=FIELD)
    greeting = found.group().rstrip("\n")
    if GREETINGS.path(greeting) in call.state.files:
        raise Refusal(422, {"Message": "UserGreeting Already exists"})
    GREETINGS.put(call.state, file.name, file.content)
    return Reply([f"Uploaded {greeting}"])
