"""Laravel's validator: compute a body's errors from its rules. Compiled once; independent of operations and tables.

Order and messages are those of Illuminate\\Validation\\Validator: fields in the order of the rules, then their rules.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from sarkmock.http.replies import Errors, PhpError
from sarkmock.laravel.php import TRIMMED, UploadedFile, to_number, to_text
from sarkmock.laravel.php.values import MEMORY_EXHAUSTED, is_readable, str_getcsv
from sarkmock.laravel.presence import Tables
from sarkmock.laravel.rules import (
    FOR_FILES,
    IMPLICIT,
    NUMERIC_RULES,
    PRESENCE,
    RULES,
    SIZES,
    WITH_PARAMETER,
    Rule,
    Test,
    rule_maker,
)
from sarkmock.spec import yaml12

RuleText = str | Sequence[str]

Wordings = Mapping[str, str | Mapping[str, str]]
LARAVEL_7 = "laravel-7"
MALFORMED = "Malformed UTF-8 characters, possibly incorrectly encoded"
LONGEST_RULE = 1 << 16  # characters; a request value inserted into a rule can add more rules
MISSING = object()
PLACEHOLDER = re.compile(r"\{(\w+)\}")


class RuleError(ValueError):
    """A rule that Laravel does not have, or that lacks its parameter."""

    def __init__(self, field: str, rule: str, problem: str) -> None:
        super().__init__(f"field {field}, rule {rule!r}: {problem}")
        self.field, self.name, self.problem = field, rule, problem


class Validator:
    """The rules of one operation: ``{field: "required|integer"}`` or ``{field: ["regex:/a|b/", "nullable"]}``."""

    def __init__(self, rules: Mapping[str, RuleText], wording: str = LARAVEL_7) -> None:
        self._fields = [_compiled(name, text if isinstance(text, str) else tuple(text), wording)
                        for name, text in rules.items()]

    def errors(self, data: Mapping[str, Any], tables: Tables) -> Errors:
        """Map each field that breaks a rule to its messages. PhpError if Laravel would crash."""
        errors: Errors = {}
        for field in self._fields:
            value = data.get(field.name, MISSING)
            if value is MISSING and not field.if_absent:
                continue
            messages = field.messages(value, data, tables)
            if messages:
                errors[field.name] = messages
        return errors

    def behind(self, field: str, message: str) -> str | None:
        """Return the rule of a field that has this message, as the document writes it; None if there is none."""
        return next((rule for candidate in self._fields if candidate.name == field
                     for rule, messages in candidate.messages_by_rule() if message in messages), None)

    def check_readable(self, data: Mapping[str, Any]) -> None:
        """Raise PhpError for the first value that is not UTF-8: it passes validation, but cannot be encoded as JSON."""
        for field in self._fields if not is_readable(data) else ():
            if not is_readable(data.get(field.name)):
                raise PhpError(MALFORMED, "InvalidArgumentException", field.name)


@dataclass(frozen=True, slots=True)
class _Step:
    passes: Test
    message: str
    file_message: str  # used if the value is an upload
    implicit: bool
    presence: bool


class _Field:
    """The compiled rules of one field."""

    def __init__(self, name: str, rules: Sequence[str], wording: str) -> None:
        messages = laravel_messages(wording)
        parsed = {rule: parse_rule(rule) for rule in rules if rule.strip()}
        numeric = any(rule in NUMERIC_RULES for rule, _ in parsed.values())
        self.name, self._messages = name, messages
        self.nullable = any(rule == "nullable" for rule, _ in parsed.values())
        self._rules = {text: Rule(rule, parameters, name, numeric, wording == LARAVEL_7)
                       for text, (rule, parameters) in parsed.items() if rule != "nullable"}
        self.steps = [_rule_step(rule, messages) for rule in self._rules.values()]
        self.if_absent = [step.message for step in self.steps if step.implicit][:1]
        judges_files = any(rule in FOR_FILES or rule in IMPLICIT for rule, _ in parsed.values())
        self.if_cut_off = [message_of(Rule("uploaded", (), name, False), "file", messages)] if judges_files else []

    def messages_by_rule(self) -> list[tuple[str, tuple[str, str]]]:
        return [(text, (message_of(rule, "string", self._messages), message_of(rule, "file", self._messages)))
                for text, rule in self._rules.items()]

    def messages(self, value: Any, data: Mapping[str, Any], tables: Tables) -> list[str]:
        # Laravel applies a rule if the field is present, not blank, and not a nullable null; implicit rules always.
        if value is MISSING or (value is None and self.nullable) or (type(value) is str and not value.strip(TRIMMED)):
            return self.if_absent[:]
        if self.if_cut_off and isinstance(value, UploadedFile) and value.failed:
            return self.if_cut_off[:]
        messages: dict[str, None] = {}
        try:
            for step in self.steps:
                if (step.presence and messages) or step.passes(value, tables):
                    continue
                message = step.file_message if isinstance(value, UploadedFile) else step.message
                messages[message] = None
                if step.implicit:
                    break
        except PhpError as error:
            error.field = self.name
            raise
        return list(messages)


class _Depending:
    """A field whose rules contain a value of the request, as the product's ``exists:cluster,{cluster}`` does."""

    def __init__(self, name: str, text: RuleText, wording: str) -> None:
        self.name, self._wording = name, wording
        self.text = text if isinstance(text, str) else "|".join(text)
        self.if_absent = _Field(name, _split(PLACEHOLDER.sub("x", self.text)), wording).if_absent

    def messages_by_rule(self) -> list[tuple[str, tuple[str, str]]]:
        return _Field(self.name, _split(self.text), self._wording).messages_by_rule()

    def messages(self, value: Any, data: Mapping[str, Any], tables: Tables) -> list[str]:
        try:
            text = PLACEHOLDER.sub(lambda messages: to_text(data.get(messages[1])), self.text)
            if len(text) > LONGEST_RULE:
                raise PhpError(MEMORY_EXHAUSTED, "Symfony\\Component\\ErrorHandler\\Error\\FatalError")
            rules = text.split("|")
            for name, parameters in map(parse_rule, rules):
                if lacks_parameter(name, parameters):
                    raise PhpError(f"Validation rule {name} requires at least 1 parameters.",
                                   "InvalidArgumentException")
            return _Field(self.name, rules, self._wording).messages(value, data, tables)
        except PhpError as error:
            error.field = self.name
            raise


