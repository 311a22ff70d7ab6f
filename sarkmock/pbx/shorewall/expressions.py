"""The value of an expression in ?IF and ?SET, as Perl computes it. What is not supported here is Undecided."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from math import isfinite, pow

from sarkmock.pbx.shorewall.lists import BadRule, Undecided

Value = str | int | float
PERL_LITERAL = re.compile(r"0[xX](?P<hex>[0-9a-fA-F_]+)|0[bB](?P<bin>[01_]+)|(?P<oct>0[0-9_]+)(?![.eE])"
                    r"|(?P<dec>(?:[0-9][0-9_]*(?:\.(?!\.)[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?)")
AFTER_NUMBER = re.compile(r"\w|\.[0-9]")
TEXT = re.compile(r"'([^'\\]*)'|\"([^\"\\@$]*)\"")
SIGN = re.compile(r"\s*(<=>|\*\*|\|\||&&|//|==|!=|<=|>=|<<|>>|=~|!~|[-+*/%.!~<>&|^()?:]|[A-Za-z_]\w*)?")
LEADING_NUMBER = re.compile(r"\s*([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)")
NOT_FINITE = re.compile(r"\s*[-+]?(?:inf|nan)", re.IGNORECASE)
LOWEST, TERNARY, COMPARED, POWER = 0, 4, (7, 8), 12
LEVELS = (("or", "xor"), ("and",), ("not",), (), ("?",), ("||", "//"), ("&&",), ("==", "!=", "eq", "ne", "<=>", "cmp"),
          ("<", ">", "<=", ">=", "lt", "gt", "le", "ge"), ("<<", ">>"), ("+", "-", "."), ("*", "/", "%", "x"), ("**",))
PRECEDENCE = {sign: level for level, signs in enumerate(LEVELS) for sign in signs}
AFTER_A_VALUE = re.compile(r"x\d+|isa|if|unless|while|until|for|foreach")  # beside the operators
DEEPEST_EXPRESSION = 40
LONGEST_EXPRESSION = 2000
LARGEST, SMALLEST = 2**64 - 1, -(2**63)
CALLS = frozenset([
    "time", "wait", "times", "getppid", "shift", "pop", "fork", "rand", "reverse", "sort", "undef", "defined",
    "length", "lc", "uc", "int", "abs", "hex", "oct", "substr", "index", "join", "split", "sprintf", "passed", "not",
    "ref", "scalar", "return", "my", "our", "die"])
TRUTH: dict[bool, Value] = {True: 1, False: ""}
TESTS: dict[str, Callable[[Value, Value], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "eq": str.__eq__, "ne": str.__ne__, "lt": str.__lt__, "gt": str.__gt__, "le": str.__le__, "ge": str.__ge__}


def evaluated(text: str) -> Value:
    """Evaluate an expression after its variables were expanded."""
    if re.fullmatch(r"[0-9]+", text):
        return text
    if len(text) > LONGEST_EXPRESSION:
        raise Undecided
    if re.fullmatch(r"[a-zA-Z_]\w*", text, re.ASCII) and text not in CALLS:
        raise BadRule(f'Couldn\'t parse expression ({text}): Bareword "{text}" not allowed while "strict subs" in use')
    return Parser(text.rstrip()).value()


def is_true(value: Value) -> bool:
    return value not in ("", "0", 0)


def perl_text(value: Value) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def perl_number(value: Value) -> int | float:
    """Convert a value as Perl does: a text counts as the number at its start, or 0."""
    if not isinstance(value, str):
        return value
    if NOT_FINITE.match(value):
        raise Undecided
    found = LEADING_NUMBER.match(value)
    return literal(found[1]) if found else 0


def literal(text: str) -> int | float:
    return as_number(float(text)) if re.search("[.eE]", text) else as_number(int(text))


def as_number(value: int | float) -> int | float:
    """Return a number as Perl keeps it: an integer of 64 bits, or a float."""
    try:
        result = value if isinstance(value, float) or SMALLEST <= value <= LARGEST else float(value)
    except OverflowError:
        raise Undecided from None
    if not isfinite(result):
        raise Undecided
    return result


class Parser:
    """Evaluates an expression by operator precedence, without the operands that Perl skips."""

    def __init__(self, text: str) -> None:
        self.text, self.position, self.depth, self.skipped = text, 0, 0, 0

    def value(self) -> Value:
        result = self.level(LOWEST)
        rest = self.text[self.position:].lstrip()
        word = re.match(r"[A-Za-z_]\w*", rest)
        if rest and (rest[0] in "'\")0123456789" or (word and not AFTER_A_VALUE.fullmatch(word[0]))):
            raise BadRule(f"Couldn't parse expression: syntax error near {rest}")
        if rest:
            raise Undecided
        return result

    def sign(self) -> str:
        """Return the next operator, without consuming it."""
        found = SIGN.match(self.text, self.position)
        return (found and found[1]) or ""

    def take(self, sign: str) -> None:
        self.position = self.text.index(sign, self.position) + len(sign)

    def level(self, lowest: int) -> Value:
        """Evaluate operators of at least this precedence."""
        self.depth += 1
        if self.depth > DEEPEST_EXPRESSION:
            raise Undecided
        try:
            return self.operators(lowest)
        finally:
            self.depth -= 1

    def operators(self, lowest: int) -> Value:
        left, compared = self.term(), -1
        while (precedence := PRECEDENCE.get(sign := self.sign(), -1)) >= lowest and sign != "not":
            if precedence in COMPARED and precedence == compared:
                raise Undecided  # a chain of comparisons
            compared = precedence
            self.take(sign)
            if sign in ("||", "//", "or", "&&", "and"):
                left = self.either(left, sign, precedence)
            elif precedence == TERNARY:
                left = self.chosen(left)
            else:
                right = self.level(precedence + (precedence != POWER))
                left = "" if self.skipped else applied(sign, left, right)
        return left

    def either(self, left: Value, sign: str, precedence: int) -> Value:
        keeps = sign == "//" or is_true(left) == (sign in ("||", "or"))
        right = self.unless(keeps, precedence + 1)
        return left if keeps else right

    def chosen(self, condition: Value) -> Value:
        first = self.unless(not is_true(condition), TERNARY)
        if self.sign() != ":":
            raise Undecided
        self.take(":")
        other = self.unless(is_true(condition), TERNARY)
        return first if is_true(condition) else other

    def unless(self, skips: bool, lowest: int) -> Value:
        """Evaluate an operand, or only read it."""
        self.skipped += skips
        try:
            return self.level(lowest)
        finally:
            self.skipped -= skips

    def term(self) -> Value:
        self.position = len(self.text) - len(self.text[self.position:].lstrip())
        if found := TEXT.match(self.text, self.position):
            self.position = found.end()
            return found[1] if found[2] is None else found[2]
        if found := PERL_LITERAL.match(self.text, self.position):
            return self.number(found)
        return self.unary(self.sign())

    def number(self, found: re.Match[str]) -> Value:
        self.position = found.end()
        if AFTER_NUMBER.match(self.text, self.position):
            raise Undecided
        kind, digits = found.lastgroup, found[found.lastgroup or 0].replace("_", "")
        if kind == "oct" and re.search("[89]", digits):
            raise BadRule(f"Couldn't parse expression: Illegal octal digit in {digits}")
        bases = {"hex": 16, "bin": 2, "oct": 8}
        return as_number(int(digits or "0", bases[kind])) if kind in bases else literal(digits)

    def unary(self, sign: str) -> Value:
        if sign in ("!", "not", "-", "+", "~", "("):
            self.take(sign)
        if sign in ("!", "not"):
            return TRUTH[not is_true(self.level(POWER if sign == "!" else PRECEDENCE["not"]))]
        if sign == "-":
            return negated(self.level(POWER))
        if sign == "+":
            return self.level(POWER)
        if sign == "~":
            return LARGEST - bits(self.level(POWER))
        if sign == "(":
            result = self.level(LOWEST)
            if self.sign() == ")":
                self.take(")")
                return result
        if not self.text[self.position:].strip():
            raise BadRule("Couldn't parse expression: syntax error at its end")
        raise Undecided


def negated(value: Value) -> Value:
    if isinstance(value, str) and re.match(r"[A-Za-z_]", value):
        return f"-{value}"
    if isinstance(value, str) and re.match(r"[-+]", value) and not re.fullmatch(LEADING_NUMBER, value):
        raise Undecided
    return as_number(-perl_number(value))


def bits(value: Value) -> int:
    if isinstance(value, str):
        raise Undecided
    return int(value) & LARGEST


def applied(sign: str, left: Value, right: Value) -> Value:
    if sign in TEXT_TESTS:
        return TRUTH[TEXT_TESTS[sign](perl_text(left), perl_text(right))]
    if sign == ".":
        return f"{perl_text(left)}{perl_text(right)}"
    if sign == "cmp":
        return (perl_text(left) > perl_text(right)) - (perl_text(left) < perl_text(right))
    if sign == "xor":
        return TRUTH[is_true(left) != is_true(right)]
    if sign == "x":
        return repeated(perl_text(left), int(perl_number(right)))
    first, second = perl_number(left), perl_number(right)
    if sign in TESTS:
        return TRUTH[TESTS[sign](first, second)]
    return as_number(CALCULATED[sign](first, second))


def repeated(text: str, times: int) -> str:
    if len(text) * times > LONGEST_EXPRESSION:
        raise Undecided
    return text * times


def quotient(first: int | float, second: int | float) -> int | float:
    if not second:
        raise BadRule("Couldn't parse expression: Illegal division by zero")
    if isinstance(first, int) and isinstance(second, int) and not first % second:
        return first // second
    return first / second


def remainder(first: int | float, second: int | float) -> int:
    if not int(second):
        raise BadRule("Couldn't parse expression: Illegal modulus zero")
    return int(first) % int(second)


def power(first: int | float, second: int | float) -> int | float:
    if isinstance(first, int) and isinstance(second, int) and second >= 0 and second * first.bit_length() <= 64:
        return int(first ** second)
    if first <= 0:
        raise Undecided
    try:
        return pow(first, second)
    except OverflowError:
        raise Undecided from None


def shifted(first: int | float, second: int | float) -> int:
    if not 0 <= second < 64:
        raise Undecided
    return (int(first) << int(second)) & LARGEST


CALCULATED: dict[str, Callable[[int | float, int | float], int | float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": quotient, "%": remainder, "**": power,
    "<=>": lambda first, second: (first > second) - (first < second), "<<": shifted,
    ">>": lambda first, second: shifted(int(first), 0) >> int(second)}
