"""Request input as PHP and Laravel's middleware produce it: $request->all() and $request->post().

An unreadable body gives no input. PhpError only if a body exceeds PHP's memory, or for an array as method override.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate, chain, islice
from string import hexdigits
from typing import Any

from sarkmock.http.replies import UNPREPARED, Framework, PhpError, Reply
from sarkmock.laravel.php.large_json import LargeJson, garbage_collection_paused, has_half_pair
from sarkmock.laravel.php.multipart import MOST_FIELDS, FormPart, boundary_of, form_parts
from sarkmock.laravel.php.values import (
    ARRAY_TYPES,
    IN_ONE_CALL,
    INT_MAX,
    INT_MIN,
    MEMORY_EXHAUSTED,
    UploadedFile,
    array_as_list,
    from_bytes,
    is_truthy,
    members_of,
    trim_array,
)

Input = dict[str, Any]

UNTRIMMED = {"password", "password_confirmation"}  # App\Http\Middleware\TrimStrings
JSON_DEPTH = 511  # nested arrays; json_decode() counts the values in the innermost as one more level
MOST_ARRAYS, MOST_VALUES = 100_000, 1_000_000  # per JSON text; more would exceed PHP's memory_limit
NESTING = 64  # php.ini's max_input_nesting_level
AT_A_TIME = 2**18  # bytes of JSON that one call scans
OVERLAPPING = AT_A_TIME + 18  # so that a long number across a chunk's end is found
_PAIR = re.compile(rb"[^&]+")
_END_OF_KIND = re.compile("[;, ]")
_HEXADECIMAL = bytes(ord("h") if chr(byte) in hexdigits else ord("%") if byte == ord("%") else 0 for byte in range(256))
_FLIPPED = bytes(byte ^ ord("%") if byte == 1 else 0 for byte in range(256))
_INDEX = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_SAME_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19
_ESCAPES_WHOLE = re.compile(rb".{1,%d}(?:(?<=\\)\\*+.)?" % IN_ONE_CALL, re.DOTALL)


def read_input(method: str, content_type: str, query: str | bytes, body: bytes,
               trim: str = "ascii", *, limited: bool = False) -> tuple[Input, Input]:
    """Return ($request->all(), $request->post()) after TrimStrings and ConvertEmptyStringsToNull.

    ``trim`` names the set of blanks to remove, a key of BLANKS_OF_TRIM; the document's ``x-laravel`` sets it, and
    whether a query string beyond PHP's limits is a PhpError (``limited``).
    """
    octets = query.encode("latin-1", "replace") if isinstance(query, str) else query
    if limited and (octets.count(b"&") >= MOST_FIELDS or octets.count(b"]") + octets.count(b"%") > NESTING):
        check_limits(octets)
    from_query = clean(parse_query(octets), trim) if octets else {}
    fields, files = _read_body(method.upper(), content_type, body)
    files.pop("_method", None)  # Symfony reads it from variables alone
    post = clean(fields, trim)
    everything = post | from_query | post if from_query else dict(post)
    return replace_recursively(everything, files) if files else everything, post


def overridden_method(method: str, header: str | None, everything: Input, post: Input) -> str:
    """Symfony's getMethod(): a POST can name another method in X-HTTP-Method-Override or as ``_method``."""
    if method != "POST":
        return method.upper()
    named = header if is_truthy(header or "") else post.get("_method", everything.get("_method"))
    return named.upper() if isinstance(named, str) else method


def untrimmed_method(content_type: str, query: str, body: bytes, *, arrays: bool) -> str:
    """Return the ``_method`` of a POST as sent. PhpError for an array unless ``arrays``: Symfony 6 rejects it."""
    from_query = parse_query(query.encode("latin-1", "replace"))
    post = _read_body("POST", content_type, body)[0] if b"method" in body or b"%" in body else {}
    values = [fields["_method"] for fields in (from_query, post) if "_method" in fields]
    if not arrays and any(isinstance(value, (list, dict)) for value in values):
        message = 'Input value "_method" contains a non-scalar value.'
        raise PhpError(message, "Symfony\\Component\\HttpFoundation\\Exception\\BadRequestException")
    return values[-1].upper() if values and isinstance(values[-1], str) else "POST"


