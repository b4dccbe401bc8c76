"""Base scores of CVSS 3.0 and 3.1, and the class of each (FIRST, CVSS v3.1 Specification, sections 5 and 7.1)."""

import math
from collections.abc import Mapping

__all__ = ["find_class", "find_score"]

IMPACTS = {"H": 0.56, "L": 0.22, "N": 0.0}
WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "S": {"U": 6.42, "C": 7.52},
    "C": IMPACTS,
    "I": IMPACTS,
    "A": IMPACTS,
}
PRIVILEGES_CHANGED = {"N": 0.85, "L": 0.68, "H": 0.5}
"""Instead of those of PR, where the scope is changed."""
CLASSES = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"), (0.0, "none"))
"""From which score on."""


def find_class(vector: str) -> str:
    """The class of a vector's base score: "none", "low", "medium", "high", "critical"; empty if it is no such vector.

    The metrics of time and environment are passed over.
    """
    score = find_score(vector)
    return "" if score is None else next(name for least, name in CLASSES if score >= least)


def find_score(vector: str) -> float | None:
    """The base score of a vector, ``CVSS:3.1/AV:N/...``; ``None`` if it is none of 3.0 or 3.1."""
    head, *parts = vector.split("/")
    given = dict(part.split(":", 1) for part in parts if ":" in part)
    if head not in ("CVSS:3.0", "CVSS:3.1") or len(given) < len(parts):
        return None
    try:
        weights = {name: values[given[name]] for name, values in WEIGHTS.items()}
    except KeyError:
        return None
    is_changed = given["S"] == "C"
    if is_changed:
        weights["PR"] = PRIVILEGES_CHANGED[given["PR"]]
    base = 1 - (1 - weights["C"]) * (1 - weights["I"]) * (1 - weights["A"])
    impact = weights["S"] * (base - 0.029) - 3.25 * (base - 0.02) ** 15 if is_changed else weights["S"] * base
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weights["AV"] * weights["AC"] * weights["PR"] * weights["UI"]
    return _round_up(min((1.08 if is_changed else 1) * (impact + exploitability), 10))


def _round_up(score: float) -> float:
    """To one decimal, upwards; in whole numbers, as Appendix A says, so that all machines find the same."""
    hundred_thousandths = round(score * 100_000)
    if hundred_thousandths % 10_000 == 0:
        return hundred_thousandths / 100_000
    return (math.floor(hundred_thousandths / 10_000) + 1) / 10
