"""The control plane under /_mock, as its document describes it, on Flask.

`plane` of `control.routes` adds it to an application; only that imports Flask.
"""

from sarkmock.control.bodies import CONTROL_PREFIX, HEALTH
from sarkmock.control.mock_control import THIS_MACHINE, Control, MockControl

__all__ = ["CONTROL_PREFIX", "HEALTH", "THIS_MACHINE", "Control", "MockControl"]
