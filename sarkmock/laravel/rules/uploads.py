"""The rules for uploaded files, judged by content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sarkmock.laravel.php import UploadedFile
from sarkmock.laravel.php.finfo import extension, mime_type
from sarkmock.laravel.rules.base import Rule, Tables, Test

BLOCKED_UPLOADS = {"php", "php3", "php4", "php5", "phtml", "phar"}


def is_file(value: Any) -> bool:
    return isinstance(value, UploadedFile)


def mimes(rule: Rule) -> Test:
    wanted = set(rule.parameters) | ({"jpg", "jpeg"} if {"jpg", "jpeg"}.intersection(rule.parameters) else set())
    return lambda value, tables: is_allowed_upload(value, rule.parameters) and extension(value.content) in wanted


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
