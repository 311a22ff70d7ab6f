"""The journal: requests and responses, what a test expects of them, and why a request was rejected."""

from sarkmock.journal.criteria import Criteria, CriteriaError
from sarkmock.journal.diagnosis import Reason, Verification
from sarkmock.journal.entries import Entry, Notice
from sarkmock.journal.journal import DEFAULT_KEPT, Journal

__all__ = ["DEFAULT_KEPT", "Criteria", "CriteriaError", "Entry", "Journal", "Notice", "Reason", "Verification"]
