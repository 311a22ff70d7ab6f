"""Group findings that share a cause, so that they are reported as one.

Every finding has features: a change of a message template, the text of an exception, a field of an error body, a
variable. The feature that most findings share becomes the first cause; the remaining findings are grouped the same way.
`grouped_by_feature` also groups the differences of a comparison.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sarkmock.suite_api import display_name

from ..client.http import Response, bounded_json
from .findings import Finding, Identity
from .row_model import stored_text

SHOWN = 20  # the number of causes shown on a terminal
OF_ANSWER = {"status", "schema", "body", "content-type", "header"}
OF_VARIABLE = {"rules", "messages", "crash", "stored", "default", "unrequested", "query", "form"}
OF_ROW = {"stored", "default", "unrequested"}
OF_ONE_FIELD = {"additionalProperties", "required"}  # kinds of schema findings that are about one field by its name
OF_DELETED = {"stale", "still there"}  # kinds: a list shows a deleted row, or its own path does
OF_METHODS = {"method", "options"}
OF_MISSING = {"answer", "link", "list", "presence"}
WORDING = "wording"  # kind: another text of the framework, whichever check sees it
OF_KEY = {"stored", "form", "query", "schema"}  # a row with another key than the one sent is missing at its path
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
UNNAMED_RULE = "'The selected :attribute is invalid.'"
Member = TypeVar("Member")


@dataclass(frozen=True, order=True)
class Feature:
    """A property that findings can share: its kind and its text."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True)
class Cause:
    """Findings with one cause, the simplest finding first."""

    feature: Feature
    findings: tuple[Finding, ...]

    @property
    def title(self) -> str:
        """The text of the feature; for a single finding, the text of the finding."""
        return str(self.feature) if len(self.findings) > 1 else str(self.findings[0])

    @property
    def operations(self) -> list[str]:
        return unique(finding.identity.operation or finding.identity.field for finding in self.findings)

    @property
    def fields(self) -> list[str]:
        return unique(finding.identity.field for finding in self.findings)


def unique(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]


def causes_of(findings: Sequence[Finding], keys: Mapping[str, str]) -> list[Cause]:
    """Return all causes. Every finding belongs to exactly one. `keys` are the key columns by the id of an operation."""
    groups = grouped_by_feature(findings, lambda finding: features_of(finding, keys.get(finding.identity.operation)))
    return [Cause(feature, tuple(members)) for feature, members in groups]


def grouped_by_feature(
    items: Sequence[Member], features_of: Callable[[Member], Iterable[Feature]]
) -> list[tuple[Feature, list[Member]]]:
    """Group items that share a feature, the largest group first. Every item has a feature and is in one group."""
    features = {id(item): list(dict.fromkeys(features_of(item))) for item in items}
    left = list(items)
    groups: list[tuple[Feature, list[Member]]] = []
    while left:
        counts = Counter(feature for item in left for feature in features[id(item)])
        rank = {feature: number for item in left for number, feature in enumerate(features[id(item)])}
        best = max(counts, key=lambda feature: (counts[feature], -rank[feature]))
        if counts[best] == 1:  # no feature is shared any more: each item is a group, named by its first feature
            return [*groups, *((features[id(item)][0], [item]) for item in left)]
        groups.append((best, [item for item in left if best in features[id(item)]]))
        left = [item for item in left if best not in features[id(item)]]
    return groups


def features_of(finding: Finding, key: str | None) -> Iterator[Feature]:
    """Yield the features of a finding, the most specific first."""
    check, field, kind = finding.identity[1:]
    response = finding.evidence[-1].response if finding.evidence else Response(0)
    if check == "messages":
        yield from (Feature("wording", change) for change in wordings(finding))
    if response.status >= 500:
        yield Feature("crash", exception_text(response))
    is_nested = response.status == 422 and any(isinstance(texts, dict) for texts in response.rejected.values())
    if is_nested or (check in OF_ANSWER and check != "status" and response.status >= 400):
        yield Feature("answers", f"the body or the headers of {response.status} differ")
    if check in OF_ANSWER and field:
        yield Feature(check, f"{field} {kind}")
    if (check in OF_VARIABLE or check == "schema") and field:
        yield Feature("variable", field)
    yield from features_of_identity(finding.identity, key)
    if check in OF_VARIABLE:
        yield from (Feature("input", text) for text in blanks(finding))
    if check == "rules":
        yield from (Feature(check, f"{kind} with {text}") for text in named_rules(finding))
    elif check not in ("messages", "default") and kind not in OF_ONE_FIELD:
        yield Feature(WORDING if kind == WORDING else check, masked_message(finding))
    if check not in OF_VARIABLE:
        yield Feature("operation", finding.identity.operation or field)
    yield Feature("finding", str(finding.identity))


