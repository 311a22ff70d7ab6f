"""The public names of the package that need no Flask, imported all at once. Import them from `sarkmock`."""

from sarkmock.faults import Fault as Fault
from sarkmock.faults import FaultError as FaultError
from sarkmock.http.engine import Engine as Engine
from sarkmock.journal import CriteriaError as CriteriaError
from sarkmock.journal import Entry as Entry
from sarkmock.journal import Journal as Journal
from sarkmock.pbx.seed import Seed as Seed
from sarkmock.pbx.seed import SeedError as SeedError
from sarkmock.pbx.seeds import load_seed as load_seed
from sarkmock.pbx.seeds import seed_names as seed_names
from sarkmock.pbx.state import State as State
from sarkmock.server.listener import CannotListen as CannotListen
from sarkmock.server.mock import SarkMock as SarkMock
from sarkmock.spec.profiles import profiles as profiles
from sarkmock.spec.yaml12 import FileError as FileError
