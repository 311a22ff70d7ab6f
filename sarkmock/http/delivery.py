"""What an application may ask of its server beyond WSGI: a late answer, a dropped connection."""

from __future__ import annotations

# The environ's key of a function that takes seconds: send this answer so much later, and meanwhile others.
DELAY = "sarkmock.delay"


class Dropped(ConnectionResetError):
    """The application wants the connection closed: at once, or after the part of the body that it has yielded."""
