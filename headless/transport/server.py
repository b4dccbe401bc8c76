"""The server's side of the sockets: listening, TLS, websockets, and who is on the other end."""

import asyncio
import errno
import logging
import os
import socket
import ssl
import stat
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from headless.errors import ConnectionFailed, ParameterError
from headless.protocol.session import SUBPROTOCOL
from headless.transport.address import Address, UnixAddress
from headless.transport.handshake import tell_untrusted

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = [
    "HEADLESS",
    "Channel",
    "Dialect",
    "Listener",
    "Server",
    "adopt_socket",
    "close_quietly",
    "listen",
    "open_socket",
    "wait_closed",
]

BACKLOG = 4096  # a thousand launchers at midnight; the kernel cuts it to net.core.somaxconn
MAX_BEFORE_LOGIN = 16 * 1024  # bytes of a message
# A dead peer is the kernel's to find out: a launcher whose own reader is slow cannot answer pings, and is well.
KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}  # s, s, count (tcp(7))
TLS_HANDSHAKE_S = 10.0
CLOSE_TIMEOUT_S = 5.0

log = logging.getLogger("headless.transport")
_silent = logging.getLogger("headless.websockets")
_silent.setLevel(logging.CRITICAL + 1)  # port scanners fill no log


@dataclass(frozen=True)
class Listener:
    """A listening socket, what it is called in the log, and its TLS context (``None``: a unix socket or a proxy)."""

    socket: socket.socket
    name: str
    tls: ssl.SSLContext | None


@dataclass(frozen=True)
class Dialect:
    """What is spoken over a listener's websockets.

    Attributes:
        subprotocol: the only one that is accepted; ``None`` for none.
        max_message: bytes of a message; :meth:`Channel.allow_messages` may change it later.
        admit: judges a handshake by its path and the client's certificate (DER) before a session is made of it;
            gives the status to refuse it with, or ``None``. The future is done when the connection is lost.
    """

    subprotocol: str | None
    max_message: int
    admit: Callable[[str, bytes | None, "asyncio.Future[None]"], Awaitable[HTTPStatus | None]] | None = None


HEADLESS = Dialect(SUBPROTOCOL, MAX_BEFORE_LOGIN)
"""The launcher's protocol."""


class Channel:
    """One accepted connection.

    Attributes:
        source: where it comes from, for the log: ``ADDRESS:PORT`` or ``unix uid=N``.
        host: the same without what changes from one connection to the next.
        uid: of the process at the other end of a unix socket, as of its connect; ``None`` over TCP.
        is_tls: whether TLS ends here.
        client_certificate: in DER, if TLS has checked one.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        transport = connection.transport
        ssl_object: Any = transport.get_extra_info("ssl_object")
        self.is_tls = ssl_object is not None
        self.client_certificate: bytes | None = ssl_object.getpeercert(True) if self.is_tls else None
        channel: socket.socket = transport.get_extra_info("socket")
        self.uid = _read_peer_uid(channel) if channel.family == socket.AF_UNIX else None
        self.source: str
        self.host: str
        if self.uid is not None:
            self.source = self.host = f"unix uid={self.uid}"
        else:
            peer = transport.get_extra_info("peername") or ("unknown", 0)
            self.host, self.source = peer[0], f"{peer[0]}:{peer[1]}"

    async def receive(self) -> str:
        """The next message.

        Raises:
            ConnectionFailed: the connection is closed, or a message was no text or too large.
        """
        try:
            message = await self._connection.recv()
        except ConnectionClosed as exc:
            raise ConnectionFailed(str(exc)) from exc
        if isinstance(message, bytes):
            await self.close(1003, "text messages only")
            raise ConnectionFailed("a binary message")
        return message

    async def send(self, text: str | AsyncIterator[str]) -> None:
        """Send a message; waits while the peer takes nothing. Pieces of a message become its fragments.

        Raises:
            ConnectionFailed: the connection is closed.
        """
        try:
            await self._connection.send(text)
        except ConnectionClosed as exc:
            raise ConnectionFailed(str(exc)) from exc

    def allow_messages(self, max_size: int) -> None:
        """From now on take messages of up to ``max_size`` bytes."""
        self._connection.protocol.max_message_size = max_size

    async def close(self, code: int, reason: str) -> None:
        """Close with a code of RFC 6455, section 7.4, and a reason of at most 120 bytes."""
        await self._connection.close(code, reason)

    def abort(self) -> None:
        """Drop the connection, and wait for nobody."""
        self._connection.transport.abort()


class _Pulse:
    """Pings one connection now and then. The library's own way is a task for each, which costs memory.

    Nobody waits for the answers: a dead peer is the kernel's to find out (:data:`KEEP_ALIVE`).
    """

    __slots__ = ("_connection", "_interval_s", "_timer")

    def __init__(self, connection: ServerConnection, interval_s: float) -> None:
        self._connection = connection
        self._interval_s = interval_s
        self._timer = connection.loop.call_later(interval_s, self._beat)

    def stop(self) -> None:
        """No more pings."""
        self._timer.cancel()

    def _beat(self) -> None:
        protocol = self._connection.protocol
        if protocol.state is not State.OPEN:
            return
        protocol.send_ping(b"")
        self._connection.send_data()
        self._timer = self._connection.loop.call_later(self._interval_s, self._beat)


def _tell_refused(reason: str) -> None:
    log.warning("refused method=tls reason=%r", f"client certificate: {reason}")


def open_socket(address: Address, socket_mode: int) -> socket.socket:
    """Listen at an address. A unix socket that nobody listens on any more is replaced.

    Raises:
        ConnectionFailed: the address is in use or not ours.
        ParameterError: the host is unknown, the socket's folder is missing, or something else is in its place.
    """
    try:
        if isinstance(address, UnixAddress):
            return _open_unix_socket(address.path, socket_mode)
        family, *_, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        channel = socket.create_server(place[:2], family=family, backlog=BACKLOG, reuse_port=False)
        _keep_alive(channel)
        return channel
    except (socket.gaierror, UnicodeError) as exc:
        raise ParameterError(f"cannot listen on {address}: no such host: give an address of this machine") from exc
    except FileNotFoundError as exc:
        raise ParameterError(f"cannot listen on {address}: its folder is missing: make it first") from exc
    except OSError as exc:
        raise ConnectionFailed(f"cannot listen on {address}: {_explain(exc)}") from exc


def _explain(error: OSError) -> str:
    """The system's words alone: the library adds the address once more."""
    return os.strerror(error.errno) if error.errno else str(error)


