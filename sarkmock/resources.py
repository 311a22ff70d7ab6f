"""Where the document and the contract suite lie on disk; knows nothing of what is in them.

In a checkout and an editable install they stand beside the package; a wheel carries them in `sarkmock/_shipped`.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "_shipped"
_HOME = _SHIPPED if _SHIPPED.is_dir() else _PACKAGE.parent


def openapi_dir() -> Path:
    """The directory that holds openapi.yaml, resources/ and overlays/."""
    return _HOME / "openapi"


def contracts_dir() -> Path:
    """The directory of the contract suite, a package whose parent must be importable."""
    return _HOME / "contracts"
