"""Responses outside the API: of the Apache server in front of PHP on a SARK, and the framework's own pages.

The web server sees only methods and raw paths. It follows Apache 2.4's rules for paths (AllowEncodedSlashes Off) and
the redirect in Laravel's .htaccess, and serves the files of Laravel's document root.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from http import HTTPStatus
from urllib.parse import quote, unquote, unquote_to_bytes

from sarkmock.http.replies import Framework, MethodNotAllowed, NoPage, Reply, error_reply
from sarkmock.suggest import nearest_names

PAGE = "text/html; charset=iso-8859-1"
BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
FORBIDDEN_ESCAPE = re.compile("%(?:2[Ff]|00)")
SAFE = "/:@!$&'()*+,;=~"
ESCAPED = {number: f"%{number:02X}" for number in (*range(0x21), 0x7F)}  # characters that a header must not contain
ESCAPE = re.compile("%[0-9A-F]{2}")
FRONT_CONTROLLER = re.compile("/" + "".join(f"(?:{re.escape(sign)}|%(?i:{ord(sign):02x}))" for sign in "index.php"))
FILES = {"/favicon.ico": ("image/vnd.microsoft.icon", b""),
         "/robots.txt": ("text/plain", b"User-agent: *\nDisallow:\n")}
FILE_METHODS = "GET,POST,OPTIONS,HEAD"
MOST_OVERLAPS = 20  # Apache's MaxRangeOverlaps and MaxRangeReversals
PART_BOUNDARY = "8b7f3a5d21c94e06"  # of several parts of a file
RANGE = re.compile("([0-9]{0,18})-([0-9]{0,18})")
# Further methods that Apache knows; others are 501.
KNOWN_METHODS = {
    "PUT", "PATCH", "DELETE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "VERSION-CONTROL",
    "CHECKOUT", "UNCHECKOUT", "CHECKIN", "UPDATE", "LABEL", "REPORT", "MKWORKSPACE", "MKACTIVITY", "BASELINE-CONTROL",
    "MERGE"}
LONGEST_NAME = 255  # bytes, as on Linux
LONGEST_PATH = 4096 - len("/opt/sark/sark6api/public")


@dataclass(frozen=True, slots=True)
class WebReply:
    """A response of the web server: the request does not reach PHP. ``reason`` explains it to users.

    Without ``content`` it is one of the server's own pages.
    """

    status: int
    reason: str
    location: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    content_type: str | None = PAGE


BeforePhp = Callable[[str, str], WebReply | None]


def apache_answer(method: str, path: str) -> WebReply | None:
    """Return Apache's own response to a percent-encoded path; None if the request is passed on to PHP."""
    if (method, path) == ("OPTIONS", "*"):
        return WebReply(200, "Apache answers OPTIONS * itself", content=b"", content_type=None)
    if path == "*" or method == "CONNECT":
        return WebReply(400, "Apache accepts the target * only with OPTIONS, and CONNECT only for a host")
    if "%" in path and BROKEN_ESCAPE.search(path):
        return WebReply(400, "Apache rejects a path with a % that two hexadecimal digits do not follow")
    normal = normalized_path(path)
    if normal is None:
        return WebReply(400, "Apache rejects a path that leads above the root")
    if "%" in normal and FORBIDDEN_ESCAPE.search(normal):
        return WebReply(404, "Apache does not pass on a path with %2F or %00")
    if method == "TRACE":
        return WebReply(405, "Debian's Apache rejects TRACE (TraceEnable Off)")
    file = unescaped(normal).decode("latin-1")
    if len(file) >= LONGEST_PATH or len(file.split("/", 2)[1]) > LONGEST_NAME:
        return WebReply(403, "Apache does not look for a file whose path or name is too long")
    if file.startswith("/.ht"):
        return WebReply(403, "Debian's Apache serves no file whose name begins with .ht")
    if normal.endswith("/") and normal != "/":
        return redirect(quote(file[:-1].encode("latin-1"), SAFE))
    return file_answer(method, file)


