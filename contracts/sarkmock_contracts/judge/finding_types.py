"""What a finding can be of: the second part of its identity, how bad it is for a client, and what explains it.

The places say which parts of the document a finding of the type speaks of: the variable of a body (``input``), the
column of a row (``column``), the operation's responses (``response``), what it does beside them (``behaviour``), or
the methods of its path (``path``). A known deviation that changes one of these places explains the finding.
"""

from __future__ import annotations

from dataclasses import dataclass

BREAKS, SURPRISES, COSMETIC = SEVERITIES = ("breaks", "surprises", "cosmetic")


@dataclass(frozen=True)
class FindingType:
    """One type: its name in identities and reports, its severity for a client, a sentence, and its places."""

    name: str
    severity: str
    text: str
    places: frozenset[str] = frozenset()


def _types(*rows: tuple[str, str, str, str]) -> dict[str, FindingType]:
    return {name: FindingType(name, severity, text, frozenset(places.split())) for name, severity, places, text in rows}


FINDING_TYPES = _types(
    # every exchange, by its request
    ("rules", SURPRISES, "input", "A variable is accepted or refused, and its rules say the opposite."),
    ("messages", COSMETIC, "input", "A validation message has another text."),
    ("crash", BREAKS, "input", "A value that PHP cannot handle is not answered as documented."),
    # every exchange, by its response
    ("status", BREAKS, "response", "The status is not documented."),
    ("content-type", BREAKS, "response", "The content type is not documented."),
    ("header", COSMETIC, "response", "A header is missing or different."),
    ("body", BREAKS, "response", "The body is not of the documented kind."),
    ("schema", BREAKS, "response column", "The body does not match its schema."),
    # single checks
    ("answer", BREAKS, "behaviour", "A valid request does not succeed."),
    ("link", BREAKS, "behaviour", "A link of the document does not lead to the row that was made."),
    ("presence", BREAKS, "behaviour", "A row is missing, or is still there after DELETE."),
    ("stored", SURPRISES, "input column behaviour", "A value is not stored as it was sent."),
    ("default", SURPRISES, "input column behaviour", "A new row does not have its documented default."),
    ("unrequested", SURPRISES, "column behaviour", "A column changed although no request named it."),
    ("duplicate", SURPRISES, "behaviour", "A key that is in use is accepted again."),
    ("dependency", BREAKS, "behaviour", "A row can be deleted although others depend on it, or cannot without reason."),
    ("list", SURPRISES, "behaviour", "A list does not show the rows as they are."),
    ("behaviour", BREAKS, "behaviour", "What the documentation says in prose does not happen."),
    ("run-state", BREAKS, "behaviour", "Stopping or starting the PBX does not do what it says."),
    ("unknown-path", COSMETIC, "path", "A path that is not documented is there."),
    ("unknown-key", BREAKS, "behaviour", "The key of no row is not answered with 404."),
    ("unknown-field", SURPRISES, "input behaviour", "A field that is not documented is not ignored."),
    ("form", SURPRISES, "input", "A form body is not read like a JSON body."),
    ("query", SURPRISES, "input", "A variable of the query string is stored."),
    ("head", COSMETIC, "response", "HEAD does not answer as GET does."),
    ("options", COSMETIC, "path", "OPTIONS does not name the methods of the path."),
    ("method", SURPRISES, "path", "A method that the path does not support is not answered with 405."),
    ("authentication", BREAKS, "response behaviour", "A request without a valid token is not refused as documented."),
    ("schemathesis", SURPRISES, "response", "One of Schemathesis' own checks failed."),
    ("openapi-core", COSMETIC, "response", "openapi-core rejects a response that matches its schema."),
)
EVERY_EXCHANGE = ("rules", "messages", "crash", "status", "content-type", "header", "body", "schema")
