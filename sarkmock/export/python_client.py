"""The configuration with which openapi-python-client makes a complete client of the document: downloads are bytes.

Without it, that tool leaves out every operation that responds with a media type it does not know.
"""

from __future__ import annotations

from sarkmock.export.requests import JSON
from sarkmock.spec.loading import Document, resolve
from sarkmock.spec.operations import compile_document
from sarkmock.spec.yaml12 import dump


def as_python_client(document: Document, _base_url: str) -> str:
    """The configuration's text."""
    responses = [resolve(document, one) for operation in compile_document(document)
                 for one in operation.spec["responses"].values()]
    kinds = sorted({kind for response in responses for kind in response.get("content", {})} - {JSON})
    return dump({"content_type_overrides": {kind: "text/plain" if kind.startswith("text/") else
                                            "application/octet-stream" for kind in kinds}})
