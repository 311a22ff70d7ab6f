"""Generates random lines of a rules file: valid ones, and some with mistakes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from sarkmock.pbx.shorewall.lists import words
from sarkmock.spec import yaml12

PARTS = yaml12.read(Path(__file__).with_name("parts.yaml"))
OTHERS = ("user", "mark", "connlimit", "time", "headers", "switch", "helper")


class Writer:
    """Generates lines. Each part is invalid with a small probability."""

    def __init__(self, seed: int, version: int, wrong: float = 0.04) -> None:
        self.rng = random.Random(f"{seed}/{version}")
        self.version = version
        self.wrong = wrong
        names = words(version)
        self.macros, self.actions = sorted(names.macros), sorted(names.actions)

    def pick(self, name: str) -> str:
        part: str = self.rng.choice(PARTS[name]["wrong" if self.rng.random() < self.wrong else "right"])
        return part

    def rule_set(self) -> list[str]:
        """Usually one line, sometimes several with conditions and variables."""
        if self.rng.random() < 0.8:
            return [self.line()]
        lines = []
        for _ in range(self.rng.randint(2, 5)):
            lines.append(self.pick("directives") if self.rng.random() < 0.4 else self.line())
        opened = 0
        for line in lines:
            opened += line.upper().startswith("?IF ") - (line.upper().startswith("?ENDIF") and opened > 0)
        return lines + ["?ENDIF"] * (opened if self.rng.random() < 0.95 else 0)

    def line(self) -> str:
        if self.rng.random() < 0.05:
            return self.pick("directives")
        target = self.target()
        columns = {"action": target, "source": self.place(False), "dest": self.dest(target)}
        count = self.rng.choice((0, 0, 1, 2, 2, 2, 3, 5))
        extra: list[tuple[str, Callable[[], str]]] = [
            ("proto", self.protocol), ("dport", self.ports), ("sport", self.sports), ("origdest", self.origdest),
            ("rate", lambda: self.pick("rates"))]
        columns |= {name: make() for name, make in extra[:count]}
        if count >= 4:
            columns.setdefault("rate", "-")
            for name in OTHERS:
                columns[name] = self.pick(name) if self.rng.random() < 0.15 else "-"
        return self.mutated(self.formatted(columns))

    def formatted(self, columns: dict[str, str]) -> str:
        choice = self.rng.random()
        if choice < 0.85:
            return self.rng.choice((" ", "  ", "\t")).join(columns.values())
        cut = self.rng.randint(0, len(columns) - 1)
        head = " ".join(list(columns.values())[:cut])
        sign = self.rng.choice(("=", ":", "=>"))
        pairs = [f"{name}{sign}{value}" for name, value in list(columns.items())[cut:]]
        tail = self.rng.choice((" ", ", ")).join(pairs)
        return f"{head} {{ {tail} }}" if choice < 0.95 else f"{head} ; {tail}"

    def mutated(self, line: str) -> str:
        """Sometimes add a typing error."""
        if self.rng.random() > 0.12 or not line:
            return line
        position = self.rng.randrange(len(line))
        sign = self.rng.choice(",:!-/+()[]{}$;#\"'.=&% \\19azN")
        return self.rng.choice((line[:position] + line[position + 1:], line[:position] + sign + line[position:],
                                line[:position] + sign + line[position + 1:], line + f" {sign}", line + " # comment",
                                line + " ;; -m recent --name x", line[:position]))

    def target(self) -> str:
        kind = self.rng.random()
        if kind < 0.5:
            return self.pick("targets")
        if kind < 0.8:
            name, parameter = self.rng.choice(self.macros), self.pick("parameters")
            log = self.rng.choice(("", "", "", ":info", ":none", ":debug:tag", ":info!"))
            return f"{name}/{parameter}{log}" if self.rng.random() < 0.1 else f"{name}({parameter}){log}"
        return self.rng.choice(self.actions) + self.pick("action_parameters")

    def place(self, dest: bool) -> str:
        zone = self.pick("zones") if self.rng.random() < 0.7 else self.rng.choice(("net", "loc"))
        if self.rng.random() < (0.25 if dest else 0.4):
            zone += ":" + self.pick(f"addresses{self.version}")
        return zone

    def dest(self, target: str) -> str:
        if ("DNAT" in target or "REDIRECT" in target) and self.rng.random() < 0.9:
            return self.pick(f"servers{self.version}")
        return self.place(True)

    def protocol(self) -> str:
        if self.rng.random() < 0.6:
            return self.rng.choice(("tcp", "udp"))
        return self.pick("protocols")

    def ports(self) -> str:
        return self.pick("ports" if self.rng.random() < 0.85 else "any_ports")

    def sports(self) -> str:
        return "-" if self.rng.random() < 0.6 else self.pick("any_ports")

    def origdest(self) -> str:
        return "-" if self.rng.random() < 0.5 else self.pick(f"origdest{self.version}")
