"""The framework's own pages outside the API, such as Laravel's at the root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus

from sarkmock.http.replies import Framework, MethodNotAllowed, NoPage, Reply, error_reply
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
    status = page_status(framework.pages, path.rstrip("/") or "/")
    if status is None:
        raise NoPage(nearest_names(path, known))
    if method == "OPTIONS":
        return Reply(b"", 200, {"Allow": ",".join(PAGE_METHODS)}, HTML)
    if method not in PAGE_METHODS:
        raise MethodNotAllowed(method, PAGE_METHODS)
    if status == HTTPStatus.FORBIDDEN:
        reply = error_reply(status, "", "Symfony\\Component\\HttpKernel\\Exception\\HttpException")
    else:
        reply = Reply(None if status == HTTPStatus.NO_CONTENT else CONTENT, status, content_type=HTML)
    return replace(reply, body=b"") if method == "HEAD" and reply.body else reply


def page_status(pages: Mapping[str, int], path: str) -> int | None:
    """Return the status of the page at a path; None if there is none. A page ``/a/*`` is all paths below /a."""
    below = (status for page, status in pages.items() if page.endswith("/*") and path.startswith(page[:-1]))
    return pages[path] if path in pages else next(below, None)
