"""How long an answer is held back: a fixed time or one that is drawn. Waits for nothing itself."""

from __future__ import annotations

import math
import random
import re

NUMBER = r"(\d+(?:\.\d+)?)"
UNIFORM = re.compile(rf"{NUMBER}\.\.{NUMBER}")
LOGNORMAL = re.compile(rf"{NUMBER}~{NUMBER}")
LONGEST = 3600.0


def problem(latency: object) -> str | None:
    """What is wrong with a latency, if anything."""
    if isinstance(latency, str) and not (UNIFORM.fullmatch(latency) or LOGNORMAL.fullmatch(latency)):
        return "must be seconds, MIN..MAX (uniform) or MEDIAN~SIGMA (log-normal)"
    if isinstance(latency, str) and (found := UNIFORM.fullmatch(latency)) and float(found[1]) > float(found[2]):
        return f"{found[1]} is more than {found[2]}"
    if isinstance(latency, float | int) and not 0 <= latency <= LONGEST:
        return f"must be 0 to {LONGEST:.0f} seconds"
    return None


def draw(latency: float | str, dice: random.Random) -> float:
    """Seconds."""
    if not isinstance(latency, str):
        return float(latency)
    if found := UNIFORM.fullmatch(latency):
        return dice.uniform(float(found[1]), float(found[2]))
    median, _, sigma = latency.partition("~")
    return min(dice.lognormvariate(math.log(float(median) or 1e-9), float(sigma)), LONGEST)
