"""Faults: deliberate failures, for certain operations and a certain number of times."""

from sarkmock.faults.fault import Fault, FaultError
from sarkmock.faults.faults import Faults, read_faults

__all__ = ["Fault", "FaultError", "Faults", "read_faults"]
