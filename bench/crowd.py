"""Many sessions in one process, over the launcher's own connection and login, one thread for all of them."""

import os
import random
import selectors
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from headless.errors import ConnectionFailed, Unavailable
from headless.launcher.link import Link
from headless.launcher.source import make_job_id
from headless.launcher.talk import Talk
from headless.protocol.binding import compute_end_point
from headless.protocol.codec import Message, Request, decode_message, encode_bytes, encode_message
from headless.protocol.scram import ClientExchange
from headless.transport.address import UnixAddress, parse_address
from headless.transport.client import Connection, connect
from headless.transport.tls import ClientTls

__all__ = ["Crowd", "Session", "build_start"]

OPEN_LIMIT_S = 120.0  # in which a session must have been opened, however often it is tried
ANSWER_LIMIT_S = 60.0
AT_A_TIME = 64  # logins


class Session:
    """A session that is logged in; requests are numbered, nobody waits."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.channel: Any = connection._channel  # the only place that knows the descriptor
        self._last_id = 1000  # after those of the login

    def send(self, method: str, params: dict[str, Any]) -> int:
        """Send a request; return its number."""
        self._last_id += 1
        self.connection.send(encode_message(Request(self._last_id, method, params)))
        return self._last_id

    def receive(self) -> Iterator[Message]:
        """What has come, once something has: answers and news. Pings among it are answered on the way.

        Raises:
            ConnectionFailed: the server is gone.
        """
        text = self.connection.receive(time.monotonic() + 0.001)
        while text is not None:
            yield decode_message(text)
            has_more = hasattr(self.channel, "pending") and self.channel.pending()
            text = self.connection.receive(time.monotonic() + 0.001 if has_more else 0.0)


class Crowd:
    """Sessions of one user at one server.

    Attributes:
        sessions: that are open.
    """

    def __init__(self, service: str, user: str, secret: str) -> None:
        """Args:
        service: as the launcher's option has it.
        user: who logs in over TLS.
        secret: path of the secret file; not used on a unix socket.
        """
        self.sessions: list[Session] = []
        self._address = parse_address(service)
        self._user = user
        self._secret = b""
        if not isinstance(self._address, UnixAddress):
            with open(secret, "rb") as file:
                self._secret = file.read().rstrip()
        self._selector = selectors.DefaultSelector()
        self._selector.register(0, selectors.EVENT_READ)

    def open(self, count: int) -> None:
        """Open sessions, some dozens at a time; who is turned away comes again, as launchers do."""
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for session in pool.map(lambda _: self._open_one(), range(count)):
                self.sessions.append(session)
                self._selector.register(session.channel, selectors.EVENT_READ, session)

    def receive(self, timeout_s: float | None) -> Iterator[tuple[Session | None, Message | None]]:
        """What comes within a time: messages with their sessions, or ``(None, None)`` for a line on standard input.

        A session whose server is gone leaves ``sessions``.
        """
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                yield None, None
                continue
            try:
                yield from ((key.data, message) for message in key.data.receive())
            except ConnectionFailed:
                self._selector.unregister(key.fileobj)
                key.data.channel.close()
                self.sessions.remove(key.data)

    def _open_one(self) -> Session:
        deadline = time.monotonic() + OPEN_LIMIT_S
        while True:
            try:
                return self._log_in()
            except (ConnectionFailed, Unavailable):
                if time.monotonic() > deadline:
                    raise
                time.sleep(random.uniform(0.1, 1.0))

    def _log_in(self) -> Session:
        is_unix = isinstance(self._address, UnixAddress)
        connection = connect(self._address, None if is_unix else ClientTls(), ANSWER_LIMIT_S)
        link = Link(connection, Talk(-1), ANSWER_LIMIT_S)
        if is_unix:
            link.call("login.osuser", {})
            return Session(connection)
        binding = compute_end_point(connection.certificate or b"")
        exchange = ClientExchange(self._user, self._secret, encode_bytes(os.urandom(24)), binding)
        first = link.call("login.challenge", {"client_first": exchange.first()})
        final = exchange.respond(str(first["server_first"]))
        exchange.verify(str(link.call("login.proof", {"client_final": final})["server_final"]))
        return Session(connection)


def build_start(code: str) -> dict[str, Any]:
    """The parameters of a start of some code, with a new id."""
    if sys.platform == "win32":
        raise RuntimeError("the bench runs where the server runs")
    job_id = make_job_id(time.time_ns() // 1_000_000, os.urandom(10))
    return {"job_id": job_id, "kind": "code", "name": "code", "source": encode_bytes(code.encode())}
