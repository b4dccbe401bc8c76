"""Failed logins slow the next ones down, per source and per user; nobody is ever locked out."""

from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Throttle"]

FREE_FAILURES = 3  # mistyping costs nothing
INTERVAL_S = {"source": 1.0, "user": 0.25}  # between attempts after that
LONGEST_S = 5.0  # a wait stays below the time in which a connection must log in
MEMORY = 10_000  # keys; the oldest go: an attacker with more sources than that is slowed elsewhere


class Throttle:
    """When the next attempt of a source, or for a user, may be judged.

    Every attempt waits, the right ones too: else the absence of a quick answer would tell a guesser enough. A user
    is slowed less than a source: a stranger must not be able to keep the nightly batch waiting.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """Args:
        now: the monotonic clock, in seconds.
        """
        self._now = now
        self._records: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def reserve(self, source: str, user: str) -> float:
        """Take the next place; return how many seconds to wait for it, 0 to ``LONGEST_S``."""
        return max(self._reserve("source", source), self._reserve("user", user))

    def fail(self, source: str, user: str) -> None:
        """Remember a failed attempt."""
        for kind, name in (("source", source), ("user", user)):
            failures, free_at = self._records.pop((kind, name), (0, 0.0))
            self._records[kind, name] = (failures + 1, max(free_at, self._now()))
            if len(self._records) > MEMORY:
                self._records.popitem(last=False)

    def succeed(self, source: str, user: str) -> None:
        """Forget what failed before."""
        self._records.pop(("source", source), None)
        self._records.pop(("user", user), None)

    def _reserve(self, kind: str, name: str) -> float:
        failures, free_at = self._records.get((kind, name), (0, 0.0))
        if failures < FREE_FAILURES:
            return 0.0
        now = self._now()
        wait = min(max(free_at - now, 0.0) + INTERVAL_S[kind], LONGEST_S)
        self._records[kind, name] = (failures, now + wait)
        return wait
