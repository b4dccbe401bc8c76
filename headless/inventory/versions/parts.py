"""A version taken apart, and what the comparisons share."""

from typing import Any, NamedTuple

__all__ = ["Key", "Parts", "parse_number"]

Key = tuple[Any, ...]
"""What a version is sorted by; only keys of the same kind can be compared."""


class Parts(NamedTuple):
    """A version taken apart.

    Attributes:
        epoch: ``None`` where none is written, or the kind has none.
        upstream: what the software's authors count by.
        release: what its packagers count by; ``None`` where none is written.
    """

    epoch: str | None
    upstream: str
    release: str | None


def parse_number(digits: str) -> int:
    """A number that sorts as these ASCII digits do; none are 0.

    It is read to the base of 16: the order is the same, and Python reads any length of it, in linear time, where to the
    base of 10 it refuses more than 4300 digits.
    """
    return int(digits or "0", 16)
