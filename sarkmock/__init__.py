"""A mock of the SARK V6 PBX API: the public names. Everything else is private."""

from sarkmock import paths
from sarkmock.actions import check_fields
from sarkmock.app import create_app
from sarkmock.atomic import write_whole
from sarkmock.control import Control
from sarkmock.engine import Engine
from sarkmock.faults import Fault, FaultError, Faults
from sarkmock.journal import CriteriaError, Entry, Journal, Verdict
from sarkmock.mock import SarkMock
from sarkmock.names import unknown
from sarkmock.operations import Operation, Router, Table, compile_document
from sarkmock.overlay import OverlayError
from sarkmock.overlay import apply as apply_overlay
from sarkmock.php import UploadedFile, meant_method, read_input, to_text
from sarkmock.places import source_of
from sarkmock.pointers import covers, follow, pointer
from sarkmock.redaction import SECRETS, body_text, is_secret, redacted
from sarkmock.replies import MethodNotAllowed, PageNotFound, PhpError
from sarkmock.seed import Seed, SeedError
from sarkmock.seeds import load_seed, seed_names
from sarkmock.server import CannotListen
from sarkmock.spec import Deviation, Document, deviations, load, overlay_of, profiles
from sarkmock.state import State
from sarkmock.validation import Validator
from sarkmock.yaml12 import FileError

__all__ = [
    "SECRETS",
    "CannotListen",
    "Control",
    "CriteriaError",
    "Deviation",
    "Document",
    "Engine",
    "Entry",
    "Fault",
    "FaultError",
    "Faults",
    "FileError",
    "Journal",
    "MethodNotAllowed",
    "Operation",
    "OverlayError",
    "PageNotFound",
    "PhpError",
    "Router",
    "SarkMock",
    "Seed",
    "SeedError",
    "State",
    "Table",
    "UploadedFile",
    "Validator",
    "Verdict",
    "apply_overlay",
    "body_text",
    "check_fields",
    "compile_document",
    "covers",
    "create_app",
    "deviations",
    "follow",
    "is_secret",
    "load",
    "load_seed",
    "meant_method",
    "overlay_of",
    "paths",
    "pointer",
    "profiles",
    "read_input",
    "redacted",
    "seed_names",
    "source_of",
    "to_text",
    "unknown",
    "write_whole",
]
