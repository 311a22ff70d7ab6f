"""Checks a rules file as `shorewall check` does."""

from sarkmock.pbx.shorewall.reading import first_mistake
from sarkmock.pbx.shorewall.site import FIREWALL, Mistake, Site

__all__ = ["FIREWALL", "Mistake", "Site", "first_mistake"]
