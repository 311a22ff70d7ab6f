"""A line of the rules file as a row of columns, and the conditions and values of ?IF and ?SET."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from sarkmock.pbx.shorewall.lists import GUNK, PAIR, SPACE, BadRule, Undecided, fields, in_parentheses

UNQUOTED = re.compile(r'["`\\]')
IPTABLES = re.compile(rf"[{SPACE}]*IP6?TABLES\(.*\)")
COLUMN_GAP = re.compile(f"[{SPACE}]+")


class RuleRow(NamedTuple):
    """The columns of a rule, named as in its man page; `-` for an omitted one."""

    action: str = "-"
    source: str = "-"
    dest: str = "-"
    proto: str = "-"
    dport: str = "-"
    sport: str = "-"
    origdest: str = "-"
    rate: str = "-"
    user: str = "-"
    mark: str = "-"
    connlimit: str = "-"
    time: str = "-"
    headers: str = "-"
    switch: str = "-"
    helper: str = "-"

    @property
    def length(self) -> int:
        return sum(map(len, self))

    @property
    def is_plain(self) -> bool:
        """Whether the rule has no restriction besides its zones."""
        return set(self[3:]) == {"-"}

    def merged(self, body: RuleRow, action: str) -> RuleRow:
        """Merge a rule of a macro or action with the columns of the rule that invokes it (this one)."""
        columns = (own if own != "-" else other for own, other in zip(self[3:], body[3:], strict=True))
        return RuleRow(action, self.exchanged(body.source, "SOURCE", self.source),
                   self.exchanged(body.dest, "DEST", self.dest), *columns)

    def exchanged(self, body: str, own: str, value: str) -> str:
        """Replace SOURCE and DEST in a macro by the columns of the rule that invokes it."""
        other, other_value = ("DEST", self.dest) if own == "SOURCE" else ("SOURCE", self.source)
        if body == "-":
            return value
        if body.startswith(other):
            return joined(body.removeprefix(other).removeprefix(":"), other_value)
        return joined(body.replace(f"{own}:", "", 1).replace(own, "", 1), value)


def joined(body: str, invocation: str) -> str:
    if not body or not invocation:
        return body or invocation
    if invocation == "-":
        return body
    return f"{body}:{invocation}" if re.search(r"\..*\.|^\+|^!+|^~|~<|~\[", invocation) else f"{invocation}:{body}"


@lru_cache(1024)
def rule_row(line: str) -> RuleRow:
    """Parse a rule of the word lists."""
    return split_columns(line)[0]


def split_columns(line: str) -> tuple[RuleRow, str]:
    """Return a line's columns, and the iptables text after `;;`."""
    parts = line.split(";;")
    if len(parts) > 2:
        raise BadRule("Only one set of double semicolons (';;') allowed on a line")
    raw = parts[1] if len(parts) > 1 else ""
    text = parts[0].rstrip(SPACE) if len(parts) > 1 else line
    head, pairs = head_and_pairs(text)
    if UNQUOTED.search(head) and not IPTABLES.match(text):
        raise BadRule("Shorewall Configuration file entries may not contain double quotes, single back quotes or"
                      " backslashes")
    if GUNK.search(head):
        raise BadRule("Non-ASCII gunk in file")
    values = in_parentheses([part for part in COLUMN_GAP.split(head) if part], " ", f"Mismatched parentheses ({head})")
    if "'" in text:
        raise BadRule("Shorewall Configuration file entries may not contain single quotes")
    if len(values) > len(RuleRow._fields):
        raise BadRule("Invalid rules file entry (too many columns)")
    row = RuleRow(*values)
    return (row._replace(**named_columns(pairs.strip(SPACE))) if pairs else row), raw


def head_and_pairs(text: str) -> tuple[str, str]:
    parts = text.split(";")
    if len(parts) > 1 and parts[1]:
        if len(parts) > 2:
            raise BadRule("Only one semicolon (';') allowed on a line")
        return parts[0], parts[1]
    begin = len(text) - len(text.lstrip(SPACE))
    brace = text.rfind("{") if text.endswith("}") else -1
    while brace >= 0:
        if brace <= begin or text[brace - 1] not in "&@%":
            return text[:brace], text[brace + 1:-1]
        brace = text.rfind("{", 0, brace)
    return parts[0], ""


def named_columns(text: str) -> dict[str, str]:
    """Parse column=value pairs; values with blanks are quoted."""
    result = {}
    for pair in pairs_of(text):
        match = PAIR.fullmatch(pair)
        if match is None:
            raise BadRule(f"Invalid column/value pair ({pair})")
        name, value = match[1].lower(), match[2]
        if value.endswith('"'):
            if len(value) < 2 or not value.startswith('"'):
                raise BadRule(f"Invalid value ( {value} )")
            value = value[1:-1]
        if name == "comment":
            continue
        if name not in RuleRow._fields:
            raise BadRule(f"Unknown column ({name})")
        if GUNK.search(value):
            raise BadRule(f"Non-ASCII gunk in the value of the {name} column")
        result[name] = value.replace('\\"', '"')
    return result


