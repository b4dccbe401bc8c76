"""Advisories and VEX files that are given together."""

from collections.abc import Sequence

from headless.errors import ParameterError
from headless.inventory.advisories import Advisories
from headless.inventory.advisory_files import read_advisories
from headless.inventory.vex_files import read_exceptions

__all__ = ["read_advice"]


def read_advice(advisories: Sequence[str], vex: Sequence[str]) -> Advisories | None:
    """Read advisories, and what of them does not count.

    Args:
        advisories, vex: paths of them.

    Returns:
        ``None`` if none are named.

    Raises:
        ParameterError: something cannot be read, or takes away from nothing.
    """
    if vex and not advisories:
        raise ParameterError("VEX files say what of advisories does not count: give --advisories too")
    if not advisories:
        return None
    found = read_advisories(advisories)
    found.exceptions = read_exceptions(vex)
    return found
