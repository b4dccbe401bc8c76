"""A TLS endpoint of a test's own that passes the bytes on: a proxy in front of a server, or a man in the middle."""

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

from support import TIME_SCALE


@contextlib.contextmanager
def tls_relay(certificate: str, key: str, connect: Callable[[], socket.socket]) -> Iterator[str]:
    """Take TLS on a free port with this certificate, and relay what is inside to what ``connect`` opens.

    Yields:
        ``127.0.0.1:PORT``, or ``localhost:PORT`` for the same.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                channel, _ = listener.accept()
            except OSError:
                return  # closed: the test is over
            thread = threading.Thread(target=_serve, args=(context, channel, connect))
            thread.start()
            threads.append(thread)

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for thread in threads:
            thread.join()


def plain_connect(service: str) -> Callable[[], socket.socket]:
    """Connect to ``HOST:PORT`` without TLS."""
    host, _, port = service.rpartition(":")
    return lambda: socket.create_connection((host, int(port)), timeout=30 * TIME_SCALE)


def tls_connect(service: str) -> Callable[[], socket.socket]:
    """Connect to ``HOST:PORT`` with TLS, whoever is there."""

    def connect() -> socket.socket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(plain_connect(service)())

    return connect


def _serve(context: ssl.SSLContext, channel: socket.socket, connect: Callable[[], socket.socket]) -> None:
    channel.settimeout(30 * TIME_SCALE)
    with (
        contextlib.suppress(OSError),
        channel,
        context.wrap_socket(channel, server_side=True) as near,
        connect() as far,
    ):
        _pump(near, far)


def _pump(near: ssl.SSLSocket, far: socket.socket) -> None:
    """Until one side has ended. TLS may hold bytes that the kernel does not know of: so read all there is."""
    selector = selectors.DefaultSelector()
    ways: list[tuple[socket.socket, socket.socket]] = [(near, far), (far, near)]
    for source, target in ways:
        source.setblocking(False)
        selector.register(source, selectors.EVENT_READ, (source, target))
    with selector:
        while ready := selector.select(30):
            for key, _ in ready:
                if not _pass_on(*key.data):
                    return


def _pass_on(source: socket.socket, target: socket.socket) -> bool:
    """Relay what is there; False once there will be no more."""
    while True:
        try:
            data = source.recv(65536)
        except (ssl.SSLWantReadError, BlockingIOError):
            return True
        if not data:
            return False
        target.settimeout(30 * TIME_SCALE)
        target.sendall(data)
        target.setblocking(False)
