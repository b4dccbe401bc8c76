"""Connecting to a host that has several addresses: one try beside the other, as in RFC 8305, without threads."""

import contextlib
import errno
import os
import selectors
import socket
import time
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

__all__ = ["DELAY_S", "Place", "connect_first", "interleave"]

DELAY_S = 0.25
"""Between the beginnings of two tries, unless the earlier one has failed (RFC 8305, section 5)."""

Place = tuple[int, Any]
"""An address's family, and itself."""


def interleave(places: Sequence[Place]) -> list[Place]:
    """The same in turns: one of each family, in the resolver's order (RFC 8305, section 4)."""
    families = dict.fromkeys(family for family, _ in places)
    columns = [[place for place in places if place[0] == family] for family in families]
    return [place for place in chain.from_iterable(zip_longest(*columns)) if place is not None]


def connect_first(places: Sequence[Place], deadline: float) -> socket.socket:
    """Connect to whichever answers first.

    Args:
        places: in the order to try them, not empty.
        deadline: on the monotonic clock, in seconds.

    Returns:
        The socket, blocking again.

    Raises:
        OSError: of the last one that failed, or TimeoutError.
    """
    race = _Race(list(places), deadline)
    try:
        while (winner := race.step()) is None:
            pass
    finally:
        race.end()
    winner.setblocking(True)
    return winner


class _Race:
    """The tries that are under way, and those to come."""

    def __init__(self, waiting: list[Place], deadline: float) -> None:
        self._waiting = waiting
        self._deadline = deadline
        self._next_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._error = OSError("the host has no address")

    def step(self) -> socket.socket | None:
        """Begin a try if it is time for one, then wait for news; the socket that is connected."""
        now = time.monotonic()
        if self._waiting and (now >= self._next_at or not self._selector.get_map()):
            self._begin(*self._waiting.pop(0))
            self._next_at = now + DELAY_S
        if not self._selector.get_map():
            if self._waiting:
                return None
            raise self._error
        until = min(self._next_at, self._deadline) if self._waiting else self._deadline
        return next(filter(None, map(self._finish, self._wait(max(until - now, 0)))), None)

    def end(self) -> None:
        """Close all that has not won."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # it is a socket
        self._selector.close()

    def _wait(self, limit_s: float) -> list[socket.socket]:
        ready = self._selector.select(limit_s)
        if not ready and time.monotonic() >= self._deadline:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        return [key.fileobj for key, _ in ready]  # type: ignore[misc]  # they are sockets

    def _begin(self, family: int, place: Any) -> None:
        channel = None
        try:
            channel = socket.socket(family)
            channel.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                channel.connect(place)
            self._selector.register(channel, selectors.EVENT_WRITE)
        except OSError as exc:  # such as a family that this machine has not
            self._error = exc
            if channel is not None:
                channel.close()

    def _finish(self, channel: socket.socket) -> socket.socket | None:
        """What became of a try; one that failed lets the next begin at once."""
        code = channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._selector.unregister(channel)
        if not code:
            return channel
        channel.close()
        self._error = OSError(code, os.strerror(code))
        self._next_at = 0.0
        return None
