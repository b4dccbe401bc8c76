"""A text of metrics that is made when it is asked for, and at most once a second however many ask."""

import asyncio
import time
from abc import ABC, abstractmethod

__all__ = ["FreshText"]

FRESH_S = 1.0  # for which a text serves all who ask
SHARE = 10  # of the time at most one such part is spent on it: a text that took 0.5 s serves for 5
FRESH_LIMIT_S = 10.0


class FreshText(ABC):
    """The text; each server makes its own.

    Attributes:
        started_at: when it was begun, seconds since the epoch.
        made_at: when the making of the text began, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.started_at = time.time()
        self.made_at = 0.0
        self._text = b""
        self._fresh_until = 0.0
        self._making = asyncio.Lock()

    @property
    def fresh_s(self) -> float:
        """For how many seconds :meth:`render` still returns what it has."""
        return max(0.0, self._fresh_until - time.monotonic())

    async def render(self) -> bytes:
        """The text as of now, or of the last second.

        Raises:
            Unavailable: what it is made of cannot be read.
        """
        async with self._making:
            begin = time.monotonic()
            if begin >= self._fresh_until:
                self._text = await self.make()
                took_s = time.monotonic() - begin
                self.made_at = begin
                self._fresh_until = begin + took_s + max(FRESH_S, min(FRESH_LIMIT_S, SHARE * took_s))
        return self._text

    @abstractmethod
    async def make(self) -> bytes:
        """Make the text.

        Raises:
            Unavailable: what it is made of cannot be read.
        """
