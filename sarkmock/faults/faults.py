"""The faults of one mock, as a layer around the engine: which of them apply to a request."""

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
    Fault,
    FaultError,
    affected_operations,
    can_affect,
    deviating_program,
    deviation_names,
    draw_latency,
)
from sarkmock.faults.fault import EFFECTS as ALL_EFFECTS
from sarkmock.http.engine import Engine, Program, Request
from sarkmock.http.replies import FaultyReply, Reply
from sarkmock.spec import yaml12
from sarkmock.spec.operations import Operation
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import unknown_name


@dataclass(slots=True)
class ActiveFault:
    """A fault and how often it has happened; ``only`` are the operations in which its deviation is felt."""

    fault: Fault
    only: frozenset[str] = frozenset()
    hits: int = 0

    @property
    def left(self) -> int | None:
        """How often it will still happen; None for no end."""
        return None if self.fault.times is None else self.fault.times - self.hits

    def content(self) -> dict[str, Any]:
        """The fault, with what has become of it."""
        return {**self.fault.content(), "hits": self.hits} | ({} if self.left is None else {"left": self.left})

    def applies_to(self, request: Request, program: Program, operation: Operation | None) -> bool:
        """Whether it may happen to a request, which means that operation of the program."""
        fault = self.fault
        if self.left == 0:
            return False
        if fault.deviation and program.is_base:
            there = deviating_program(fault.deviation).meant(request.method, request.path)
            return not self.only.isdisjoint(one.id for one in (operation, there) if one)
        if operation is None:
            return fault.operation == "*" and not (fault.pbx or fault.locked or fault.deviation)
        return fnmatchcase(operation.id, fault.operation) and can_affect(fault, operation)


