"""A mock of the SARK V6 PBX API: the public names. Everything else is private."""

from sarkmock import paths
from sarkmock.actions import check_fields
from sarkmock.app import create_app
from sarkmock.atomic import write_whole
from sarkmock.engine import Engine
from sarkmock.operations import Operation, Router, Table, compile_document
from sarkmock.php import UploadedFile, read_input, to_text
from sarkmock.places import source_of
from sarkmock.replies import MethodNotAllowed, PageNotFound, PhpError
from sarkmock.seed import Seed, SeedError
from sarkmock.seeds import load_seed, seed_names
from sarkmock.spec import Deviation, Document, deviations, load, profiles
from sarkmock.state import State
from sarkmock.yaml12 import FileError

__all__ = [
    "Deviation",
    "Document",
    "Engine",
    "FileError",
    "MethodNotAllowed",
    "Operation",
    "PageNotFound",
    "PhpError",
    "Router",
    "Seed",
    "SeedError",
    "State",
    "Table",
    "UploadedFile",
    "check_fields",
    "compile_document",
    "create_app",
    "deviations",
    "load",
    "load_seed",
    "paths",
    "profiles",
    "read_input",
    "seed_names",
    "source_of",
    "to_text",
    "write_whole",
]
