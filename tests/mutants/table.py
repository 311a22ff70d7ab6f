"""All mutants."""

from __future__ import annotations

from tests.mutants import (
    mutants_of_answers,
    mutants_of_authentication,
    mutants_of_protocol,
    mutants_of_rows,
    mutants_of_rules,
)
from tests.mutants.breaking import Mutant

MUTANTS: list[Mutant] = [
    *mutants_of_rules.MUTANTS, *mutants_of_answers.MUTANTS, *mutants_of_rows.MUTANTS, *mutants_of_protocol.MUTANTS,
    *mutants_of_authentication.MUTANTS]

# For each type of finding a mutant that only this type catches.
PROOFS = {
    "rules": "a rule is dropped", "messages": "a message has another wording", "crash": "an empty array crashes",
    "status": "a created row is 200", "content-type": "JSON is sent as HTML", "header": "a download has no name",
    "body": "204 has a body", "schema": "a hidden column leaks", "answer": "a row cannot be deleted",
    "link": "a link leads nowhere", "presence": "a link to DELETE does not delete",
    "stored": "an update changes nothing", "default": "a default is missing",
    "unrequested": "an update changes the time of creation", "duplicate": "a taken key replaces the row",
    "dependency": "a dependency is ignored", "list": "a list is stale",
    "behaviour": "the default tenant can be deleted", "run-state": "pbxstop does not stop",
    "unknown-path": "an unknown path is an empty list", "unknown-key": "an unknown key shows the default",
    "unknown-field": "an unknown field hides the row", "form": "a form is stored differently",
    "query": "the query string is stored", "head": "HEAD has a body", "options": "OPTIONS lacks a method",
    "method": "405 has no Allow", "authentication": "a token in the query string is accepted",
    "schemathesis": "HTML is sent instead of JSON",
    "openapi-core": "a column leaks past the schema check"}
