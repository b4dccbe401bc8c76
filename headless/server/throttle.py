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

    def reserve(self, source: str, user: str) -> float | None:
        """Take the next place; return how many seconds to wait for it, 0 to ``LONGEST_S``.

        ``None`` means that too many wait already: the attempt must not be judged. That never meets a source that has
        not failed itself, whatever others do under the same user's name.
        """
        places = {("source", source): self._place("source", source), ("user", user): self._place("user", user)}
        wait_s = max(0.0, *(free_at - self._now() for free_at in places.values()))
        if wait_s > LONGEST_S:
            if places["source", source]:
                return None
            wait_s = LONGEST_S
        for key, free_at in places.items():
            if free_at:
                self._records[key] = (self._records[key][0], free_at)
        return wait_s

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

    def _place(self, kind: str, name: str) -> float:
        """When the next attempt of this key may be judged, on the clock; 0 for one that has not failed too often."""
        failures, free_at = self._records.get((kind, name), (0, 0.0))
        if failures < FREE_FAILURES:
            return 0.0
        return max(free_at, self._now()) + INTERVAL_S[kind]
