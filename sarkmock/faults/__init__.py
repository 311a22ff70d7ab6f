"""Faults: failures on purpose, for which operations and how often."""

from sarkmock.faults.fault import Fault, FaultError
from sarkmock.faults.faults import Faults, read_faults

__all__ = ["Fault", "FaultError", "Faults", "read_faults"]
