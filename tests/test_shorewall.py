"""What Shorewall takes and what it says of the rest."""

from __future__ import annotations

import time

import pytest

from sarkmock.pbx.shorewall import Mistake, Site, first_mistake

SITE = Site(variables=frozenset({"LAN"}))
SITE6 = Site(version=6, variables=frozenset({"LAN"}))

SOUND = """
ACCEPT net fw tcp 22
ACCEPT net:$LAN $FW udp 5060 # SIP
ACCEPT net:${LAN} ${FW} udp 10000:20000
ACCEPT net:192.168.1.0/24,10.0.0.1 $FW tcp 80,443,8000:8010
ACCEPT net:192.168.1.1-192.168.1.9 $FW
ACCEPT net:eth0:192.168.1.1 fw 50
ACCEPT net:!10.0.0.1 fw
ACCEPT net:~00-A0-C9-15-39-78 fw
ACCEPT net:+blacklist fw
# a comment
?SECTION NEW
?COMMENT a comment for the rules below
SECTION NEW
SSH(ACCEPT) net $FW
Ping/ACCEPT net $FW
Limit(SSH,3,60):none net $FW tcp 22
ACCEPT:info net $FW tcp ssh
ACCEPT+ net fw tcp 1024: -
LOG:info:tag net fw
NFQUEUE(3) net fw
DNAT net fw:127.0.0.1:8080 tcp 80
DNAT- net 192.168.1.3 tcp 80
REDIRECT net 3128 tcp www
DROP! all!net fw
ACCEPT net,fw all
ACCEPT all+ all icmp echo-request
ACCEPT net fw icmp 8
ACCEPT net fw { proto=tcp, dport=22,23 }
ACCEPT net fw ; proto=udp dport=5060
ACCEPT net fw tcp 80 ;; -m recent --name web
ACCEPT net $FW tcp 22 - - 3/min:5
ACCEPT net $FW tcp 22 - 10.1.2.3 s:ssh:1/min
ACCEPT net fw tcp,udp 53 :1024
INCLUDE more
siteaction
""".strip().splitlines()

WRONG = {
    "NONSENSE net fw tcp 22": "Unknown ACTION (NONSENSE)",
    "GARBAGE": "Unknown ACTION (GARBAGE)",
    "this is not a rule": "Unknown ACTION (this)",
    "accept net fw": "Unknown ACTION (accept)",
    "ACCEPT- net fw": "Unknown ACTION (ACCEPT-)",
    "SSH(FOO) net fw": "Unknown ACTION (FOO)",
    "1 2 3": "Invalid ACTION (1)",
    "ACCEPT( net fw": "Invalid ACTION (ACCEPT()",
    "ACCEPT:loud net fw": "Invalid log level (loud)",
    "LOG net fw": "LOG requires a log level",
    "ACCEPT": "Missing source zone",
    "ACCEPT - fw": "Missing source zone",
    "ACCEPT net": "Missing destination zone",
    "ACCEPT dmz fw": "Unknown source zone (dmz)",
    "ACCEPT net,dmz fw": "Unknown source zone (dmz)",
    "ACCEPT net dmz": "Unknown destination zone (dmz)",
    "ACCEPT net: fw": "Missing SOURCE Qualifier (net:)",
    "ACCEPT net fw:": "Missing DEST Qualifier (fw:)",
    "ACCEPT net:300.1.1.1 fw": "Invalid IP Address (300.1.1.1)",
    "ACCEPT net:10.0.0.0/33 fw": "Invalid IP Address (10.0.0.0/33)",
    "ACCEPT net:$WAN fw": "Undefined shell variable ($WAN)",
    "ACCEPT net fw tcq": "Unknown PROTOCOL (tcq)",
    "ACCEPT net fw 256": "Unknown PROTOCOL (256)",
    "ACCEPT net fw - 22": "DEST PORT(S) not allowed without PROTOCOL tcp, udp, dccp, sctp or udplite",
    "ACCEPT net fw gre 22": "DEST PORT(S) not allowed without PROTOCOL tcp, udp, dccp, sctp or udplite",
    "ACCEPT net fw tcp 65536": "Invalid/Unknown tcp port/service (65536)",
    "ACCEPT net fw tcp sssh": "Invalid/Unknown tcp port/service (sssh)",
    "ACCEPT net fw tcp 22:21": "Invalid port range (22:21)",
    "ACCEPT net fw tcp 1:2:3": "Invalid port range (1:2:3)",
    "ACCEPT net fw tcp 22 nosuch": "Invalid/Unknown tcp port/service (nosuch)",
    "ACCEPT net fw tcp 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16": "A port list in this file may only have up to 15 ports",
    "ACCEPT net fw icmp foo": "Invalid ICMP Type (foo)",
    "ACCEPT net fw tcp 22 - 1.2.3": "Invalid IP Address (1.2.3)",
    "ACCEPT net fw tcp 22 - - often": "Invalid rate (often)",
    "ACCEPT net fw ; colour=blue": "Unknown column (colour)",
    "ACCEPT net fw ; blue": "Invalid column/value pair (blue)",
    "ACCEPT net fw tcp 22 - - - - - - - - - - extra": "Invalid rules entry (too many columns)",
    "ACCEPT net fw " + "1," * 3000: "Invalid rules entry (line too long)",
    "?SECTION MIDDLE": "Invalid SECTION (MIDDLE)",
    "?NONSENSE": "Invalid compiler directive (?NONSENSE)",
    "?ENDIF": "?ENDIF has no matching ?IF",
    "?IF 1": "Missing ?ENDIF",
}


