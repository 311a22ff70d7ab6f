"""A fixed pool of values that distinguish rules: similar numbers, unusual texts, every PHP type."""

import json
from itertools import product
from pathlib import Path
from typing import Any

KINDS: dict[str, list[Any]] = json.loads((Path(__file__).parent / "cases" / "nasty-values.json").read_text())
AROUND = ["{}", "+{}", "-{}", "0{}", "{}.0", "{}.5", "{}.", ".{}", "{}e1", "{} "]
LONG = [*("x" * size for size in (63, 64, 255, 256, 1024, 1025)), "9" * 400, "a.b" + "/x" * 30 + "!", "a." * 50 + "b"]


def pool() -> list[Any]:
    """All values without duplicates, in a fixed order."""
    numerals = [pattern.format(digits) for digits, pattern in product(KINDS["digits"][:12], AROUND)]
    texts = [value for kind, values in KINDS.items() if kind not in ("others", "numbers") for value in values]
    return [*KINDS["others"], *KINDS["numbers"], *dict.fromkeys([*numerals, *texts, *LONG])]


VALUES = pool()
