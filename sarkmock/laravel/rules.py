"""Laravel's validation rules, both those on a value and those that query the database; `RULES` lists them.

They follow ValidatesAttributes on PHP 8.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any

from sarkmock.http.replies import PhpError
from sarkmock.laravel.email_address import is_address
from sarkmock.laravel.php import UploadedFile, flattened, is_numeric, to_number, to_text
from sarkmock.laravel.php.finfo import extension_of, mime_type
from sarkmock.laravel.php.pcre import matcher
from sarkmock.laravel.php.values import ARRAY_TYPES, equals_one, is_int, is_ip, mb_strlen, to_bytes
from sarkmock.laravel.presence import Tables, row_exists, too_many_bindings


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a field as the document writes it: ``exists:cluster,pkey`` on ``cluster``."""

    name: str
    parameters: tuple[str, ...]
    field: str
    numeric: bool  # the field has a numeric rule, so sizes compare values, not lengths
    laravel_7: bool = True  # or a later version


Test = Callable[[Any, Tables], bool]
Maker = Callable[[Rule], Test]


def without_parameters(passes: Callable[[Any], bool]) -> Maker:
    """Make a rule without parameters that tests only the value."""
    return lambda rule: lambda value, tables: passes(value)


def is_present(value: Any) -> bool:
    """Test for ``required``. The validator treats a blank string as absent before it applies any rule."""
    return value is not None and not (isinstance(value, (list, dict)) and not value)


def is_boolean(value: Any) -> bool:
    """Compare strictly: 1.0 and "true" fail."""
    return isinstance(value, bool) or (isinstance(value, (int, str)) and value in (0, 1, "0", "1"))


def is_integer(value: Any) -> bool:
    return not isinstance(value, (list, dict)) and is_int(to_text(value))


def is_address_of_ip(value: Any) -> bool:
    return not isinstance(value, (list, dict)) and is_ip(to_text(value))


def is_alpha(value: Any) -> bool:
    return isinstance(value, str) and consists_of(value, "LM")


def is_alpha_num(value: Any) -> bool:
    return (isinstance(value, str) or is_numeric(value)) and consists_of(to_text(value), "LMN")


def is_alpha_dash(value: Any) -> bool:
    return (isinstance(value, str) or is_numeric(value)) and consists_of(to_text(value), "LMN", "_-")


def consists_of(text: str, categories: str, also: str = "") -> bool:
    """``/^[...]+$/u``: characters of these Unicode categories or ``also``, and an optional final newline (PCRE's $)."""
    text = text.removesuffix("\n")
    return text != "" and all(sign in also or unicodedata.category(sign)[0] in categories for sign in set(text))


def digits_rule(rule: Rule) -> Test:
    wanted = to_number(rule.parameters[0])

    def passes(value: Any, tables: Tables) -> bool:
        text = preg_subject(value, rule.field)
        return len(to_bytes(text)) == wanted and ((text.isascii() and text.isdigit()) or not text)

    return passes


def preg_subject(value: Any, field: str) -> str:
    """Convert a value as preg_match() does; PhpError for an array."""
    if isinstance(value, (list, dict)):
        raise PhpError("preg_match(): Argument #2 ($subject) must be of type string, array given", "TypeError", field)
    return to_text(value)


def regex_rule(rule: Rule) -> Test:
    matches = matcher(rule.parameters[0])
    return lambda value, tables: (isinstance(value, str) or is_numeric(value)) and matches(to_text(value))


def in_rule(rule: Rule) -> Test:
    """``in_array((string) $value, $parameters)``: numeric strings are compared as numbers."""
    wanted = frozenset(rule.parameters)
    numbers = [(parameter, number) for parameter in rule.parameters if (number := to_number(parameter)) is not None]

    def passes(value: Any, tables: Tables) -> bool:
        if isinstance(value, (list, dict)):
            return False
        text = to_text(value)
        return text in wanted or equals_one(text, numbers)

    return passes