def file_answer(method: str, path: str) -> WebReply | None:
    """Return the response for a file of the document root, or for a path below one; None for any other path."""
    name = "/" + path.split("/", 2)[1]
    if name not in FILES:
        return None
    content_type, content = FILES[name]
    reason, allow = "Apache serves this file itself", {"Allow": FILE_METHODS}
    if method in ("GET", "HEAD", "POST"):
        if path != name:
            return WebReply(404, "Apache has no path below a file")
        return WebReply(200, reason, "", {"Accept-Ranges": "bytes"}, content, content_type)
    if method == "OPTIONS":
        return WebReply(200, reason, "", allow, b"", content_type)
    return WebReply(405 if method in KNOWN_METHODS else 501, reason, "", allow)


def conditional(answer: WebReply, method: str, fields: Mapping[str, str]) -> WebReply:
    """Apply the conditions and the range of a request for a file, but no dates; ``fields`` is the environ."""
    if "Accept-Ranges" not in answer.headers:
        return answer
    if not fields.get("HTTP_IF_MATCH", "*").startswith("*"):
        return replace(answer, status=412, content=b"")
    if fields.get("HTTP_IF_NONE_MATCH", "").startswith("*"):
        if method == "POST":
            return replace(answer, status=412, content=b"")
        if not any(f"HTTP_IF_{name}_SINCE" in fields for name in ("MODIFIED", "UNMODIFIED")):
            return replace(answer, status=304, content=b"", content_type=None)
    return answer if "HTTP_IF_RANGE" in fields else partial_file(answer, fields.get("HTTP_RANGE", ""))


def partial_file(answer: WebReply, wanted: str) -> WebReply:
    """Apply a Range header. The whole file is returned if it is invalid, or if its parts are larger than the file."""
    content = answer.content
    ranges = wanted_ranges(wanted[6:], len(content)) if content and wanted[:6].lower() == "bytes=" else None
    if not content or ranges is None:
        return answer
    if not ranges:
        return WebReply(416, "Apache rejects a range beyond the end of the file")
    parts, overlaps, reversals = merged_ranges(ranges)
    if sum(map(len, parts)) > len(content) or max(overlaps, reversals) > MOST_OVERLAPS:
        return answer
    pieces = [(f"bytes {part.start}-{part.stop - 1}/{len(content)}", content[part.start:part.stop]) for part in parts]
    if len(pieces) == 1:
        place, piece = pieces[0]
        return replace(answer, status=206, headers={**answer.headers, "Content-Range": place}, content=piece)
    delimiter, kind = f"\r\n--{PART_BOUNDARY}", answer.content_type
    body = b"".join(f"{delimiter}\r\nContent-type: {kind}\r\nContent-range: {place}\r\n\r\n".encode() + piece
                    for place, piece in pieces)
    return replace(answer, status=206, content=body + f"{delimiter}--\r\n".encode(),
                   content_type=f"multipart/byteranges; boundary={PART_BOUNDARY}")


def wanted_ranges(wanted: str, size: int) -> list[range] | None:
    """Return the ranges that are not beyond the end; None if one is invalid. After ``0-`` the others are ignored."""
    ranges: list[range] = []
    for text in re.split(",+", wanted.removesuffix(",")):
        if re.fullmatch("0+-", text):
            return [range(size)]
        part = file_range(text, size)
        if part is None:
            return None
        if part:
            ranges.append(part)
    return ranges


def merged_ranges(ranges: Iterable[range]) -> tuple[list[range], int, int]:
    """Merge ranges that touch the preceding one; also return how many do, and how many of these begin before it."""
    parts: list[range] = []
    overlaps = reversals = 0
    for part in ranges:
        last = parts[-1] if parts else range(0)
        if not last or part.start > last.stop or part.stop < last.start:
            parts.append(part)
            continue
        parts[-1] = range(min(part.start, last.start), max(part.stop, last.stop))
        overlaps, reversals = overlaps + 1, reversals + (part.start < last.start)
    return parts, overlaps, reversals


