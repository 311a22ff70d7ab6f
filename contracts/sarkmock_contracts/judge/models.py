"""The models of the documents that a target may follow: the profiles, and documents with or without a deviation."""

from __future__ import annotations

from sarkmock.suite_api import Deviation, Document, load, load_toggled, load_with_deviation

from .findings import ABSENT
from .replica import Model, Replica

MODELS = 256  # compiled documents kept, about 0.2 MB each


class Models:
    """Models that share the state of a replica, compiled when they are first needed."""

    def __init__(self, replica: Replica, version: str, profile: str, judging: Document) -> None:
        self._replica, self._version = replica, version
        self._profile, self._judging = profile, judging  # the judging profile may come from a file
        self._kept: dict[str, Model] = {}

    def profile(self, name: str) -> Model:
        if name == self._version:
            return self._replica.leader
        return self._model(f"profile {name}", self._judging if name == self._profile else load(name))

    def toggled(self, name: str, deviation: Deviation) -> Model:
        """Return the model of a profile with all its deviations except this one."""
        return self._model(f"{name} without {deviation.id}", load_toggled(name, deviation.id))

    def having(self, deviation: Deviation) -> Model:
        return self._model(*documents(deviation)[1])

    def lacking(self, deviation: Deviation) -> Model:
        return self._model(*documents(deviation)[0])

    def _model(self, name: str, document: Document) -> Model:
        self._kept[name] = model = self._kept.pop(name, None) or self._replica.model(document)
        if len(self._kept) > MODELS:
            del self._kept[next(iter(self._kept))]
        return model


def documents(deviation: Deviation) -> tuple[tuple[str, Document], tuple[str, Document]]:
    """Return the document without a deviation and the one with it, each with its name."""
    named = [(f"{deviation.id} {number}", document)
             for number, document in enumerate(load_with_deviation(deviation.id))]
    first, second = reversed(named) if deviation.summary.startswith(ABSENT) else named
    return first, second
