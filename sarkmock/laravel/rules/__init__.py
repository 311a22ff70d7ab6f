"""Laravel's validation rules: every rule of the page in one table, its categories as sets."""

import re
from collections.abc import Mapping

from sarkmock.laravel.php import is_numeric
from sarkmock.laravel.rules import values
from sarkmock.laravel.rules.base import Maker, Rule, Tables, Test
from sarkmock.laravel.rules.exists import exists, unique
from sarkmock.laravel.rules.values import plain

__all__ = ["FOR_FILES", "IMPLICIT", "NUMERIC", "PRESENCE", "RULES", "SIZES", "WITH_PARAMETER", "Maker", "Rule",
           "Tables", "Test", "maker"]

RULES: Mapping[str, Maker] = {
    "alpha": plain(values.is_alpha),
    "alpha_dash": plain(values.is_alpha_dash),
    "alpha_num": plain(values.is_alpha_num),
    "boolean": plain(values.is_boolean),
    "digits": values.digits,
    "email": plain(values.is_mail_address),
    "exists": exists,
    "file": plain(values.is_file),
    "in": values.one_of,
    "integer": plain(values.is_integer),
    "ip": plain(values.is_address_of_ip),
    "max": values.largest,
    "mimes": values.mimes,
    "mimetypes": values.mimetypes,
    "min": values.smallest,
    "nullable": plain(lambda value: True),  # the validator itself heeds it
    "numeric": plain(is_numeric),
    "regex": values.regex,
    "required": plain(values.is_present),
    "size": values.exactly,
    "string": plain(values.is_string),
    "unique": unique,
}


def maker(name: str) -> Maker:
    """How a rule is made; one that Laravel does not have calls a method that does not exist."""
    return RULES.get(name) or values.missing_method(studly(name))


def studly(name: str) -> str:
    """A rule's name as part of the name of its method."""
    return "".join(word[:1].upper() + word[1:] for word in re.split("[-_ ]", name))


IMPLICIT = frozenset({"required"})  # asked even if the field is absent or blank; failing, it ends the field
NUMERIC = frozenset({"integer", "numeric"})  # with one of these a size is a value
FOR_FILES = frozenset({"file", "max", "mimes", "mimetypes", "min", "size"})  # one of these judges an upload as such
SIZES = frozenset({"digits", "max", "min", "size"})  # compare with a number
PRESENCE = frozenset({"exists", "unique"})  # not asked once the field has a message
WITH_PARAMETER = frozenset({"digits", "exists", "in", "max", "mimes", "mimetypes", "min", "regex", "size", "unique"})
