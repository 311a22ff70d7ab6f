"""Where the document is on disk: beside the package in a checkout and an editable install, inside it in a wheel.

Imports nothing that takes time.
"""

from pathlib import Path

BASE = "documented"  # the profile without an overlay; code names no other
_PACKAGE = Path(__file__).resolve().parent.parent
_SHIPPED = _PACKAGE / "_shipped"
_HOME = _SHIPPED if _SHIPPED.is_dir() else _PACKAGE.parent


def openapi_dir() -> Path:
    """The directory that holds openapi.yaml, resources/ and overlays/."""
    return _HOME / "openapi"


def seed_file(name: str) -> Path:
    """The file of a built-in seed."""
    return _PACKAGE / "pbx" / "seeds" / f"{name}.yaml"
