"""The value of an expression in ?IF and ?SET, as Perl computes it. What is not supported here is Undecided."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import partial
from math import isfinite, pow, sqrt

from sarkmock.pbx.shorewall.lists import BadRule, Undecided

Value = str | int | float
Chained = tuple[int, str, Value]  # a comparison: precedence, sign and right operand
NO_CHAIN: Chained = (-1, "", "")
PERL_LITERAL = re.compile(r"0[xX](?P<hex>[0-9a-fA-F_]+)|0[bB](?P<bin>[01_]+)|(?P<oct>0[0-9_]+)"
                          r"|(?P<dec>(?:[0-9][0-9_]*(?:\.(?!\.)[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?)")
AFTER_NUMBER = re.compile(r"\w|\.[0-9]")
TEXT = re.compile(r"'([^'\\]*)'|\"([^\"\\@$]*)\"")
SIGN = re.compile(r"\s*(<=>|\.\.|\*\*|\|\||&&|//|==|!=|<=|>=|<<|>>|=~|!~|[-+*/%.!~<>&|^()?:,]|x(?=\d)|[A-Za-z_]\w*)?")
LEADING_NUMBER = re.compile(r"\s*([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)")
NOT_FINITE = re.compile(r"\s*[-+]?(?:inf|nan)", re.IGNORECASE)
LOWEST = 0
LEVELS = (("or", "xor"), ("and",), ("not",), (",",), ("?",), ("||", "//"), ("&&",), ("|", "^"), ("&",),
          ("==", "!=", "eq", "ne", "<=>", "cmp"),
          ("<", ">", "<=", ">=", "lt", "gt", "le", "ge"), ("<<", ">>"), ("+", "-", "."), ("*", "/", "%", "x"), ("**",))
PRECEDENCE = {sign: level for level, signs in enumerate(LEVELS) for sign in signs}
TERNARY, POWER = PRECEDENCE["?"], PRECEDENCE["**"]
AFTER_A_VALUE = re.compile(r"isa|if|unless|while|until|for|foreach|[eE]_.*")  # beside the operators
NOT_AFTER_A_VALUE = re.compile(r"\s*(?:['\"(){}\]:$@\\`0-9]|!(?![=~])|~(?!~))|(?<!\))\s*=(?![=~>])")
NOT_A_TERM = re.compile(r"(?<!,)\s*(?:[,:|^?\]}]|\*(?!\s*[\w{:'])|=(?![~>])|\.(?![.0-9])|\Z"
                        r"|(?P<quote>['\"])(?!.*(?P=quote)))", re.DOTALL)
BAREWORD = re.compile(r"\s*[A-Za-z]\w*(?!\w|\s*=>|\s*:|\s*\()")  # no label or call
BAREWORD_ERROR = 'Bareword "{}" not allowed while "strict subs" in use'
DEEPEST_EXPRESSION = 40
LONGEST_EXPRESSION = 2000
LARGEST, SMALLEST = 2**64 - 1, -(2**63)
CALLS = frozenset([
    "time", "wait", "times", "getppid", "shift", "pop", "fork", "rand", "reverse", "sort", "undef", "defined",
    "length", "lc", "uc", "int", "abs", "hex", "oct", "substr", "index", "join", "split", "sprintf", "passed", "not",
    "ref", "scalar", "return", "my", "our", "die", "ord", "chr", "caller", "ucfirst", "lcfirst", "sqrt", "sin", "cos",
    "exp", "log", "localtime", "gmtime", "wantarray", "exit", "print", "warn", "sleep"])
VARIABLE = re.compile(r"[@%][A-Za-z_]\w*")
CALL = re.compile(r"([A-Za-z_]\w*)\s*(\(|(?=\s)[^\S\n]*['\"0-9.])")
QUOTES = frozenset(("q", "qq", "qw", "qr", "qx", "m", "s", "tr", "y"))
WORDS = {*CALLS, *QUOTES, *PRECEDENCE, "do", "eval", "keys", "local", "no", "package", "require", "sub", "use"}
TRUTH: dict[bool, Value] = {True: 1, False: ""}
TESTS: dict[str, Callable[[Value, Value], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "eq": str.__eq__, "ne": str.__ne__, "lt": str.__lt__, "gt": str.__gt__, "le": str.__le__, "ge": str.__ge__}
BITWISE: dict[str, Callable[[int, int], int]] = {"&": operator.and_, "|": operator.or_, "^": operator.xor}
COMPARISONS = {*TESTS, *TEXT_TESTS, "<=>", "cmp"}


class BadExpression(Exception):
    """Perl does not accept an expression, or fails to compute it; the message is Perl's."""


