"""Which texts are e-mail addresses to Laravel: egulias/email-validator 3.2, RFCValidation. Knows nothing of rules.

The library is a parser with a small lexer, lenient in odd places; what it lets pass is what counts here, so its states
are followed closely: "a@b" and "a@[x" are read token by token, with the token before and the one ahead.
"""

from __future__ import annotations

import re
import unicodedata

# The lexer's words: letters with an optional 4 or 6, one sign beyond ASCII, digits, CRLF, ::, or any one character.
_WORDS = re.compile(r"[a-zA-Z\u017f\u212a]+[46]?|[^\x00-\x7f]|[0-9]+|\r\n|::|.", re.DOTALL)
_SPECIAL = {*"{}()<>[]:;@\\/,.'`\"- \t\r\n*!&^$%~|_=+¿?#¡", "::", "\r\n", "IPv6"}
GENERIC, INVALID, NUL = "generic", "invalid", "nul"
BLANKS = {" ", "\t", "\r", "\n", "\r\n"}
NOT_IN_LOCAL_PART = {",", "]", "[", ">", "<", ":", ";"}
NOT_IN_QUOTES = {NUL, "\t", "\r", "\n"}
IN_DOMAIN = {GENERIC, "-", "."}
LONGEST_LABEL, LONGEST_DOMAIN = 63, 253  # octets


class NotAnAddress(Exception):
    """The text is no address."""


def is_address(text: str) -> bool:
    if any("\udc80" <= sign <= "\udcff" for sign in text):
        return False  # the lexer gives up on bytes that are no UTF-8
    tokens = _Tokens(text)
    if tokens.here == "@" or INVALID in tokens.kinds:
        return False
    try:
        _read_local_part(tokens)
        _read_domain(tokens)
    except NotAnAddress:
        return False
    return True


class _Tokens:
    """The text's tokens and a place among them: the kinds of the token before, here, ahead; None beyond the ends."""

    def __init__(self, text: str) -> None:
        self.words = _WORDS.findall(text)
        self.kinds = [_kind(word) for word in self.words]
        self.place = 0

    @property
    def before(self) -> str | None:
        return self._at(self.place - 1)

    @property
    def here(self) -> str | None:
        return self._at(self.place)

    @property
    def ahead(self) -> str | None:
        return self._at(self.place + 1)

    def _at(self, place: int) -> str | None:
        return self.kinds[place] if 0 <= place < len(self.kinds) else None

    def move(self) -> bool:
        """Go on by one token; tells whether there is another one ahead."""
        self.place += 1
        return self.ahead is not None

    def comes(self, kind: str) -> bool:
        return next((True for place in range(self.place + 1, len(self.kinds)) if self.kinds[place] == kind), False)


def _kind(word: str) -> str:
    if word == "\0":
        return NUL
    if word in _SPECIAL:
        return word
    # One that is all symbols and control characters.
    return INVALID if all(unicodedata.category(sign)[0] in "SC" for sign in word) else GENERIC


def refuse(condition: bool) -> None:
    if condition:
        raise NotAnAddress


def _read_local_part(tokens: _Tokens) -> None:
    while tokens.here not in ("@", None):
        refuse(tokens.here == "." and tokens.before is None)
        if tokens.here == '"':
            _read_quoted(tokens)
        if tokens.here in ("(", ")"):
            _read_comment(tokens, "@")
        refuse(tokens.here == "." and tokens.ahead in (".", "@"))
        refuse(tokens.here == "\\" and tokens.ahead == GENERIC)
        refuse(tokens.here in NOT_IN_LOCAL_PART)
        _check_blank(tokens)
        tokens.move()


def _read_quoted(tokens: _Tokens) -> None:
    """Go to the closing quote, which only an @ may follow."""
    _check_quote(tokens)
    tokens.move()
    while tokens.here not in ('"', None):
        if tokens.here == "\\" and tokens.ahead == '"':
            tokens.move()
        tokens.move()
        refuse(tokens.here in NOT_IN_QUOTES and tokens.before != "\\")
    if tokens.before == "\\":
        _check_quote(tokens)
    else:
        refuse(tokens.ahead != "@")


def _check_quote(tokens: _Tokens) -> None:
    refuse(tokens.ahead == GENERIC and tokens.before == GENERIC)
    refuse(not tokens.comes('"'))


def _read_comment(tokens: _Tokens, end: str) -> None:
    """Go to the last token before the ``end`` that ends the comment, or before the text's end, which is refused."""
    refuse(tokens.here == ")" or not tokens.comes(")"))
    opened, more = 1, True
    while more and (tokens.ahead != end or (end == "." and opened)):
        opened += (tokens.ahead == "(") - (tokens.ahead == ")")
        more = tokens.move()
    refuse(opened != 0 or tokens.ahead != end)


def _check_blank(tokens: _Tokens) -> None:
    """Folding white space: not before a word (but after the @), a line end only with a blank after it."""
    if tokens.here not in BLANKS or tokens.before == "\\":
        return
    refuse(tokens.here == "\r\n" and tokens.ahead not in (" ", "\t"))
    refuse(tokens.here in ("\r", "\n"))
    refuse(tokens.ahead == GENERIC and tokens.before != "@")


def _read_domain(tokens: _Tokens) -> None:
    tokens.move()
    start, label, allowed = tokens.place, "", IN_DOMAIN
    refuse(tokens.here in (".", "-", None))
    while tokens.here is not None:
        if tokens.here in ("(", ")"):
            allowed = IN_DOMAIN | {"(", ")"}
            _read_comment(tokens, ".")
        refuse(tokens.here == "." and tokens.ahead == ".")
        if tokens.here == "[":
            _read_literal(tokens)
            break
        if tokens.here == ".":
            refuse(is_too_long(label))
            label = ""
        label += tokens.words[tokens.place]
        refuse(tokens.here == "-" and tokens.ahead == ".")
        refuse(tokens.here not in allowed)
        tokens.move()
    refuse(is_too_long(label))
    refuse(tokens.before in (".", "-"))
    refuse(len("".join(tokens.words[start:tokens.place + 1]).encode()) > LONGEST_DOMAIN)


def is_too_long(label: str) -> bool:
    """A label of a domain, with the dot before it, which the library counts too; beyond ASCII it asks the IDN."""
    if label.isascii():
        return len(label) > LONGEST_LABEL
    return len("xn--" + label.lstrip(".").encode("punycode").decode()) > LONGEST_LABEL


def _read_literal(tokens: _Tokens) -> None:
    """[...]: what is in it is hardly looked at, and what comes after it is not."""
    refuse(not tokens.comes("]"))
    while True:
        refuse(tokens.here in (NUL, "\\"))
        refuse(tokens.ahead in ("[", "\r"))
        if tokens.here == "]" or not tokens.move():
            return
