"""Sessions of the grid: who is let in, how long one lasts, and how it ends."""

import asyncio
import contextlib
import logging
import sys
import time
from http import HTTPStatus
from typing import Any

from sqlalchemy import Connection

from headless.errors import ConnectionFailed, HeadlessError
from headless.grid.serve.call import Session
from headless.grid.serve.dialogue import Dialogue
from headless.grid.serve.grid import Grid
from headless.grid.serve.login import Login, find_login, renew
from headless.grid.serve.people import find_user_by_name, list_users, register
from headless.grid.serve.rate import LOGIN, LOGOUT, Rate
from headless.grid.serve.registration import Registrations
from headless.grid.serve.removals import Removals
from headless.transport.server import Channel

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["Sessions"]

PATH = "/websocket/json"
PERIOD_S = 1.0  # between two looks for users that have been made or removed

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
        self._removals = Removals(grid.settings.pki)
        self._registering = asyncio.Lock()
        self._generation = 0  # of the users
        self._count = 0  # of connections that are sessions, or may become one
        self._open: dict[Channel, tuple[Session, asyncio.Task[Any] | None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def admit(self, path: str, certificate: bytes | None, lost: "asyncio.Future[None]") -> HTTPStatus | None:
        """Judge a handshake; the status to refuse it with, or ``None``.

        Args:
            path: that is asked for.
            certificate: of the client, DER.
            lost: is done when the connection is; until then it counts.
        """
        if path != PATH:
            return HTTPStatus.NOT_FOUND
        if self._count >= self._grid.settings.max_sessions:
            log.warning("refused reason='too many sessions' limit=%d", self._grid.settings.max_sessions)
            return HTTPStatus.SERVICE_UNAVAILABLE
        self._count += 1  # before anything is waited for: many may come at once
        lost.add_done_callback(self._uncount)
        try:
            await self.register_users()
            return None if certificate and await self._find(certificate) else HTTPStatus.UNAUTHORIZED
        except HeadlessError as exc:  # the database is away
            log.error("refused reason=%r", str(exc))
            return HTTPStatus.SERVICE_UNAVAILABLE

    async def handle(self, channel: Channel) -> None:
        """A session, from its begin to its end."""
        session = await self._begin(channel)
        if session is None:
            return
        self._open[channel] = session, asyncio.current_task()
        name = session.user.name  # which the session may change
        self._grid.present[name] += 1
        self._rate.charge(session.subject, LOGIN)
        log.info("session user=%s source=%s", session.user.name, channel.source)
        try:
            with contextlib.suppress(ConnectionFailed):
                await Dialogue(self._grid, session, channel, self._rate).run()
        finally:
            self._rate.charge(session.subject, LOGOUT)
            del self._open[channel]
            self._grid.present.subtract([name])
            if not self._grid.present[name]:
                del self._grid.present[name]

    async def close(self) -> None:
        """End all; who does not answer is not waited for, one after the other."""
        await self._end(list(self._open), 1001, "the server stops")

    async def _end(self, channels: list[Channel], code: int, reason: str) -> None:
        known = [self._open[channel] for channel in channels if channel in self._open]  # others have ended meanwhile
        working = [task for _, task in known if task is not None]
        await asyncio.gather(*(channel.close(code, reason) for channel in channels), return_exceptions=True)
        for task in working:  # in the middle of a command whose answer nobody awaits any more
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    async def watch_users(self) -> None:
        """Take in users, and have them go, while nobody logs in; until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            try:
                await self.register_users()
            except HeadlessError as exc:
                log.error("registration-failed reason=%r", str(exc))
            except Exception:
                log.exception("bug in the registration of users")

    async def register_users(self) -> None:
        """Take in what ``headless grid pki`` has left.

        Raises:
            Unavailable: the database is away.
        """
        if not self._registrations.list():
            return
        async with self._registering:
            taken = [name for name in self._registrations.list() if await self._register(name)]
            await self.publish_users()  # before what is handed over goes: each name is always in one of the two
            for name in taken:
                self._registrations.remove(name)

    async def publish_users(self) -> None:
        """Tell ``headless grid pki`` who is there.

        Raises:
            Unavailable: the database is away.
        """
        names = await self._grid.catalogue.read(list_users)
        try:
            self._registrations.publish(names)
        except OSError as exc:
            log.error("registration-failed reason=%r", str(exc))

    async def _register(self, name: str) -> bool:
        try:
            registration = self._registrations.read(name)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
            log.error("registration-failed file=%s reason=%r", name, str(exc))
            return False
        base = self._grid.settings.base
        await self._grid.catalogue.write(lambda connection: register(connection, registration, base))
        self._generation += 1
        log.info("%s user=%s", "removed" if registration.is_removed else "registered", registration.name)
        await self._renew(registration.name)
        return True

    async def _renew(self, name: str) -> None:
        """Have the open sessions go on as what a user is now; those of one who is none any more end."""
        user = await self._grid.catalogue.read(lambda connection: find_user_by_name(connection, name))
        over = [channel for channel, (session, _) in self._open.items() if not renew(session, name, user)]
        if over:
            log.info("sessions-ended user=%s count=%d", name, len(over))
            ending = asyncio.create_task(self._end(over, 1008, "the user was removed"))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def _uncount(self, _: "asyncio.Future[None]") -> None:
        self._count -= 1

    async def _begin(self, channel: Channel) -> Session | None:
        """A session of who a connection's certificate is; ``None``: of nobody any more."""
        generation, login = -1, None
        while generation != self._generation:  # a user may be changed just now
            generation = self._generation
            login = await self._find(channel.client_certificate or b"")  # never empty: admission has seen one
        return None if login is None else login.begin(channel.source)

    async def _find(self, certificate: bytes) -> Login | None:
        return await self._grid.catalogue.read(lambda connection: self._judge(connection, certificate))

    def _judge(self, connection: Connection, certificate: bytes) -> Login | None:
        login = find_login(connection, certificate)
        if login is not None and self._removals.refuses_certificate(login.user.name, login.certificate):
            number = f"{login.certificate.serial_number:x}"
            log.warning("refused user=%s reason='of before its removal' serial=%s", login.user.name, number)
            return None
        return login
