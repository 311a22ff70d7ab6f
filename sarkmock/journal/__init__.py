"""The journal: requests and responses, what a test expects of them, and why a request was rejected."""

from sarkmock.journal.criteria import Criteria, CriteriaError
from sarkmock.journal.diagnosis import Reason
from sarkmock.journal.entries import Entry, Notice
from sarkmock.journal.journal import DEFAULT_KEPT, Journal
from sarkmock.journal.verdicts import Verification

__all__ = ["DEFAULT_KEPT", "Criteria", "CriteriaError", "Entry", "Journal", "Notice", "Reason", "Verification"]
