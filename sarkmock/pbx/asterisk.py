"""The PBX behind the API: whether Asterisk runs, its calls and AstDB, all by the mock's clock.

Nothing runs in the background: the state is computed from the clock when it is read.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

AstDb = MutableMapping[tuple[str, str], str]

FIRST_CHANNEL = 1
DURATIONS = ("boot_seconds", "ring_seconds", "call_seconds")  # attributes of a Pbx that may be changed at any time
CLI_WORD = re.compile(r'(?:[^\\" \t]++|\\.|"(?:[^"\\]++|\\.)*"?)+', re.DOTALL)
UNTIL_HUNG_UP = 10 * 365 * 86400.0  # seconds


class HasTime(Protocol):
    def now(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Channel:
    """One end of a call, as Asterisk reports it at one moment."""

    name: str
    party: str
    connected: str
    state: str
    exten: str
    application: str
    data: str
    uniqueid: str
    linkedid: str
    bridge: str
    context: str
    began: float


@dataclass
class PhoneCall:
    """A call between two numbers. ``number`` is its first channel, counted since Asterisk's start; a call has two."""

    number: int
    caller: str
    target: str
    context: str
    clid: str
    began: float
    answers: float
    ends: float

    def names(self) -> tuple[str, str]:
        return f"SIP/{self.caller}-{self.number:08x}", f"SIP/{self.target}-{self.number + 1:08x}"

    def uniqueids(self) -> tuple[str, str]:
        return f"{int(self.began)}.{self.number}", f"{int(self.began)}.{self.number + 1}"

    @property
    def answered(self) -> bool:
        """Whether the target answered before the call ended."""
        return self.ends > self.answers

    def channels(self, now: float) -> tuple[Channel, Channel]:
        talking = now >= self.answers
        (first, second), (uid, second_uid) = self.names(), self.uniqueids()
        bridge = str(uuid.uuid5(uuid.NAMESPACE_OID, uid)) if talking else ""
        return (
            Channel(first, self.clid or self.caller, self.target, "Up", self.target, "Dial", f"SIP/{self.target}",
                    uid, uid, bridge, self.context, self.began),
            Channel(second, self.target, self.clid or self.caller, "Up" if talking else "Ringing", "", "AppDial",
                    "(Outgoing Line)", second_uid, uid, bridge, self.context, self.began),
        )


class Pbx:
    """Asterisk and the machine it runs on."""

    def __init__(self, clock: HasTime) -> None:
        self.clock = clock
        self.boot_seconds = 60.0
        self.ring_seconds = 5.0
        self.call_seconds = 30.0
        self.reset()

    def reset(self, *, running: bool = True, calls: Iterable[tuple[str, str]] = ()) -> None:
        """Return to the seed's state: running or not, with calls given as pairs of numbers (caller, target)."""
        self.up_since: float | None = self.clock.now() if running else None
        self.reloaded = self.clock.now()
        self._calls: list[PhoneCall] = []
        self._finished: list[PhoneCall] = []
        self._channels = FIRST_CHANNEL
        for caller, target in calls if running else ():
            call = self.originate(caller, target, "internal", "")
            call.answers, call.ends = call.began, call.began + UNTIL_HUNG_UP

    def memory(self) -> dict[str, Any]:
        """Return everything that `restore_memory` needs, as JSON values."""
        return {"up_since": self.up_since, "reloaded": self.reloaded, "channels": self._channels,
                "calls": [vars(call).copy() for call in self._calls],
                "finished": [vars(call).copy() for call in self._finished]}

    def restore_memory(self, memory: Mapping[str, Any]) -> None:
        """Restore what `memory` returned."""
        self.up_since, self.reloaded, self._channels = memory["up_since"], memory["reloaded"], memory["channels"]
        self._calls = [PhoneCall(**call) for call in memory["calls"]]
        self._finished = [PhoneCall(**call) for call in memory["finished"]]

    @property
    def running(self) -> bool:
        return self.up_since is not None and self.up_since <= self.clock.now()

    def start(self, after: float = 0.0) -> None:
        """Start Asterisk after a delay, with its counters at zero."""
        self.up_since = self.reloaded = self.clock.now() + after
        self._channels = FIRST_CHANNEL

    def stop(self) -> None:
        """Stop Asterisk and end every call."""
        self._settle()
        for call in self._calls:
            call.ends = self.clock.now()
        self._settle()
        self.up_since = None

    def reboot(self) -> None:
        """Reboot the machine: Asterisk runs again after ``boot_seconds``."""
        self.stop()
        self.start(after=self.boot_seconds)

    def reload(self) -> None:
        """Reload Asterisk's configuration."""
        if self.running:
            self.reloaded = self.clock.now()

    def originate(self, caller: str, target: str, context: str, clid: str) -> PhoneCall:
        """Ring one phone and connect it to a number; the call ends after ``call_seconds``."""
        now = self.clock.now()
        call = PhoneCall(self._channels, caller, target, context, clid,
                         began=now, answers=now + self.ring_seconds, ends=now + self.call_seconds)
        self._channels += 2
        self._calls.append(call)
        return call

    def hangup(self, channel: str) -> bool:
        """End the call that a channel belongs to; False if there is no such channel."""
        self._settle()
        for call in self._calls:
            if channel in call.names():
                call.ends = self.clock.now()
                return True
        return False

    def channels(self) -> list[Channel]:
        """Return every channel in use, oldest first."""
        self._settle()
        now = self.clock.now()
        return [channel for call in self._calls for channel in call.channels(now)]

    def finished(self) -> list[PhoneCall]:
        """Return the calls that ended since the last call of this method, in the order in which they ended."""
        self._settle()
        ended, self._finished = self._finished, []
        return ended

    def _settle(self) -> None:
        now = self.clock.now()
        self._finished += sorted((call for call in self._calls if call.ends <= now), key=lambda call: call.ends)
        self._calls = [call for call in self._calls if call.ends > now]


def db_get(db: AstDb, family: str, key: str) -> str:
    """Return the value of an entry, or "" if there is none."""
    match command_words(f"{family} {key}"):
        case [family, key]:
            return db.get((family, key), "")
    return ""


def db_put(db: AstDb, family: str, key: str, value: str) -> bool:
    """Write an entry; False if Asterisk's command line does not read three words."""
    match command_words(f"{family} {key} {value}"):
        case [family, key, value]:
            db[family, key] = value
            return True
    return False


def db_delete(db: AstDb, family: str, key: str) -> bool:
    """Remove an entry; False if there is none."""
    match command_words(f"{family} {key}"):
        case [family, key]:
            return db.pop((family, key), None) is not None
    return False


def sent_value(text: str) -> str:
    """Return what Asterisk reads of a value that is sent to its manager interface: a line feed ends it, with its CR."""
    line, end, _ = text.partition("\n")
    return line.removesuffix("\r") if end else line


def command_words(line: str) -> list[str]:
    """Split a line as Asterisk's command line does: at blanks and tabs outside of quotes."""
    return [unquoted(word) for word in CLI_WORD.findall(sent_value(line))]


def unquoted(word: str) -> str:
    """Remove quotes and backslashes that are not escaped. Lone surrogates, which no request contains, keep the rest."""
    word = word.replace("\\\\", "\ud800").replace('\\"', "\ud801").replace("\\", "").replace('"', "")
    return word.replace("\ud800", "\\").replace("\ud801", '"')
