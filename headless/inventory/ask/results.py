"""What was found for the last questions, for the pages that follow."""

import threading
from collections.abc import Hashable
from typing import Any

__all__ = ["Results"]

LIMIT = 300_000
"""Rows kept of all questions together, some hundred bytes each."""
OWN = 10
"""What a result counts for beside its rows: one of none is kept under its key too."""


class Results:
    """Results by what they answer; those that were not asked for longest go first. Several threads may use it."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Args:
        limit: rows of all together. A result of more than this is not kept.
        """
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[int, Any]] = {}
        self._size = 0

    def get(self, key: Hashable) -> Any:
        """A result; ``None`` if it is not kept."""
        with self._lock:
            kept = self._kept.pop(key, None)
            if kept is None:
                return None
            self._kept[key] = kept  # at the end: the first is that which was not asked for longest
            return kept[1]

    def put(self, key: Hashable, result: Any, size: int) -> None:
        """Keep a result, in place of one for the same key.

        Args:
            key: what it answers.
            result: that nobody changes.
            size: its rows.
        """
        size += OWN
        with self._lock:
            self._size -= self._kept.pop(key, (0, None))[0]
            if size > self._limit:
                return
            self._kept[key] = (size, result)
            self._size += size
            while self._size > self._limit:
                self._size -= self._kept.pop(next(iter(self._kept)))[0]
