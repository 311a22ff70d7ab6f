"""A mock of the SARK V6 PBX API: the public names. Everything else is private."""

from sarkmock.atomic import write_whole
from sarkmock.control import Control
from sarkmock.faults import Fault, FaultError, Faults
from sarkmock.http.engine import Engine
from sarkmock.http.flask_app import blueprint, create_app
from sarkmock.http.replies import MethodNotAllowed, PageNotFound, PhpError
from sarkmock.journal import CriteriaError, Entry, Journal, Verdict
from sarkmock.laravel.php import UploadedFile, meant_method, read_input, to_text
from sarkmock.laravel.validation import Validator
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions import check_fields
from sarkmock.pbx.seed import Seed, SeedError
from sarkmock.pbx.seeds import load_seed, seed_names
from sarkmock.pbx.state import State
from sarkmock.redaction import SECRETS, body_text, is_secret, redacted
from sarkmock.server.https_server import CannotListen
from sarkmock.server.mock import SarkMock
from sarkmock.spec.loading import Deviation, Document, deviations, load
from sarkmock.spec.operations import Operation, Router, Table, compile_document
from sarkmock.spec.overlay import OverlayError
from sarkmock.spec.overlay import apply as apply_overlay
from sarkmock.spec.pointers import covers, follow, pointer
from sarkmock.spec.profiles import Profile, described, overlay_of, product, profiles
from sarkmock.spec.source_map import source_of
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import unknown

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
    "Profile",
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
    "blueprint",
    "body_text",
    "check_fields",
    "compile_document",
    "covers",
    "create_app",
    "described",
    "deviations",
    "follow",
    "is_secret",
    "load",
    "load_seed",
    "meant_method",
    "overlay_of",
    "pbx_files",
    "pointer",
    "product",
    "profiles",
    "read_input",
    "redacted",
    "seed_names",
    "source_of",
    "to_text",
    "unknown",
    "write_whole",
]
