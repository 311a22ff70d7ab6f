"""One request as checks and actions see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sarkmock.http.replies import Errors
from sarkmock.pbx.database import Row
from sarkmock.pbx.state import State
from sarkmock.spec.operations import Operation


class Lacking(Exception):
    """A check or action of an operation that has not what it needs: a mistake in the document."""


@dataclass(slots=True)
class Context:
    """A request bound to its operation.

    ``input`` is query, body and files ($request->all()), ``post`` the body alone ($request->post()), both after
    Laravel's trimming; ``row`` is the row that the path names, ``user`` that of the token. Checks add to ``errors``.
    Where ``encoded`` is set, the body of the reply may be JSON already, as bytes.
    """

    operation: Operation
    state: State
    path: dict[str, str]
    input: dict[str, Any]
    post: dict[str, Any]
    errors: Errors
    row: Row | None = None
    user: Row | None = None
    encoded: bool = False

    def refuse(self, field: str, message: str) -> None:
        """Add a message to the 422 that will be answered, as Laravel's $validator->errors()->add does."""
        self.errors.setdefault(field, []).append(message)