def _read_body(method: str, content_type: str, body: bytes) -> tuple[Input, Input]:
    """Return fields and files by content type: JSON, Symfony's form parsing of PUT, PHP's of POST."""
    kind = _END_OF_KIND.split(content_type, maxsplit=1)[0].lower()
    is_multipart = method == "POST" and kind == "multipart/form-data"
    if means_json(content_type):
        if is_multipart and boundary_of(content_type) is not None:
            return {}, parse_multipart(content_type, body)[1]  # PHP has read the body
        return json_input(body), {}
    if method in ("PUT", "DELETE", "PATCH") and content_type.startswith("application/x-www-form-urlencoded"):
        return parse_query(body), {}
    if method == "POST" and kind == "application/x-www-form-urlencoded":
        return parse_form(body), {}
    return parse_multipart(content_type, body) if is_multipart else ({}, {})


def means_json(content_type: str) -> bool:
    """Laravel's isJson(). All text of a JSON body is UTF-8, because json_decode() accepts no other."""
    return "/json" in content_type or "+json" in content_type


def clean(fields: Input, blanks: str = "ascii") -> Input:
    """Apply both middleware in place: trim strings (except passwords), then convert empty ones to null.

    Iterative, because PHP decodes 511 levels of arrays, which exceed Python's stack.
    """
    untrimmed = {name: fields[name] or None for name in UNTRIMMED if isinstance(fields.get(name), str)}
    holders: list[Any] = [fields]
    while holders:
        members = members_of(fields) if holders[0] is fields else list(chain.from_iterable(map(members_of, holders)))
        kinds = set(map(type, members))
        for holder in holders if str in kinds else ():
            trim_array(holder, blanks)
        holders = [] if kinds.isdisjoint(ARRAY_TYPES) else [
            member for member in members if type(member) in ARRAY_TYPES and member]
    fields.update(untrimmed)
    return fields


def replace_recursively(fields: Input, files: Input) -> Input:
    """array_replace_recursive()."""
    merged = dict(fields)
    for name, value in files.items():
        mine, theirs = _indexed(merged.get(name)), _indexed(value)
        merged[name] = value if mine is None or theirs is None else array_as_list(replace_recursively(mine, theirs))
    return merged


def _indexed(value: Any) -> Input | None:
    """Return an array as a dict of its keys; None for other values."""
    if isinstance(value, list):
        return {str(index): member for index, member in enumerate(value)}
    return value if isinstance(value, dict) else None


def json_input(body: bytes) -> Input:
    """``(array) json_decode($body, true)``."""
    value = json_decode(body)
    array = _indexed(value)
    if array is not None:
        return array
    return {} if value is None else {"0": value}


def json_decode(body: bytes) -> Any:
    """json_decode(); None for what PHP cannot decode: invalid UTF-8, a lone surrogate, too many levels, NaN.

    PhpError for more values than PHP's memory can hold.
    """
    arrays = body.count(b"[") + body.count(b"{")
    if (arrays > MOST_ARRAYS or body.count(b",") > MOST_VALUES) and _is_vast(body):
        raise PhpError(MEMORY_EXHAUSTED, "Symfony\\Component\\ErrorHandler\\Error\\FatalError")
    hook = _json_int if any(_LONG_NUMBER in body[start:start + OVERLAPPING].translate(_SAME_DIGITS)
                            for start in range(0, len(body), AT_A_TIME)) else None
    try:
        text = body.decode()
        if len(text) <= AT_A_TIME:
            value = (_WITH_LONG_NUMBERS if hook else _DECODER).decode(text)
        else:
            with garbage_collection_paused():
                value = LargeJson(text, hook, _no_constant).decode()
    except (ValueError, RecursionError):
        return None
    if b"\\u" in body and has_half_pair(body):
        return None
    return None if arrays > JSON_DEPTH and depth(value) > JSON_DEPTH else value


