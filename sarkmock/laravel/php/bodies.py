"""What PHP and Laravel's middleware make of a request: $request->all() and $request->post(). Knows no field's rules.

Whatever cannot be read is no input; nothing here raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from sarkmock.laravel.php.multipart import boundary_of, parts
from sarkmock.laravel.php.values import INT_MAX, INT_MIN, UploadedFile, from_bytes, without_blanks

Input = dict[str, Any]

UNTRIMMED = {"password", "password_confirmation"}  # App\Http\Middleware\TrimStrings
JSON_DEPTH = 511  # arrays in each other; for json_decode() what is in the innermost is one level more
INPUT_VARIABLES = 1000  # php.ini's max_input_vars
NESTING = 64  # php.ini's max_input_nesting_level


def read_input(method: str, content_type: str, query: str | bytes, body: bytes,
               trim: str = "ascii") -> tuple[Input, Input]:
    """($request->all(), $request->post()) after TrimStrings and ConvertEmptyStringsToNull.

    ``trim`` names the blanks that are taken off: the document's ``x-laravel`` says which.
    """
    asked = clean(parse_query(query.encode("latin-1", "replace") if isinstance(query, str) else query), trim)
    fields, files = _read_body(method.upper(), content_type, body)
    post = clean(fields, trim)
    return replace_recursively(post | asked | post, files), post


def meant_method(method: str, header: str | None, everything: Input, post: Input) -> str:
    """Symfony's getMethod(): a POST may name another method, in X-HTTP-Method-Override or as ``_method``."""
    if method != "POST":
        return method.upper()
    named = header or post.get("_method", everything.get("_method"))
    return named.upper() if isinstance(named, str) else method


def _read_body(method: str, content_type: str, body: bytes) -> tuple[Input, Input]:
    """Fields and files, by the content type: Laravel's isJson(), Symfony's form of PUT, PHP's of POST."""
    if "/json" in content_type or "+json" in content_type:
        return json_input(body), {}
    if method in ("PUT", "DELETE", "PATCH") and content_type.startswith("application/x-www-form-urlencoded"):
        return parse_query(body), {}
    kind = content_type.partition(";")[0].partition(",")[0].strip().lower()
    if method == "POST" and kind == "application/x-www-form-urlencoded":
        return parse_query(body), {}
    if method == "POST" and kind == "multipart/form-data":
        return parse_multipart(content_type, body)
    return {}, {}


def clean(fields: Input, blanks: str) -> Input:
    """The two middleware: strings trimmed (but for passwords), then empty ones to null."""
    return {name: value or None if name in UNTRIMMED and isinstance(value, str) else _cleaned(value, blanks)
            for name, value in fields.items()}


def _cleaned(value: Any, blanks: str) -> Any:
    """A copy. Not by recursion: 511 levels of arrays, which PHP decodes, are more than Python's stack takes."""
    holders: list[Any] = [[value]]
    for holder in holders:
        for key, member in holder.items() if isinstance(holder, dict) else enumerate(holder):
            if isinstance(member, str):
                holder[key] = without_blanks(member, blanks) or None
            elif isinstance(member, (list, dict)):
                holder[key] = member.copy()
                holders.append(holder[key])
    return holders[0][0]


def replace_recursively(fields: Input, files: Input) -> Input:
    """array_replace_recursive()."""
    merged = dict(fields)
    for name, value in files.items():
        mine, theirs = _indexed(merged.get(name)), _indexed(value)
        merged[name] = value if mine is None or theirs is None else _listed(replace_recursively(mine, theirs))
    return merged


def _indexed(value: Any) -> Input | None:
    """An array by its keys; None for what is none."""
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
    """json_decode(), None for what PHP cannot decode: no UTF-8, half a surrogate pair, too many levels, NaN."""
    try:
        value = json.loads(body.decode(), parse_int=_json_int, parse_constant=_no_constant)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    deep = body.count(b"[") + body.count(b"{") > JSON_DEPTH and _depth(value) > JSON_DEPTH
    return None if deep else value


def _json_int(digits: str) -> int | float:
    """Integers beyond 64 bits become floats."""
    number = int(digits) if len(digits) < 21 else INT_MAX + 1
    return number if INT_MIN <= number <= INT_MAX else float(digits)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _depth(value: Any) -> int:
    levels, members = 0, [value]
    while members := [member for member in members if isinstance(member, (dict, list))]:
        levels += 1
        members = [inner for member in members for inner in (member.values() if isinstance(member, dict) else member)]
    return levels


def parse_query(octets: bytes) -> Input:
    """parse_str(): ``a[b]=c`` and ``a[]=1`` make arrays; blanks and dots in names become underscores."""
    pairs = [pair.partition(b"=") for pair in octets.split(b"&") if pair]
    return assemble((_url_decode(name), _url_decode(value)) for name, _, value in pairs[:INPUT_VARIABLES])


def _url_decode(octets: bytes) -> str:
    return from_bytes(unquote_to_bytes(octets.replace(b"+", b" ")))


def parse_multipart(content_type: str, body: bytes) -> tuple[Input, Input]:
    """$_POST and $_FILES. An upload without a file name is left out, as Symfony does."""
    boundary = boundary_of(content_type)
    found = [] if boundary is None else list(parts(body, boundary))
    fields = [(part.name, from_bytes(part.content)) for part in found if part.filename is None][:INPUT_VARIABLES]
    files = ((part.name, UploadedFile(part.filename, part.content_type, part.content))
             for part in found if part.filename)
    return assemble(fields), assemble(files)


def assemble(pairs: Iterable[tuple[str, Any]]) -> Input:
    """Variables by PHP's names: php_register_variable_ex()."""
    fields: Input = {}
    for name, value in pairs:
        path = _path(name)
        if path and len(path) <= NESTING + 1:
            _put(fields, path, value)
    return {name: _listed(value) for name, value in fields.items()}


def _path(name: str) -> list[str | None]:
    """The keys a name leads through; None is the next free index."""
    base, bracket, rest = name.partition("\0")[0].lstrip(" ").partition("[")
    if bracket and "]" not in rest:
        base, bracket = f"{base}_{rest.replace('[', '_')}", ""
    if not base:
        return []
    path: list[str | None] = [base.replace(" ", "_").replace(".", "_")]
    while bracket and "]" in rest and len(path) <= NESTING + 1:
        key, _, rest = rest.partition("]")
        path.append(None if key in ("", " ", "\t", "\n", "\r", "\v", "\f") else key)
        if not rest.startswith("["):
            break
        rest = rest[1:]
    return path


def _put(fields: Input, path: list[str | None], value: Any) -> None:
    for step, key in enumerate(path):
        name = _next_index(fields) if key is None else key
        if step == len(path) - 1:
            fields[name] = value
        elif not isinstance(fields.get(name), dict):
            fields[name] = {}
        fields = fields[name]


def _next_index(fields: Input) -> str:
    indices = [int(name) for name in fields if name.isdecimal() and str(int(name)) == name and int(name) <= INT_MAX]
    return str(1 + max(indices, default=-1))


def _listed(value: Any) -> Any:
    """An array whose keys are 0, 1, 2... is a list."""
    if not isinstance(value, dict):
        return value
    members = {name: _listed(member) for name, member in value.items()}
    is_list = list(members) == [str(index) for index in range(len(members))]
    return list(members.values()) if is_list else members
