"""The launcher's connection: a blocking socket, TLS where it is TCP, and the websocket pump over it.

No event loop and no thread: a launch is one connection with one request at a time.
"""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headless.errors import ConnectionFailed, ParameterError, ProtocolError, Refused, Unavailable, Untrusted
from headless.protocol.session import SUBPROTOCOL
from headless.protocol.websocket import ClientConnection, Opening
from headless.transport.address import Address, TcpAddress, UnixAddress

if TYPE_CHECKING:
    from headless.transport.tls import ClientTls

__all__ = ["DIAL", "HEADLESS", "MAX_MESSAGE", "PINGS_MISSED", "SILENCE_LIMIT_S", "Connection", "Dial", "connect"]

HEADLESS = Opening("a headless server", SUBPROTOCOL)
"""How a launcher asks for a session."""

MAX_MESSAGE = 4 << 20
"""Largest message of a server, in bytes: a result of 1 MiB, written with six characters a byte, fits in twice."""

PINGS_MISSED = 3
"""After so many of the server's pings that did not come, the connection counts as lost."""

SILENCE_LIMIT_S = PINGS_MISSED * 20.0
"""That time, in seconds, for a server that does not say how often it pings."""

SHORTEST_S = 0.1
"""What an attempt to connect has at least, in seconds: one that was made too late shall still find what is wrong."""

LAST_LOOK_S = 0.001  # whoever was stopped for long may find that all the news has come meanwhile

GOODBYE_LIMIT_S = 1.0
RECEIVE_SIZE = 256 * 1024


@dataclass(frozen=True)
class Dial:
    """How a host of several addresses is called.

    Attributes:
        family: of addresses that are taken; ``AF_UNSPEC`` for all.
        is_staggered: whether one is tried beside the other (RFC 8305), or in turn.
    """

    family: int = socket.AF_UNSPEC
    is_staggered: bool = True


DIAL = Dial()
"""Any address, one beside the other."""


class Connection:
    """An open websocket connection to a server.

    Attributes:
        certificate: the server's, in DER; ``None`` on a unix socket.
        silence_limit_s: after this long without a byte of the server the connection counts as lost.
        ping_every_s: pause between pings of ours while the server is silent; 0 for none.
    """

    def __init__(
        self, channel: socket.socket, certificate: bytes | None, websocket: ClientConnection, kind: str
    ) -> None:
        """Use :func:`connect`."""
        self.certificate = certificate
        self.silence_limit_s = SILENCE_LIMIT_S
        self.ping_every_s = 0.0
        self._channel = channel
        self._websocket = websocket
        self._kind = kind
        self._heard_at = time.monotonic()

    def send(self, text: str) -> None:
        """Send one message.

        Raises:
            Unavailable: the server has closed the session before; nothing was sent.
            ConnectionFailed: the connection is lost.
        """
        if self._websocket.is_closed:
            raise Unavailable(self._describe_close())
        self._websocket.send_text(text)
        self._flush(self.silence_limit_s)

    def receive(self, deadline: float | None) -> str | None:
        """Wait for the next message.

        Args:
            deadline: on the monotonic clock, in seconds; ``None`` waits as long as the connection lives.

        Returns:
            The message, or ``None`` if none came in time.

        Raises:
            ConnectionFailed: the connection is lost, was closed, or was silent for too long.
        """
        while (message := self._websocket.next_message()) is None:
            if self._websocket.is_closed:
                raise ConnectionFailed(self._describe_close())
            now = time.monotonic()
            limit = self._heard_at + self.silence_limit_s
            if deadline is not None and deadline <= now:
                return None
            until = limit if deadline is None else min(limit, deadline)
            if self.ping_every_s:
                until = min(until, now + self.ping_every_s)
            if not self._pump(max(until - now, LAST_LOOK_S)):
                if limit <= now:
                    raise ConnectionFailed(f"the server was silent for {self.silence_limit_s:.3g} s")
                if self.ping_every_s:
                    self._ping()
        return message

    def settle(self) -> None:
        """Take what has come while nobody waited for anything, and begin to count its silence anew.

        Raises:
            ConnectionFailed: the connection is lost, or was closed meanwhile.
        """
        while self._pump(0):
            pass
        if self._websocket.is_closed:
            raise Unavailable(self._describe_close())
        self._heard_at = time.monotonic()

    def measure_ping(self, deadline: float) -> float:
        """Ping, and wait for the answer to it; how long that took, in seconds.

        Raises:
            ConnectionFailed: the connection is lost, was closed, or no answer came in time.
        """
        began, count = time.monotonic(), self._websocket.pong_count
        self._ping()
        while self._websocket.pong_count == count:
            if self._websocket.is_closed:
                raise ConnectionFailed(self._describe_close())
            if not self._pump(max(deadline - time.monotonic(), LAST_LOOK_S)):
                raise ConnectionFailed("no answer to a ping")
        return time.monotonic() - began

    def close(self) -> None:
        """Say goodbye, if the peer still listens, and close. Never raises."""
        self._websocket.send_close()
        with contextlib.suppress(ConnectionFailed):  # it is closed either way
            self._flush(GOODBYE_LIMIT_S)
        self._channel.close()

    def abort(self) -> None:
        """Close without a word, where nobody listens any more. Never raises."""
        self._channel.close()

    def _pump(self, timeout_s: float) -> bool:
        """Take what arrives within ``timeout_s``; False if that was nothing."""
        self._channel.settimeout(timeout_s)
        try:
            data = self._channel.recv(RECEIVE_SIZE)
        except OSError as exc:
            if _is_nothing_yet(exc):
                return False
            if _is_certificate_alert(exc):
                raise _refuse(exc) from exc
            raise self._lost(f"connection lost: {_reason(exc)}") from exc
        if not data:
            raise self._lost("the server closed the connection")
        self._heard_at = time.monotonic()
        self._websocket.receive_data(data)
        # What it has said counts, even if it is gone before our pong or close: that will show soon enough.
        with contextlib.suppress(ConnectionFailed):
            self._flush(self.silence_limit_s)
        return True

    def _ping(self) -> None:
        self._websocket.send_ping()
        self._flush(self.silence_limit_s)

    def _flush(self, limit_s: float) -> None:
        try:
            if data := self._websocket.data_to_send():
                self._channel.settimeout(limit_s)
                self._channel.sendall(data)
        except OSError as exc:
            raise self._lost(f"connection lost: {_reason(exc)}") from exc

    def _lost(self, what: str) -> ConnectionFailed:
        has_answered = self._websocket.is_open or self._websocket.is_closed
        return ConnectionFailed(what if has_answered else f"{what}: is this {self._kind}? its log may say why")

    def _describe_close(self) -> str:
        return f"the server closed the session: {self._websocket.close_reason}"


