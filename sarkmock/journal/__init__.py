"""The journal: recorded requests and responses, assertions on them, and the reasons for rejected requests."""

from sarkmock.journal.diagnosis import Reason, Verification
from sarkmock.journal.entries import Criteria, CriteriaError, Entry, Notice
from sarkmock.journal.journal import DEFAULT_KEPT, Journal

__all__ = ["DEFAULT_KEPT", "Criteria", "CriteriaError", "Entry", "Journal", "Notice", "Reason", "Verification"]
