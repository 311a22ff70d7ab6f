"""Laravel's validation rules: every rule of the page in one table, its categories as sets."""

import re
from collections.abc import Mapping

from sarkmock.laravel.php import is_numeric
from sarkmock.laravel.rules import values
from sarkmock.laravel.rules.values import Maker, Rule, Tables, Test, exists_rule, unique_rule, without_parameters

__all__ = ["FOR_FILES", "IMPLICIT", "NUMERIC_RULES", "PRESENCE", "RULES", "SIZES", "WITH_PARAMETER", "Maker", "Rule",
           "Tables", "Test", "maker"]

RULES: Mapping[str, Maker] = {
    "alpha": without_parameters(values.is_alpha),
    "alpha_dash": without_parameters(values.is_alpha_dash),
    "alpha_num": without_parameters(values.is_alpha_num),
    "boolean": without_parameters(values.is_boolean),
    "digits": values.digits_rule,
    "email": without_parameters(values.is_mail_address),
    "exists": exists_rule,
    "file": without_parameters(values.is_upload),
    "in": values.one_of,
    "integer": without_parameters(values.is_integer),
    "ip": without_parameters(values.is_address_of_ip),
    "max": values.largest,
    "mimes": values.mimes,
    "mimetypes": values.mimetypes,
    "min": values.smallest,
    "nullable": without_parameters(lambda value: True),  # the validator itself heeds it
    "numeric": without_parameters(is_numeric),
    "regex": values.regex,
    "required": without_parameters(values.is_present),
    "size": values.exactly,
    "string": without_parameters(values.is_string),
    "unique": unique_rule,
}


def maker(name: str) -> Maker:
    """How a rule is made; one that Laravel does not have calls a method that does not exist."""
    return RULES.get(name) or values.missing_method(studly(name))


def studly(name: str) -> str:
    """A rule's name as part of the name of its method."""
    return "".join(word[:1].upper() + word[1:] for word in re.split("[-_ ]", name))


IMPLICIT = frozenset({"required"})  # asked even if the field is absent or blank; failing, it ends the field
NUMERIC_RULES = frozenset({"integer", "numeric"})  # with one of these a size is a value
FOR_FILES = frozenset({"file", "max", "mimes", "mimetypes", "min", "size"})  # one of these judges an upload as such
SIZES = frozenset({"digits", "max", "min", "size"})  # compare with a number
PRESENCE = frozenset({"exists", "unique"})  # not asked once the field has a message
WITH_PARAMETER = frozenset({"digits", "exists", "in", "max", "mimes", "mimetypes", "min", "regex", "size", "unique"})
