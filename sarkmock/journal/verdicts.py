"""Whether there were as many requests as expected, and which came nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sarkmock.journal.criteria import Criteria, CriteriaError
from sarkmock.journal.diagnosis import why
from sarkmock.journal.entries import Entry

NEAREST, REASONS = 3, 2


@dataclass(frozen=True)
class Verification:
    """What was expected, the entries that meet it, and those that came nearest with what sets them apart."""

    ok: bool
    expected: str
    entries: list[Entry]
    nearest: list[tuple[Entry, list[str]]]

    @property
    def explanation(self) -> str:
        """For people: several lines if it was not as expected."""
        lines = [f"expected {self.expected}; found {count(len(self.entries))}"]
        if not self.ok:
            lines += [f"  met by {entry}" for entry in self.entries[-NEAREST:]]
            for entry, differences in self.nearest:
                lines += [f"  nearest {entry}", *(f"    {difference}" for difference in differences)]
                lines += [f"    why {entry.status}: {reason.text}" for reason in why(entry)[:REASONS]]
            if not self.entries and not self.nearest:
                lines.append("  there were no requests")
        return "\n".join(lines)


def verdict_on(criteria: Criteria, entries: Sequence[Entry], times: int | None, at_least: int | None,
          at_most: int | None) -> Verification:
    """The verdict on a journal; one entry at least is expected if no number is given."""
    if times is not None and (at_least, at_most) != (None, None):
        raise CriteriaError("times says it all: at_least and at_most cannot be given with it")
    if (times, at_least, at_most) == (None, None, None):
        at_least = 1
    low, high = (times, times) if times is not None else (at_least, at_most)
    met = criteria.among(entries)
    ok = (low is None or len(met) >= low) and (high is None or len(met) <= high)
    too_few = low is not None and len(met) < low
    near = nearest_entries(criteria, entries) if too_few else []
    return Verification(ok, f"{criteria}, {bounds_text(low, high)}", met, near)


def nearest_entries(criteria: Criteria, entries: Sequence[Entry]) -> list[tuple[Entry, list[str]]]:
    """The entries that miss the criteria in the fewest points, the latest of equals first."""
    missed = [(entry, differences) for entry in reversed(entries)
              if (differences := list(criteria.differences(entry)))]
    return sorted(missed, key=lambda one: (one[0].operation != criteria.operation, len(one[1])))[:NEAREST]


def bounds_text(low: int | None, high: int | None) -> str:
    if low == high:
        return f"exactly {count(low or 0)}"
    parts = [f"at least {count(low)}"] if low is not None else []
    return " and ".join(parts + ([f"at most {count(high)}"] if high is not None else []))


def count(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
