"""All options of the suite, shared by its commands, pytest (as `--sark-NAME`), runs and the documentation.

Imports only fast modules, since the help of a command is printed from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sarkmock.spec.data_files import BASE


@dataclass(frozen=True)
class Option:
    """One option.

    ``kind`` is the type of its value (``bool``: a flag, ``list``: repeatable), ``least`` the smallest number. ``of`` is
    its group; commands take groups.
    """

    name: str
    help: str
    of: str
    kind: type = str
    metavar: str | None = None
    default: str | int | None = None
    least: int | None = None

    @property
    def dest(self) -> str:
        """The attribute name of its value."""
        return self.name.replace("-", "_")

    def for_pytest(self) -> dict[str, Any]:
        """Return the keyword arguments for pytest's `addoption`."""
        default = f" (default: {self.default})" if self.default is not None else ""
        if self.kind is bool:
            return {"action": "store_true", "help": self.help}
        if self.kind is list:
            return {"action": "append", "default": [], "metavar": self.metavar, "help": self.help}
        return {"type": self._number if self.kind is int else str, "default": self.default, "metavar": self.metavar,
                "help": self.help + default}

    def _number(self, text: str) -> int:
        from argparse import ArgumentTypeError  # no command needs it

        least = "" if self.least is None else f" of at least {self.least}"
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or (self.least is not None and number < self.least):
            raise ArgumentTypeError(f"{text!r} is not a whole number{least}")
        return number


OPTIONS = (
    Option("url", "Base URL of the API to judge; the embedded mock without it.", "pytest", metavar="URL"),
    Option("profile", "Profile to judge by: a name that `sarkmock profiles` lists, an overlay file, or `auto` for that "
           "of the target's version.", "check",
           metavar="NAME", default=BASE),
    Option("target-profile", "Profile of the embedded mock; default: the same as --profile.", "check", metavar="NAME"),
    Option("random-seed", "Seed of all random choices. The same seed sends the same requests.", "check", int, "N", 1),
    Option("max-examples", "Number of random examples for each operation.", "check", int, "N", least=1),
    Option("quick", "Boundary tables plus a few random examples; takes seconds.", "check", bool),
    Option("strict", "Fail on known deviations, too.", "check", bool),
    Option("accept", "YAML list of findings that are accepted at this target.", "check", metavar="FILE"),
    Option("update-accepted", "Add new findings to the list of --accept.", "check", bool),
    Option("report", "Write reports to this directory: JSON, JUnit, HTML, Markdown, SARIF, and all traffic as HAR.",
           "check", metavar="DIR"),
    Option("shard", "Run one shard of the cases, such as 2/5; `sarkmock report merge` joins the reports of all shards.",
           "check", metavar="N/OF"),
    Option("example-database", "Store requests that find something, and replay them first in later runs: a directory, "
           "redis://HOST, or github:OWNER/REPOSITORY. Can be given several times.", "check", list, "PLACE"),
    Option("only", "Test one section of the documentation, as `sarkmock routes` names them.", "limits",
           metavar="SECTION"),
    Option("rate", "Request rate: auto follows the limit that the target announces; 60/m is an even rate.", "rate",
           metavar="RATE", default="auto"),
    Option("budget", "Send at most N requests; those that find most come first.", "limits", int, "N", least=1),
    Option("max-time", "Stop after this time: 90s, 5m, 1h.", "time", metavar="TIME"),
    Option("plan", "Print what would be sent and how long it would take, without sending it.", "limits", bool),
    Option("allow-writes", "Allow requests that create rows, and that change and delete these rows.", "safety", bool),
    Option("allow-operational", "Allow commits, backups, uploads, firewall rules and settings (restored at the end).",
           "safety", bool),
    Option("allow-disruptive", "Allow reboot, stop, restore and calls; asks for the name of the host.", "safety", bool),
    Option("hostile-input", "Send control characters, `..` and shell or AMI metacharacters in path values.", "hostile",
           bool),
    Option("yes-i-mean", "Host name that confirms --allow-disruptive when there is no terminal.", "safety",
           metavar="HOST"),
    Option("ledger", "File that records what the run creates, for `sarkmock cleanup`.", "safety", metavar="FILE"),
    Option("insecure", "Trust any certificate, and allow plain http to other hosts.", "access", bool),
    Option("ca", "Certificates (PEM) to trust, such as the one that `sarkmock serve` names. Without it, any "
           "certificate of a loopback address is trusted.", "access", metavar="FILE"),
    Option("cert", "Client certificate (PEM).", "access", metavar="FILE"),
    Option("key", "Key of the client certificate (PEM).", "access", metavar="FILE"),
    Option("token-env", "Environment variable that holds a bearer token.", "access", metavar="NAME"),
    Option("login", "Log in as this user (an e-mail address) for the run, and log out at its end. The password is read "
           "from the variable SARKMOCK_PASSWORD, or prompted for.", "login", metavar="USER"),
    Option("password-env", "Environment variable of the password, instead of SARKMOCK_PASSWORD.", "login",
           metavar="NAME"),
    Option("header", "Header to send with every request. Can be given several times.", "header", list,
           "'Name: value'"),
)


def options_of(*groups: str) -> list[Option]:
    """Return the options of these groups, in table order."""
    return [option for option in OPTIONS if option.of in groups]


def is_given(name: str) -> bool:
    """Whether an option of the running command is set on the command line, even to its default."""
    from click import get_current_context  # pytest does not need it
    from click.core import ParameterSource

    return get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
