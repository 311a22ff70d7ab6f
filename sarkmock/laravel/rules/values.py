"""The rules that look at a value alone: Illuminate\\Validation\\Concerns\\ValidatesAttributes on PHP 8."""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sarkmock.http.replies import PhpError
from sarkmock.laravel.email_address import is_address
from sarkmock.laravel.php import UploadedFile, is_numeric, to_number, to_text
from sarkmock.laravel.php.filters import is_int, is_ip
from sarkmock.laravel.php.finfo import extension_of, mime_type
from sarkmock.laravel.php.pcre import matcher
from sarkmock.laravel.php.values import equals_one, length, to_bytes


class Tables(Protocol):
    """What ``exists`` asks of the database."""

    def columns(self, table: str) -> Sequence[str]: ...

    def count(self, table: str, column: str, value: Any) -> int: ...

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a field as the document writes it: ``exists:cluster,pkey`` on ``cluster``."""

    name: str
    parameters: tuple[str, ...]
    field: str
    numeric: bool  # the field has a numeric rule, so sizes are values and not lengths


Test = Callable[[Any, Tables], bool]
Maker = Callable[[Rule], Test]


def without_parameters(passes: Callable[[Any], bool]) -> Maker:
    """A rule without parameters that looks at the value alone."""
    return lambda rule: lambda value, tables: passes(value)


def is_present(value: Any) -> bool:
    """Of ``required``. The blank string counts as absent before any rule is asked."""
    return value is not None and not (isinstance(value, (list, dict)) and not value)


def is_string(value: Any) -> bool:
    return isinstance(value, str)


def is_boolean(value: Any) -> bool:
    """Compared strictly: neither 1.0 nor "true"."""
    return isinstance(value, bool) or (isinstance(value, (int, str)) and value in (0, 1, "0", "1"))


def is_integer(value: Any) -> bool:
    return not isinstance(value, (list, dict)) and is_int(to_text(value))


def is_address_of_ip(value: Any) -> bool:
    return not isinstance(value, (list, dict)) and is_ip(to_text(value))


def is_mail_address(value: Any) -> bool:
    return isinstance(value, str) and is_address(value)


def is_alpha(value: Any) -> bool:
    return isinstance(value, str) and consists_of(value, "LM")


def is_alpha_num(value: Any) -> bool:
    return (isinstance(value, str) or is_numeric(value)) and consists_of(to_text(value), "LMN")


def is_alpha_dash(value: Any) -> bool:
    return (isinstance(value, str) or is_numeric(value)) and consists_of(to_text(value), "LMN", "_-")


def consists_of(text: str, categories: str, also: str = "") -> bool:
    """``/^[...]+$/u``: characters of these Unicode categories, and a line end at the end (PCRE's $)."""
    text = text.removesuffix("\n")
    return text != "" and all(sign in also or unicodedata.category(sign)[0] in categories for sign in set(text))


def digits_rule(rule: Rule) -> Test:
    wanted = to_number(rule.parameters[0])

    def passes(value: Any, tables: Tables) -> bool:
        text = subject(value, rule.field)
        return len(to_bytes(text)) == wanted and ((text.isascii() and text.isdigit()) or not text)

    return passes


def subject(value: Any, field: str) -> str:
    """A value as preg_match() takes it."""
    if isinstance(value, (list, dict)):
        raise PhpError("preg_match(): Argument #2 ($subject) must be of type string, array given", "TypeError", field)
    return to_text(value)


def regex(rule: Rule) -> Test:
    matches = matcher(rule.parameters[0])
    return lambda value, tables: (isinstance(value, str) or is_numeric(value)) and matches(to_text(value))


def one_of(rule: Rule) -> Test:
    """``in_array((string) $value, $parameters)``: numeric strings are compared as numbers."""
    wanted = frozenset(rule.parameters)
    numbers = [(parameter, number) for parameter in rule.parameters if (number := to_number(parameter)) is not None]

    def passes(value: Any, tables: Tables) -> bool:
        if isinstance(value, (list, dict)):
            return False
        text = to_text(value)
        return text in wanted or equals_one(text, numbers)

    return passes


def laravel_size(value: Any, numeric: bool) -> int | float:
    """A number's value, the length of text, the count of an array, the kilobytes of a file."""
    if numeric and is_numeric(value):
        return to_number(value) or 0 if isinstance(value, str) else value
    if isinstance(value, (list, dict)):
        return len(value)
    if isinstance(value, UploadedFile):
        return len(value.content) / 1024
    return length(to_text(value))


def smallest(rule: Rule) -> Test:
    return _compared(rule, operator.ge)


def largest(rule: Rule) -> Test:
    return _compared(rule, operator.le)


def exactly(rule: Rule) -> Test:
    return _compared(rule, operator.eq)


def _compared(rule: Rule, holds: Callable[[Any, Any], bool]) -> Test:
    """A size compared with the parameter; as text where the parameter is not a number, as PHP does it."""
    text = rule.parameters[0]
    limit = to_number(text)
    if limit is None:
        return lambda value, tables: holds(to_text(laravel_size(value, rule.numeric)), text)
    return lambda value, tables: holds(laravel_size(value, rule.numeric), limit)


def missing_method(name: str) -> Maker:
    """A rule the product names although Laravel has none of that name."""
    message = f"Method Illuminate\\Validation\\Validator::validate{name} does not exist."

    def make(rule: Rule) -> Test:
        def passes(value: Any, tables: Tables) -> bool:
            raise PhpError(message, "BadMethodCallException", rule.field)

        return passes

    return make


BLOCKED_UPLOADS = {"php", "php3", "php4", "php5", "phtml", "phar"}


def is_upload(value: Any) -> bool:
    return isinstance(value, UploadedFile)


def mimes(rule: Rule) -> Test:
    wanted = set(rule.parameters) | ({"jpg", "jpeg"} if {"jpg", "jpeg"}.intersection(rule.parameters) else set())
    return lambda value, tables: is_allowed_upload(value, rule.parameters) and extension_of(value.content) in wanted


def mimetypes(rule: Rule) -> Test:
    def passes(value: Any, tables: Tables) -> bool:
        if not is_allowed_upload(value, rule.parameters):
            return False
        kind = mime_type(value.content)
        return kind in rule.parameters or f"{kind.partition('/')[0]}/*" in rule.parameters

    return passes


def is_allowed_upload(value: Any, parameters: Iterable[str]) -> bool:
    """A file whose name does not end like a PHP script's."""
    if not isinstance(value, UploadedFile):
        return False
    return "php" in parameters or value.name.rpartition(".")[2].strip().lower() not in BLOCKED_UPLOADS