def evaluated(text: str) -> Value:
    """Evaluate an expression after its variables were expanded."""
    if re.fullmatch(r"[0-9]+", text):
        return text
    if len(text) > LONGEST_EXPRESSION:
        raise Undecided
    if re.fullmatch(r"[a-zA-Z_]\w*", text, re.ASCII) and text not in CALLS:
        raise BadRule(f"Couldn't parse expression ({text}): {BAREWORD_ERROR.format(text)}")
    try:
        return Parser(text.rstrip()).value()
    except BadExpression as mistake:
        raise BadRule(f"Couldn't parse expression ({text.strip()}): {mistake}") from None


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
    match = LEADING_NUMBER.match(value)
    return literal(match[1]) if match else 0


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
        if NOT_AFTER_A_VALUE.match(self.text, self.position) or self.is_bareword():
            raise BadExpression("syntax error")
        if self.text[self.position:].strip():
            raise Undecided
        return result

    def is_bareword(self) -> bool:
        """Whether a word follows that is not an operator."""
        word = re.match("[A-Za-z_].*", self.sign())
        return bool(word and word[0] not in PRECEDENCE.keys() - {"not"} and not AFTER_A_VALUE.fullmatch(word[0]))

    def sign(self) -> str:
        """Return the next operator, without consuming it."""
        match = SIGN.match(self.text, self.position)
        return (match and match[1]) or ""

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
        left, chained = self.term(), NO_CHAIN
        while (precedence := PRECEDENCE.get(sign := self.sign(), -1)) >= lowest and sign != "not":
            self.take(sign)
            if sign in ("||", "//", "or", "&&", "and"):
                left = self.either(left, sign, precedence)
            elif precedence == TERNARY:
                left = self.chosen(left)
            else:
                right = self.level(precedence + (precedence != POWER))
                if precedence == chained[0]:
                    left = self.next_of_chain(chained, sign, left, right)
                else:
                    left = "" if self.skipped else applied(sign, left, right)
                chained = (precedence, sign, right) if sign in COMPARISONS else NO_CHAIN
        return left

    def next_of_chain(self, before: Chained, sign: str, so_far: Value, right: Value) -> Value:
        """Compare the last operand of a chain, such as ``1 < 2 < 3``, with the next one."""
        if not {sign, before[1]}.isdisjoint(("<=>", "cmp")):
            raise BadExpression("syntax error")
        return so_far if self.skipped or not is_true(so_far) else applied(sign, before[2], right)

    def either(self, left: Value, sign: str, precedence: int) -> Value:
        keeps = sign == "//" or is_true(left) == (sign in ("||", "or"))
        right = self.unless(keeps, precedence + 1)
        return left if keeps else right

    def chosen(self, condition: Value) -> Value:
        first = self.unless(not is_true(condition), TERNARY)
        if self.sign() != ":":
            raise Undecided
        self.take(":")
        second = self.unless(is_true(condition), TERNARY)
        return first if is_true(condition) else second

    def unless(self, skips: bool, lowest: int) -> Value:
        """Evaluate an operand, or only read it."""
        self.skipped += skips
        try:
            return self.level(lowest)
        finally:
            self.skipped -= skips

    def term(self) -> Value:
        self.position = len(self.text) - len(self.text[self.position:].lstrip())
        if match := TEXT.match(self.text, self.position):
            self.position = match.end()
            return match[1] if match[2] is None else match[2]
        if match := PERL_LITERAL.match(self.text, self.position):
            return self.number(match)
        if match := VARIABLE.match(self.text, self.position):
            raise BadExpression(f'Global symbol "{match[0]}" requires explicit package name')
        if match := CALL.match(self.text, self.position):
            return self.call(*match.groups())
        return self.unary(self.sign())

    def call(self, name: str, parenthesis: str) -> Value:
        """Evaluate a call of a function with one argument, which needs no parentheses."""
        if name in CALLS - FUNCTIONS.keys() or name in QUOTES or name in PRECEDENCE:
            return self.unary(name)
        self.take(name)
        value = self.term() if parenthesis == "(" else self.level(PRECEDENCE["<<"])
        if self.skipped:
            return ""
        if name not in FUNCTIONS:
            raise BadExpression(f"Undefined subroutine &Shorewall::User::{name} called")
        return FUNCTIONS[name](value)

    def number(self, match: re.Match[str]) -> Value:
        self.position = match.end()
        if AFTER_NUMBER.match(self.text, self.position):
            if self.is_bareword():
                raise BadExpression("syntax error")
            raise Undecided
        kind, digits = match.lastgroup, match[match.lastgroup or 0].replace("_", "")
        if kind == "oct" and re.search("[89]", digits):
            raise BadExpression(f"Illegal octal digit in {digits}")
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
        if sign == "(" and self.sign() == ")":
            self.take(")")
            return ""
        if sign == "(":
            result = self.level(LOWEST)
            if self.sign() == ")":
                self.take(")")
                return result
        raise self.no_term(sign)

    def no_term(self, sign: str) -> Exception:
        if NOT_A_TERM.match(self.text, self.position):
            return BadExpression("syntax error")
        is_bareword = BAREWORD.match(self.text, self.position) and sign not in WORDS
        return BadExpression(BAREWORD_ERROR.format(sign)) if is_bareword and not self.skipped else Undecided()


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


