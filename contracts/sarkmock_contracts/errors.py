"""All exceptions of the suite.

    SuiteError
    ├── CannotRun            nothing can be judged: a one-line message for the user, exit code 2
    │   ├── StaysAway        the target stopped responding
    │   ├── BadLedger        a ledger that cannot be used
    │   └── BadBaseline      a baseline that cannot be read
    ├── NoAnswer             a connection failed; the rate limiter may repeat the request
    ├── Unanswered           a request has no response: the case that needs it is not judged
    │   ├── Lost             the request may have been carried out, so it is not repeated
    │   └── NotSent          the request was not sent
    │       ├── Withheld     the gate withheld it
    │       └── Spent        the budget is used up
    ├── Unavailable          a request cannot be built: the target has no suitable row
    ├── NoBounds             a rule list has no boundary values
    ├── Unfit                overlay actions give a document that cannot be served
    └── NewFindings          a case has new findings (an AssertionError, for pytest)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SuiteError(Exception):
    """The base class of the suite's exceptions."""


class CannotRun(SuiteError):
    """The target cannot be judged at all. The message is one line for the user."""


class StaysAway(CannotRun):
    """The target stopped responding during a run."""


class BadLedger(CannotRun):
    """A file that is not the ledger of an unfinished run."""


class BadBaseline(CannotRun):
    """A file that is not a baseline of this version."""


class NoAnswer(SuiteError):
    """A refused, reset or silent connection. ``sent``: the request may have been carried out.

    ``final``: the whole response took too long, so the request is not sent again.
    """

    def __init__(self, reason: str, sent: bool, final: bool = False) -> None:
        super().__init__(reason)
        self.sent, self.final = sent, final


class Unanswered(SuiteError):
    """A request without a response. The case that needs it is not judged."""


class Lost(Unanswered):
    """The response is lost and the request may have been carried out. It is neither repeated nor judged."""


class NotSent(Unanswered):
    """A request that was not sent."""


class Withheld(NotSent):
    """A request that the gate withheld. ``reason`` is the same for all requests of a kind."""

    def __init__(self, reason: str, what: str = "") -> None:
        super().__init__(f"{what} {reason}".strip())
        self.reason = reason


class Spent(NotSent):
    """The budget is used up, except for the requests that the clean-up needs."""


class Unavailable(SuiteError):
    """The target has no suitable row, and none can be created."""


class NoBounds(SuiteError, LookupError):
    """A rule list of the document that has no entry in the tables of boundary values."""


class Unfit(SuiteError):
    """Overlay actions that give a document that cannot be served."""


class NewFindings(SuiteError, AssertionError):
    """The new findings of a case, one line each."""


@contextmanager
def file_errors(place: object) -> Iterator[None]:
    """Turn an OSError of the block into CannotRun, with the place and the reason."""
    try:
        yield
    except OSError as error:
        raise CannotRun(f"{place}: {error.strerror}") from None


def check_directory(file: Path, option: str = "") -> None:
    """Raise CannotRun if the directory of an output file does not exist."""
    if not file.parent.is_dir():
        raise CannotRun(f"{option}{file}: no such directory: {file.parent}")
