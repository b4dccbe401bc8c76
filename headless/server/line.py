"""The waiting line: how many jobs run at a time, and whose turn it is."""

import heapq
from collections import Counter
from collections.abc import Callable

__all__ = ["Line"]


class Line:
    """Gives out the places that there are to run in; knows jobs by their order of acceptance and their user.

    Fair among users: the next place goes to whoever has the fewest jobs running, and among those to the one who has
    waited longest. One user's jobs go in the order of their acceptance.
    """

    def __init__(self, max_running: int, find_max: Callable[[str], int]) -> None:
        """Args:
        max_running: places in all.
        find_max: most places of a user; 0 for no such limit.
        """
        self._max_running = max_running
        self._find_max = find_max
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, list[tuple[int, str]]] = {}

    @property
    def running(self) -> int:
        """How many places are taken."""
        return self._running.total()

    def reserve(self, user: str) -> bool:
        """Take a place at once, if there is one and nobody is waiting for it; :meth:`leave` gives it back."""
        if self._waiting.get(user) or not self._has_place(user) or any(map(self._has_place, self._waiting)):
            return False
        self._running[user] += 1
        return True

    def occupy(self, user: str) -> None:
        """Count a job that runs already, whatever the limits are now."""
        self._running[user] += 1

    def leave(self, user: str) -> None:
        """Give a place back."""
        self._running[user] -= 1
        if not self._running[user]:
            del self._running[user]

    def enqueue(self, seq: int, user: str, job_id: str) -> None:
        """Join the line: a job that waits for nothing but its place."""
        heapq.heappush(self._waiting.setdefault(user, []), (seq, job_id))

    def take(self) -> str | None:
        """Whose turn it is now: the job's id, its place taken; ``None`` if there is nobody, or no place."""
        users = [user for user in self._waiting if self._has_place(user)]
        if not users:
            return None
        user = min(users, key=lambda name: (self._running[name], self._waiting[name][0]))
        _, job_id = heapq.heappop(self._waiting[user])
        if not self._waiting[user]:
            del self._waiting[user]
        self._running[user] += 1
        return job_id

    def remove(self, seq: int, user: str, job_id: str) -> None:
        """Leave the line without having run; nothing happens if it is not in it."""
        line = self._waiting.get(user, [])
        if (seq, job_id) in line:
            line.remove((seq, job_id))
            heapq.heapify(line)
            if not line:
                del self._waiting[user]

    def _has_place(self, user: str) -> bool:
        most = self._find_max(user)
        return self.running < self._max_running and (not most or self._running[user] < most)
