"""Updates tests/cases/shorewall.yaml with Shorewall's verdicts: `python -m tests.shorewall.cases [FILE...]`.

Each paragraph of the files is an additional rule set.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from sarkmock.spec import yaml12
from tests.shorewall import oracle

FILE = Path(__file__).parent.parent / "cases" / "shorewall.yaml"
HEAD = """# Rule sets, and what `shorewall check` (4) and `shorewall6 check` (6) say of them; null: they pass.
# Written by `python -m tests.shorewall.cases`, which asks again.
"""


def read() -> dict[int, dict[str, str | None]]:
    cases: dict[int, dict[str, str | None]] = yaml12.read(FILE) if FILE.exists() else {4: {}, 6: {}}
    return cases


def main() -> None:
    new = [paragraph for path in sys.argv[1:] for paragraph in Path(path).read_text().strip("\n").split("\n\n")]
    cases = read()
    text = HEAD
    for version in (4, 6):
        rule_sets = list(dict.fromkeys([*cases[version], *new]))
        with tempfile.TemporaryDirectory() as folder:
            problems = oracle.verdicts([rules.split("\n") for rules in rule_sets], version, Path(folder))
        text += f"{version}:\n" + "".join(
            f"  ? {quoted(rules)}\n  : {'null' if problem is None else quoted(problem)}\n"
            for rules, problem in zip(rule_sets, problems, strict=True) if not oracle.is_undecided(problem))
    FILE.write_text(text, encoding="utf-8")


def quoted(text: str) -> str:
    """A text as a double-quoted YAML scalar."""
    for sign, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(sign, escaped)
    return f'"{text}"'


if __name__ == "__main__":
    main()
