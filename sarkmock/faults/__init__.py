"""Faults: deliberate failures, for certain operations and a certain number of times.

Those of one mock are a layer around the engine, which selects the faults that apply to a request.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Lock
from typing import Any

from sarkmock.faults.fault import (
    EFFECT_FUNCTIONS,
    EFFECTS,
    Fault,
    FaultError,
    affected_operations,
    can_affect,
    deviating_program,
    deviation_names,
    draw_latency,
)
from sarkmock.http.engine import ApiRequest, Engine, Program
from sarkmock.http.replies import FaultyReply, Reply
from sarkmock.spec import yaml12
from sarkmock.spec.operations import Operation
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import unknown_name, unknown_operation

__all__ = ["AnyFault", "Fault", "FaultError", "Faults", "read_faults"]
AnyFault = str | Mapping[str, Any] | Fault


@dataclass(slots=True)
class ActiveFault:
    """A fault and its hit count; ``only`` are the operations that its deviation affects."""

    fault: Fault
    only: frozenset[str] = frozenset()
    hits: int = 0

    @property
    def left(self) -> int | None:
        """The number of times it can still occur; None if unlimited."""
        return None if self.fault.times is None else self.fault.times - self.hits

    def content(self) -> dict[str, Any]:
        """Return the fault's content with its hit count and remaining hits."""
        return {**self.fault.content(), "hits": self.hits} | ({} if self.left is None else {"left": self.left})

    def applies_to(self, request: ApiRequest, program: Program, operation: Operation | None) -> bool:
        """Whether the fault can apply to a request for this operation of the program."""
        fault = self.fault
        if self.left == 0:
            return False
        if fault.deviation and program.is_base:
            there = deviating_program(fault.deviation).router.operation(request.method, request.path)
            return not self.only.isdisjoint(candidate.id for candidate in (operation, there) if candidate)
        if operation is None:
            return fault.operation == "*" and not (fault.pbx or fault.locked or fault.deviation)
        return fnmatchcase(operation.id, fault.operation) and can_affect(fault, operation)


