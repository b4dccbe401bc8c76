"""Many idle sessions from one process. A program: ``idle_sessions.py HOST:PORT USER SECRET-FILE COUNT``.

Logs in COUNT times over TLS, prints a line when all are there, then answers the server's pings until standard input
ends. Uses the launcher's own connection and login.
"""

import os
import resource
import selectors
import sys
import time
from typing import Any

from headless.launcher.link import Link
from headless.launcher.talk import Talk
from headless.protocol.binding import compute_end_point
from headless.protocol.codec import encode_bytes
from headless.protocol.scram import ClientExchange
from headless.transport.address import parse_address
from headless.transport.client import Connection, connect
from headless.transport.tls import ClientTls


def main() -> int:
    """Hold the sessions."""
    address, user, path, count = parse_address(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with open(path, "rb") as file:
        secret = file.read().rstrip()
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    for _ in range(count):
        connection = connect(address, ClientTls(), 30.0)
        _log_in(connection, user, secret)
        selector.register(_channel(connection), selectors.EVENT_READ, connection)
        _answer(selector, 0)
    print("ready", flush=True)
    while _answer(selector, None):
        pass
    return 0


def _log_in(connection: Connection, user: str, secret: bytes) -> None:
    link = Link(connection, Talk(-1), 30.0)
    binding = compute_end_point(connection.certificate or b"")
    exchange = ClientExchange(user, secret, encode_bytes(os.urandom(24)), binding)
    first = link.call("login.challenge", {"client_first": exchange.first()})
    final = exchange.respond(str(first["server_first"]))
    exchange.verify(str(link.call("login.proof", {"client_final": final})["server_final"]))


def _answer(selector: selectors.BaseSelector, timeout_s: float | None) -> bool:
    """Take what has come and answer the pings among it; False at the end of standard input."""
    for key, _ in selector.select(timeout_s):
        if key.data is None:
            return False
        # Idle sessions are told nothing: what has come is a ping, which is answered on the way.
        key.data.receive(time.monotonic() + 0.001)
    return True


def _channel(connection: Connection) -> Any:
    return connection._channel  # the only place that knows the descriptor


if __name__ == "__main__":
    sys.exit(main())
