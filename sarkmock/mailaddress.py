"""Which texts are e-mail addresses to Laravel 7: egulias/email-validator 2.1, RFCValidation. Knows nothing of rules.

The library is a parser with a small lexer, lenient in odd places; what it lets pass is what counts here, so its
states are followed closely: "a@b" and "a@[x" are read token by token, with the token before and the one ahead.
"""

from __future__ import annotations

import re
import unicodedata

# The lexer's words: letters with an optional 4 or 6, one sign beyond ASCII, digits, CRLF, ::, or any one character.
_WORDS = re.compile(r"[a-zA-Z_\u017f\u212a]+[46]?|[^\x00-\x7f]|[0-9]+|\r\n|::|.", re.DOTALL)
_SPECIAL = {*"()<>[]:;@\\/,.\"'`- \t\r\n{}", "::", "\r\n", "IPv6"}
GENERIC, INVALID, NUL = "generic", "invalid", "nul"
BLANKS = {" ", "\t", "\r", "\n", "\r\n"}
NOT_IN_LOCAL_PART = {",", "]", "[", ">", "<", ":", ";", INVALID}
NOT_IN_QUOTES = {NUL, "\t", "\r", "\n"}
NOT_IN_DOMAIN = {'"', "'", "`", ";", ">", "<", ",", "@"}


class NotAnAddress(Exception):
    """The text is no address."""


def is_address(text: str) -> bool:
    if any("\udc80" <= sign <= "\udcff" for sign in text):
        return False  # the lexer gives up on bytes that are no UTF-8
    tokens = _Tokens(text)
    if tokens.here == "@":
        return False
    try:
        _read_local_part(tokens)
        _read_domain(tokens)
    except NotAnAddress:
        return False
    return INVALID not in tokens.kinds


class _Tokens:
    """The kinds of the text's tokens and a place among them: the token before, here, ahead; None beyond the ends."""

    def __init__(self, text: str) -> None:
        self.kinds = [_kind(word) for word in _WORDS.findall(text)]
        self.place = 0
        self.before: str | None = None

    @property
    def here(self) -> str | None:
        return self.kinds[self.place] if self.place < len(self.kinds) else None

    @property
    def ahead(self) -> str | None:
        return self.kinds[self.place + 1] if self.place + 1 < len(self.kinds) else None

    def move(self) -> bool:
        """Go on by one token; tells whether there is another one ahead."""
        self.before = self.here
        self.place += 1
        return self.ahead is not None

    def comes(self, kind: str) -> bool:
        return kind in self.kinds[self.place + 1:]


def _kind(word: str) -> str:
    if word == "\0":
        return NUL
    if word in _SPECIAL:
        return word
    return INVALID if unicodedata.category(word[0]) == "Cc" else GENERIC


def refuse(condition: bool) -> None:
    if condition:
        raise NotAnAddress


def _read_local_part(tokens: _Tokens) -> None:
    quoted, may_open, open_comments = False, True, 0
    while tokens.here not in ("@", None):
        refuse(tokens.here == "." and tokens.before is None)
        quoted = quoted or _opens_quote(tokens)
        if quoted and may_open:
            may_open = _read_quoted(tokens)
        if tokens.here == "(":
            open_comments += _read_comment(tokens)
        if tokens.here == ")":
            refuse(open_comments == 0)
            open_comments -= 1
        refuse(tokens.here == "." and tokens.ahead in (".", "@"))
        _check_escape(tokens)
        refuse(tokens.here in NOT_IN_LOCAL_PART and not quoted)
        _check_blank(tokens)
        tokens.move()


def _opens_quote(tokens: _Tokens) -> bool:
    if tokens.here != '"':
        return False
    refuse(tokens.ahead == GENERIC and tokens.before == GENERIC)
    refuse(not tokens.comes('"'))
    return True


def _read_quoted(tokens: _Tokens) -> bool:
    """Go to the closing quote; tells whether the next token may open another quoted string (an empty one was read)."""
    empty = True
    tokens.move()
    while tokens.here not in ('"', None):
        empty = False
        if tokens.here == "\\" and tokens.ahead == '"':
            tokens.move()
        tokens.move()
        refuse(tokens.here in NOT_IN_QUOTES and tokens.before != "\\")
    if tokens.before == "\\":
        refuse(not _opens_quote(tokens))
    else:
        refuse(tokens.ahead != "@")
    return empty


def _read_comment(tokens: _Tokens) -> int:
    """Go to the first closing parenthesis; how many were opened on the way."""
    opened = 1
    refuse(not tokens.comes(")"))
    while tokens.ahead != ")":
        opened += tokens.ahead == "("
        _check_escape(tokens)
        tokens.move()
    tokens.move()
    refuse(tokens.ahead == GENERIC)
    return opened


def _check_escape(tokens: _Tokens) -> None:
    refuse(tokens.here == "\\" and tokens.ahead == GENERIC)


def _check_blank(tokens: _Tokens) -> None:
    """Folding white space: not before a word (but after the @), a line end only with a blank after it."""
    if tokens.here not in BLANKS or tokens.before == "\\":
        return
    refuse(tokens.here == "\r\n" and tokens.ahead not in (" ", "\t"))
    refuse(tokens.here == "\r")
    refuse(tokens.ahead == GENERIC and tokens.before != "@")
    refuse(tokens.here == "\n")


def _read_domain(tokens: _Tokens) -> None:
    tokens.move()
    refuse(tokens.here in (".", "-", None))
    refuse(tokens.here == " " and tokens.ahead != GENERIC)
    if tokens.here == "(":
        _skip_first_comment(tokens)
    open_comments = 0
    while True:
        before = tokens.before
        refuse(tokens.here in ("\\", "/"))
        if tokens.here == "(":
            open_comments += _read_comment(tokens)
            tokens.move()
            open_comments -= tokens.before == ")"
        if tokens.here == ")":
            refuse(open_comments == 0)
            open_comments -= 1
        _check_domain_token(tokens, before)
        if tokens.here == "[":
            _read_literal(tokens)
        _check_blank(tokens)
        tokens.move()
        refuse(tokens.here == " ")
        if tokens.here is None:
            break
    refuse(tokens.before in (".", "-", "\r"))


def _skip_first_comment(tokens: _Tokens) -> None:
    refuse(not tokens.comes(")"))
    while tokens.ahead != ")":
        _check_escape(tokens)
        tokens.move()
    tokens.move()
    refuse(tokens.ahead == ".")


def _check_domain_token(tokens: _Tokens, before: str | None) -> None:
    refuse(tokens.here == "." and tokens.ahead == ".")
    refuse(tokens.here in NOT_IN_DOMAIN)
    refuse(tokens.here == "{" and before != "@")
    refuse(tokens.here == "-" and tokens.ahead == ".")
    _check_escape(tokens)


def _read_literal(tokens: _Tokens) -> None:
    """[...]: the library looks for } where it means ], so it reads on to the end of the text."""
    refuse(not tokens.comes("]"))
    while True:
        refuse(tokens.here == NUL)
        refuse(tokens.ahead in ("{", "["))
        if tokens.ahead in ("\t", " "):
            _check_folding_in_literal(tokens)
        refuse(tokens.ahead == "\r")
        if tokens.here == "\\":
            tokens.move()
            refuse(tokens.here != INVALID)
        if tokens.here == "}" or not tokens.move():
            return


def _check_folding_in_literal(tokens: _Tokens) -> None:
    refuse(tokens.here == "\r")
    refuse(tokens.here == "\r\n" and tokens.ahead not in (" ", "\t"))
    refuse(tokens.here in ("\n", NUL))
