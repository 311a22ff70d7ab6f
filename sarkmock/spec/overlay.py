"""Apply an OpenAPI Overlay to a document and reject actions without effect.

Overlay 1.0 ignores an action that matches nothing. Here the overlay is a list of known deviations, and an action
without effect means that its deviation no longer exists: an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sarkmock.spec.pointers import pointer

if TYPE_CHECKING:
    import jsonpath

LONGEST_TARGET = 2_000  # characters


class OverlayError(ValueError):
    """An action that cannot be applied; ``index`` is its position in the list of actions."""

    def __init__(self, index: int, target: str, problem: str) -> None:
        self.index, self.target, self.problem = index, target, problem
        super().__init__(self.message_at(index))

    def message_at(self, index: int) -> str:
        """Format the error with the action's position in its own file."""
        return f"action {index + 1} ({self.target}): {self.problem}"


def apply(document: Any, actions: Iterable[Mapping[str, Any]]) -> Any:
    """Return a new document with the actions applied in order. Raises the first OverlayError if any action fails."""
    result, errors = apply_possible(document, actions)
    if errors:
        raise errors[0]
    return result


def apply_possible(document: Any, actions: Iterable[Mapping[str, Any]]) -> tuple[Any, list[OverlayError]]:
    """Return a new document with every action that can be applied, and the errors of the others.

    Unchanged parts are shared with the old document.
    """
    result, errors = document.copy(), []
    for index, action in enumerate(actions):
        try:
            result = _apply_one(result, index, action)
        except OverlayError as error:
            errors.append(error)
    return result, errors


def _apply_one(document: Any, index: int, action: Mapping[str, Any]) -> Any:
    target = str(action.get("target"))
    matches = find(document, index, target)
    if action.get("remove") is True:
        if any(not match.parts for match in matches):
            raise OverlayError(index, target, "would remove the whole document")
        for match in reversed(matches):
            document = _changed(document, match.parts[:-1], partial(_without, key=match.parts[-1]))
        return document
    if "update" not in action:
        raise OverlayError(index, target, "needs update or remove: true")
    if all(_updated(match.obj, action["update"]) is match.obj for match in matches):
        raise OverlayError(index, target, "changes nothing")
    for match in reversed(matches):
        document = _changed(document, match.parts, partial(_updated, update=action["update"]))
    return document


def _changed(value: Any, steps: Sequence[str | int], change: Callable[[Any], Any]) -> Any:
    """Return a copy of a value with ``change`` applied to the value at a path of keys."""
    if not steps:
        return change(value)
    copy = value.copy()
    copy[steps[0]] = _changed(value[steps[0]], steps[1:], change)
    return copy


def _without(value: Any, key: str | int) -> Any:
    copy = value.copy()
    del copy[key]
    return copy


def _updated(present: Any, update: Any) -> Any:
    """Apply an update to its target value. Return the value itself if nothing changes."""
    if isinstance(present, list):
        return present + (update if isinstance(update, list) else [update])
    if isinstance(present, dict) and isinstance(update, Mapping):
        return _merged(present, update)
    return present if present == update else update


def _merged(present: Any, update: Any) -> Any:
    """Merge as Overlay 1.0 does: objects recursively, arrays by appending, anything else by replacing."""
    if isinstance(present, dict) and isinstance(update, Mapping):
        merged = {key: _merged(present[key], value) if key in present else value for key, value in update.items()}
        unchanged = all(key in present and present[key] is value for key, value in merged.items())
        return present if unchanged else {**present, **merged}
    if isinstance(present, list) and isinstance(update, list):
        return present + update if update else present
    return present if present == update and type(present) is type(update) else update


@cache
def _query(target: str) -> jsonpath.JSONPath | jsonpath.CompoundJSONPath:
    import jsonpath

    return jsonpath.compile(target)


def find(document: Any, index: int, target: str) -> list[jsonpath.JSONPathMatch]:
    import jsonpath  # slow to import, and not needed for the base document

    if len(target) > LONGEST_TARGET:  # the library descends once for each segment
        raise OverlayError(index, f"{target[:50]}...", f"is longer than {LONGEST_TARGET} characters")
    try:
        matches = list(_query(target).finditer(document))
    except (jsonpath.JSONPathError, OverflowError, RecursionError) as error:  # large numbers, hundreds of segments
        raise OverlayError(index, target, f"is not a JSONPath: {error.args[0]}") from None
    if not matches:
        raise OverlayError(index, target, "matches nothing")
    return matches


def changed_pointers(document: Any, actions: list[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each action with the JSON Pointer of every place it changes, in the document just before that action."""
    result = document
    for index, action in enumerate(actions):
        for match in find(result, index, str(action["target"])):
            for place in changed_places(match.obj, action.get("update"), str(match.pointer())):
                yield action, place
        result = _apply_one(result, index, action)


def changed_places(present: Any, update: Any, place: str) -> Iterator[str]:
    """Yield the pointers that an update adds or replaces, descending while both sides are objects."""
    if not (isinstance(present, dict) and isinstance(update, Mapping)):
        yield place
        return
    for key, value in update.items():
        if key not in present or isinstance(value, Mapping) or present[key] != value:
            yield from changed_places(present.get(key), value, place + pointer(key))
