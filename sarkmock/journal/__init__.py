"""The journal: requests and responses, what a test expects of them, and why a request was rejected."""

from sarkmock.journal.diagnosis import Reason, Verification
from sarkmock.journal.entries import Criteria, CriteriaError, Entry, Notice
from sarkmock.journal.journal import DEFAULT_KEPT, Journal

__all__ = ["DEFAULT_KEPT", "Criteria", "CriteriaError", "Entry", "Journal", "Notice", "Reason", "Verification"]
