"""Who may use the control plane: clients with its token, or that address this machine by name.

A page of another site can make a browser send requests to this machine, and by DNS rebinding even read the answers. It
cannot forge Host, Origin and Sec-Fetch-Site, nor does a browser send JSON or a DELETE across sites unasked.
"""

from __future__ import annotations

import hmac
from urllib.parse import SplitResult, urlsplit

from flask import Request

from sarkmock.control.bodies import ControlError
from sarkmock.control.contract import Endpoint
from sarkmock.control.mock_control import Control

OUR_HOSTS = ("localhost", "127.0.0.1", "::1")


def check_admission(control: Control, endpoint: Endpoint, request: Request) -> None:
    """ControlError 401 or 403 for clients that may not; a client with the token may."""
    if control.token is not None and has_token(control.token, request):
        return
    if control.token is not None and not endpoint.open:
        raise ControlError(401, "the control plane needs its token: Authorization: Bearer ..., as printed at the start")
    if control.token is None and not endpoint.open:
        refuse_strange_host(control, request)
    if not is_allowed_page(control, request):
        refuse_other_sites(request)


def is_allowed_page(control: Control, request: Request) -> bool:
    """Whether a page of an origin that the user allowed sends this."""
    return control.token is not None and request.headers.get("Origin") in control.origins


def has_token(token: str, request: Request) -> bool:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def refuse_strange_host(control: Control, request: Request) -> None:
    host = url_parts(f"//{request.host}").hostname or ""
    if host not in OUR_HOSTS and not host.endswith(".localhost") and host not in control.hosts:
        known = " or ".join(dict.fromkeys((*OUR_HOSTS, *control.hosts)))
        raise ControlError(403, f"the control plane is not for requests to the host {host!r}; address it as {known}, "
                           "or with a --control-token")


def refuse_other_sites(request: Request) -> None:
    origin = request.headers.get("Origin")
    if origin is not None and url_parts(origin).netloc != request.host:
        raise ControlError(403, f"the control plane does not answer pages of other sites ({origin})")
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise ControlError(403, "the control plane does not answer pages of other sites")


def url_parts(url: str) -> SplitResult:
    """The parts of a URL; all are empty if it is invalid."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
