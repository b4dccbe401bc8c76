"""Servers of a few lines on loopback, each in a thread: what a launcher may find where it looks for a server."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from headless.protocol.session import SUBPROTOCOL
from headless.transport.address import TcpAddress
from support import TIME_SCALE

LIMIT_S = 20 * TIME_SCALE
Handler = Callable[[socket.socket], None]


@contextlib.contextmanager
def plain_server(handle: Handler) -> Iterator[TcpAddress]:
    """Accept one connection and hand it over; it is closed afterwards, and the thread has ended at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT_S)

        def serve() -> None:
            # The peer may go at any time, and the listener is closed if nobody ever came.
            with contextlib.suppress(OSError):
                channel, _ = listener.accept()
                channel.settimeout(LIMIT_S)
                with channel, contextlib.suppress(OSError):
                    handle(channel)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield TcpAddress("127.0.0.1", listener.getsockname()[1])
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(LIMIT_S)
            assert not thread.is_alive()


def with_tls(context: ssl.SSLContext, handle: Handler) -> Handler:
    """A handler that speaks TLS first."""

    def secured(channel: socket.socket) -> None:
        with context.wrap_socket(channel, server_side=True) as inside:
            handle(inside)

    return secured


def says(data: bytes) -> Handler:
    """A handler that says something, and then waits until the peer goes."""

    def handle(channel: socket.socket) -> None:
        channel.sendall(data)
        wait_for_end(channel)

    return handle


def answers(data: bytes) -> Handler:
    """A handler that waits for a request, answers, and closes."""

    def handle(channel: socket.socket) -> None:
        channel.recv(65536)
        channel.sendall(data)

    return handle


def wait_for_end(channel: socket.socket) -> None:
    """Take what comes until the peer goes."""
    while channel.recv(65536):
        pass


def receive(channel: socket.socket) -> bytes:
    """The next bytes; the peer's end is an error."""
    if not (data := channel.recv(65536)):
        raise ConnectionAbortedError("the peer has gone")
    return data


def reset(channel: socket.socket) -> None:
    """Have the coming close send a reset instead of an end."""
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def shake_hands(channel: socket.socket) -> ServerProtocol:
    """Do the server's side of the opening handshake, by the ``websockets`` library; its answer is not sent yet."""
    protocol = ServerProtocol(subprotocols=[Subprotocol(SUBPROTOCOL)])
    while not (events := protocol.events_received()):
        protocol.receive_data(receive(channel))
    assert isinstance(events[0], Request)
    protocol.send_response(protocol.accept(events[0]))
    return protocol


def send_all(channel: socket.socket, protocol: ServerProtocol) -> None:
    """Send what the protocol has to send."""
    channel.sendall(b"".join(protocol.data_to_send()))