def pairs_of(text: str) -> list[str]:
    parts = re.split(rf"(,?[{SPACE}]+)", text)
    if '"' not in text:
        return fields("\n".join(parts[::2]), "\n") if text else []
    result: list[str] = []
    held: list[str] = []
    for position in range(0, len(parts), 2):
        part, gap = parts[position], parts[position - 1] if position else ""
        quotes = len(re.findall(r'[^\\]"', part))
        if held:
            held += [gap, part]
        if quotes and held:
            if not part.endswith('"'):
                raise BadRule(f"Quoting Error ({''.join(held)})")
            result.append("".join(held))
            held = []
        elif quotes == 1:
            held = [part]
        elif not held:
            result.append(part)
    if held:
        raise BadRule(f"Mismatched_quotes ({text})")
    return result


Value = str | int
EXPRESSION_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?![\w.]))|'(?P<single>[^'\\]*)'|\"(?P<double>[^\"\\@$]*)\""
    r"|(?P<sign>\|\||&&|==|!=|<=|>=|=~|!~|[-+*/%.!<>()?:])|(?P<word>[A-Za-z_]\w*))")
LEADING_NUMBER = re.compile(r"\s*([-+]?\d{1,15})")
OPERATORS: tuple[tuple[str, ...], ...] = (
    ("or",), ("and",), ("||",), ("&&",), ("==", "!=", "eq", "ne"), ("<", ">", "<=", ">=", "lt", "gt", "le", "ge"),
    ("+", "-", "."), ("*", "/", "%"))
VALUES = ("number", "single", "double")
AFTER_A_VALUE = re.compile(r"x\d*|cmp|xor|isa|if|unless|while|until|for|foreach")  # beside OPERATORS
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
    """Evaluate an expression after its variables were expanded."""
    if re.fullmatch(r"\d+", text, re.ASCII):
        return text
    if re.fullmatch(r"\d{1,9}\.\d{1,9}", text, re.ASCII):
        return f"{float(text):.15g}"
    if len(text) > LONGEST_EXPRESSION:
        raise Undecided
    if re.fullmatch(r"[a-zA-Z_]\w*", text, re.ASCII) and text not in CALLS:
        raise BadRule(f'Couldn\'t parse expression ({text}): Bareword "{text}" not allowed while "strict subs" in use')
    return Parser(text).value()


def is_true(value: Value) -> bool:
    return value not in ("", "0", 0)


class Parser:
    """Evaluates an expression by operator precedence."""

    def __init__(self, text: str) -> None:
        self.tokens = self.read(text)
        self.position = 0
        self.depth = 0

    @staticmethod
    def read(text: str) -> list[tuple[str, str]]:
        tokens, position = [], 0
        text = text.rstrip()
        while position < len(text):
            match = EXPRESSION_TOKEN.match(text, position)
            if match is None:
                raise Undecided
            tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            position = match.end()
        return [*tokens, ("end", "")]

    def value(self) -> Value:
        result = self.level(0)
        kind, text = self.tokens[self.position]
        if kind in VALUES or text == ")" or (kind == "word" and not AFTER_A_VALUE.fullmatch(text)):
            raise BadRule(f"Couldn't parse expression: syntax error near {text}")
        if kind != "end":
            raise Undecided
        return result

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
                result = self.level(0)
                if self.tokens[self.position] == ("sign", ")"):
                    self.position += 1
                    return result
            if "end" in (kind, self.tokens[self.position][0]):
                raise BadRule("Couldn't parse expression: syntax error at its end")
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
    first, second = number_value(left), number_value(right)
    if sign in COMPARED:
        return TRUTH[COMPARED[sign](first, second)]
    if sign in ("/", "%") and not second:
        raise BadRule("Couldn't parse expression: Illegal division by zero")
    if sign == "/" and first % second:
        raise Undecided
    result = first // second if sign == "/" else CALCULATED[sign](first, second)
    if abs(result) > 10**15:
        raise Undecided
    return result


def number_value(value: Value) -> int:
    """Convert a value to a number as Perl does: a text counts as the number at its start, or 0."""
    if isinstance(value, int):
        return value
    match = LEADING_NUMBER.match(value)
    if match and re.match(r"[\d.eE]", value[match.end():match.end() + 1]):
        raise Undecided
    return int(match[1]) if match else 0
