"""What `sarkmock cleanup` calls: finishes the clean-up of a run from its ledger alone. Knows no test."""

from __future__ import annotations

from pathlib import Path

from sarkmock import load, profiles

from ..client import interrupts
from ..client.rate_limit import Paced
from ..client.target import Target, Unanswered
from ..client.transports import Access, CannotRun, OverHttp
from ..fixtures.keys import Keys
from ..spec.contract import Contract
from ..spec.operation_data import patterns
from . import cleanup, target_snapshot
from .gate import Gate, Permissions
from .guards import put_back
from .ledger import Ledger, reopen_ledger
from .ownership import Ownership
from .routing import Reader


def finish(file: Path, rate: str = "auto", headers: tuple[str, ...] = ()) -> list[str]:
    """What is left or changed, one line each; CannotRun if nothing could be tried."""
    ledger = reopen_ledger(file)
    try:
        target = Target(Paced(OverHttp(ledger.head["url"], access_of(ledger, headers)), rate))
        with interrupts.deferred("cleaning up; what is left is done by the same command again"):
            return finish_at(target, ledger)
    except Unanswered as error:
        raise CannotRun(str(error)) from None
    finally:
        ledger.close()


def finish_at(target: Target, ledger: Ledger) -> list[str]:
    """The same at a target: the gate lets out what the ledger asks for, and reads."""
    head = ledger.head
    contracts = [Contract(load(name)) for name in dict.fromkeys([head["profile"], *profiles()])]
    gate = Gate(Reader(contracts), Permissions(frozenset(head["hazards"])))
    gate.ownership = Ownership(contracts, target, Keys(head["prefix"], patterns()), ledger)
    target.guards.append(gate.guard)
    target.witnesses.insert(0, gate.witness)
    left = cleanup.clean_up(target, ledger, contracts)
    if ledger.inventory is not None:
        paths = {path: key for path, key in target_snapshot.lists(contracts).items() if path in ledger.inventory}
        after = target_snapshot.take(target, paths)
        left += target_snapshot.digest_differences(ledger.inventory, after, put_back(ledger))
    if not left:
        ledger.finish()
    return left


def access_of(ledger: Ledger, headers: tuple[str, ...]) -> Access:
    """How the run reached the box; headers with values are to be given again, as a ledger holds no secret."""
    named = ledger.head["access"]
    given = {line.partition(":")[0].lower() for line in headers}
    missing = [name for name in named["headers"] if name.lower() not in given]
    if missing:
        raise CannotRun(f"{ledger.file}: the run sent {', '.join(missing)}; give it again with --header")
    return Access(named["insecure"], named["ca"], named["cert"], named["key"], headers, named["token_env"])
