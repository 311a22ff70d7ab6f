"""preg_match() based on PCRE2, with PHP's delimiters, modifiers and limits. The only module that imports pcre2."""

from __future__ import annotations

from collections.abc import Callable

import pcre2

from sarkmock.http.replies import PhpError
from sarkmock.laravel.php.values import to_bytes

Matcher = Callable[[str], bool]
PatternSearch = Callable[[bytes], object]

DOLLAR_ENDONLY, DUPNAMES, UNGREEDY, NO_AUTO_CAPTURE = 0x10, 0x40, 0x40000, 0x2000
ANCHORED = 1 << 32  # not an option of the library's compile()
UTF, UCP, CASELESS, DOTALL, MULTILINE, EXTENDED = 0x80000, 0x20000, 0x8, 0x20, 0x400, 0x80
# X and S no longer have an effect.
MODIFIERS = {"i": CASELESS, "m": MULTILINE, "s": DOTALL, "x": EXTENDED, "A": ANCHORED, "D": DOLLAR_ENDONLY,
             "U": UNGREEDY, "u": UTF | UCP, "J": DUPNAMES, "n": NO_AUTO_CAPTURE, "X": 0, "S": 0,
             " ": 0, "\n": 0, "\r": 0}
BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">"}
# Expressions that take quadratic time, and equivalents that never backtrack.
LINEAR = {r"^(\d+?:\d+?\s*)+$": r"^\d++:(?:\d\d++:|\d++\s++\d++:)*+\d++\s*+$"}
BACKTRACK_LIMIT = b"(*LIMIT_MATCH=1000000)"  # php.ini's pcre.backtrack_limit


class Warned(Exception):
    """A warning of preg_match(), which Laravel converts to an ErrorException."""


def matcher(pattern: str) -> Matcher:
    """Return a function that tests a subject for a match. It raises PhpError if PHP warns about the pattern."""
    try:
        expression, options = _parse(pattern)
        expression = LINEAR.get(expression, expression)
        fast, safe = (_search_of(expression, options, jit=jit) for jit in (True, False))
    except Warned as warning:
        return _dies(f"preg_match(): {warning}")

    def matches(subject: str) -> bool:
        octets = to_bytes(subject)
        try:
            return fast(octets) is not None
        except pcre2.LibraryError as error:
            # PHP's JIT stack is six times as large as this library's. The result without JIT equals PHP's.
            return "JIT stack" in str(error) and _matches_slowly(safe, octets)

    return matches


def _matches_slowly(search: PatternSearch, octets: bytes) -> bool:
    """Match without JIT. False also if preg_match() returns false: at the backtrack limit, or for invalid UTF-8."""
    try:
        return search(octets) is not None
    except pcre2.LibraryError:
        return False


def _dies(message: str) -> Matcher:
    def dies(subject: str) -> bool:
        raise PhpError(message)

    return dies


def _parse(pattern: str) -> tuple[str, int]:
    """Return the expression between the delimiters, and the options of the modifiers. Warned if PHP warns."""
    pattern = pattern.lstrip(" \t\n\r\v\f")
    if not pattern:
        raise Warned("Empty regular expression")
    opening = pattern[0]
    if opening in "\\\0" or (opening.isascii() and opening.isalnum()):
        raise Warned("Delimiter must not be alphanumeric, backslash, or NUL")
    end = _end_of(pattern, opening)
    options = 0
    for modifier in pattern[end + 1:]:
        if modifier not in MODIFIERS:
            raise Warned("NUL byte is not a valid modifier" if modifier == "\0" else f"Unknown modifier '{modifier}'")
        options |= MODIFIERS[modifier]
    return pattern[1:end], options


def _end_of(pattern: str, opening: str) -> int:
    closing = BRACKETS.get(opening, opening)
    depth, position = 1, 1
    while position < len(pattern):
        if pattern[position] == "\\":
            position += 1
        elif pattern[position] == closing:
            depth -= 1
            if not depth:
                return position
        elif pattern[position] == opening:
            depth += 1
        position += 1
    raise Warned(f"No ending {'' if closing == opening else 'matching '}delimiter '{closing}' found")


def _search_of(expression: str, options: int, *, jit: bool) -> PatternSearch:
    try:
        pattern = pcre2.compile(BACKTRACK_LIMIT + to_bytes(expression), options & ~ANCHORED, jit=jit)
    except pcre2.PatternError as error:
        reason = str(error.msg).partition("; ")[2]
        raise Warned(f"Compilation failed: {reason} at offset {max(0, error.pos - len(BACKTRACK_LIMIT))}") from None
    return pattern.match if options & ANCHORED else pattern.search  # type: ignore[no-any-return]