def file_range(text: str, size: int) -> range | None:
    """Return the bytes that a range names, none if it is beyond the end; None if it is invalid."""
    match = RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return range(max(size - int(last), 0), size) if int(last or 0) else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)


def path_info(path: str) -> str:
    """Return the part of a percent-encoded path that Laravel sees: what follows the name of its front controller."""
    match = FRONT_CONTROLLER.match(path)
    return (path[match.end():] or "/") if match else path


def redirect(location: str) -> WebReply:
    """Return the response to a path that ends in a slash. Apache writes the digits of an escape in lower case."""
    if "%3F" in location:
        return WebReply(403, "Apache does not redirect a path with %3F")
    return WebReply(301, "Apache redirects a path that ends in a slash, for every method; nothing is carried "
                         "out, and many clients follow with GET", ESCAPE.sub(lambda match: match[0].lower(), location))


def normalized_path(path: str) -> str | None:
    """Return a path without dot segments and repeated slashes; None if it leads above the root."""
    if not ("%" in path or "/." in path or "//" in path or path.endswith("/")):
        return path
    kept: list[str] = []
    steps = path.split("/")
    for step in steps:
        name = unescaped(step)
        if name == b".." and not kept:
            return None
        if name == b"..":
            kept.pop()
        elif name not in (b"", b"."):
            kept.append(step)
    ends = unescaped(steps[-1]) in (b"", b".", b"..") and kept
    return "/" + "/".join(kept) + ("/" if ends else "")


def apache_reply(answer: WebReply, origin: str, query: str) -> Reply:
    """Return the response as Apache writes it; ``origin`` and ``query`` are the request's URL without the path.

    ``query`` includes the question mark.
    """
    headers = {"Cache-Control": "", **answer.headers}
    if answer.content is not None:
        return Reply(answer.content, answer.status, headers, answer.content_type)
    location = f"{origin}{answer.location}{query}".translate(ESCAPED) if answer.location else ""
    if location:
        headers["Location"] = location
    return Reply(server_page(answer.status, location=location), answer.status, headers, PAGE)


def server_page(status: int, reason: str = "", location: str = "") -> bytes:
    """Return the content of one of the server's own pages."""
    title = f"{status} {HTTPStatus(status).phrase}"
    text = f'<p>The document has moved <a href="{escape(location)}">here</a>.</p>\n' if location else ""
    text += f"<p>{escape(reason)}</p>\n" if reason else ""
    return (f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
            f"<body><h1>{HTTPStatus(status).phrase}</h1>\n{text}</body></html>\n").encode()


def unescaped(text: str) -> bytes:
    """Return the bytes of a percent-encoded text, in which a character stands for one byte."""
    octets = text.encode("latin-1", "replace")
    return unquote_to_bytes(octets) if "%" in text else octets


def raw_path(script: str, path: str, target: str) -> str:
    """Return the undecoded path below the application's mount point (``script``).

    ``target`` is the server's REQUEST_URI, or empty; without a matching one the decoded path is encoded again. The
    server of `flask run` replaces bytes that are not UTF-8 in the decoded path.
    """
    raw = target.partition("?")[0]
    if raw == script + path and "%" not in raw and raw.isascii():
        return path
    if raw and script + path in (unescaped(raw).decode("latin-1"), unquote(raw).encode().decode("latin-1")):
        return raw[len(script):] if raw.startswith(script) else quote(path.encode("latin-1"), SAFE)
    return quote(path.encode("latin-1"), SAFE)


HTML = "text/html; charset=UTF-8"
PAGE_METHODS = ["GET", "HEAD"]
CONTENT = b"""<!DOCTYPE html>
<html lang="en"><head><title>SARK</title></head>
<body><p>This is a mock of a SARK PBX. Its API is under /api. Its control plane, if enabled, is under
<a href="/_mock/">/_mock</a>.</p>
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
