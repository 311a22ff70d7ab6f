"""Faults: what goes wrong on purpose, for which operations, how often."""

from sarkmock.faults.fault import Fault, FaultError
from sarkmock.faults.faults import Faults, read_faults

__all__ = ["Fault", "FaultError", "Faults", "read_faults"]
