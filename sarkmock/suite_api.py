"""The names that the contract suite and other tools may use: the document, rules, Laravel's input."""

from sarkmock.atomic import lock_exclusively, locked_directory, read_whole, write_whole
from sarkmock.cli.output import OutputError, PatientOutput
from sarkmock.faults import FaultError
from sarkmock.http.direct import api_application
from sarkmock.http.engine import WEB_SERVERS, Engine, Program
from sarkmock.http.replies import JSON, MethodNotAllowed, PageNotFound, PhpError, errors_summary
from sarkmock.journal import Notice
from sarkmock.journal.har import DROPPED_COMMENT, har_records
from sarkmock.laravel.php import TRIMMED, UploadedFile, overridden_method, read_input, to_text
from sarkmock.laravel.validation import Validator, display_name, is_rule_message, laravel_messages
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions import check_texts, fields_of_checks
from sarkmock.pbx.database import Database
from sarkmock.pbx.seed import Seed, SeedError
from sarkmock.pbx.seeds import load_seed
from sarkmock.pbx.state import PbxFile, State
from sarkmock.redaction import SECRET_NAMES, body_text, counted, harmless, is_secret, printable, redacted
from sarkmock.server.addresses import is_loopback
from sarkmock.spec import yaml12
from sarkmock.spec.data_files import BASE
from sarkmock.spec.loading import METHODS, Deviation, Document, deviations_of, load, load_toggled, load_with_deviation
from sarkmock.spec.operations import Operation, Router, Table, compile_document
from sarkmock.spec.overlay import OverlayError
from sarkmock.spec.overlay import apply as apply_overlay
from sarkmock.spec.pointers import covers, dotted, follow, keys_of, pointer, reach, references, with_references
from sarkmock.spec.prepared import cache_directory
from sarkmock.spec.profiles import Profile, describe_profile, overlay_of, product, profile_names
from sarkmock.spec.yaml12 import FileError, line_of, source_of
from sarkmock.spec.yaml12 import dump as yaml_text
from sarkmock.spec.yaml12 import read as read_yaml
from sarkmock.suggest import shortened, unknown_name
