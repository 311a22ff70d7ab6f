"""Checks of one rule: its zones, its other columns, and its action, which may expand to further rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from sarkmock.pbx.shorewall import hosts, nat, protocols
from sarkmock.pbx.shorewall.actions import (
    ActionColumn,
    basic_target,
    check_parameter,
    checked_parameters,
    netfilter_target,
)
from sarkmock.pbx.shorewall.columns import RuleRow, check_raw, rule_row
from sarkmock.pbx.shorewall.hosts import ALL, HostPlace
from sarkmock.pbx.shorewall.lists import (
    BadRule,
    StandardAction,
    Words,
    action_parts,
    comma_list,
    level,
    unparenthesized,
    words,
)
from sarkmock.pbx.shorewall.site import Exhausted, Site, Zones, specifications, split_zone

DEEPEST_MACRO = 10
ONE_RULE = 40
NOT_NATTED = ("ACCEPT+", "A_ACCEPT+", "NONAT")
NO_DESTINATION = ("DNAT-", "REDIRECT-", "NONAT", "HELPER")
HELPED = ("ACCEPT", "ACCEPT!", "ACCEPT+", "HELPER", "DNAT", "DNAT-")
ENDING = frozenset(("ACCEPT", "DROP", "REJECT", "CONTINUE", "QUEUE", "A_ACCEPT", "A_DROP"))
NOT_IN_MACROS = frozenset(("IPTABLES", "IP6TABLES", "INLINE"))
NONE = re.compile(r"none(:|$)", re.IGNORECASE)
MACRO_PARAMETER = re.compile(r"PARAM(:|$)")
PORT_OPTIONS: dict[int | None, tuple[str, ...]] = {
    protocols.TCP: ("dport", "sport"), protocols.UDP: ("dport", "sport"), protocols.ICMP: ("icmp-type",),
    protocols.IPV6_ICMP: ("icmpv6-type",)}
SINGLE_PORT = re.compile(r"!?[A-Za-z0-9:-]*[A-Za-z0-9][A-Za-z0-9:-]*")
JUMP = re.compile(r"(?:.*\s)?-j\s+(\S+)", re.DOTALL)


@dataclass(slots=True)
class RuleSession:
    """State that rules share: chains that are complete, initialized switches, and the remaining work budget."""

    site: Site
    work: int
    full: set[tuple[str, str]] = field(default_factory=set)
    switches: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> Words:
        return words(self.site.version)

    def spend(self, microseconds: int) -> None:
        """Charge estimated time to the budget; Exhausted if none is left. Results do not depend on the machine."""
        self.work -= microseconds
        if self.work < 0:
            raise Exhausted


@dataclass(frozen=True, slots=True)
class Setting:
    """The context of a rule: zones if it is part of an action, the text after `;;`, and the depth of macros."""

    source: str = ""
    dest: str = ""
    within: bool = False
    raw: str = ""
    depth: int = 0


def check_rule(row: RuleRow, raw: str, session: RuleSession) -> None:
    """Check one line of the rules file."""
    if row.action == "-":
        raise BadRule("ACTION must be specified")
    for source in specifications(row.source, "SOURCE"):
        for dest in specifications(row.dest, "DEST"):
            check_pair(row._replace(source=source, dest=dest), raw, session)


def check_pair(row: RuleRow, raw: str, session: RuleSession) -> None:
    if NONE.match(row.source) or NONE.match(row.dest):
        return
    name = basic_target(row.action)
    zones = Zones(session.site)
    sources, dests = zones.listed(row.source, "SOURCE"), zones.listed(row.dest, "DEST")
    protos, users = unparenthesized(row.proto, "Protocol"), unparenthesized(row.user, "USER/GROUP")
    if not name:
        raise BadRule(f"Invalid or missing ACTION ({row.action})")
    if len(protos) > 1 and "!" in row.proto:
        raise BadRule("Inversion not allowed in a PROTO list")
    setting = Setting(raw=raw)
    for source in sources:
        for dest in dests:
            session.spend(1)
            if zones.differ(source, dest, name):
                for proto in dict.fromkeys(protos):
                    for user in dict.fromkeys(users):
                        pair = row._replace(source=source, dest=dest, proto=proto, user=user)
                        ZoneRule(pair, session, setting).check()


class ZoneRule:
    """A rule for one pair of zones, one protocol and one user."""

    def __init__(self, row: RuleRow, session: RuleSession, setting: Setting, parameter: str = "") -> None:
        self.row, self.session, self.setting, self.parameter = row, session, setting, parameter
        self.words, self.site = session.words, session.site
        self.target = ActionColumn.of(row.action)

    def check(self) -> None:
        self.session.spend(ONE_RULE + self.row.length)
        self.inline_matches()
        action = self.words.actions.get(self.target.name)
        if action is not None:
            self.action(action)
        elif self.target.name in self.words.targets:
            self.builtin()
        elif self.target.name in self.words.macros:
            self.macro()
        else:
            raise BadRule(f"Unknown ACTION ({self.target.text})")

    def inline_matches(self) -> None:
        """Check the iptables text after `;;`; INLINE may name its target there or as a parameter."""
        target, raw = self.target, self.setting.raw
        if target.name != "INLINE":
            if re.search(r"\s-j\s", f"{raw} "):
                raise BadRule("-j is only allowed when the ACTION is INLINE with no parameter")
        elif jump := JUMP.match(raw):
            netfilter_target(jump[1], "jump target", self.words)
            if target.parameter:
                raise BadRule("INLINE may not have a parameter when '-j' is specified in the free-form area")
        elif target.parameter:
            self.target = ActionColumn.of(target.parameter)

    def macro(self) -> None:
        """Check each rule of a macro, merged with this rule's columns."""
        if self.setting.depth >= DEEPEST_MACRO:
            raise BadRule("Macro/Inline invocations nested too deeply")
        given = self.target.parameter
        parameter = given if given not in ("", "PARAM") else self.parameter
        setting = replace(self.setting, depth=self.setting.depth + 1)
        for line in self.words.macros[self.target.name]:
            body = rule_row(line)
            if body.action in ("DEFAULT", "DEFAULTS"):
                parameter = parameter or body.source
                continue
            target = merged_levels(self.row.action, body.action)
            if MACRO_PARAMETER.match(target):
                if not parameter:
                    raise BadRule("PARAM requires a parameter to be supplied in macro invocation")
                target = parameter + target[5:]
            self.reject_in_macro(target)
            for proto in comma_list(body.proto, "Protocol"):
                row = self.row.merged(body._replace(proto=proto), target)
                ZoneRule(row, self.session, setting, parameter).check()

    def reject_in_macro(self, target: str) -> None:
        name = basic_target(target)
        action = self.words.actions.get(name)
        known = action or name in self.words.targets or name in self.words.macros
        if not known or name in NOT_IN_MACROS or (action and action.inline):
            raise BadRule(f"Invalid Action ({target}) in macro")

    def builtin(self) -> None:
        check_parameter(self.target, self.row, self.words)
        source, dest = self.zones(inline=False)
        in_chain = self.target.name not in NO_DESTINATION or self.target.name == "HELPER"
        self.columns(f"{source[0]}-{dest[0]}" if in_chain else "")
        self.destination(source, dest)

    def zones(self, inline: bool) -> tuple[tuple[str, str], tuple[str, str]]:
        """Return source and destination, each as zone and the text after it."""
        row, setting, known = self.row, self.setting, self.site.zones
        text = nat.redirect_dest(self.target.name, row, self.site.firewall, self.site.version, setting.within)
        if setting.within:
            return (setting.source, row.source), (setting.dest, text)
        nowhere = "-" if inline else ALL[self.site.version]
        source, colon, rest = split_zone(row.source, at_least=1)
        if colon and not rest:
            raise BadRule(f"Missing SOURCE Qualifier ({row.source})")
        dest, dest_colon, dest_rest = split_zone(text, at_least=0)
        if dest_colon and not dest_rest:
            raise BadRule(f"Missing DEST Qualifier ({text})")
        if not dest_colon and text.count(".") > 1:
            dest, dest_rest = "-", text
        self.known_source(source)
        if self.target.name not in NO_DESTINATION:
            if dest in ("-", ""):
                raise BadRule("Missing destination zone")
            if dest not in known:
                raise BadRule(f"Unknown destination zone ({dest})")
        elif dest not in ("-", "", *known):
            dest, dest_rest = "", f"{dest}:{dest_rest or nowhere}"
        return (source, rest or nowhere), (dest, dest_rest or nowhere)

    def known_source(self, zone: str) -> None:
        if zone == "-" or zone.startswith(":"):
            raise BadRule("Missing source zone")
        if zone not in self.site.zones:
            raise BadRule(f"Unknown source zone ({zone})")
        if self.row.user != "-" and zone != self.site.firewall:
            raise BadRule("USER/GROUP may only be specified when the SOURCE zone is $FW")

    def action(self, action: StandardAction) -> None:
        """Check an action's parameters, then each of its rules."""
        source, dest = self.zones(action.inline)
        if self.setting.depth >= DEEPEST_MACRO:
            raise BadRule("Macro/Inline invocations nested too deeply")
        self.action_protocol(action)
        if self.target.log and not action.inline:
            level(self.target.log.partition(":")[0], self.site.version)
        given = checked_parameters(self.target.name, action, self.target.parameter, self.target.log)
        if self.target.name == "rejNotSyn" and given[0] == "audit" and "A_REJECT" not in self.words.actions:
            raise BadRule("Unknown ACTION (A_REJECT)")
        setting = Setting(source[0], dest[0], within=True, depth=self.setting.depth + 1)
        row = self.row._replace(source=source[1], dest=dest[1])
        for line in action.rules:
            if line == "@2" and given[1] in nat.TRANSLATING:
                self.translated(given[1], row, action.inline, setting)
                continue
            plain = line.replace("(@1)", "") if given[0] == "-" else line
            body = rule_row(re.sub(r"@(\d)", lambda match: given[int(match[1]) - 1], plain))
            if action.inline:
                leveled = body.action if ":" in body.action else merged_levels(self.row.action, body.action)
                body = row.merged(body, leveled)
            rule = ZoneRule(body, self.session, setting)
            if action.inline and (rule.target.text, rule.target.log) == ("INLINE", ""):
                rule.columns("")  # without a target there is no rule
            else:
                rule.check()
        if not action.inline:
            self.columns(f"{source[0]}-{dest[0]}")
            self.destination(source, dest)

    def translated(self, name: str, row: RuleRow, inline: bool, setting: Setting) -> None:
        """Check DNAT or REDIRECT as the action of an event, whose script splits it into two rules."""
        if name.endswith("-"):
            raise BadRule(f"Unknown ACTION ({name}-)")
        target = row if inline else RuleRow(dest=row.dest, proto=row.proto, dport=row.dport)
        for action, body in ((f"{name}-", target), ("ACCEPT", row if inline else RuleRow())):
            ZoneRule(body._replace(action=action), self.session, setting).check()

    def action_protocol(self, action: StandardAction) -> None:
        proto = self.row.proto
        if not action.proto or (action.inline and action.proto != protocols.TCP):
            return
        value = protocols.protocol_number(proto, self.words) if proto != "-" else action.proto
        if action.inline:
            has_rule = not re.match(r"INLINE(?![:(])", self.target.parameter)
            if has_rule and (value != action.proto or protocols.SYN.search(proto)):
                raise BadRule("Multiple p settings in one rule is prohibited")
            return
        if value is None:
            raise BadRule(f"Unknown protocol ({proto})")
        if value != action.proto:
            raise BadRule(f"The {self.target.name} action is only usable with "
                          f"{protocols.protocol_name(action.proto, self.words)}")
        self.row = self.row._replace(proto=str(value))

    def columns(self, chain: str) -> None:
        row, name = self.row, self.target.name
        natted = (name in nat.TRANSLATING or name in NOT_NATTED) and name not in NO_DESTINATION
        protocols.check_ports(row.proto, row.dport, row.sport, self.words)
        protocols.rate(row.rate, "ACCEPT" if natted else name, self.words)
        protocols.user(row.user)
        protocols.check_mark_value(row.mark)
        protocols.connection_limit(row.connlimit)
        protocols.time(row.time)
        protocols.check_headers(row.headers)
        switch = protocols.switch(row.switch, chain)
        if switch and self.session.switches.setdefault(*switch) != switch[1]:
            raise BadRule(f"Switch {switch[0]} was previously initialized to {self.session.switches[switch[0]]}")

    def destination(self, source: tuple[str, str], dest: tuple[str, str]) -> None:
        """Check the rule's hosts: in the raw table for a helper, in the nat table, and in the filter table."""
        row, name, within = self.row, self.target.name, self.setting.within
        place = HostPlace(self.site.version, self.site.interfaces, not within and source[0] == self.site.firewall,
                          not within and dest[0] == self.site.firewall)
        before = replace(place, to_firewall=False, before_routing=True)
        if row.helper != "-" and name in HELPED:
            protocols.check_helper_name(row.helper, row.proto, self.words)
            hosts.check_hosts(source[1], "-" if row.origdest == "all" else row.origdest, "-", before)
        if name in nat.TRANSLATING:
            self.target.check_log(self.site.version)
            nat.check_nat(name, row, source[1], dest[1], place, self.words)
        elif name in NOT_NATTED:
            if ":" in dest[1]:  # in IPv6 this applies to every destination
                raise BadRule(f"Invalid DEST ({dest[1]}) in {name.rstrip('+')} rule")
            self.check_matches(source[1], dest[1])
            self.target.check_log(self.site.version)
            hosts.check_hosts(source[1], dest[1], row.origdest, replace(before, from_firewall=False))
        if name not in NO_DESTINATION and (within or (source[0], dest[0]) not in self.session.full):
            self.filtered(source, dest, place)

    def check_matches(self, source: str, dest: str) -> None:
        """Check the text for iptables. It follows the rule's own matches, but in a macro those of the macro follow."""
        is_first = (self.row.is_plain or self.setting.depth > 0) and ":" not in self.row.source + self.row.dest
        taken = self.taken_options(source, dest) if self.setting.raw else ()
        check_raw(self.setting.raw, is_first=is_first, taken=taken)

    def taken_options(self, source: str, dest: str) -> set[str]:
        """Return the iptables options that the columns use; in an action, only the protocol's is known."""
        row = self.row
        taken = {"p"} if row.proto != "-" else set[str]()
        if not self.setting.within:
            number = protocols.protocol_number(row.proto, self.words) if row.proto != "-" else None
            taken |= hosts.iptables_options(source, dest, self.site.version)
            names = PORT_OPTIONS.get(number, ())
            taken |= {name for name, text in zip(names, (row.dport, row.sport), strict=False)
                      if SINGLE_PORT.fullmatch(text)}
        if self.target.name == "NONAT":
            taken.discard("o")  # its rule is applied before routing
        return taken

    def filtered(self, source: tuple[str, str], dest: tuple[str, str], place: HostPlace) -> None:
        """Check what is in the filter table. After a rule that matches everything, a chain's rules are skipped."""
        if self.target.name == "LOG" and NONE.match(self.target.log.replace("!", "")):
            return
        self.check_matches(source[1], dest[1])
        if self.target.name not in nat.TRANSLATING:
            self.target.check_log(self.site.version)
            origdest = "-" if self.row.origdest == "all" else self.row.origdest
            hosts.check_hosts(source[1], dest[1], origdest, place)
        nets = {"", "-", ALL[self.site.version]}
        if (self.target.name.removesuffix("!") in ENDING and not self.setting.within and not self.setting.raw
                and source[1] in nets and dest[1] in nets and self.row.is_plain):
            self.session.full.add((source[0], dest[0]))


def merged_levels(superior: str, subordinate: str) -> str:
    """Return the action of a macro's rule, which has no log level, with that of the rule that invokes the macro."""
    return ":".join((subordinate, *action_parts(superior, "Action")[1:]))
