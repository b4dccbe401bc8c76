"""Several sessions of one user, so that many files' questions are under way at a time."""

import threading
import time

from headless.errors import HeadlessError
from headless.grid.messages import GridError, Reply
from headless.grid.session import GridSession

__all__ = ["SESSIONS", "SessionPool"]

SESSIONS = 8  # a login counts for much in JAliEn's rate limit
PATIENCE_S = 0.01  # a server that is near answers the other threads sooner than a new session is there


class SessionPool:
    """Sessions that threads take turns at. The first is the caller's; more are opened while all are busy."""

    def __init__(self, first: GridSession) -> None:
        self._first = first
        self._idle = [first]
        self._opened = 1
        self._limit = SESSIONS
        self._changed = threading.Condition()
        # What clones are made of, while another thread may be at the first one.
        self.home = first.home
        self.directory = first.directory or first.home

    def run(self, command: str, *options: str) -> Reply:
        """Have a command done, as :meth:`GridSession.run` does; LFNs among the options must be absolute.

        Raises:
            GridError: there is no answer.
        """
        session = self._take()
        try:
            return session.run(command, *options)
        finally:
            self._give(session)

    def ask(self, command: str, *options: str) -> Reply:
        """The same, where only success will do.

        Raises:
            GridError: what the server says, or that there is no answer.
        """
        reply = self.run(command, *options)
        if reply.code:
            raise GridError(reply.code, reply.error or f"{command}: the server gives no reason")
        return reply

    def clone(self) -> GridSession:
        """A session more, for one caller alone, who closes it.

        Raises:
            GridError: the server takes no more.
        """
        return self._first.clone()

    def close(self) -> None:
        """End the sessions that were opened here and are not in use. Never raises."""
        with self._changed:
            idle, self._idle = self._idle, []
        for session in idle:
            if session is not self._first:
                session.close()

    def _take(self) -> GridSession:
        with self._changed:
            until = time.monotonic() + PATIENCE_S
            while not self._idle:
                left_s = until - time.monotonic()
                if self._opened >= self._limit:
                    self._changed.wait()
                elif left_s > 0:
                    self._changed.wait(left_s)
                else:
                    break
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
                if not isinstance(exc, HeadlessError):
                    raise
                self._limit = self._opened  # a server that takes no more of us is asked for no more
            return self._take()

    def _give(self, session: GridSession) -> None:
        with self._changed:
            self._idle.append(session)
            self._changed.notify()