def connect(
    address: Address,
    tls: "ClientTls | None",
    limit_s: float,
    *,
    own: bool = False,
    opening: Opening = HEADLESS,
    max_message: int = MAX_MESSAGE,
    dial: Dial = DIAL,
) -> Connection:
    """Connect, with TLS if ``tls`` is given, and do the websocket's opening handshake.

    Args:
        address: of the server.
        tls: how to look at its certificate; ``None`` for a unix socket.
        limit_s: seconds until it must be done, :data:`SHORTEST_S` if they are fewer; only the resolver of host names
            keeps its own time.
        own: whether, on a unix socket, the server must be a process of this very user.
        opening: what to ask for; a launcher's session by default.
        max_message: the largest message that is taken, in bytes.
        dial: which of a host's addresses are tried, and how.

    Returns:
        The connection. The server may have closed it at once: then the first use of it says why.

    Raises:
        ConnectionFailed: no such host, nothing listens there, or too late.
        ProtocolError: what is there speaks no TLS, or is no headless server.
        Untrusted: its certificate is of no authority that is known, or the socket is another user's.
        Refused: the server does not take the client certificate, or its owner.
        ParameterError: the files that ``tls`` names are of no use.
    """
    limit = _Limit(time.monotonic() + max(limit_s, SHORTEST_S), opening.kind)
    channel = _open_socket(address, limit, dial)
    try:
        if own:
            _check_owner(channel)
        certificate = None
        if tls is not None:
            channel.settimeout(limit.remaining_s())
            channel, certificate = _start_tls(channel, address, tls, opening.kind)
        key, mask = os.urandom(16), lambda: os.urandom(4)
        websocket = ClientConnection(_host_header(address), opening, key, max_message, mask)
        connection = Connection(channel, certificate, websocket, opening.kind)
        connection._flush(limit.remaining_s())
        while not (websocket.is_open or websocket.is_closed):
            connection._pump(limit.remaining_s())
    except ConnectionFailed as exc:
        channel.close()
        kind = next(cls for cls in (ProtocolError, Untrusted, ConnectionFailed) if isinstance(exc, cls))
        raise kind(f"{address}: {exc}") from exc
    except BaseException:
        channel.close()
        raise
    return connection


def _check_owner(channel: socket.socket) -> None:
    """SO_PEERCRED of unix(7): struct ucred { pid, uid, gid } of the process that listens."""
    if sys.platform == "linux":
        credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        uid = int.from_bytes(credentials[4:8], sys.byteorder)
        if uid != os.geteuid():
            raise Untrusted(f"the process that listens there is another user's (uid {uid}): it is not spoken to")


@dataclass(frozen=True)
class _Limit:
    """When connecting must be done, on the monotonic clock, and with what."""

    deadline: float
    kind: str

    def remaining_s(self) -> float:
        remaining_s = self.deadline - time.monotonic()
        if remaining_s <= 0:
            raise ConnectionFailed(f"no answer in time: is this {self.kind}?")
        return remaining_s


