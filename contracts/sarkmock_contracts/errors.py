"""Every exception of the suite, in one place.

    SuiteError
    ├── CannotRun            nothing can be judged: one line for the user, exit code 2
    │   ├── StaysAway        the target stopped answering
    │   ├── BadLedger        a ledger that cannot be used
    │   └── BadBaseline      a baseline that cannot be read
    ├── NoAnswer             a connection failed; the rate limiter may repeat the request
    ├── Unanswered           a request has no answer: the case that needs it is not judged
    │   ├── Lost             the request may have been carried out, so it is not repeated
    │   └── NotSent          the request never left
    │       ├── Withheld     the gate kept it back
    │       └── Spent        the budget is used up
    ├── Unavailable          a request cannot be built: the target has no row to use
    ├── NoBounds             a rule list without boundary values
    ├── Unfit                overlay actions that make no document that could be served
    └── NewFindings          a case found something (an AssertionError, for pytest)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class SuiteError(Exception):
    """The base of all."""


class CannotRun(SuiteError):
    """The target cannot be judged at all; the message is one line for the user."""


class StaysAway(CannotRun):
    """The target stopped answering in the middle of a run."""


class BadLedger(CannotRun):
    """A file that is not the ledger of an unfinished run."""


class BadBaseline(CannotRun):
    """A file that is not a baseline of this version."""


class NoAnswer(SuiteError):
    """A refused, reset or silent connection; ``sent`` says whether the request may have been carried out.

    ``final`` marks an answer that takes too long as a whole: the request is not sent again.
    """

    def __init__(self, reason: str, sent: bool, final: bool = False) -> None:
        super().__init__(reason)
        self.sent, self.final = sent, final


class Unanswered(SuiteError):
    """A request without an answer. The case that needs it ends unjudged."""


class Lost(Unanswered):
    """The answer is lost and the request may have been carried out: it is neither repeated nor judged."""


class NotSent(Unanswered):
    """A request that never left."""


class Withheld(NotSent):
    """A request that the gate keeps back. ``reason`` is the same for all requests of a kind."""

    def __init__(self, reason: str, what: str = "") -> None:
        super().__init__(f"{what} {reason}".strip())
        self.reason = reason


class Spent(NotSent):
    """The budget is used up, except for what the clean-up needs."""


class Unavailable(SuiteError):
    """The target has no row to use, and makes none."""


class NoBounds(SuiteError, LookupError):
    """A rule list of the document without a row in the tables of boundary values."""


class Unfit(SuiteError):
    """Overlay actions that make no document that could be served."""


class NewFindings(SuiteError, AssertionError):
    """The new findings of a case, one line each."""


@contextmanager
def file_errors(place: object) -> Iterator[None]:
    """A block that reads or writes a file of the user: CannotRun names it and the reason."""
    try:
        yield
    except OSError as error:
        raise CannotRun(f"{place}: {error.strerror}") from None
