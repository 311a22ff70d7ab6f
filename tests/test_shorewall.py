"""The firewall checker: verdicts recorded from Shorewall, robustness and bounded time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from sarkmock.pbx.shorewall import Mistake, Site, first_mistake
from tests.shorewall import cases, oracle
from tests.shorewall.lines import Writer

RECORDED = [(version, rules, problem) for version, verdicts in cases.read().items()
            for rules, problem in verdicts.items()]
SITE = oracle.SITES[4]


def test_verdicts_match_shorewall() -> None:
    different = []
    for version, rules, problem in RECORDED:
        mistake = first_mistake(rules.split("\n"), oracle.SITES[version])
        if (mistake is None) != (problem is None):
            different.append((version, rules, problem, mistake))
    assert different == []


def test_most_messages_match_shorewall() -> None:
    wrong = [(version, rules, problem) for version, rules, problem in RECORDED if problem is not None]
    mistakes = (first_mistake(rules.split("\n"), oracle.SITES[version]) for version, rules, _ in wrong)
    same = sum(mistake is not None and mistake.problem == problem
               for mistake, (_, _, problem) in zip(mistakes, wrong, strict=True))
    assert same > 0.9 * len(wrong)


def test_mistake_names_its_line() -> None:
    assert first_mistake(["# before", "ACCEPT net fw", "ACCEPT dmz fw"], SITE) == Mistake(
        3, "Unknown source zone (dmz)")
    assert first_mistake(["ACCEPT net \\", "fw tcp x"], SITE) == Mistake(1, "Invalid/Unknown tcp port/service (x)")
    assert first_mistake(["ACCEPT net fw", "?IF 1"], SITE) == Mistake(
        None, 'Missing "?ENDIF" to match ?IF at line number 2')


def test_zones_interfaces_and_variables_of_site() -> None:
    assert first_mistake(["ACCEPT dmz:wlan0:$OFFICE gate"], Site(
        4, ("gate", "dmz"), "gate", frozenset({"wlan+"}), {"OFFICE": "10.0.0.0/8"})) is None
    assert first_mistake(["ACCEPT net:$OFFICE fw"], Site(variables={"OFFICE": "10.0.0.0/64"})) == Mistake(
        1, "Invalid VLSM (64)")
    unknown = Site(variables={"OFFICE": None})
    assert first_mistake(["ACCEPT net:$OFFICE fw", "ACCEPT dmz fw"], unknown) == Mistake(
        2, "Unknown source zone (dmz)")


def test_values_that_only_the_box_knows_are_accepted() -> None:
    """Addresses of a host name and countries of an address. Checking continues with the next line."""
    for line in ("ACCEPT net:10.0.0.1,pbx.example fw", "ACCEPT net:^US fw", "ACCEPT net:!^[US,DE] fw"):
        assert first_mistake([line], SITE) is None
        assert first_mistake([line, "ACCEPT dmz fw"], SITE) == Mistake(2, "Unknown source zone (dmz)")
    assert first_mistake(["ACCEPT net:[2001:db8::1],pbx.example fw"], oracle.SITES[6]) is None
    fifteen = ",".join(f"A{letter}" for letter in "ABCDEFGHIJKLMNO")
    assert first_mistake([f"ACCEPT net:^[{fifteen}] fw"], SITE) is None
    assert first_mistake([f"ACCEPT net:^[{fifteen},AP] fw"], SITE) == Mistake(
        1, f"Too many Country Codes (^[{fifteen},AP])")
    assert first_mistake(["ACCEPT net:^[,US] fw"], SITE) == Mistake(1, "Invalid country-code list (,US)")


def test_included_files_are_read() -> None:
    files = {"more": ["ACCEPT net fw", "ACCEPT dmz fw"], "loop": ["INCLUDE loop"], "right": ["ACCEPT net fw"]}
    site = replace(SITE, file=files.get)
    assert first_mistake(["INCLUDE more"], site) == Mistake(2, "Unknown source zone (dmz)", "more")
    assert first_mistake(["INCLUDE right", "ACCEPT dmz fw"], site) == Mistake(2, "Unknown source zone (dmz)")
    assert first_mistake(["INCLUDE loop"], site) == Mistake(1, "INCLUDEs/Scripts nested too deeply", "loop")
    assert first_mistake(["INCLUDE nothing"], site) == Mistake(1, "INCLUDE file nothing not found")


HOSTILE: dict[str, Callable[[int], list[str]]] = {
    "rules": lambda size: [f"ACCEPT net:10.0.{n % 256}.1 fw tcp {n % 60000 + 1}" for n in range(size // 30)],
    "macros": lambda size: ["FreeIPA(FreeIPA(FreeIPA(FreeIPA(ACCEPT)))) net fw"] * (size // 50),
    "protocols and users": lambda size: [
        f"ACCEPT fw net {'6,17,' * (size // 10)}6 - - - - {'joe,' * (size // 8)}jim"],
    "sets that double": lambda size: ['?SET x "$x$x$x$x"'] * (size // 18),
    "zones": lambda size: [f"ACCEPT {'net,fw,' * (size // 14)}net {'net,fw,' * (size // 14)}net"],
    **{sign: (lambda size, sign=sign: [f"ACCEPT net:{sign * (size // len(sign))} fw"])  # type: ignore[misc]
       for sign in ("10.0.0.1,", "[", "!", ":[", ":+", "]-[", "[a]/", "a:b-", ".", "1.", "[::1],", "(", "(1.1.1.1),",
                    "+a[", "src,", "&{", "$LAN", "\\ #", ":(")},
    **{sign: (lambda size, sign=sign: [sign * (size // len(sign))])  # type: ignore[misc]
       for sign in (",", "{", "a=", "$", "\\", ";", 'a;"', "(", "&{", " ", "#", "SSH(", "ACCEPT:", "?IF (")},
    **{f"{sign} lines": (lambda size, sign=sign: [sign] * (size // len(sign)))  # type: ignore[misc]
       for sign in ("," * 4000, "?IF 1", "ACCEPT \\", "\\", "INCLUDE x", "ACCEPT net fw tcp " + "22," * 1300 + "22",
                    f"?IF {'9**' * 600}9", f"?SET X {'1?' * 900}1", f"ACCEPT net fw ;; {'! ' * 2000}")}}


HALF, WHOLE = 250_000, 500_000
GROWTH, QUICK = 3.2, 0.02  # quadratic time has the ratio 4; shorter times are not compared
YARDSTICK = 6.0  # relative to plain rules of the same size, of which only the first few thousand are checked


def cost(name: str, size: int, version: int) -> float:
    lines = HOSTILE[name](size)
    start = time.process_time()
    first_mistake(lines, oracle.SITES[version])
    return time.process_time() - start


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear_in_size(name: str, version: int) -> None:
    """For any text: it is checked, or checking ends early."""
    first_mistake(["ACCEPT net fw"], oracle.SITES[version])
    measurements = []
    for _ in range(4):
        small, large = (min(cost(name, size, version) for _ in range(2)) for size in (HALF, WHOLE))
        if large < QUICK or (large < GROWTH * small and large < YARDSTICK * cost("rules", WHOLE, 4)):
            return
        measurements.append(f"{small:.4f} s, {large:.4f} s")
    pytest.fail(f"{HALF} bytes and twice as much take {'; '.join(measurements)}")


@pytest.mark.parametrize("version", [4, 6])
def test_no_rule_set_raises(version: int) -> None:
    rng = random.Random(version)
    writer = Writer(7, version, wrong=0.3)
    signs = "?$@%&{}[]()<>|;:,.!+-=/\\\"'`#~^ \t\0\r\x85\u0660\u00e9\ufffdaPX09"
    for _ in range(3000):
        lines = writer.rule_set()
        for _ in range(rng.randint(1, 6)):
            number = rng.randrange(len(lines))
            position = rng.randint(0, len(lines[number]))
            line = lines[number]
            lines[number] = line[:position] + rng.choice(signs) + line[position + rng.randint(0, 2):]
        first_mistake(lines, oracle.SITES[version])


def test_no_expression_raises() -> None:
    rng = random.Random(1)
    parts = ("0", "1", "-1", "9" * 20, "1e308", ".5", "08", "0x", '"a"', "'1'", '"inf"', "+", "-", "*", "/", "%", "**",
             ".", "x", "<<", ">>", "~", "!", "not", "==", "<=>", "cmp", "?", ":", "(", ")", "&&", "||", "//", "or")
    for _ in range(5000):
        text = " ".join(rng.choice(parts) for _ in range(rng.randint(1, 8)))
        first_mistake([f"?SET X {text}", "ACCEPT net fw tcp $X"], SITE)