def adopt_socket(descriptor: int) -> socket.socket:
    """Take a listening socket that the service manager has opened.

    Raises:
        ParameterError: it is something else.
    """
    try:
        channel = socket.socket(fileno=descriptor)
        is_listening = channel.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    except OSError as exc:
        raise ParameterError(f"LISTEN_FDS: descriptor {descriptor} is no socket: {exc.strerror}") from exc
    if not is_listening or channel.family not in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
        raise ParameterError(f"LISTEN_FDS: descriptor {descriptor} does not listen: use ListenStream= in the unit")
    _keep_alive(channel)
    channel.set_inheritable(False)  # the manager had to leave it open for us; it is no job's
    return channel


def _keep_alive(channel: socket.socket) -> None:
    """For all connections that are accepted here: they inherit it."""
    if channel.family == socket.AF_UNIX:
        return
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):
            channel.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def listen(
    listener: Listener,
    handle: Callable[[Channel], Awaitable[None]],
    open_timeout_s: float,
    ping_s: float,
    dialect: Dialect = HEADLESS,
) -> Server:
    """Accept websocket connections and have each handled by ``handle``, until the returned server is closed.

    Browsers are refused: whatever sends an ``Origin`` is none of our launchers.
    """

    async def _handle(connection: ServerConnection) -> None:
        if connection.request is not None and connection.response is not None:
            for message in (connection.request, connection.response):
                message.headers.clear()  # 3 KiB that nobody looks at any more; a session may wait for days
        pulse = _Pulse(connection, ping_s)
        try:
            await handle(Channel(connection))
        finally:
            pulse.stop()

    async def _admit(connection: ServerConnection, request: Request) -> Response | None:
        if dialect.admit is None:
            return None
        ssl_object: Any = connection.transport.get_extra_info("ssl_object")
        certificate = ssl_object and ssl_object.getpeercert(True)
        status = await dialect.admit(request.path, certificate, connection.connection_lost_waiter)
        return None if status is None else connection.respond(status, f"{status.phrase}\n")

    def _name_protocol(connection: ServerConnection, request: Request, response: Response) -> None:
        """A client of another version is refused (400): tell it which protocol is spoken here."""
        if response.status_code == HTTPStatus.BAD_REQUEST and dialect.subprotocol is not None:
            response.headers["Sec-WebSocket-Protocol"] = dialect.subprotocol

    options: dict[str, Any] = {"backlog": BACKLOG}  # else the loop listens anew, with its own 100
    if listener.tls:
        tell_untrusted(listener.tls, _tell_refused)
        options |= {"ssl_handshake_timeout": TLS_HANDSHAKE_S, "ssl_shutdown_timeout": CLOSE_TIMEOUT_S}
    return await serve(
        _handle,
        sock=listener.socket,
        ssl=listener.tls,
        subprotocols=None if dialect.subprotocol is None else [Subprotocol(dialect.subprotocol)],
        origins=[None],
        compression=None,
        server_header=None,
        process_request=_admit,
        process_response=_name_protocol,
        max_size=dialect.max_message,
        open_timeout=open_timeout_s,
        ping_interval=None,  # see _Pulse
        close_timeout=CLOSE_TIMEOUT_S,
        logger=_silent,
        **options,
    )


def _open_unix_socket(path: str, mode: int) -> socket.socket:
    if os.path.lexists(path):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ParameterError(f"{path} is there and no socket: remove it or choose another path")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)  # a server with a full backlog would keep us waiting
            if probe.connect_ex(path) != errno.ECONNREFUSED:
                raise ConnectionFailed(f"cannot listen on unix:{path}: another server does")
        os.unlink(path)
    channel = socket.socket(socket.AF_UNIX)
    try:
        channel.bind(path)
        os.chmod(path, mode)
        channel.listen(BACKLOG)
    except BaseException:
        channel.close()
        raise
    return channel


def _read_peer_uid(channel: socket.socket) -> int:
    """SO_PEERCRED of unix(7): struct ucred { pid, uid, gid }. The pid decides nothing: it may be another's by now."""
    if sys.platform != "linux":
        raise ConnectionFailed("osuser needs SO_PEERCRED, which is Linux's")
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def close_quietly(server: Server) -> None:
    """Stop accepting; the connections that are open stay so."""
    server.close(close_connections=False)


async def wait_closed(server: Server) -> None:
    """Wait until nothing of a closed server is left."""
    with_timeout = asyncio.wait_for(server.wait_closed(), CLOSE_TIMEOUT_S)
    try:
        await with_timeout
    except TimeoutError:
        return
