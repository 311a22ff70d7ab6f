"""The journal: requests and responses, what a test expects of them, and why a request was rejected."""

from sarkmock.journal.criteria import Criteria, CriteriaError
from sarkmock.journal.diagnosis import Reason
from sarkmock.journal.entries import Entry, Notice
from sarkmock.journal.journal import LIMIT, Journal
from sarkmock.journal.verdicts import Verdict

__all__ = ["LIMIT", "Criteria", "CriteriaError", "Entry", "Journal", "Notice", "Reason", "Verdict"]
