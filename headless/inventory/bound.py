"""What a version must be: an operator and a version, as people write them."""

import re
from dataclasses import dataclass

from headless.errors import ParameterError
from headless.inventory.versions import compare, compare_to_bound

__all__ = ["OPERATORS", "Bound", "parse_bounds"]

OPERATORS = {
    "<": (-1,),
    "<=": (-1, 0),
    "=": (0,),
    "!=": (-1, 1),
    ">=": (0, 1),
    ">": (1,),
    "===": (0,),
}
"""How the version may stand to the bound's; ``===`` is the whole version, nothing left out."""
SAME = {"==": "=", "<<": "<", ">>": ">"}
"""Other spellings: Python's, and Debian's."""
BOUND = re.compile(r"\s*([<>=!]+)\s*([^\s<>=!,]+)\s*")


@dataclass(frozen=True, slots=True)
class Bound:
    """An operator of ``OPERATORS``, and a version, of which ``compare_to_bound`` says what may be left out."""

    operator: str
    version: str

    def holds(self, kind: str, version: str) -> bool:
        """Whether a version of that kind is as it must be."""
        rule = compare if self.operator == "===" else compare_to_bound
        return rule(kind, version, self.version) in OPERATORS[self.operator]

    def __str__(self) -> str:
        return f"{self.operator} {self.version}"


def parse_bounds(text: str) -> tuple[Bound, ...]:
    """Read ``>= 3.0, < 3.0.14``: bounds that must hold all, with commas between.

    Raises:
        ParameterError: it is something else.
    """
    return tuple(_parse_bound(part) for part in text.split(","))


def _parse_bound(text: str) -> Bound:
    match = BOUND.fullmatch(text)
    if not match or not text.isprintable():
        raise ParameterError(
            f"{text.strip()[:80]!r}: one of {' '.join(OPERATORS)} and a version is expected, such as '>= 3.0.14'"
        )
    operator = SAME.get(match[1], match[1])
    if operator not in OPERATORS:
        turned = match[1][::-1]
        meant = f": did you mean {turned!r}?" if turned in OPERATORS else f": known are {' '.join(OPERATORS)}"
        raise ParameterError(f"{match[1][:20]!r} compares nothing{meant}")
    return Bound(operator, match[2])
