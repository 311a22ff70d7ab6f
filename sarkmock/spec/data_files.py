"""Location of the document on disk: beside the package in a checkout or editable install, inside it in a wheel.

Imports only modules that load quickly.
"""

from pathlib import Path

BASE = "documented"  # the profile without an overlay; the only profile name in the code
_PACKAGE = Path(__file__).resolve().parent.parent
_SHIPPED = _PACKAGE / "_shipped"
_HOME = _SHIPPED if _SHIPPED.is_dir() else _PACKAGE.parent


def openapi_dir() -> Path:
    """Return the directory that holds openapi.yaml, resources/ and overlays/."""
    return _HOME / "openapi"


def seed_file(name: str) -> Path:
    """Return the file of a built-in seed."""
    return _PACKAGE / "pbx" / "seeds" / f"{name}.yaml"
