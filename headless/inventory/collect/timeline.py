"""A host's history: its reports in the order of their times, those that say the same joined to spans.

What a host reported at a time is one state. Spans are what is left of the reports once neighbours that say the same are
joined, so they are the same in whatever order the reports came. For a late report to find its place, a span keeps the
times of its reports: those of the last ``HORIZON_S``, for nothing older is taken.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from headless.inventory.collect.varint import read_varints, write_varints

__all__ = ["HORIZON_S", "Span", "State", "pack_times", "place", "unpack_times"]

HORIZON_S = 35 * 86400
"""How long a report may travel: from when it was made to when it is received."""


class State(NamedTuple):
    """What a report said: rows of the tables ``sets`` and ``facts``."""

    set_id: int
    facts_id: int


class Span(NamedTuple):
    """Reports that follow one another and say the same.

    Attributes:
        times: of all its reports, ascending, never empty; those before the horizon may be left out but the first.
    """

    times: tuple[int, ...]
    state: State

    @property
    def first(self) -> int:
        """When it began."""
        return self.times[0]

    @property
    def last(self) -> int:
        """When its state was last reported."""
        return self.times[-1]


def place(spans: Sequence[Span], time: int, state: State) -> list[Span]:
    """Add a report, in place of one of the same time.

    Args:
        spans: of one host, ascending: at least the two that began last before or at ``time``, and the one after it.
        time: when the report was made.
        state: what it says.

    Returns:
        The spans that stand in their place.
    """
    reports = {moment: span.state for span in spans for moment in span.times}
    reports[time] = state
    joined = groupby(sorted(reports), key=reports.__getitem__)
    return [Span(_drop_old(tuple(times)), state) for state, times in joined]


def pack_times(times: Sequence[int]) -> bytes:
    """Write what lies between a span's first and last report."""
    return write_varints(after - before for before, after in pairwise(times[:-1]))


def unpack_times(first: int, last: int, data: bytes) -> tuple[int, ...]:
    """Read all times of a span."""
    return (*_accumulate(first, read_varints(data)), last) if last > first else (first,)


def _accumulate(first: int, distances: Iterable[int]) -> list[int]:
    times = [first]
    for distance in distances:
        times.append(times[-1] + distance)
    return times


def _drop_old(times: tuple[int, ...]) -> tuple[int, ...]:
    horizon = times[-1] - HORIZON_S
    if len(times) < 3 or times[1] >= horizon:
        return times
    return (times[0], *(moment for moment in times[1:] if moment >= horizon))
