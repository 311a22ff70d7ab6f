"""Greetings: recordings among Asterisk's sounds. Knows names; the rules have judged what a recording is."""

from __future__ import annotations

import re

from sarkmock.http.context import Context
from sarkmock.http.replies import PhpError, Refusal, Reply
from sarkmock.laravel.php import UploadedFile
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions import stored
from sarkmock.pbx.actions.stored import Shelf

GREETINGS = Shelf(pbx_files.GREETINGS, "greeting", "sounds set", re.compile(r"usergreeting[^/]*"))
FIELD = "greeting"
NAME = re.compile(r"usergreeting[0-9]{4}\.(?:mp3|wav)")


def index(context: Context) -> Reply:
    return Reply(GREETINGS.names(context.state))


def exists(context: Context) -> None:
    stored.must_exist(context, GREETINGS)


def download(context: Context) -> Reply:
    return stored.download(context, GREETINGS)


def delete(context: Context) -> Reply:
    return stored.delete(context, GREETINGS)


def is_named(context: Context) -> None:
    """A recording must bear the name of a greeting; reported only if nothing else is wrong with it."""
    file = context.input.get(FIELD)
    if isinstance(file, UploadedFile) and not context.errors and not NAME.fullmatch(file.name):
        context.refuse(FIELD, f"The {FIELD} must be named usergreetingNNNN.wav or usergreetingNNNN.mp3.")


def upload(context: Context) -> Reply:
    """The product answers and compares the end of the name that is a greeting's, but keeps the file under all of it."""
    file, greeting = named(context)
    if GREETINGS.path(greeting) in context.state.files:
        raise Refusal(422, {"Message": "UserGreeting Already exists"})
    GREETINGS.put(context.state, file.name, file.content)
    return Reply([f"Uploaded {greeting}"])


def upload_lost(context: Context) -> Reply:
    """The file lands where nothing else looks."""
    return Reply([f"Uploaded {named(context)[1]}"])


def named(context: Context) -> tuple[UploadedFile, str]:
    """The upload and the greeting's name at the end of its own; PhpError if there is none."""
    file: UploadedFile = context.input[FIELD]
    found = re.search(rf"{NAME.pattern}\n?\Z", file.name)
    if found is None:
        raise PhpError("Undefined array key 1", field=FIELD)
    return file, found.group().rstrip("\n")