def _open_socket(address: Address, limit: "_Limit", dial: Dial) -> socket.socket:
    try:
        if isinstance(address, UnixAddress):
            return _open_unix_socket(address, limit.remaining_s())
        return _open_tcp_socket(address, limit, dial)
    except TimeoutError as exc:
        raise ConnectionFailed(f"cannot connect to {address} in time: check host, port and firewall") from exc
    except (socket.gaierror, UnicodeError) as exc:
        raise ConnectionFailed(f"cannot connect to {address}: {_reason(exc)}: check the host's name") from exc
    except OSError as exc:
        raise ConnectionFailed(
            f"cannot connect to {address}: {_reason(exc)}: does a server listen there, and may this user reach it?"
        ) from exc


def _open_tcp_socket(address: TcpAddress, limit: "_Limit", dial: Dial) -> socket.socket:
    """Raises:
    OSError: of the last address that failed, or it took too long.
    """
    found = socket.getaddrinfo(address.host, address.port, dial.family, socket.SOCK_STREAM)
    places = [(family, place) for family, _, _, _, place in found]
    if len(places) == 1 or not dial.is_staggered:
        return _connect_in_turn(places, limit)
    from headless.transport.stagger import connect_first, interleave

    channel = connect_first(interleave(places), limit.deadline)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return channel


def _connect_in_turn(places: Sequence[tuple[int, Any]], limit: "_Limit") -> socket.socket:
    """Each for its share of the time: one that is a black hole stops no other."""
    error = OSError("the host has no address")
    for index, (family, place) in enumerate(places):
        try:
            return _connect_socket(family, place, limit.remaining_s() / (len(places) - index))
        except OSError as exc:
            error = exc
    raise error


def _open_unix_socket(address: UnixAddress, limit_s: float) -> socket.socket:
    if sys.platform == "win32":
        raise ParameterError("there are no unix sockets on Windows: give --service HOST:PORT")
    return _connect_socket(socket.AF_UNIX, address.path, limit_s)


def _connect_socket(family: int, place: Any, limit_s: float) -> socket.socket:
    channel = socket.socket(family)
    try:
        channel.settimeout(limit_s)
        if isinstance(place, tuple):  # of TCP
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel.connect(place)
    except BaseException:
        channel.close()
        raise
    return channel


def _start_tls(channel: socket.socket, address: Address, tls: "ClientTls", kind: str) -> tuple[socket.socket, bytes]:
    import ssl

    from headless.transport.tls import build_client_context

    context = build_client_context(tls)
    try:
        host = None if isinstance(address, UnixAddress) else address.host
        secured = context.wrap_socket(channel, server_hostname=host)
    except ssl.SSLCertVerificationError as exc:
        raise Untrusted(f"the server's certificate is not trusted: {exc.verify_message}") from exc
    except TimeoutError as exc:
        raise ConnectionFailed(f"no TLS answer in time: is this {kind}?") from exc
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) as exc:
        raise ConnectionFailed("the server closed the connection during the TLS handshake: see its log") from exc
    except ssl.SSLError as exc:
        if _is_certificate_alert(exc):  # TLS 1.2 tells so within its handshake
            raise _refuse(exc) from exc
        raise ProtocolError(f"no TLS there ({_reason(exc)}): is this the TLS port of {kind}?") from exc
    except OSError as exc:
        raise ConnectionFailed(f"connection lost during the TLS handshake: {_reason(exc)}") from exc
    certificate = secured.getpeercert(binary_form=True)
    if certificate is None:
        secured.close()
        raise ProtocolError("the server has shown no certificate")
    return secured, certificate


def _host_header(address: Address) -> str:
    return "localhost" if isinstance(address, UnixAddress) else str(address)


def _is_nothing_yet(error: OSError) -> bool:
    """Whether only the time was up; a TLS socket that does not wait has an error of its own for it."""
    return isinstance(error, TimeoutError | BlockingIOError) or type(error).__name__ == "SSLWantReadError"


def _is_certificate_alert(error: OSError) -> bool:
    """Whether the server refuses our certificate: TLS 1.3 tells so after its handshake (RFC 8446, section 4.4.2.4).

    One of an authority of the same name, but with another key, is a signature that cannot be verified (section 6.2).
    """
    reason = str(getattr(error, "reason", ""))
    return "_ALERT_" in reason and any(what in reason for what in ("CERTIFICATE", "UNKNOWN_CA", "DECRYPT_ERROR"))


def _refuse(alert: OSError) -> Refused:
    return Refused(f"the server does not take the client certificate: {_reason(alert)}")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, str):
        return reason.replace("_", " ").lower()  # OpenSSL's WRONG_VERSION_NUMBER
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
