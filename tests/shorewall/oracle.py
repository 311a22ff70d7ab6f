"""Verdicts of Debian's `shorewall check` on a temporary configuration. No other command of Shorewall is run.

One process reads the configuration and forks for each rule set, so that a few thousand verdicts take a minute or two.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sarkmock.pbx.shorewall import Site

VARIABLES = {4: "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16", 6: "fe80::/10,fd00::/8"}
SITES = {version: Site(version, ("fw", "net", "loc"), interfaces=frozenset(("eth0", "eth1")), variables={"LAN": lan})
         for version, lan in VARIABLES.items()}
PROGRAMS = {4: "shorewall", 6: "shorewall6"}
VERIFIED = "configuration verified"
RULES = """?SECTION NEW
Ping(ACCEPT) net $FW
?begin perl
use POSIX ();
my $folder = $ENV{RULE_SETS};
my $number = 0;
while ( -f "$folder/$number" ) {
    my $child = fork;
    POSIX::_exit( 1 ) unless defined $child;
    unless ( $child ) {
        open STDOUT, '>', "$folder/$number.out";
        open STDERR, '>&', \\*STDOUT;
        Shorewall::Config::shorewall( "INCLUDE $folder/$number" );
        last;
    }
    waitpid $child, 0;
    POSIX::_exit( 0 ) unless -f "$folder/" . ++$number;
}
1;
?end perl
"""
# Optional capabilities are assumed to be present, workarounds for older iptables are not.
OLDER = re.compile(r"OLD_|(?:FTP|IRC|SANE|SIP|TFTP)0")


def is_installed(version: int) -> bool:
    return shutil.which(PROGRAMS[version]) is not None


def verdicts(rule_sets: Sequence[Sequence[str]], version: int, folder: Path) -> list[str | None]:
    """Shorewall's message for each rule set, or None if it is valid."""
    configuration, sets = folder / "configuration", folder / "sets"
    configure(configuration, version)
    sets.mkdir()
    for number, lines in enumerate(rule_sets):
        (sets / str(number)).write_text("".join(f"{line}\n" for line in lines))
    if rule_sets:
        subprocess.run([PROGRAMS[version], "check", "-e", configuration], env=os.environ | {"RULE_SETS": str(sets)},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    outputs = ((sets / f"{number}.out").read_text(errors="replace") for number in range(len(rule_sets)))
    return [problem(output.replace(f"{configuration}/", "")) for output in outputs]


def verdict(files: Mapping[str, bytes], version: int, folder: Path) -> str | None:
    """Shorewall's message for the files of a box, added to the temporary configuration."""
    configure(folder, version)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    run = subprocess.run([PROGRAMS[version], "check", "-e", folder], capture_output=True, text=True, check=False)
    return problem(run.stdout + run.stderr)


def problem(output: str) -> str | None:
    if VERIFIED in output:
        return None
    match = re.search(r"ERROR: (.*?)(?: \S+ \((?:line \d+|EOF)\)|$)", output, re.MULTILINE)
    return re.sub(r" at \(eval.*", "", match[1]).strip() if match else output.strip().splitlines()[-1]


def configure(folder: Path, version: int) -> None:
    folder.mkdir()
    product = PROGRAMS[version]
    lines = {
        "zones": f"fw firewall\nnet ipv{version}\nloc ipv{version}\n",
        "interfaces": "?FORMAT 2\nnet eth0 tcpflags\nloc eth1\n",
        "policy": "$FW net ACCEPT\nnet all DROP info\nall all REJECT info\n",
        "params": f"LAN={VARIABLES[version]}\n",
        "rules": RULES,
        # the default log file is missing where nothing but the journal logs, and `shorewall show` wants it
        f"{product}.conf": Path(f"/usr/share/{product}/configfiles/{product}.conf").read_text().replace(
            "LOGFILE=/var/log/messages", "LOGFILE=systemd")}
    for name, text in lines.items():
        (folder / name).write_text(text)
    (folder / "capabilities").write_text(capabilities(product, folder))


def capabilities(product: str, folder: Path) -> str:
    names = subprocess.run([product, "show", "-f", "capabilities"], env=os.environ | {"CONFIG_PATH": str(folder)},
                           capture_output=True, text=True, check=True).stdout
    lines = [line for line in names.splitlines() if "=" in line and not OLDER.match(line)]
    return "".join(f"{line}{'Yes' if line.endswith('=') else ''}\n" for line in lines)


def is_undecided(problem: str | None) -> bool:
    """Whether the verdict depends on a name server or a database of countries."""
    if problem is None:
        return False
    return problem.startswith("GEOIPDIR") or bool(re.match(r"Unknown Host \([^:]*[a-zA-Z][^:]*\)", problem))
