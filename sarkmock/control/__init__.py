"""The control plane under /_mock: what its document promises, on Flask. Knows what it controls, nothing of the API."""

from sarkmock.control.box import THIS_MACHINE, Box, Control
from sarkmock.control.contract import PREFIX
from sarkmock.control.plane import plane

__all__ = ["PREFIX", "THIS_MACHINE", "Box", "Control", "plane"]
