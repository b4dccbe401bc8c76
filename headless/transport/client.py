"""The launcher's connection: a blocking socket, TLS where it is TCP, and the websocket pump over it.

No event loop and no thread: a launch is one connection with one request at a time.
"""

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from headless.errors import ConnectionFailed, ParameterError, ProtocolError
from headless.protocol.session import SUBPROTOCOL
from headless.protocol.websocket import ClientConnection
from headless.transport.address import Address, UnixAddress

if TYPE_CHECKING:
    from headless.transport.tls import ClientTls

__all__ = ["MAX_MESSAGE", "SILENCE_LIMIT_S", "Connection", "connect"]

MAX_MESSAGE = 4 << 20
"""Largest message of a server, in bytes: a result of 1 MiB, written with six characters a byte, fits in twice."""

SILENCE_LIMIT_S = 60.0
"""The server pings every 20 s; after this long without a byte the connection counts as lost."""

RECEIVE_SIZE = 256 * 1024


class Connection:
    """An open websocket connection to a server.

    Attributes:
        certificate: the server's, in DER; ``None`` on a unix socket.
    """

    def __init__(self, channel: socket.socket, certificate: bytes | None, websocket: ClientConnection) -> None:
        """Use :func:`connect`."""
        self.certificate = certificate
        self._channel = channel
        self._websocket = websocket

    def send(self, text: str) -> None:
        """Send one message.

        Raises:
            ConnectionFailed: the connection is lost.
        """
        self._websocket.send_text(text, os.urandom(4))
        self._flush()

    def receive(self, deadline: float | None) -> str | None:
        """Wait for the next message.

        Args:
            deadline: on the monotonic clock, in seconds; ``None`` waits as long as the connection lives.

        Returns:
            The message, or ``None`` if none came in time.

        Raises:
            ConnectionFailed: the connection is lost, was closed, or was silent for too long.
        """
        silent_since = time.monotonic()
        while (message := self._websocket.next_message()) is None:
            if self._websocket.is_closed:
                raise ConnectionFailed(f"the server closed the session: {self._websocket.close_reason}")
            now = time.monotonic()
            limit = silent_since + SILENCE_LIMIT_S
            if deadline is not None and deadline <= now:
                return None
            if limit <= now:
                raise ConnectionFailed(f"the server was silent for {SILENCE_LIMIT_S:.0f} s")
            until = limit if deadline is None else min(limit, deadline)
            if self._pump(until - now):
                silent_since = time.monotonic()
        return message

    def close(self) -> None:
        """Say goodbye, if the peer still listens, and close. Never raises."""
        try:
            if not self._websocket.is_closed:
                self._channel.settimeout(1.0)
                self._websocket.send_close(os.urandom(4))
                self._flush()
        except ConnectionFailed:
            pass  # it is closed either way
        finally:
            self._channel.close()

    def _pump(self, timeout_s: float) -> bool:
        """Take what arrives within ``timeout_s``; False if that was nothing."""
        self._channel.settimeout(timeout_s)
        try:
            data = self._channel.recv(RECEIVE_SIZE)
        except TimeoutError:
            return False
        except OSError as exc:
            raise ConnectionFailed(f"connection lost: {_reason(exc)}") from exc
        if not data:
            raise ConnectionFailed("the server closed the connection")
        self._websocket.receive_data(data)
        self._flush()
        return True

    def _flush(self) -> None:
        try:
            if data := self._websocket.data_to_send():
                self._channel.settimeout(SILENCE_LIMIT_S)
                self._channel.sendall(data)
        except OSError as exc:
            raise ConnectionFailed(f"connection lost: {_reason(exc)}") from exc


def connect(address: Address, tls: "ClientTls | None", limit_s: float) -> Connection:
    """Connect, with TLS if ``tls`` is given, and do the websocket's opening handshake.

    Args:
        address: of the server.
        tls: how to look at its certificate; ``None`` for a unix socket.
        limit_s: seconds until it must be done.

    Raises:
        ConnectionFailed: no such host, nothing listens there, no TLS, no headless server, or too late.
        ParameterError: the files that ``tls`` names are of no use.
    """
    deadline = time.monotonic() + limit_s
    channel = _open_socket(address, limit_s)
    try:
        certificate = None
        if tls is not None:
            channel, certificate = _start_tls(channel, address, tls)
        websocket = ClientConnection(_host_header(address), SUBPROTOCOL, os.urandom(16), MAX_MESSAGE)
        connection = Connection(channel, certificate, websocket)
        connection._flush()
        while not websocket.is_open:
            if (remaining := deadline - time.monotonic()) <= 0:
                raise ConnectionFailed(f"no answer within {limit_s:g} s: is this a headless server?")
            connection._pump(remaining)
    except ProtocolError as exc:
        channel.close()
        raise ProtocolError(f"{address}: {exc}") from exc
    except ConnectionFailed as exc:
        channel.close()
        raise ConnectionFailed(f"{address}: {exc}") from exc
    except BaseException:
        channel.close()
        raise
    return connection


def _open_socket(address: Address, limit_s: float) -> socket.socket:
    try:
        if isinstance(address, UnixAddress):
            return _open_unix_socket(address, limit_s)
        channel = socket.create_connection((address.host, address.port), timeout=limit_s)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return channel
    except TimeoutError as exc:
        raise ConnectionFailed(f"cannot connect to {address} within {limit_s:g} s") from exc
    except (OSError, UnicodeError) as exc:
        raise ConnectionFailed(f"cannot connect to {address}: {_reason(exc)}") from exc


def _open_unix_socket(address: UnixAddress, limit_s: float) -> socket.socket:
    if sys.platform == "win32":
        raise ParameterError("there are no unix sockets on Windows: give --service HOST:PORT")
    channel = socket.socket(socket.AF_UNIX)
    try:
        channel.settimeout(limit_s)
        channel.connect(address.path)
    except BaseException:
        channel.close()
        raise
    return channel


def _start_tls(channel: socket.socket, address: Address, tls: "ClientTls") -> tuple[socket.socket, bytes]:
    import ssl

    from headless.transport.tls import build_client_context

    context = build_client_context(tls)
    try:
        host = None if isinstance(address, UnixAddress) else address.host
        secured = context.wrap_socket(channel, server_hostname=host)
    except ssl.SSLCertVerificationError as exc:
        raise ConnectionFailed(f"the server's certificate is not trusted: {exc.verify_message}") from exc
    except TimeoutError as exc:
        raise ConnectionFailed("no TLS answer in time: is this a headless server?") from exc
    except ssl.SSLError as exc:
        raise ConnectionFailed(f"no TLS there: {_reason(exc)}") from exc
    except OSError as exc:
        raise ConnectionFailed(f"connection lost during the TLS handshake: {_reason(exc)}") from exc
    certificate = secured.getpeercert(binary_form=True)
    if certificate is None:
        secured.close()
        raise ConnectionFailed("the server has shown no certificate")
    return secured, certificate


def _host_header(address: Address) -> str:
    return "localhost" if isinstance(address, UnixAddress) else str(address)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, str):
        return reason
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
