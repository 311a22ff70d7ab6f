"""Laravel's e-mail address validation: egulias/email-validator 3.2, RFCValidation.

The library is a lenient parser with a small lexer. This module follows its states closely to accept the same
addresses, such as "a@b" and "a@[x". The library's tokens are words; here most are single characters, because only
the kind of neighbouring tokens matters. Long input is matched by one expression that does not backtrack.
"""

from __future__ import annotations

import re
import unicodedata

SPECIAL = "{}()<>[]:;@\\/,.'`\"- \t\r\n*!&^$%~|_=+¿?#¡\0"
IPV6_WORD, LINE_END, COLONS = "\x01\x02\x03"  # tokens of several characters; no address contains these characters
ADDRESS_BLANKS = {" ", "\t", "\r", "\n", LINE_END}
NOT_IN_LOCAL_PART = set(",][><:;")
LONGEST_LABEL, LONGEST_DOMAIN = 63, 253  # octets

_WORDS = re.compile(r"[a-zA-Z\u017f\u212a]+[46]?|[0-9]+|.", re.DOTALL)
_IPV6 = re.compile("(?<![a-zA-Z\u017f\u212a])IPv6")
_GENERIC = f"[^{re.escape(SPECIAL + IPV6_WORD + LINE_END + COLONS)}]"
# Repetitions are bounded, as Python keeps 100 bytes for each; `end_of_run` repeats the match.
# No dot before a dot or the end, no backslash or blank before a word, a line end only if a blank follows.
_LOCAL_PART = re.compile(rf"""(?:
    [^@"().\\,\][><:;\ \t\r\n{LINE_END}]++
    | \.(?![.@]) | \\(?!{_GENERIC}) [ \t\r\n{LINE_END}]? | [ \t](?!{_GENERIC}) | {LINE_END}(?=[ \t])
){{1,1024}}""", re.VERBOSE)
# The character after a token must not be NUL or a blank other than a space, unless a backslash precedes it.
_QUOTED = re.compile(r"""(?:(?:\\"|[^"])(?:(?<=\\)|(?![\0\t\r\n]))){1,1024}""")
_LITERAL = re.compile(r"(?:[^\0\\\]](?![\[\r])){1,1024}")


def is_address(text: str) -> bool:
    if text.startswith("@") or any(map(is_invalid, set(text))):
        return False
    signs = (_IPV6.sub(IPV6_WORD, text) if "IPv6" in text else text).replace("\r\n", LINE_END).replace("::", COLONS)
    at = end_of_local_part(signs)
    return at is not None and is_domain(signs, at + 1)


def is_invalid(sign: str) -> bool:
    """Whether a character is a symbol or control character unknown to the lexer, or a byte that is not UTF-8."""
    return unicodedata.category(sign)[0] in "SC" and sign not in SPECIAL


def is_generic(sign: str) -> bool:
    return sign not in SPECIAL and sign not in (IPV6_WORD, LINE_END, COLONS)


def end_of_run(pattern: re.Pattern[str], signs: str, place: int) -> int:
    """Return the end of the consecutive matches from a position."""
    while match := pattern.match(signs, place):
        place = match.end()
    return place


def end_of_local_part(signs: str) -> int | None:
    """Return the position of the @ that ends the local part; None if the local part is invalid."""
    if signs.startswith("."):
        return None
    place = end_of_run(_LOCAL_PART, signs, 0)
    sign = signs[place:place + 1]
    if sign == "@":
        return place
    if sign == '"':
        return end_of_quoted(signs, place)
    return end_of_comment(signs, place) if sign == "(" else None


def end_of_quoted(signs: str, start: int) -> int | None:
    """Return the position of the @ that must directly follow the closing quote; None if the quoted text is invalid."""
    before, ahead = signs[start - 1:start], signs[start + 1:start + 2]
    if before and ahead and is_generic(before) and is_generic(ahead):
        return None
    end = end_of_run(_QUOTED, signs, start + 1)
    return end + 1 if signs.startswith('"@', end) else None


def end_of_comment(signs: str, start: int) -> int | None:
    """Return the position of the @ after a comment in the local part; None if the comment is invalid.

    Text after its last bracket is allowed.
    """
    end = signs.find("@", start + 1)
    if end < 0 or signs.count("(", start, end) != signs.count(")", start, end):
        return None
    last, before = signs[end - 1], signs[end - 2]
    blank = last in ADDRESS_BLANKS and before != "\\" and last not in (" ", "\t")
    return None if last == "." or last in NOT_IN_LOCAL_PART or blank else end


def is_domain(signs: str, start: int) -> bool:
    """Whether the rest of the text is a domain: labels, or a literal. Text after a literal is ignored."""
    end = None if signs[start:start + 1] in (".", "-", "") else end_of_labels(signs, start)
    if end is None:
        return False
    if end < len(signs):
        end = end_of_run(_LITERAL, signs, end)
        if signs[end:end + 1] != "]" or signs[end + 1:end + 2] in ("[", "\r"):
            return False
    return signs[end - 1] not in ".-" and octets(signs[start:end + 1]) <= LONGEST_DOMAIN


def end_of_labels(signs: str, start: int) -> int | None:
    """Return the position of the text's end or of a literal's bracket; None if a label or comment is invalid."""
    place, label, allowed = start, "", "-."
    while place < len(signs) and signs[place] != "[" and place - start <= LONGEST_DOMAIN:
        word = signs[place]
        if word in "()":
            end = end_of_domain_comment(signs, place)
            if end is None:
                return None
            word, place, allowed = _WORDS.findall(signs, place, end + 1)[-1], end, "-.()"
        sign = signs[place]
        if sign != "[" and not (is_generic(sign) or sign in allowed):
            return None
        if (sign in ".-" and signs.startswith(".", place + 1)) or (sign == "." and is_too_long(label)):
            return None
        if sign == "[":
            break
        label = word if sign == "." else label + word
        place += 1
    return None if is_too_long(label) else place


def end_of_domain_comment(signs: str, start: int) -> int | None:
    """Return the position of the bracket, followed by a dot, that ends a comment in a domain.

    None if there is none within the length of a domain.
    """
    opened = 0
    for place in range(start if signs[start] == "(" else len(signs), min(start + LONGEST_DOMAIN, len(signs) - 1)):
        opened += (signs[place] == "(") - (signs[place] == ")")
        if opened == 0 and signs[place + 1] == ".":
            return place
    return None


def is_too_long(label: str) -> bool:
    """Whether a domain label is too long. As in the library, the dot before it counts; non-ASCII is measured as IDN."""
    if label.isascii() or len(label) > LONGEST_LABEL:
        return len(label) > LONGEST_LABEL
    return len("xn--" + label.lstrip(".").encode("punycode").decode()) > LONGEST_LABEL


def octets(signs: str) -> int:
    return len(signs.replace(IPV6_WORD, "IPv6").replace(LINE_END, "\r\n").replace(COLONS, "::").encode())