def laravel_size(value: Any, rule: Rule) -> float | Decimal:
    """Return a number's value, a text's length, an array's count or a file's size in kilobytes."""
    if rule.numeric and is_numeric(value):
        if not rule.laravel_7:
            return exact_number(to_text(value))
        return to_number(value) or 0 if isinstance(value, str) else value
    if isinstance(value, (list, dict)):
        return len(value)
    if isinstance(value, UploadedFile):
        return len(value.content) / 1024
    return mb_strlen(to_text(value))


def exact_number(text: str) -> Decimal:
    """Return the number that Laravel 10 compares. PhpError for infinity and for exponents beyond its limit."""
    exponent = text.upper().partition("E")[2].lstrip("+-0")
    if len(exponent) > len(str(LARGEST_EXPONENT)) or int(exponent or 0) > LARGEST_EXPONENT:
        raise PhpError("Scientific notation exponent outside of allowed range.",
                       "Illuminate\\Support\\Exceptions\\MathException")
    if "N" in text:
        raise PhpError(f'The given value "{text}" does not represent a valid number.',
                       "Brick\\Math\\Exception\\NumberFormatException")
    return Decimal(text)


def _compared(rule: Rule, holds: Callable[[Any, Any], bool]) -> Test:
    """Compare a size with the parameter; as text if the parameter is not a number, as PHP does."""
    text = rule.parameters[0]
    limit = to_number(text)
    if limit is None:
        return lambda value, tables: holds(to_text(laravel_size(value, rule)), text)
    return lambda value, tables: holds(laravel_size(value, rule), limit)


def missing_method(name: str) -> Maker:
    """A rule that the product uses although Laravel does not have it. It raises BadMethodCallException."""
    message = f"Method Illuminate\\Validation\\Validator::validate{name} does not exist."

    def make(rule: Rule) -> Test:
        def passes(value: Any, tables: Tables) -> bool:
            raise PhpError(message, "BadMethodCallException", rule.field)

        return passes

    return make


LARGEST_EXPONENT = 1000
BLOCKED_UPLOADS = {"php", "php3", "php4", "php5", "phtml", "phar"}
BLOCKED_LATER = BLOCKED_UPLOADS | {"php7", "php8"}


def mimes_rule(rule: Rule) -> Test:
    wanted = set(rule.parameters) | ({"jpg", "jpeg"} if {"jpg", "jpeg"}.intersection(rule.parameters) else set())
    return lambda value, tables: is_allowed_upload(value, rule) and extension_of(value.content) in wanted


def mimetypes_rule(rule: Rule) -> Test:
    def passes(value: Any, tables: Tables) -> bool:
        if not is_allowed_upload(value, rule):
            return False
        kind = mime_type(value.content)
        return kind in rule.parameters or f"{kind.partition('/')[0]}/*" in rule.parameters

    return passes


def is_allowed_upload(value: Any, rule: Rule) -> bool:
    """Whether the value is an uploaded file without a PHP script's extension, unless the rule allows ``php``."""
    if not isinstance(value, UploadedFile):
        return False
    blocked = BLOCKED_UPLOADS if rule.laravel_7 else BLOCKED_LATER
    return "php" in rule.parameters or value.name.rpartition(".")[2].strip().lower() not in blocked


def exists_rule(rule: Rule) -> Test:
    """``exists:table,column``; the column defaults to the field's name."""
    table, *columns = rule.parameters[:2]
    column = columns[0] if columns and columns[0] != "NULL" else rule.field
    further = rule.parameters[2:]  # pairs of a column and its expected value
    find = partial(row_exists, laravel_7=rule.laravel_7)

    def passes(value: Any, tables: Tables) -> bool:
        if len(further) % 2:
            raise PhpError(f"Undefined array key {len(further)}")
        if isinstance(value, (list, dict)):
            members = list(value.values() if isinstance(value, dict) else value)
            if len(members) == 1 and isinstance(members[0], (list, dict)):
                members = [only_scalar(members[0], table, column, rule.laravel_7)]
            return all(member is not None and find(tables, table, column, member, further)
                       for member in distinct(members))
        return find(tables, table, column, value, further)

    return passes


