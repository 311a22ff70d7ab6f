"""Greetings: recordings among Asterisk's sounds. Knows names; the rules have judged what a recording is."""

from __future__ import annotations

import re

from sarkmock.http.context import Context
from sarkmock.http.replies import PhpError, Refusal, Reply
from sarkmock.laravel.php import UploadedFile
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions.stored import Shelf

GREETING_SHELF = Shelf(pbx_files.GREETINGS, "greeting", "sounds set", re.compile(r"usergreeting[^/]*"))
GREETING_FIELD = "greeting"
GREETING_NAME = re.compile(r"usergreeting[0-9]{4}\.(?:mp3|wav)")


def list_greetings(context: Context) -> Reply:
    return Reply(GREETING_SHELF.names(context.state))


def upload_greeting(context: Context) -> Reply:
    """The product answers and compares the end of the name that is a greeting's, but keeps the file under all of it."""
    file, greeting = named_upload(context)
    if GREETING_SHELF.path(greeting) in context.state.files:
        raise Refusal(422, {"Message": "UserGreeting Already exists"})
    GREETING_SHELF.put(context.state, file.name, file.content)
    return Reply([f"Uploaded {greeting}"])


def lose_greeting(context: Context) -> Reply:
    """The file lands where nothing else looks."""
    return Reply([f"Uploaded {named_upload(context)[1]}"])


def named_upload(context: Context) -> tuple[UploadedFile, str]:
    """The upload, and the greeting's name at the end of the file's name; PhpError if there is none."""
    file: UploadedFile = context.input[GREETING_FIELD]
    found = re.search(rf"{GREETING_NAME.pattern}\n?\Z", file.name)
    if found is None:
        raise PhpError("Undefined array key 1", field=GREETING_FIELD)
    return file, found.group().rstrip("\n")
