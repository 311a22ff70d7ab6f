"""The parsed options of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from sarkmock.suite_api import BASE

from .client.rate_limit import seconds_each
from .client.transports import Access
from .errors import CannotRun
from .options import options_of
from .safety import Caution
from .safety.gate import READ_ONLY, Permissions
from .safety.preflight import logged_in

ALLOWED = {"write": "allow_writes", "operational": "allow_operational", "disruptive": "allow_disruptive"}


@dataclass(frozen=True)
class Shard:
    """One shard of the cases of a run, numbered from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise CannotRun(f"--shard {text}: not a shard such as 2/5")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class RunOptions:
    """The options of a run."""

    profile: str = BASE
    target_profile: str | None = None
    url: str | None = None
    random_seed: int = 1
    max_examples: int | None = None
    quick: bool = False
    only: str | None = None
    rate: str = "auto"
    budget: int | None = None
    max_time: str | None = None
    plan: bool = False
    strict: bool = False
    accept: str | None = None
    update_accepted: bool = False
    report: str | Path | None = None
    shard: Shard | None = None
    example_database: tuple[str, ...] = ()
    caution: Caution = field(default_factory=Caution)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Create options from the values of command-line options by name."""
        own = {item.name: values[item.name] for item in fields(cls) if values.get(item.name) is not None}
        if isinstance(own.get("shard"), str):
            own["shard"] = Shard.parse(own["shard"])
        if own.get("quick") and "max_examples" in own:
            raise CannotRun("--quick and --max-examples exclude each other")
        if values.get("url") is None:
            reject_target_options(values)
        seconds_each(own.get("rate", "auto"))  # raises CannotRun for an invalid rate
        databases = tuple(own.get("example_database", ()))
        return cls(**{**own, "example_database": databases, "caution": caution_from(values)})

    @property
    def traffic(self) -> Path | None:
        """The HAR file for all traffic; None without --report."""
        return Path(self.report) / "traffic.har" if self.report and not self.plan else None

    def examples(self, full: int, quick: int) -> int:
        """Return the number of random examples for a check."""
        if self.max_examples is not None:
            return self.max_examples
        return quick if self.quick else full


# Groups of options that have no effect without a URL.
OF_A_TARGET = ("rate", "safety", "hostile", "access", "login", "header")


def reject_target_options(values: Mapping[str, Any], groups: Sequence[str] = OF_A_TARGET) -> None:
    """Raise CannotRun if an option of these groups is set."""
    for option in options_of(*groups):
        if values.get(option.dest) and values[option.dest] != option.default:
            raise CannotRun(f"--{option.name} needs the URL of a target")


def caution_from(values: Mapping[str, Any]) -> Caution:
    """Return the permissions and the access that the options give. Raise CannotRun for contradictory ones."""
    hazards = {"read", *(hazard for hazard, name in ALLOWED.items() if values.get(name))}
    if values.get("insecure") and values.get("ca"):
        raise CannotRun("--insecure and --ca exclude each other")
    if values.get("yes_i_mean") and not values.get("allow_disruptive"):
        raise CannotRun("--yes-i-mean needs --allow-disruptive")
    if values.get("ledger") and hazards == READ_ONLY:
        raise CannotRun("--ledger needs --allow-writes: other runs create nothing")
    access = Access(bool(values.get("insecure")), values.get("ca"), values.get("cert"), values.get("key"),
                    tuple(values.get("header") or ()), values.get("token_env"))
    return Caution(Permissions(frozenset(hazards), bool(values.get("hostile_input"))), access, values.get("ledger"),
                   values.get("yes_i_mean"))


@contextmanager
def options_signed_in(url: str | None, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the option values while the user of --login is logged in. With --plan, nothing is sent."""
    user, variable = values.get("login"), values.get("password_env")
    if variable and not user:
        raise CannotRun("--password-env needs --login")
    if user and (url is None or "://" not in url):
        raise CannotRun("--login needs the URL of a target")
    if not user or url is None or values.get("plan"):
        yield {**values}
        return
    with logged_in(url, caution_from(values).access, user, variable) as access:
        yield {**values, "token_env": access.token_env}