@lru_cache(maxsize=4096)
def _compiled(name: str, text: str | tuple[str, ...], wording: str) -> _Field | _Depending:
    """Compile a field's rules. Cached, because the documents of deviations share nearly all rules."""
    _check_parameters(name, _split(text))
    return _Depending(name, text, wording) if _depends(text) else _Field(name, _split(text), wording)


def _check_parameters(field: str, rules: Sequence[str]) -> None:
    """Raise RuleError for a parameter that is not supported in a document, although Laravel may accept it."""
    for name, parameters in map(parse_rule, rules):
        if lacks_parameter(name, parameters):
            raise RuleError(field, name, "the parameter is missing")
        if name in SIZES and to_number(parameters[0]) is None:
            raise RuleError(field, name, f"{parameters[0]!r} is not a number")
        if name in PRESENCE and len(parameters) > 2:
            raise RuleError(field, name, "conditions in addition to the column are not supported")


def lacks_parameter(name: str, parameters: tuple[str, ...]) -> bool:
    return name in WITH_PARAMETER and parameters in ((), ("",))


def check_names(rules: Mapping[str, RuleText], missing: Collection[str]) -> None:
    """Raise RuleError for a rule that neither Laravel has nor ``missing`` lists (rules the product uses by mistake)."""
    for field, text in rules.items():
        for name in (parse_rule(rule)[0] for rule in _split(text) if rule.strip()):
            if name not in RULES and name not in missing:
                raise RuleError(field, name, "unknown rule")


def _depends(text: RuleText) -> bool:
    return any(rule.startswith("exists:") and PLACEHOLDER.search(rule) for rule in _split(text))


def _split(text: RuleText) -> Sequence[str]:
    return text.split("|") if isinstance(text, str) else text


def parse_rule(rule: str) -> tuple[str, tuple[str, ...]]:
    """Parse ``in:YES,NO`` to ("in", ("YES", "NO")). The parameter of a regex is not split."""
    name, colon, rest = rule.partition(":")
    name = name.strip()
    if not colon:
        return name, ()
    return name, (rest,) if name == "regex" else tuple(str_getcsv(rest))


def _rule_step(rule: Rule, wording: Wordings) -> _Step:
    return _Step(rule_maker(rule.name)(rule), message_of(rule, "string", wording), message_of(rule, "file", wording),
                 rule.name in IMPLICIT, rule.name in PRESENCE)


@cache
def laravel_messages(wording: str) -> Wordings:
    """Read the set of Laravel's English messages with this name."""
    return yaml12.read(Path(__file__).parent / f"messages-{wording}.yaml")  # type: ignore[no-any-return]


def is_rule_message(field: str, message: str) -> bool:
    """Whether any supported version of Laravel has a rule with this message for the field."""
    attribute = display_name(field)
    return any(message.startswith(start + attribute) and rest.fullmatch(message, len(start + attribute)) is not None
               for start, rest in _rule_messages().items())


@cache
def _rule_messages() -> dict[str, re.Pattern[str]]:
    """Return the texts before the field's name, each with a pattern for the rest, with wildcards for parameters."""
    rests: dict[str, list[str]] = {}
    for file in sorted(Path(__file__).parent.glob("messages-*.yaml")):
        for entry in yaml12.read(file).values():
            for text in entry.values() if isinstance(entry, dict) else [entry]:
                start, _, rest = text.partition(":attribute")
                wildcards = re.sub(r":([a-z_]+)", lambda name: ".*" if name[1] == "values" else r"\S+", re.escape(rest))
                rests.setdefault(start, []).append(wildcards)
    return {start: re.compile("|".join(dict.fromkeys(patterns)), re.DOTALL) for start, patterns in rests.items()}


def message_of(rule: Rule, kind: str, wording: Wordings) -> str:
    """Return the message of a failed rule; ``kind`` is "string", or "file" for an upload."""
    text = wording.get(rule.name, "")  # a rule that Laravel does not have raises before it needs a message
    if not isinstance(text, str):
        text = text["numeric" if rule.numeric else kind]
    text = text.replace(":attribute", display_name(rule.field))
    first = rule.parameters[0] if rule.parameters else ""
    return text.replace(":values", ", ".join(rule.parameters)).replace(f":{rule.name}", first)


def display_name(field: str) -> str:
    """Return a field's name in Laravel's messages: ``call_limit`` is "call limit", ``COS_pkey`` is "c o s pkey"."""
    if not (field.isascii() and field.isalpha() and field.islower()):
        field = field[:1].upper() + field[1:]
        field = re.sub("(.)(?=[A-Z])", r"\1_", field).lower()
    return field.replace("_", " ")
