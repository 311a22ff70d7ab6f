"""The control plane under /_mock: what its document promises, on Flask. Knows what it controls, nothing of the API."""

from sarkmock.control.bodies import CONTROL_PREFIX, HEALTH
from sarkmock.control.mock_control import THIS_MACHINE, Control, MockControl
from sarkmock.control.routes import plane

__all__ = ["CONTROL_PREFIX", "HEALTH", "THIS_MACHINE", "Control", "MockControl", "plane"]
