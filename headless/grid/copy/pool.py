"""Several sessions of one user, so that many files' questions are under way at a time."""

import threading
import time
from contextlib import suppress

from headless.errors import HeadlessError
from headless.grid.messages import GridError, Reply
from headless.grid.session import GridSession

__all__ = ["SessionPool"]

ENOTCONN = 107
SESSIONS = 8  # a login counts for much in JAliEn's rate limit
PATIENCE_S = 0.01  # a server that is near answers the other threads sooner than a new session is there
TRIES = 3


class SessionPool:
    """Sessions that threads take turns at. The first is the caller's; more are opened while all are busy."""

    def __init__(self, first: GridSession) -> None:
        self._first = first
        self._idle = [first]
        self._opened = 1
        self._limit = SESSIONS
        self._changed = threading.Condition()

    def run(self, command: str, *options: str, is_safe: bool = True) -> Reply:
        """Have a command done, as :meth:`GridSession.run` does; LFNs among the options must be absolute.

        Args:
            command: its name.
            options: its options.
            is_safe: whether it may be done twice; then it is sent again if the connection is lost.

        Raises:
            GridError: ENOTCONN: the connection is lost, and there is no other.
        """
        for left in reversed(range(TRIES if is_safe else 1)):
            session = self._take()
            try:
                reply = session.run(command, *options)
            except GridError as exc:
                self._drop(session)
                if exc.exit_code != ENOTCONN or not left:
                    raise
            except BaseException:
                self._drop(session)
                raise
            else:
                self._give(session)
                return reply
        raise AssertionError

    def ask(self, command: str, *options: str, is_safe: bool = True) -> Reply:
        """The same, where only success will do.

        Raises:
            GridError: what the server says, or ENOTCONN.
        """
        reply = self.run(command, *options, is_safe=is_safe)
        if reply.code:
            raise GridError(reply.code, reply.error or f"{command}: the server gives no reason")
        return reply

    def close(self) -> None:
        """End the sessions that were opened here. Never raises."""
        with self._changed:
            idle, self._idle = self._idle, []
        for session in idle:
            if session is not self._first:
                session.close()

    def _take(self) -> GridSession:
        with self._changed:
            until = time.monotonic() + PATIENCE_S
            while not self._idle and (self._opened >= self._limit or time.monotonic() < until):
                self._changed.wait(max(until - time.monotonic(), 0) or None if self._opened < self._limit else None)
            if self._idle:
                return self._idle.pop()
            self._opened += 1
        return self._open()

    def _open(self) -> GridSession:
        try:
            return self._first.clone()
        except BaseException as exc:
            with self._changed:
                self._opened -= 1
                if not self._opened or not isinstance(exc, HeadlessError):
                    raise
                self._limit = self._opened  # a server that takes no more of us is asked for no more
            return self._take()

    def _give(self, session: GridSession) -> None:
        with self._changed:
            self._idle.append(session)
            self._changed.notify()

    def _drop(self, session: GridSession) -> None:
        with suppress(Exception):
            session.close()
        with self._changed:
            self._opened -= 1
            self._changed.notify()