class Faults:
    """What goes wrong with an engine's answers; `create_app(engine, faults=Faults(engine))`.

    ``faults`` are active from the start, and `reset` restores them. Random choices are drawn from ``rng``, so
    a run can be repeated. Of several faults that a request meets, their latencies add up, and the effect is that of the
    first which has one. ``effects`` are those that can be.
    """

    def __init__(self, engine: Engine, faults: Iterable[Fault] = (), *, rng: int = 0,
                 effects: Iterable[str] = ALL_EFFECTS) -> None:
        self.engine = engine
        self._effects = tuple(effects)
        self._armed: dict[str, ActiveFault] = {}
        self._lock = Lock()
        self._seed, self._dice, self._last = rng, random.Random(rng), 0
        for fault in faults:
            self.add(fault)
        self._first = list(self._armed.values())

    def __len__(self) -> int:
        return len(self._armed)

    def __iter__(self) -> Iterator[ActiveFault]:
        return iter(list(self._armed.values()))

    def __getitem__(self, fault: str | Fault) -> ActiveFault:
        """By id, or the fault itself; FaultError if there is none."""
        name = fault.id if isinstance(fault, Fault) else fault
        if name not in self._armed:
            raise FaultError(unknown_name("fault", name, self._armed) if self._armed else f"there is no fault {name!r}")
        return self._armed[name]

    def add(self, fault: Fault | Mapping[str, Any] | str = "*", /, **content: Any) -> Fault:
        """Have something go wrong from now on, and return it with its id; FaultError if it cannot be.

        ``faults.add("tenants.create", status=500, times=2)``, ``faults.add("tenants.*:drop")``,
        ``faults.add(latency=0.2)``, ``faults.add(Fault(latency=0.2))``, ``faults.add({"latency": 0.2})``
        """
        armed = self._arm(fault_from(fault, content))
        with self._lock:
            name = armed.fault.id or self._free_id()
            if name in self._armed:
                raise FaultError(f"there is a fault {name!r} already")
            armed.fault = replace(armed.fault, id=name)
            self._armed[name] = armed
        return armed.fault

    def change(self, name: str, fault: Fault | Mapping[str, Any]) -> Fault:
        """Put another fault in the place of one, its count at zero; FaultError if it cannot be, or there is none."""
        self[name]
        armed = self._arm(replace(fault_from(fault, {}), id=name))
        self._armed[name] = armed
        return armed.fault

    def remove(self, fault: str | Fault) -> None:
        """FaultError if there is none of that id."""
        del self._armed[self[fault].fault.id]

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._armed = {}

    def reset(self) -> None:
        """Back to the faults of the start, none of which has happened yet, and to the dice's first throw."""
        with self._lock:
            self._armed = {armed.fault.id: ActiveFault(armed.fault, armed.only) for armed in self._first}
            self._dice.seed(self._seed)
            self._last = len(self._first)

    def handle(self, request: Request) -> Reply:
        """The reply to a request, with what goes wrong about it."""
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

    def meet(self, request: Request) -> tuple[Fault | None, Fault | None, float]:
        """What happens to a request: the fault with the effect, the first that is only late, and the seconds of all."""
        found, late, delay = None, None, 0.0
        program = self.engine.program
        operation = program.meant(request.method, request.path)
        with self._lock:
            for armed in self._armed.values():
                fault = armed.fault
                taken = found is not None and fault.effect is not None
                if taken or not armed.applies_to(request, program, operation) or not self._happens(fault.probability):
                    continue
                armed.hits += 1
                delay += draw_latency(fault.latency or 0.0, self._dice)
                found, late = (fault, late) if fault.effect else (found, late or fault)
        return found, late, delay

    def _happens(self, probability: float) -> bool:
        return probability >= 1 or self._dice.random() < probability

    def _free_id(self) -> str:
        self._last += 1
        while str(self._last) in self._armed:
            self._last += 1
        return str(self._last)

    def _arm(self, fault: Fault) -> ActiveFault:
        """The fault, once it is sure that it can happen."""
        if fault.effect and fault.effect not in self._effects:
            here = ", ".join(self._effects)
            raise FaultError(f"{fault.effect}: only a mock can do that; here are {here} and latency")
        operations = self.engine.operations
        matching = [operation for operation in operations if fnmatchcase(operation.id, fault.operation)]
        if fault.deviation is not None:
            return ActiveFault(fault, self._felt_in(fault))
        if not matching:
            raise FaultError(unknown_name("operation", fault.operation, [operation.id for operation in operations]))
        if not any(can_affect(fault, operation) for operation in matching):
            never = "never asks the PBX" if fault.pbx else "writes no table"
            raise FaultError(f"{fault.effect}: {fault.operation} {never}")
        return ActiveFault(fault)

    def _felt_in(self, fault: Fault) -> frozenset[str]:
        """The operations in which a deviation can be felt."""
        assert fault.deviation is not None
        if fault.deviation not in deviation_names():
            raise FaultError(unknown_name("deviation", fault.deviation, deviation_names()))
        if not self.engine.program.is_base:
            raise FaultError("deviation: only where the documentation itself is served, without --profile")
        everywhere = affected_operations(fault.deviation)
        felt = frozenset(name for name in everywhere if fnmatchcase(name, fault.operation))
        if not felt:
            raise FaultError(f"deviation: {fault.deviation} is felt in {', '.join(sorted(everywhere))}, "
                             f"not in {fault.operation}")
        return felt


def fault_from(fault: Fault | Mapping[str, Any] | str, content: Mapping[str, Any]) -> Fault:
    if isinstance(fault, Fault):
        return Fault.of(fault.content())
    if isinstance(fault, Mapping):
        return Fault.of(fault)
    if not content and fault != "*":
        return Fault.parse(fault)
    return Fault.of({"operation": fault, **content})


def read_faults(file: Path) -> list[Fault]:
    """The faults in a YAML file, a list of mappings; FileError names file and line of the first mistake."""
    content = yaml12.read(file)
    if not isinstance(content, list):
        raise FileError(file, 1, "expected a list of faults, such as - {operation: tenants.create, status: 500}")
    faults = []
    for index, item in enumerate(content):
        try:
            faults.append(Fault.of(item))
        except FaultError as error:
            raise FileError(file, yaml12.line_of(file, (index,)), str(error)) from None
    return faults
