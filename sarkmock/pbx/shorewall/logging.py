"""Log levels: a rule may log the packets that it matches."""

from __future__ import annotations

import re

from sarkmock.pbx.shorewall.lists import Wrong, comma_list

SYSLOG_LEVELS = frozenset([
    "DEBUG", "INFO", "NOTICE", "WARNING", "WARN", "ERR", "ERROR", "CRIT", "ALERT", "EMERG", "PANIC"])
LOG_OPTIONS = frozenset([
    "tcp_sequence", "ip_options", "tcp_options", "uid", "macdecode", "--log-tcp-sequence", "--log-ip-options",
    "--log-tcp-options", "--log-uid", "--log-macdecode"])


def level(text: str, version: int) -> None:
    """A syslog level with options, or NFLOG, ULOG, LOGMARK with parameters."""
    problem = f"Invalid log level ({text})"
    name = text.upper().removesuffix("!")
    found = re.match(r"([0-7])(.*)|([A-Z0-7]+)(.*)", name, re.DOTALL)
    if found is None:
        if name:
            raise Wrong(f"Invalid log level ({text})")
        return
    word, qualifier = found[1] or found[3], found[2] if found[1] else found[4]
    if word == "NONE":
        return
    if found[1] or word in SYSLOG_LEVELS:
        if qualifier:
            check_log_options(qualifier, problem)
    elif word == "NFLOG" or (word == "ULOG" and version == 4):
        check_log_parameters(qualifier, problem)
    elif word == "LOGMARK":
        inner = re.search(r"[\[(](.+)\)$", qualifier) if len(qualifier) < 20 else None
        if qualifier and not (inner and (inner[1] in SYSLOG_LEVELS or re.fullmatch("[0-7]", inner[1]))):
            raise Wrong(problem)
    else:
        raise Wrong(f"Invalid log level ({name})")


def check_log_options(text: str, problem: str) -> None:
    if not (text.startswith("(") and text.endswith(")")):
        raise Wrong(problem)
    for option in comma_list(text[1:-1].lower(), "log options"):
        if option not in LOG_OPTIONS:
            raise Wrong(f"Unknown LOG option ({option})")


def check_log_parameters(text: str, problem: str) -> None:
    if text.startswith("(") and text.endswith(")"):
        given = text[1:-1].rstrip(",").split(",")
        if len(given) > 3 or any(part and not re.match(r"[0-9]", part) for part in given):
            raise Wrong(problem)
    elif text and not text.startswith(" --"):
        raise Wrong(problem)