def features_of_identity(identity: Identity, key: str | None) -> Iterator[Feature]:
    """Yield the features of changes that show in several variables or operations of a resource."""
    resource = identity.operation.partition(".")[0]
    if resource and identity.check in OF_ROW:
        yield Feature("stored", f"{identity.operation} does not store what is sent")
    if resource and identity.kind in OF_DELETED:
        yield Feature("deleted", f"rows of {resource} remain")
    is_other_key = identity.check in OF_KEY and (identity.field, identity.kind) in ((key, "changed"), (key, "type"))
    if resource and (is_other_key or (identity.check in OF_MISSING and identity.kind in ("404", "missing"))):
        yield Feature("missing", f"rows of {resource} are missing")
    if resource and identity.kind != WORDING and (identity.check in OF_METHODS or identity.kind == "405"):
        yield Feature("methods", f"the methods of {resource} differ")
    if resource and identity.kind.isdigit() and identity.kind < "500":
        yield Feature("status", f"{resource} returns {identity.kind}")


def blanks(finding: Finding) -> Iterator[str]:
    """Yield which middleware of Laravel changes the value of the variable: it trims texts, or makes empty ones null."""
    bodies = [bounded_json(exchange.request.body) for exchange in reversed(finding.evidence)]
    value = next((fields[name] for fields in bodies
                  if isinstance(fields, dict) and (name := finding.identity.field) in fields), None)
    if isinstance(value, str) and value != stored_text(value):
        yield "blanks around texts"
    if isinstance(value, str) and not stored_text(value):
        yield "empty texts"


def wordings(finding: Finding) -> Iterator[str]:
    """Yield the changed message templates: "'...' instead of '...'"."""
    shown, _, expected = finding.message.partition(" instead of ")
    for ours, theirs in zip(QUOTED.findall(shown), QUOTED.findall(expected), strict=False):
        if ours != theirs:
            field = finding.identity.field
            yield f"{message_template(ours, field)} instead of {message_template(theirs, field)}"


def named_rules(finding: Finding) -> Iterator[str]:
    """Yield the templates of the messages, except the one that does not name its rule."""
    for text in QUOTED.findall(finding.message):
        template = message_template(text, finding.identity.field)
        if template != UNNAMED_RULE:
            yield template


def message_template(message: str, field: str) -> str:
    """Replace the parts of a message that depend on the variable: its name, value lists and numbers."""
    text = re.sub(re.escape(display_name(field)), ":attribute", message, flags=re.IGNORECASE)
    return NUMBER.sub("N", re.sub(r"(?<=: )[^'\"]+(?=\.)", ":values", text))


def exception_text(response: Response) -> str:
    """Return the status, the exception and the message of an error response, with values masked."""
    fields = response.fields
    message = QUOTED.sub("'...'", str(fields.get("message", "")).partition(" (SQL:")[0])
    return f"{response.status} {fields.get('exception', '')} {NUMBER.sub('N', message)}".rstrip()


def masked_message(finding: Finding) -> str:
    """Return the kind of a finding and its message, with names and values masked."""
    text = finding.message
    for name in unique((finding.identity.field, finding.identity.kind)):
        text = text.replace(name, "...")
    text = re.sub(r"/[\w{}/.-]+", "/...", QUOTED.sub("'...'", text))
    return f"{finding.identity.kind} {NUMBER.sub('N', text)}"[:160]
