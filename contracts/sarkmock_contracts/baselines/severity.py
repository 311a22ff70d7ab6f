"""The kinds of differences there are: what each means for clients, and why. Compares nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

BREAKING, RISKY, COMPATIBLE, INFORMATIVE = DIFFERENCE_LEVELS = ("breaking", "risky", "compatible", "informative")

# kind: how bad it is for clients, and why
DIFFERENCE_KINDS: dict[str, tuple[str, str]] = {
    "operation gone": (BREAKING, "clients that call it get 404 or 405"),
    "operation moved": (BREAKING, "clients that call the old path get 404 or 405"),
    "operation appeared": (COMPATIBLE, "no client can have called it before"),
    "newly crashes": (BREAKING, "a request that worked fails with a server error"),
    "no longer crashes": (COMPATIBLE, "a request that failed with a server error works"),
    "now refused": (BREAKING, "a request that succeeded is rejected"),
    "no longer refused": (RISKY, "a rejected request succeeds: clients that rely on the rejection are not protected"),
    "success status changed": (RISKY, "clients that compare the exact status take success for failure"),
    "refusal status changed": (RISKY, "clients that branch on the error status misclassify the error"),
    "crash status changed": (INFORMATIVE, "it fails either way"),
    "content type changed": (BREAKING, "clients that parse the response by its type cannot read it"),
    "header gone": (RISKY, "clients that read it find nothing"),
    "header appeared": (COMPATIBLE, "clients that do not know it ignore it"),
    "header changed": (RISKY, "clients that compare it read another value"),
    "field gone": (BREAKING, "clients that read it find nothing"),
    "field appeared": (COMPATIBLE, "clients that do not know it ignore it"),
    "field type changed": (BREAKING, "clients that read it get a value of another type"),
    "field may be null": (RISKY, "clients that do not expect null may fail"),
    "field no longer null": (COMPATIBLE, "clients that handle null also handle a value"),
    "error form changed": (RISKY, "clients that read the reason of an error find it in another place"),
    "new rows missing in list": (BREAKING, "clients that look for a new row in the list do not find it"),
    "new rows back in list": (COMPATIBLE, "the list shows new rows"),
    "rule tightened": (BREAKING, "values that were accepted are rejected"),
    "rule loosened": (COMPATIBLE, "values that were rejected are accepted"),
    "rule changed": (BREAKING, "some values that were accepted are rejected, and the reverse"),
    "message changed": (RISKY, "clients that show or compare the message get another one"),
    "value newly crashes": (BREAKING, "a value that was accepted fails with a server error"),
    "crash instead of refusal": (RISKY, "a value that was rejected with a message fails with a server error"),
    "value no longer crashes": (COMPATIBLE, "a value that failed with a server error is validated"),
    "variable ignored": (BREAKING, "the value that is sent is no longer stored"),
    "variable stored": (RISKY, "a value that was ignored is validated and stored"),
    "limit lowered": (RISKY, "clients that send as fast as before get 429"),
    "limit raised": (COMPATIBLE, "more requests are answered"),
    "token needed": (BREAKING, "requests without a token are rejected with 401, 404 or 405"),
    "token no longer needed": (COMPATIBLE, "requests without a token are accepted"),
    "value changed": (RISKY, "clients that rely on the value get another"),
    "server changed": (INFORMATIVE, "the server identifies itself differently"),
    "slower": (INFORMATIVE, "answers take longer; both were timed once, so look again before you believe it"),
}


@dataclass(frozen=True)
class Difference:
    """One difference: operation, kind and subject, before and after, with a few examples."""

    kind: str
    op: str
    of: str = ""
    before: Any = None
    after: Any = None
    examples: tuple[str, ...] = ()
    client: bool = field(default=False)  # whether it concerns what a client uses

    @property
    def level(self) -> str:
        return DIFFERENCE_KINDS[self.kind][0]

    @property
    def reason(self) -> str:
        return DIFFERENCE_KINDS[self.kind][1]

    @property
    def id(self) -> str:
        """One word that names it in files."""
        return ":".join(part.replace(" ", "-") for part in (self.kind, self.op, self.of) if part)

    def for_client(self) -> Difference:
        return replace(self, client=True)


@dataclass(frozen=True)
class Unreached:
    """A fact that only one recording tested: it is unknown in the other."""

    op: str
    part: str
    before: str
    after: str


def at_least(level: str, wanted: str) -> bool:
    """Whether a level is as bad as the wanted one, or worse. Informative ones never are."""
    return level != INFORMATIVE and DIFFERENCE_LEVELS.index(level) <= DIFFERENCE_LEVELS.index(wanted)
