"""Who asks much waits a little: points per certificate, as JAliEn counts them. No I/O."""

import math
from collections.abc import Callable

__all__ = ["COMMAND", "LOGIN", "LOGOUT", "Rate"]

LOGIN, COMMAND, LOGOUT = 10, 1, 1
HALF_LIFE_S = 300.0
LONGEST_S = 2.0  # one command's wait; below any client's patience
FORGOTTEN = 0.5  # points


class Rate:
    """The points of all subjects; those above the free ones cost a millisecond each, with every command."""

    def __init__(self, free: int, now: Callable[[], float]) -> None:
        """Args:
        free: points that cost nothing; 0 for no limit at all.
        now: the monotonic clock, in seconds.
        """
        self._free = free
        self._now = now
        self._points: dict[str, tuple[float, float]] = {}

    def charge(self, subject: str, points: int) -> float:
        """Note what a subject does; return for how many seconds it has to wait first."""
        if not self._free:
            return 0.0
        now = self._now()
        if subject not in self._points:
            self._forget(now)
        before, at = self._points.get(subject, (0.0, now))
        total = _halve(before, now - at) + points
        self._points[subject] = (total, now)
        return min(max(0.0, total - self._free) / 1000, LONGEST_S)

    def _forget(self, now: float) -> None:
        self._points = {
            subject: (points, at)
            for subject, (points, at) in self._points.items()
            if _halve(points, now - at) > FORGOTTEN
        }


def _halve(points: float, passed_s: float) -> float:
    return points * math.pow(0.5, passed_s / HALF_LIFE_S)
