"""Limits on what jobs may use: the server's, a module's, a user's, and what follows from all of them."""

import re
from collections.abc import Mapping
from typing import Any

from headless.engines.base import Limits
from headless.errors import ParameterError

__all__ = ["LIMITS", "USER_LIMITS", "build_limits", "combine_limits", "parse_limits"]

LIMITS = {
    "max_runtime": "seconds",
    "cpu_time": "seconds of processor time",
    "memory": "bytes, also like 512M or 2G",
    "open_files": "descriptors",
    "processes": "processes",
    "nice": "steps, 1 to 19",
}
"""The known limits of a job, and what they count."""

USER_LIMITS = {**LIMITS, "max_running": "jobs at a time"}
"""A user may have one more, for all its jobs."""

LARGEST = 1 << 62  # what the kernel takes
FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SIZE = re.compile(r"(\d{1,15})([KMGT]?)")


def parse_limits(values: Mapping[str, Any], origin: str, known: Mapping[str, str] = LIMITS) -> dict[str, float]:
    """Check a table of limits.

    Args:
        values: by name; numbers, or texts as they stand on a command line.
        origin: where they come from, for messages.
        known: what may be limited, and what that counts.

    Raises:
        ParameterError: an unknown name, or a value that is none.
    """
    limits = {}
    for name, value in values.items():
        if name not in known:
            raise ParameterError(f"{origin}: unknown limit {name!r}: known are {', '.join(known)}")
        number = _read_number(name, value)
        if number is None or not 0 < number < LARGEST or (name == "nice" and number > 19):
            raise ParameterError(f"{origin}: limit {name!r} is a number of {known[name]}, not {value!r}")
        limits[name] = number
    return limits


def combine_limits(*sources: Mapping[str, float]) -> dict[str, float]:
    """What holds where several say something: the strictest, which for niceness is the highest."""
    combined: dict[str, float] = {}
    for source in sources:
        for name, value in source.items():
            strictest = max if name == "nice" else min
            combined[name] = strictest(combined.get(name, value), value)
    return combined


def build_limits(values: Mapping[str, float]) -> Limits:
    """The limits that an engine enforces; the run time is none of them."""
    return Limits(
        memory=int(values.get("memory", 0)),
        cpu_s=int(values.get("cpu_time", 0)),
        open_files=int(values.get("open_files", 0)),
        processes=int(values.get("processes", 0)),
        nice=int(values.get("nice", 0)),
    )


def _read_number(name: str, value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and name == "max_runtime":
        return value
    if isinstance(value, int):
        return value
    found = SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or (found[2] and name != "memory"):
        return None
    return int(found[1]) * FACTORS[found[2]]