def _is_vast(body: bytes) -> bool:
    """Whether a JSON text has too many arrays or values, and is not nested too deep first. Strings are ignored."""
    if body.count(b'"') - body.count(b'\\"') > 4 * MOST_VALUES:
        return True
    pieces = [part[0].replace(b"\\\\", b"").replace(b'\\"', b"") for part in _ESCAPES_WHOLE.finditer(body)]
    outside = b"".join(b"".join(pieces).split(b'"')[::2])
    brackets = outside.translate(None, _NO_BRACKETS)
    if brackets.count(b"[") + brackets.count(b"{") <= MOST_ARRAYS and outside.count(b",") <= MOST_VALUES:
        return False
    levels = accumulate(1 if bracket in b"[{" else -1 for bracket in brackets[:2 * MOST_ARRAYS])
    return all(level <= JSON_DEPTH for level in levels)


def _json_int(digits: str) -> int | float:
    """Convert an integer; beyond 64 bits to a float, as PHP does."""
    number = int(digits) if len(digits) < 21 else INT_MAX + 1
    return number if INT_MIN <= number <= INT_MAX else float(digits)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


# Module constants, because creating a decoder takes as long as reading a small body.
_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_WITH_LONG_NUMBERS = json.JSONDecoder(parse_int=_json_int, parse_constant=_no_constant)


def depth(value: Any) -> int:
    """Return the nesting depth of arrays and objects."""
    levels, members = 0, [value]
    while arrays := [member for member in members if type(member) in ARRAY_TYPES]:
        levels += 1
        members = list(chain.from_iterable(map(members_of, arrays)))
    return levels


def parse_query(octets: bytes) -> Input:
    """parse_str(): ``a[b]=c`` and ``a[]=1`` make arrays; blanks and dots in names become underscores."""
    return _variables(pair[0] for pair in islice(_PAIR.finditer(octets), MOST_FIELDS))


class QueryTooLarge(PhpError):
    """parse_str() did not read a query string whole. Symfony fails before any middleware runs."""

    def page(self, framework: Framework) -> Reply:
        return replace(super().page(framework), headers=UNPREPARED, early=True)


def check_limits(octets: bytes) -> None:
    """QueryTooLarge for a query string that parse_str() does not read whole."""
    for number, pair in enumerate(_PAIR.finditer(octets)):
        if number == MOST_FIELDS:
            raise _beyond(f"variables exceeded {MOST_FIELDS}", "max_input_vars")
        if len(_path(_url_decode(pair[0].partition(b"=")[0]))) > NESTING + 1:
            raise _beyond(f"variable nesting level exceeded {NESTING}", "max_input_nesting_level")


def _beyond(problem: str, limit: str) -> QueryTooLarge:
    return QueryTooLarge(f"parse_str(): Input {problem}. To increase the limit change {limit} in php.ini.")


def parse_form(octets: bytes) -> Input:
    """Parse a POST's form body like a query, but as PHP does: empty pairs count, and the limit is one higher."""
    return _variables(filter(None, octets.split(b"&", MOST_FIELDS + 1)[:MOST_FIELDS + 1]))


def _variables(pairs: Iterable[bytes]) -> Input:
    split = (pair.partition(b"=") for pair in pairs)
    return assemble((_url_decode(name), _url_decode(value)) for name, _, value in split)


def _url_decode(octets: bytes) -> str:
    """urldecode()."""
    parts, start = [], 0
    while len(octets) - start > IN_ONE_CALL:
        end = start + IN_ONE_CALL
        escape = octets.rfind(b"%", end - 2, end)  # the start of an escape that may be incomplete
        parts.append(_unescaped(octets[start:end if escape < 0 else escape]))
        start = end if escape < 0 else escape
    return from_bytes(b"".join([*parts, _unescaped(octets[start:])]))


