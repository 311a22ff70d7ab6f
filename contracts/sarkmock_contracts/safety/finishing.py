"""What `sarkmock cleanup` calls: finishes the clean-up of a run from its ledger alone."""

from __future__ import annotations

from pathlib import Path

from sarkmock.suite_api import profiles

from ..client import interrupts
from ..client.http import Exchange, Request, Response
from ..client.rate_limit import RateLimit
from ..client.target import Target
from ..client.transports import LOGIN_TOKEN, Access, OverHttp, Transport
from ..errors import CannotRun, Unanswered
from ..fixtures.keys import Keys
from ..spec.contract import contract_of
from ..spec.operation_data import patterns
from . import cleanup, target_snapshot
from .gate import Gate, Permissions
from .guards import put_back
from .ledger import Ledger, reopen_ledger
from .login import logged_in
from .ownership import Ownership
from .preflight import preflight
from .routing import RequestReader


def finish(file: Path, rate: str = "auto", headers: tuple[str, ...] = (), login: str | None = None,
           password_env: str | None = None, access: Access | None = None) -> list[str]:
    """Remaining or changed rows and files, one line each; CannotRun if nothing could be tried.

    Without an ``access`` the target is reached as the ledger says.
    """
    ledger = reopen_ledger(file)
    try:
        url, access = ledger.head["url"], access or access_of(ledger, headers, login)
        with logged_in(url, access, login, password_env) as access:
            transport = RateLimit(OverHttp(url, access), rate)
            preflight(Target(transport), access.verify(access.check(url).hostname or ""))
            with interrupts.deferred("cleaning up; run the same command again for the rest"):
                return Finishing(transport, ledger).finish()
    except Unanswered as error:
        raise CannotRun(str(error)) from None
    finally:
        ledger.close()


class Finishing:
    """The clean-up at a target: the gate lets out what the ledger asks for, and reads."""

    def __init__(self, transport: Transport, ledger: Ledger) -> None:
        head = ledger.head
        self.ledger = ledger
        self.contracts = [contract_of(name) for name in dict.fromkeys([head["profile"], *profiles()])]
        ownership = Ownership(self.contracts, self, Keys(head["prefix"], patterns()), ledger)
        permissions = Permissions(frozenset(head["hazards"]))
        self.target = Target(Gate(transport, RequestReader(self.contracts), permissions, ownership))

    def send(self, request: Request) -> Exchange:
        return self.target.send(request)

    def get(self, path: str) -> Response:
        return self.target.get(path)

    def finish(self) -> list[str]:
        """Remaining or changed rows and files, one line each."""
        before = self.ledger.inventory or {}
        clean_up = cleanup.CleanUp(self.target, self.ledger, self.contracts, before)
        left = clean_up.send()
        paths = {path: key for path, key in target_snapshot.lists(self.contracts).items() if path in before}
        after = target_snapshot.take_snapshot_of(self.target, paths)
        left += clean_up.confirm(after)
        left += target_snapshot.digest_differences(before, after, put_back(self.ledger))
        if not left:
            self.ledger.finish()
        return left


def access_of(ledger: Ledger, headers: tuple[str, ...], login: str | None) -> Access:
    """How the run reached the box; headers with values are to be given again, as a ledger holds no secret."""
    named = ledger.head["access"]
    given = {line.partition(":")[0].lower() for line in headers}
    missing = [name for name in named["headers"] if name.lower() not in given]
    if missing:
        raise CannotRun(f"{ledger.file}: the run sent {', '.join(missing)}; give it again with --header")
    if named["token_env"] == LOGIN_TOKEN and not login:
        raise CannotRun(f"{ledger.file}: the run had logged in; give --login USER again")
    token_env = None if login else named["token_env"]
    return Access(named["insecure"], named["ca"], named["cert"], named["key"], headers, token_env)