@pytest.mark.parametrize("line", SOUND)
def test_a_sound_line_passes(line: str) -> None:
    assert first_mistake([line], SITE) is None


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_line_is_told_in_shorewalls_words(line: str) -> None:
    assert first_mistake(["# before", line], SITE) == Mistake(2, WRONG[line])


def test_ipv6_addresses_stand_in_brackets() -> None:
    sound = ["ACCEPT net:[2001:db8::1] fw tcp 22", "ACCEPT net:<2001:db8::/32>,<::1> fw", "ACCEPT net:$LAN $FW"]
    assert first_mistake(sound, SITE6) is None
    assert first_mistake(["ACCEPT net:[2001:::1] fw"], SITE6) == Mistake(1, "Invalid IPv6 Address (2001:::1)")
    assert first_mistake(["ACCEPT net:1.2.3.4 fw"], SITE6) == Mistake(1, "Invalid IPv6 Address (1.2.3.4)")


def test_lines_go_on_after_a_backslash() -> None:
    assert first_mistake(["ACCEPT net \\", "fw tcp \\", "22"], SITE) is None
    assert first_mistake(["ACCEPT net \\", "fw tcp x"], SITE) == Mistake(2, "Invalid/Unknown tcp port/service (x)")


def test_sections_have_an_order() -> None:
    assert first_mistake(["?SECTION ESTABLISHED", "?SECTION NEW"], SITE) is None
    wrong = Mistake(2, "Duplicate or out of order SECTION (ESTABLISHED)")
    assert first_mistake(["?SECTION NEW", "?SECTION ESTABLISHED"], SITE) == wrong


def test_scripts_are_not_read_and_conditions_are_closed() -> None:
    assert first_mistake(["?BEGIN PERL", "shorewall 'nonsense';", "?END PERL"], SITE) is None
    assert first_mistake(["?IF $LAN", "ACCEPT net fw", "?ELSE", "DROP net fw", "?ENDIF"], SITE) is None


def test_zones_are_those_of_the_site() -> None:
    assert first_mistake(["ACCEPT dmz fw"], Site(zones=frozenset({"dmz"}))) is None


@pytest.mark.parametrize("line", ["," * 4000, "{" * 4000, "a=" * 2000, "$" * 4000, "ACCEPT net " + "[" * 4000, "\\"])
def test_a_hostile_rule_set_is_read_in_no_time(line: str) -> None:
    began = time.monotonic()
    first_mistake([line] * 1000, SITE)
    assert time.monotonic() - began < 10
