"""Sessions of the grid: who is let in, how long one lasts, and how it ends."""

import asyncio
import contextlib
import logging
import sys
import time
from http import HTTPStatus
from typing import Any

from headless.errors import ConnectionFailed, HeadlessError
from headless.grid.serve.dialogue import Dialogue
from headless.grid.serve.grid import Grid
from headless.grid.serve.login import Login, find_login
from headless.grid.serve.people import register
from headless.grid.serve.rate import LOGIN, LOGOUT, Rate
from headless.grid.serve.registration import Registrations
from headless.transport.server import Channel

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["Sessions"]

PATH = "/websocket/json"

log = logging.getLogger("headless.grid")


class Sessions:
    """All sessions of a running grid."""

    def __init__(self, grid: Grid) -> None:
        """Args:
        grid: what their commands work on.
        """
        self._grid = grid
        self._rate = Rate(grid.settings.rate_limit, time.monotonic)
        self._registrations = Registrations(grid.settings.state)
        self._registering = asyncio.Lock()
        self._channels: dict[Channel, asyncio.Task[Any] | None] = {}

    async def admit(self, path: str, certificate: bytes | None) -> HTTPStatus | None:
        """Judge a handshake; the status to refuse it with, or ``None``."""
        if path != PATH:
            return HTTPStatus.NOT_FOUND
        if len(self._channels) >= self._grid.settings.max_sessions:
            log.warning("refused reason='too many sessions' limit=%d", self._grid.settings.max_sessions)
            return HTTPStatus.SERVICE_UNAVAILABLE
        try:
            await self.register_users()
            return None if certificate and await self._find(certificate) else HTTPStatus.UNAUTHORIZED
        except HeadlessError as exc:  # the database is away
            log.error("refused reason=%r", str(exc))
            return HTTPStatus.SERVICE_UNAVAILABLE

    async def handle(self, channel: Channel) -> None:
        """A session, from its begin to its end."""
        login = await self._find(channel.client_certificate or b"")  # never empty: admission has seen one
        if login is None:
            return
        session = login.begin(channel.source)
        self._channels[channel] = asyncio.current_task()
        name = session.user.name  # which the session may change
        self._grid.present[name] += 1
        self._rate.charge(session.subject, LOGIN)
        log.info("session user=%s source=%s", session.user.name, channel.source)
        try:
            with contextlib.suppress(ConnectionFailed):
                await Dialogue(self._grid, session, channel, self._rate).run()
        finally:
            self._rate.charge(session.subject, LOGOUT)
            del self._channels[channel]
            self._grid.present.subtract([name])
            if not self._grid.present[name]:
                del self._grid.present[name]

    async def close(self) -> None:
        """End all; who does not answer is not waited for, one after the other."""
        open_ones = dict(self._channels)
        closing = [channel.close(1001, "the server stops") for channel in open_ones]
        await asyncio.gather(*closing, return_exceptions=True)
        working = [task for task in open_ones.values() if task is not None]
        for task in working:  # in the middle of a command whose answer nobody awaits any more
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    async def register_users(self) -> None:
        """Take in what ``headless grid pki`` has left.

        Raises:
            Unavailable: the database is away.
        """
        if not self._registrations.list():
            return
        async with self._registering:
            for name in self._registrations.list():
                await self._register(name)

    async def _register(self, name: str) -> None:
        try:
            registration = self._registrations.read(name)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
            log.error("registration-failed file=%s reason=%r", name, str(exc))
            return
        base = self._grid.settings.base
        await self._grid.catalogue.write(lambda connection: register(connection, registration, base))
        self._registrations.remove(name)
        log.info("registered user=%s", registration.name)

    async def _find(self, certificate: bytes) -> Login | None:
        return await self._grid.catalogue.read(lambda connection: find_login(connection, certificate))
