"""Lines of the log about people who may come as often as they like."""

import time
from collections.abc import Hashable

__all__ = ["Seldom"]

QUIET_S = 60.0  # between two lines about one of them
MOST = 1000  # of whom it is remembered


class Seldom:
    """Says when it is time for another line."""

    def __init__(self) -> None:
        self._told: dict[Hashable, float] = {}

    def is_due(self, key: Hashable) -> bool:
        """Whether a line about somebody is due; it is then taken for told."""
        now = time.monotonic()
        if now < self._told.get(key, -QUIET_S) + QUIET_S:
            return False
        if len(self._told) >= MOST:
            self._told.clear()
        self._told[key] = now
        return True