def _unescaped(octets: bytes) -> bytes:
    """Decode all escapes in one pass as Python escapes; the percent sign of each valid escape is replaced by \\1."""
    octets = octets.replace(b"+", b" ")
    if b"%" in octets:
        octets = octets.replace(b"\\", rb"\\").replace(b"\1", rb"\x01")
        escapes = octets.translate(_HEXADECIMAL).replace(b"%hh", b"\1hh").translate(_FLIPPED)
        flipped = int.from_bytes(octets, "little") ^ int.from_bytes(escapes, "little")
        octets = flipped.to_bytes(len(octets), "little").replace(b"\1", rb"\x")
        return octets.decode("unicode_escape").encode("latin-1")
    return octets


def parse_multipart(content_type: str, body: bytes) -> tuple[Input, Input]:
    """Return $_POST and $_FILES. Array indexes are assigned separately in each."""
    boundary = boundary_of(content_type)
    parts = [] if boundary is None else list(form_parts(body, boundary))
    fields = [(part.name, from_bytes(part.content)) for part in parts if part.filename is None][:MOST_FIELDS]
    files = ((part.name, _upload(part)) for part in parts if part.filename is not None)
    return assemble(fields), _without_none(assemble(files))


def _upload(part: FormPart) -> UploadedFile | None:
    """Return a part's upload; None if no file was chosen, which replaces an earlier upload of that name."""
    if part.filename is None or not part.chosen:
        return None
    return UploadedFile(part.filename, part.content_type, part.content, failed=not part.whole)


def _without_none(files: Input) -> Input:
    """Laravel's filterFiles(): remove None, and arrays without files. The remaining files keep their keys."""
    kept = {name: _without_none(array) if (array := _indexed(value)) is not None else value
            for name, value in files.items()}
    return {name: array_as_list(value) for name, value in kept.items() if value}


class _Array(dict[str, Any]):
    """A PHP array under construction; ``next`` is the index that [] stands for."""

    next: int | None = None

    def __setitem__(self, name: str, value: Any) -> None:
        if _INDEX.fullmatch(name) and INT_MIN <= int(name) <= INT_MAX:
            self.next = max(int(name) + 1, int(name) + 1 if self.next is None else self.next)
        super().__setitem__(name, value)

    def free(self) -> str | None:
        """Return the next free index, or None if there is none."""
        return None if self.next is not None and self.next > INT_MAX else str(self.next or 0)


def assemble(pairs: Iterable[tuple[str, Any]]) -> Input:
    """Build variables from PHP's bracketed names: php_register_variable_ex()."""
    fields = _Array()
    for name, value in pairs:
        path = _path(name)
        if len(path) > NESTING + 1:
            fields.pop(str(path[0]), None)
        elif path:
            _assign(fields, path, value)
    return {name: array_as_list(value) for name, value in fields.items()}


def _path(name: str) -> list[str | None]:
    """Return the keys of a name, in order; None stands for the next free index."""
    base, bracket, rest = name.partition("\0")[0].lstrip(" ").partition("[")
    if not base:
        return []
    if bracket and "]" not in rest:
        base, bracket = f"{base}_{rest.replace('[', '_')}", ""
    path: list[str | None] = [base.replace(" ", "_").replace(".", "_")]
    start, end = 0, rest.find("]") if bracket else -1
    while end >= 0 and len(path) <= NESTING + 1:
        key = rest[start:end]
        path.append(None if key in ("", " ", "\t", "\n", "\r", "\v", "\f") else key)
        start = end + 2
        end = rest.find("]", start) if rest.startswith("[", end + 1) else -1
    return path


def _assign(fields: _Array, path: list[str | None], value: Any) -> None:
    for key in path[:-1]:
        name = fields.free() if key is None else key
        if name is None:
            return
        if not isinstance(fields.get(name), _Array):
            fields[name] = _Array()
        fields = fields[name]
    name = fields.free() if path[-1] is None else path[-1]
    if name is not None:
        fields[name] = value