class Faults:
    """The active faults of an engine: `create_app(engine, faults=Faults(engine))`.

    ``faults`` are active from the start, and `reset` restores them. ``random_seed`` makes random choices repeatable.
    If several faults apply to a request, their latencies add up, and the first one with an effect determines the
    effect. ``effects`` are the allowed effects.
    """

    def __init__(self, engine: Engine, faults: Iterable[AnyFault] = (), *, random_seed: int = 0,
                 effects: Iterable[str] = EFFECTS) -> None:
        self.engine = engine
        self._effects = tuple(effects)
        self._armed: dict[str, ActiveFault] = {}
        self._lock = Lock()
        self._seed, self._random, self._last = random_seed, random.Random(random_seed), 0
        for fault in faults:
            self.add(fault)
        self._first = list(self._armed.values())

    def __len__(self) -> int:
        return len(self._armed)

    def __iter__(self) -> Iterator[ActiveFault]:
        return iter(list(self._armed.values()))

    def __getitem__(self, fault: str | Fault) -> ActiveFault:
        """Return the active fault with this id. FaultError if there is none."""
        name = fault.id if isinstance(fault, Fault) else fault
        if name not in self._armed:
            raise FaultError(unknown_name("fault", name, self._armed) if self._armed else f"unknown fault {name!r}")
        return self._armed[name]

    def add(self, fault: AnyFault = "*", /, **content: Any) -> Fault:
        """Activate a fault and return it with its id. FaultError if it is invalid or cannot occur.

        ``faults.add("tenants.create", status=500, times=2)``, ``faults.add("tenants.*:drop")``,
        ``faults.add(latency=0.2)``, ``faults.add(Fault(latency=0.2))``, ``faults.add({"latency": 0.2})``
        """
        armed = self._arm(fault_from(fault, content))
        with self._lock:
            name = armed.fault.id or self._free_id()
            if name in self._armed:
                raise FaultError(f"the fault {name!r} already exists")
            armed.fault = replace(armed.fault, id=name)
            self._armed[name] = armed
        return armed.fault

    def change(self, name: str, fault: Fault | Mapping[str, Any]) -> Fault:
        """Replace a fault and reset its hit count. FaultError if the new one is invalid, or the id is unknown."""
        self[name]
        armed = self._arm(replace(fault_from(fault, {}), id=name))
        self._armed[name] = armed
        return armed.fault

    def remove(self, fault: str | Fault) -> None:
        """Remove a fault. FaultError if there is no fault with that id."""
        del self._armed[self[fault].fault.id]

    def clear(self) -> None:
        """Remove all faults."""
        self._armed = {}

    def reset(self) -> None:
        """Restore the initial faults with their hit counts at zero, and restart the random numbers."""
        with self._lock:
            self._armed = {armed.fault.id: ActiveFault(armed.fault, armed.only) for armed in self._first}
            self._random.seed(self._seed)
            self._last = len(self._first)

    def handle(self, request: ApiRequest) -> Reply:
        """Return the reply to a request, with the applicable faults applied."""
        if not self._armed:
            return self.engine.handle(request)
        fault, late, delay = self.meet(request)
        if fault is None and late is None:
            return self.engine.handle(request)
        reply = EFFECT_FUNCTIONS[fault.effect if fault else None](fault or Fault(), request, self.engine)
        name = (fault or late or Fault()).id
        if isinstance(reply, FaultyReply):
            return replace(reply, fault=name, delay=delay)
        return FaultyReply.of(reply, fault=name, delay=delay)

    def meet(self, request: ApiRequest) -> tuple[Fault | None, Fault | None, float]:
        """Return the fault with an effect, the first one with only latency, and the total delay. Counts hits."""
        effective, late, delay = None, None, 0.0
        program = self.engine.program
        operation = program.router.operation(request.method, request.path)
        with self._lock:
            for armed in self._armed.values():
                fault = armed.fault
                taken = effective is not None and fault.effect is not None
                if taken or not armed.applies_to(request, program, operation) or not self._happens(fault.probability):
                    continue
                armed.hits += 1
                delay += draw_latency(fault.latency or 0.0, self._random)
                effective, late = (fault, late) if fault.effect else (effective, late or fault)
        return effective, late, delay

    def _happens(self, probability: float) -> bool:
        return probability >= 1 or self._random.random() < probability

    def _free_id(self) -> str:
        self._last += 1
        while str(self._last) in self._armed:
            self._last += 1
        return str(self._last)

    def _arm(self, fault: Fault) -> ActiveFault:
        """Validate a fault and return it, not yet active. FaultError if it cannot occur."""
        if fault.effect and fault.effect not in self._effects:
            here = ", ".join(self._effects)
            raise FaultError(f"{fault.effect}: not available in a proxy; available: {here} and latency")
        operations = self.engine.operations
        matching = [operation for operation in operations if fnmatchcase(operation.id, fault.operation)]
        if fault.deviation is not None:
            return ActiveFault(fault, self._felt_in(fault))
        if not matching:
            raise FaultError(unknown_operation(fault.operation, [operation.id for operation in operations]))
        if not any(can_affect(fault, operation) for operation in matching):
            never = "never contacts the PBX" if fault.pbx else "does not write to a table"
            raise FaultError(f"{fault.effect}: {fault.operation} {never}")
        return ActiveFault(fault)

    def _felt_in(self, fault: Fault) -> frozenset[str]:
        """Return the operations that the deviation affects and the pattern matches. FaultError if there are none."""
        assert fault.deviation is not None
        if fault.deviation not in deviation_names():
            raise FaultError(unknown_name("deviation", fault.deviation, deviation_names()))
        if not self.engine.program.is_base:
            raise FaultError("deviation: needs a mock of the documentation, without --profile")
        everywhere = affected_operations(fault.deviation)
        felt = frozenset(name for name in everywhere if fnmatchcase(name, fault.operation))
        if not felt:
            raise FaultError(f"deviation: {fault.deviation} affects {', '.join(sorted(everywhere))}, "
                             f"not {fault.operation}")
        return felt


def fault_from(fault: AnyFault, content: Mapping[str, Any]) -> Fault:
    if isinstance(fault, Fault):
        return Fault.of(fault.content())
    if isinstance(fault, Mapping):
        return Fault.of(fault)
    if not content and fault != "*":
        return Fault.parse(fault)
    return Fault.of({"operation": fault, **content})


def read_faults(file: Path, trial: Faults) -> list[Fault]:
    """Read the faults in a YAML file, a list of mappings. FileError with file and line of the first error.

    They are added to ``trial`` to find those that cannot occur.
    """
    content = yaml12.read(file)
    if not isinstance(content, list):
        raise FileError(file, 1, "expected a list of faults, such as - {operation: tenants.create, status: 500}")
    faults = []
    for index, item in enumerate(content):
        try:
            faults.append(Fault.of(item))
            trial.add(faults[-1])
        except FaultError as error:
            raise FileError(file, yaml12.line_of(file, (index,)), str(error)) from None
    return faults