def unique_rule(rule: Rule) -> Test:
    """``unique:table,column``: passes if no row has the value; the column defaults to the field's name."""
    table, column = (*rule.parameters, rule.field)[:2]

    def passes(value: Any, tables: Tables) -> bool:
        return not row_exists(tables, table, column, value, laravel_7=rule.laravel_7)

    return passes


def only_scalar(nested: list[Any] | dict[str, Any], table: str, column: str, laravel_7: bool) -> Any:
    """Return what the query binds for an array's only member, an array itself: its only scalar, or None."""
    if not laravel_7 and len(nested) != 1:
        raise PhpError("Nested arrays may not be passed to whereIn method.", "InvalidArgumentException")
    scalars = list(islice(flattened(nested), 2))
    if len(scalars) > 1:
        raise too_many_bindings(table, column, scalars[0])
    return scalars[0] if scalars else None


def distinct(members: list[Any]) -> Iterable[Any]:
    """``array_unique()``: members are compared as text. PhpError if one is an array."""
    kinds = set(map(type, members))
    if not kinds.isdisjoint(ARRAY_TYPES):
        raise PhpError("Array to string conversion")
    return without_repetitions(dict.fromkeys(members) if kinds <= {int, str} else members)


def without_repetitions(members: Iterable[Any]) -> Iterator[Any]:
    """Yield the members whose text has not occurred before."""
    seen = set()
    for member in members:
        text = to_text(member)
        if text not in seen:
            seen.add(text)
            yield member


RULES: Mapping[str, Maker] = {
    "alpha": without_parameters(is_alpha),
    "alpha_dash": without_parameters(is_alpha_dash),
    "alpha_num": without_parameters(is_alpha_num),
    "boolean": without_parameters(is_boolean),
    "digits": digits_rule,
    "email": without_parameters(lambda value: isinstance(value, str) and is_address(value)),
    "exists": exists_rule,
    "file": without_parameters(lambda value: isinstance(value, UploadedFile)),
    "in": in_rule,
    "integer": without_parameters(is_integer),
    "ip": without_parameters(is_address_of_ip),
    "max": partial(_compared, holds=operator.le),
    "mimes": mimes_rule,
    "mimetypes": mimetypes_rule,
    "min": partial(_compared, holds=operator.ge),
    "nullable": without_parameters(lambda value: True),  # handled by the validator
    "numeric": without_parameters(is_numeric),
    "regex": regex_rule,
    "required": without_parameters(is_present),
    "size": partial(_compared, holds=operator.eq),
    "string": without_parameters(lambda value: isinstance(value, str)),
    "unique": unique_rule,
}


def rule_maker(name: str) -> Maker:
    """Return the maker of a rule. A rule that Laravel does not have raises BadMethodCallException when applied."""
    return RULES.get(name) or missing_method(studly(name))


def studly(name: str) -> str:
    """Convert a rule's name to StudlyCase, as in the name of its method."""
    return "".join(word[:1].upper() + word[1:] for word in re.split("[-_ ]", name))


IMPLICIT = frozenset({"required"})  # applied even if absent or blank; a failure ends the field
NUMERIC_RULES = frozenset({"integer", "numeric"})  # with one of these, a size is a value
FOR_FILES = frozenset({"file", "max", "mimes", "mimetypes", "min", "size"})  # rules that check an upload
SIZES = frozenset({"digits", "max", "min", "size"})  # rules that compare with a number
PRESENCE = frozenset({"exists", "unique"})  # skipped if the field already has a message
WITH_PARAMETER = frozenset({"digits", "exists", "in", "max", "mimes", "mimetypes", "min", "regex", "size", "unique"})