def combined(sign: str, left: Value, right: Value) -> Value:
    """Apply a bit operator: to the characters of two texts, else to numbers."""
    if isinstance(left, str) and isinstance(right, str):
        size = (min if sign == "&" else max)(len(left), len(right))
        pairs = zip(left.ljust(size, "\0")[:size], right.ljust(size, "\0")[:size], strict=True)
        return "".join(chr(BITWISE[sign](ord(one), ord(other))) for one, other in pairs)
    return BITWISE[sign](int(perl_number(left)) & LARGEST, int(perl_number(right)) & LARGEST)


def applied(sign: str, left: Value, right: Value) -> Value:
    if sign == ",":
        return right
    if sign in BITWISE:
        return combined(sign, left, right)
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
        raise BadExpression("Illegal division by zero")
    if isinstance(first, int) and isinstance(second, int) and not first % second:
        return first // second
    return first / second


def remainder(first: int | float, second: int | float) -> int:
    if not int(second):
        raise BadExpression("Illegal modulus zero")
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


def shifted(first: int | float, second: int | float, *, right: bool = False) -> int:
    if second < 0:
        raise Undecided
    number, count = int(first) & LARGEST, int(min(second, 64))
    return number >> count if right else (number << count) & LARGEST


CALCULATED: dict[str, Callable[[int | float, int | float], int | float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": quotient, "%": remainder, "**": power,
    "<=>": lambda first, second: (first > second) - (first < second), "<<": shifted,
    ">>": partial(shifted, right=True)}


def square_root(value: Value) -> Value:
    if (number := perl_number(value)) < 0:
        raise BadExpression(f"Can't take sqrt of {perl_text(value)}")
    return as_number(sqrt(number))


FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "abs": lambda value: as_number(abs(perl_number(value))), "int": lambda value: int(perl_number(value)),
    "length": lambda value: len(perl_text(value)), "lc": lambda value: perl_text(value).lower(),
    "uc": lambda value: perl_text(value).upper(), "sqrt": square_root}
