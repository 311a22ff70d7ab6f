"""The framework's own pages outside the API, such as Laravel's at the root."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from sarkmock.http.replies import Framework, MethodNotAllowed, NoPage, Reply
from sarkmock.suggest import nearest_names

HTML = "text/html; charset=UTF-8"
PAGE_METHODS = ["GET", "HEAD"]
CONTENT = b"""<!DOCTYPE html>
<html lang="en"><head><title>SARK</title></head>
<body><p>This is a mock of a SARK PBX. Its API is under /api, its control plane under <a href="/_mock/">/_mock</a>.</p>
</body></html>
"""


def framework_page(framework: Framework, method: str, path: str, known: Iterable[str]) -> Reply:
    """Return the page at a path. NoPage if there is none, with the most similar of the ``known`` paths."""
    status = framework.pages.get(path.rstrip("/") or "/")
    if status is None:
        raise NoPage(nearest_names(path, known))
    if method == "OPTIONS":
        return Reply(b"", 200, {"Allow": ",".join(PAGE_METHODS)}, HTML)
    if method not in PAGE_METHODS:
        raise MethodNotAllowed(method, PAGE_METHODS)
    return Reply(None if status == HTTPStatus.NO_CONTENT else b"" if method == "HEAD" else CONTENT, status,
                 content_type=HTML)
