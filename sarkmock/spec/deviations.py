"""Which operations a deviation affects: those whose definition it changes, references followed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from sarkmock.http.engine import Program
from sarkmock.spec.loading import METHODS, Document, deviations_of, load_deviating, resolve
from sarkmock.spec.profiles import profiles


@cache
def deviating(name: str) -> Program:
    """The page's program with this one deviation; FileError if there is none of that name."""
    return Program(load_deviating(name)[1], name)


@cache
def felt_in(name: str) -> frozenset[str]:
    """The ids of the operations that a deviation changes, adds or removes."""
    before, after = map(operation_texts, load_deviating(name))
    return frozenset(one for one in before.keys() | after.keys() if before.get(one) != after.get(one))


def known() -> list[str]:
    """The ids of all deviations."""
    return list(dict.fromkeys(deviation.id for profile in profiles() for deviation in deviations_of(profile)))


def operation_texts(document: Document) -> dict[str, str]:
    """By operation, all that the document says of it."""
    everywhere = [document["x-crashes"], document["x-laravel"]]
    return {item[method]["operationId"]: json.dumps([everywhere, path, method, item.get("x-table"),
                                                     whole(document, item[method])])
            for path, item in document["paths"].items() for method in METHODS if method in item}


def whole(document: Document, value: Any) -> Any:
    """A value whose references are replaced by their targets; keys beside a reference are kept."""
    if isinstance(value, dict) and "$ref" in value:
        value = {**resolve(document, value), **{key: item for key, item in value.items() if key != "$ref"}}
    if isinstance(value, list):
        return [whole(document, item) for item in value]
    if isinstance(value, dict):
        return {key: whole(document, item) for key, item in value.items()}
    return value
