"""A session by hand: raw messages over a real websocket, for what no launcher would send."""

import contextlib
import json
import os
import ssl
import time
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect, unix_connect
from websockets.typing import Subprotocol

from headless.launcher.source import make_job_id
from headless.protocol.binding import compute_end_point
from headless.protocol.codec import encode_bytes
from headless.protocol.scram import ClientExchange
from support import TIME_SCALE

LIMIT_S = 15 * TIME_SCALE
PROTOCOL = [Subprotocol("headless.v1")]


class RawSession:
    """One websocket connection.

    Attributes:
        sent: every text that was sent.
        received: every text that came.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.sent: list[str] = []
        self.received: list[str] = []
        self._last_id = 0

    @property
    def binding(self) -> bytes:
        """The channel binding data of this TLS connection."""
        channel = self.connection.socket
        assert isinstance(channel, ssl.SSLSocket)
        certificate = channel.getpeercert(True)
        assert certificate is not None
        return compute_end_point(certificate)

    def send(self, text: str | bytes) -> None:
        """Send a frame as it is."""
        self.sent.append(str(text))
        self.connection.send(text)

    def receive(self) -> dict[str, Any]:
        """The next message."""
        self.received.append(self.connection.recv(LIMIT_S, decode=True))
        message: dict[str, Any] = json.loads(self.received[-1])
        return message

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request; return the next message, whatever it is."""
        self._last_id += 1
        self.send(json.dumps({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}))
        return self.receive()

    def result(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request and return its result; anything else fails the test."""
        answer = self.call(method, **params)
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def error(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request and return its error; anything else fails the test."""
        answer = self.call(method, **params)
        assert "error" in answer, answer
        error: dict[str, Any] = answer["error"]
        return error

    def log_in(self, user: str, secret: bytes) -> dict[str, Any]:
        """Do the *challenge* login over TLS; return the last answer, be it a result or an error."""
        exchange = ClientExchange(user, secret, encode_bytes(os.urandom(24)), self.binding)
        first = self.call("login.challenge", client_first=exchange.first())
        if "error" in first:
            return first
        return self.call("login.proof", client_final=exchange.respond(first["result"]["server_first"]))

    def start_code(self, code: str, job_id: str = "", **more: Any) -> dict[str, Any]:
        """Ask for the start of a code job; return the answer."""
        source = encode_bytes(code.encode())
        return self.call("job.start", job_id=job_id or new_job_id(), kind="code", name="code", source=source, **more)

    def expect_close(self) -> int:
        """Wait until the server closes the connection; return the close code."""
        try:
            while True:
                self.connection.recv(LIMIT_S)
        except ConnectionClosed:
            return self.connection.close_code or 1006


def new_job_id() -> str:
    """A job's id, as a launcher makes it."""
    return make_job_id(time.time_ns() // 1_000_000, os.urandom(10))


def plain_tls() -> ssl.SSLContext:
    """A client's context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def raw_session(service: str, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[RawSession]:
    """A session with ``unix:/path`` or, over TLS, ``HOST:PORT``; nobody is logged in."""
    common: dict[str, Any] = {
        "subprotocols": PROTOCOL, "compression": None, "proxy": None, "open_timeout": LIMIT_S, "close_timeout": LIMIT_S,
        "max_size": None, "ping_interval": None, **options,
    }  # fmt: skip
    if service.startswith("unix:"):
        del common["proxy"]
        connection = unix_connect(service.removeprefix("unix:"), "ws://localhost/", **common)
    else:
        connection = connect(f"wss://{service}/", ssl=tls or plain_tls(), **common)
    with connection:
        yield RawSession(connection)


def as_nobody(*command: str) -> list[str]:
    """A command line that runs a command as the OS user nobody; the real setpriv does it."""
    return ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", *command]
