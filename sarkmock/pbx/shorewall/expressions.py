"""Conditions and values of ?IF and ?SET: the Perl that people write there, a small part of the language."""

from __future__ import annotations

import re
from collections.abc import Callable

from sarkmock.pbx.shorewall.lists import Undecided, Wrong

Value = str | int
EXPRESSION_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?![\w.]))|'(?P<single>[^'\\]*)'|\"(?P<double>[^\"\\@$]*)\""
    r"|(?P<sign>\|\||&&|==|!=|<=|>=|=~|!~|[-+*/%.!<>()?:])|(?P<word>[A-Za-z_]\w*))")
LEADING_NUMBER = re.compile(r"\s*([-+]?\d{1,15})")
OPERATORS: tuple[tuple[str, ...], ...] = (
    ("or",), ("and",), ("||",), ("&&",), ("==", "!=", "eq", "ne"), ("<", ">", "<=", ">=", "lt", "gt", "le", "ge"),
    ("+", "-", "."), ("*", "/", "%"))
VALUES = ("number", "single", "double")
DEEPEST_EXPRESSION = 40
LONGEST_EXPRESSION = 2000
CALLS = frozenset([
    "time", "wait", "times", "getppid", "shift", "pop", "fork", "rand", "reverse", "sort", "undef", "defined",
    "length", "lc", "uc", "int", "abs", "hex", "oct", "substr", "index", "join", "split", "sprintf", "passed", "not",
    "ref", "scalar", "return", "my", "our", "die"])
TRUTH: dict[bool, Value] = {True: 1, False: ""}
TEXT_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "eq": str.__eq__, "ne": str.__ne__, "lt": str.__lt__, "gt": str.__gt__, "le": str.__le__, "ge": str.__ge__}
COMPARED: dict[str, Callable[[int, int], bool]] = {
    "==": int.__eq__, "!=": int.__ne__, "<": int.__lt__, ">": int.__gt__, "<=": int.__le__, ">=": int.__ge__}
CALCULATED: dict[str, Callable[[int, int], int]] = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__,
                                                    "%": int.__mod__}


def evaluated(text: str) -> Value:
    """The value of an expression whose variables are filled in."""
    if re.fullmatch(r"\d+", text, re.ASCII):
        return text
    if re.fullmatch(r"\d{1,9}\.\d{1,9}", text, re.ASCII):
        return f"{float(text):.15g}"
    if len(text) > LONGEST_EXPRESSION:
        raise Undecided
    if re.fullmatch(r"[a-zA-Z_]\w*", text, re.ASCII) and text not in CALLS:
        raise Wrong(f'Couldn\'t parse expression ({text}): Bareword "{text}" not allowed while "strict subs" in use')
    return Parser(text).value()


def is_true(value: Value) -> bool:
    return value not in ("", "0", 0)


class Parser:
    """Reads an expression by the precedence of its operators."""

    def __init__(self, text: str) -> None:
        self.tokens = self.read(text)
        self.position = 0
        self.depth = 0

    @staticmethod
    def read(text: str) -> list[tuple[str, str]]:
        tokens, position = [], 0
        text = text.rstrip()
        while position < len(text):
            found = EXPRESSION_TOKEN.match(text, position)
            if found is None:
                raise Undecided
            tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            position = found.end()
        return [*tokens, ("end", "")]

    def value(self) -> Value:
        found = self.level(0)
        kind, text = self.tokens[self.position]
        if kind in VALUES or text == ")":
            raise Wrong(f"Couldn't parse expression: syntax error near {text}")
        if kind != "end":
            raise Undecided
        return found

    def level(self, number: int) -> Value:
        if number == len(OPERATORS):
            return self.term()
        left = self.level(number + 1)
        while self.tokens[self.position][1] in OPERATORS[number] and self.tokens[self.position][0] in ("sign", "word"):
            sign = self.tokens[self.position][1]
            self.position += 1
            left = applied(sign, left, self.level(number + 1))
        return left

    def term(self) -> Value:
        kind, text = self.tokens[self.position]
        self.position = min(self.position + 1, len(self.tokens) - 1)
        self.depth += 1
        if self.depth > DEEPEST_EXPRESSION:
            raise Undecided
        try:
            if kind == "number":
                return number_value(text)
            if kind in ("single", "double"):
                return text
            if text == "!" and kind == "sign":
                return TRUTH[not is_true(self.term())]
            if text == "-" and kind == "sign":
                return -number_value(self.term())
            if text == "(" and kind == "sign":
                found = self.level(0)
                if self.tokens[self.position] == ("sign", ")"):
                    self.position += 1
                    return found
            if "end" in (kind, self.tokens[self.position][0]):
                raise Wrong("Couldn't parse expression: syntax error at its end")
            raise Undecided
        finally:
            self.depth -= 1


def applied(sign: str, left: Value, right: Value) -> Value:
    if sign in ("||", "or"):
        return left if is_true(left) else right
    if sign in ("&&", "and"):
        return right if is_true(left) else left
    if sign in TEXT_OPERATORS:
        return TRUTH[TEXT_OPERATORS[sign](str(left), str(right))]
    if sign == ".":
        return f"{left}{right}"
    one, other = number_value(left), number_value(right)
    if sign in COMPARED:
        return TRUTH[COMPARED[sign](one, other)]
    if sign in ("/", "%") and not other:
        raise Wrong("Couldn't parse expression: Illegal division by zero")
    if sign == "/" and one % other:
        raise Undecided
    found = one // other if sign == "/" else CALCULATED[sign](one, other)
    if abs(found) > 10**15:
        raise Undecided
    return found


def number_value(value: Value) -> int:
    """A text counts as the number it begins with."""
    if isinstance(value, int):
        return value
    found = LEADING_NUMBER.match(value)
    if found and re.match(r"[\d.eE]", value[found.end():found.end() + 1]):
        raise Undecided
    return int(found[1]) if found else 0
