"""The kinds of differences there are: what each means for clients, and why. Compares nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

BREAKING, RISKY, COMPATIBLE, INFORMATIVE = DIFFERENCE_LEVELS = ("breaking", "risky", "compatible", "informative")

# kind: how bad it is for clients, and why
DIFFERENCE_KINDS: dict[str, tuple[str, str]] = {
    "operation gone": (BREAKING, "who calls it gets 404 or 405"),
    "operation moved": (BREAKING, "who calls it where it was gets 404 or 405"),
    "operation appeared": (COMPATIBLE, "no client can have called it before"),
    "newly crashes": (BREAKING, "what was answered fails with a server error"),
    "no longer crashes": (COMPATIBLE, "what failed with a server error is answered"),
    "now refused": (BREAKING, "what succeeded is rejected"),
    "no longer refused": (RISKY, "what was rejected is accepted: clients that rely on the rejection are not protected"),
    "success status changed": (RISKY, "who compares the status exactly takes success for failure"),
    "refusal status changed": (RISKY, "who tells errors apart by their status takes one for another"),
    "crash status changed": (INFORMATIVE, "it fails either way"),
    "content type changed": (BREAKING, "who parses the answer by its type cannot read it"),
    "header gone": (RISKY, "who reads it finds nothing"),
    "header appeared": (COMPATIBLE, "who does not know it does not read it"),
    "header changed": (RISKY, "who compares it reads something else"),
    "field gone": (BREAKING, "who reads it finds nothing"),
    "field appeared": (COMPATIBLE, "who does not know it does not read it"),
    "field type changed": (BREAKING, "who reads it gets a value of another type"),
    "field may be null": (RISKY, "who does not expect null there may fail"),
    "field no longer null": (COMPATIBLE, "who could read null can read a value"),
    "error form changed": (RISKY, "who reads the reason of a refusal finds it elsewhere"),
    "new rows missing in list": (BREAKING, "who looks for a row in the list does not find it"),
    "new rows back in list": (COMPATIBLE, "the list shows what was made"),
    "rule tightened": (BREAKING, "values that were taken are rejected"),
    "rule loosened": (COMPATIBLE, "values that were refused are taken"),
    "rule changed": (BREAKING, "some values that were taken are rejected, and the other way round"),
    "message changed": (RISKY, "who shows or compares the message gets another"),
    "value newly crashes": (BREAKING, "a value that was taken fails with a server error"),
    "crash instead of refusal": (RISKY, "a value that was rejected with a reason fails with a server error"),
    "value no longer crashes": (COMPATIBLE, "a value that failed with a server error is judged"),
    "variable ignored": (BREAKING, "what is sent there is not stored any more"),
    "variable stored": (RISKY, "what was ignored there is judged and stored"),
    "limit lowered": (RISKY, "who asks as fast as before is rejected with 429"),
    "limit raised": (COMPATIBLE, "more requests are answered"),
    "token needed": (BREAKING, "clients without a token get 401"),
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
    """What was asked in one recording alone: it is neither gone nor fixed, nothing is known of it."""

    op: str
    part: str
    before: str
    after: str


def at_least(level: str, wanted: str) -> bool:
    """Whether a level is as bad as the wanted one, or worse. Informative ones never are."""
    return level != INFORMATIVE and DIFFERENCE_LEVELS.index(level) <= DIFFERENCE_LEVELS.index(wanted)
