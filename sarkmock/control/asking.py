"""What an endpoint is asked, and what it answers with when that is no JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request to the control plane: what it was addressed to, and, checked by the document, the path's and
    the query's parameters and the body."""

    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    origin: str = ""


@dataclass(frozen=True)
class Text:
    """An answer that is no JSON."""

    content: str
    media_type: str
