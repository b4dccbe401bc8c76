"""The client's side of RFC 6455: bytes in, messages and bytes out.

Why our own: importing ``websockets.client`` costs a launch more than all the rest of it (``docs/benchmarks.md``).
No extension, text messages only: all that our protocols use. Tested against ``websockets`` in both directions.
"""

import binascii
import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from headless.errors import ProtocolError, Refused, Unavailable

__all__ = ["ClientConnection", "Opening"]

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
MAX_HEADERS = 16 * 1024  # bytes; what nginx and Apache allow for a response's header at most
MAX_CONTROL = 125  # bytes (section 5.5)
CONTINUATION, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA


@dataclass(frozen=True)
class Opening:
    """What a client asks for in the opening handshake.

    Attributes:
        kind: of server, as messages name it: "a headless server".
        subprotocol: the only one that is taken; ``None`` asks for none and takes none.
        path: of the request.
        headers: more of them; names and values are checked by nobody.
    """

    kind: str
    subprotocol: str | None
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)


class ClientConnection:
    """One connection, from its opening handshake to its close.

    The caller sends what :meth:`data_to_send` returns after every call, feeds what it receives to
    :meth:`receive_data`, and takes messages from :meth:`next_message`.

    Attributes:
        is_open: whether the opening handshake was accepted and no close has begun on either side.
        is_closed: whether the closing handshake has begun on either side; then nothing is taken any more.
        close_reason: what the peer said when it closed, printable; empty before that.
        pong_count: how many of our pings the peer has answered.
    """

    def __init__(self, host: str, opening: Opening, key: bytes, max_size: int, mask: Callable[[], bytes]) -> None:
        """Args:
        host: the value of the ``Host`` header.
        opening: what is asked for.
        key: 16 random bytes.
        max_size: the largest message that is taken, in bytes (a security limit).
        mask: called for each frame that is sent; returns 4 fresh random bytes (RFC 6455, section 5.3).
        """
        self.is_open = False
        self.is_closed = False
        self.close_reason = ""
        self.pong_count = 0
        self._opening = opening
        self._not_ours = f"this is not {opening.kind}, check the address"
        self._max_size = max_size
        self._mask = mask
        self._key = binascii.b2a_base64(key, newline=False)
        self._input = bytearray()
        self._fragments = bytearray()
        self._in_message = False
        self._messages: deque[str] = deque()
        self._output = [_write_request(host, opening, self._key)]

    def data_to_send(self) -> bytes:
        """All that has to go to the peer by now; empty if there is nothing."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    def next_message(self) -> str | None:
        """The next whole message, or ``None`` if more data is needed first."""
        return self._messages.popleft() if self._messages else None

    def send_text(self, text: str) -> None:
        """Send a message; the caller has seen that the connection is open."""
        self._send_frame(TEXT, text.encode())

    def send_ping(self) -> None:
        """Ask for a sign of life; the caller has seen that the connection is open."""
        self._send_frame(PING, b"")

    def send_close(self) -> None:
        """Begin the closing handshake with code 1000; nothing if it has begun."""
        if not self.is_closed:
            self._close((1000).to_bytes(2, "big"))

    def receive_data(self, data: bytes) -> None:
        """Take bytes of the peer, in pieces of any size.

        Raises:
            ProtocolError: it refused the handshake or broke a rule of the RFC. The connection is of no more use.
            Unavailable: a proxy answered that the server behind it is away.
        """
        self._input += data
        if not self.is_open and not self.is_closed:
            self._read_handshake()
        while self.is_open and self._read_frame():
            pass
        if self.is_closed:
            self._input.clear()

    def _read_handshake(self) -> None:
        if not b"HTTP/1.".startswith(self._input[:7]):
            raise ProtocolError(f"{self._not_ours}: no HTTP answer")
        end = self._input.find(b"\r\n\r\n", 0, MAX_HEADERS)
        if end < 0:
            if len(self._input) >= MAX_HEADERS:
                raise ProtocolError(f"{self._not_ours}: its HTTP header has no end")
            return
        status, *lines = bytes(self._input[:end]).decode("latin-1").split("\r\n")
        del self._input[: end + 4]
        pairs = (line.partition(":") for line in lines)
        self._check_answer(status, {name.strip().lower(): value.strip() for name, _, value in pairs})
        self.is_open = True

    def _check_answer(self, status: str, headers: dict[str, str]) -> None:
        """RFC 6455, section 4.1, what the client must check of the server's answer."""
        version, _, code = status[:12].partition(" ")
        theirs, ours = headers.get("sec-websocket-protocol"), self._opening.subprotocol
        # A headless server names its protocol when it refuses, too.
        if theirs != ours and (theirs is not None or code == "101"):
            raise ProtocolError(
                f"the server speaks another protocol version, {(theirs or '')[:60]!r}, not {ours or ''!r}:"
                " install the same version of headless on both sides"
            )
        if code == "401":
            raise Refused(f"the server does not take this login, it answered {status[:60]!r}")
        if code in ("502", "503", "504"):
            raise Unavailable(f"the server is not ready, it answered {status[:60]!r}: try again later")
        if (version, code) != ("HTTP/1.1", "101"):
            raise ProtocolError(f"{self._not_ours}: it answered {status[:60]!r}")
        if headers.get("upgrade", "").lower() != "websocket" or "upgrade" not in headers.get("connection", "").lower():
            raise ProtocolError(f"{self._not_ours}: wrong Upgrade or Connection")
        digest = hashlib.sha1(self._key + GUID, usedforsecurity=False).digest()
        if headers.get("sec-websocket-accept", "").encode() != binascii.b2a_base64(digest, newline=False):
            raise ProtocolError(f"{self._not_ours}: wrong Sec-WebSocket-Accept")
        if "sec-websocket-extensions" in headers:
            raise ProtocolError(f"{self._not_ours}: it uses a websocket extension that was not offered")

    def _read_frame(self) -> bool:
        """Take one frame off the input; False if it is not whole yet (RFC 6455, section 5.2)."""
        if len(self._input) < 2:
            return False
        first, second = self._input[0], self._input[1]
        if first & 0x70 or second & 0x80:
            raise ProtocolError("websocket frame with reserved bits or a mask")
        opcode, is_final = first & 0x0F, bool(first & 0x80)
        start, length = 2, second & 0x7F
        self._check_frame(opcode, is_final, length)
        if length > MAX_CONTROL:
            start += 2 if length == 126 else 8
            if len(self._input) < start:
                return False
            length = int.from_bytes(self._input[2:start], "big")
        if opcode < CLOSE and length + len(self._fragments) > self._max_size:
            raise ProtocolError(f"message larger than {self._max_size} bytes")
        if len(self._input) < start + length:
            return False
        payload = bytes(self._input[start : start + length])
        del self._input[: start + length]
        self._handle_frame(opcode, is_final, payload)
        return True

    def _check_frame(self, opcode: int, is_final: bool, length: int) -> None:
        """Judge a frame by its first two bytes, before anything of it is kept."""
        if opcode in (CLOSE, PING, PONG):
            if not is_final or length > MAX_CONTROL:
                raise ProtocolError("websocket control frame in fragments or too long")
        elif opcode not in (TEXT, CONTINUATION):
            raise ProtocolError(f"websocket frame that is not allowed: opcode {opcode}")
        elif (opcode == TEXT) == self._in_message:
            raise ProtocolError("websocket fragments out of order")

    def _handle_frame(self, opcode: int, is_final: bool, payload: bytes) -> None:
        if opcode == PING:
            self._send_frame(PONG, payload)
        elif opcode == CLOSE:
            if len(payload) == 1:
                raise ProtocolError("websocket close frame with half a code")
            self.close_reason = _make_printable(payload[2:].decode(errors="replace")) or "no reason given"
            self._close(payload[:2])
        elif opcode == PONG:
            self.pong_count += 1
        else:
            self._handle_data(is_final, payload)

    def _handle_data(self, is_final: bool, payload: bytes) -> None:
        self._fragments += payload
        self._in_message = not is_final
        if not is_final:
            return
        try:
            self._messages.append(self._fragments.decode())
        except UnicodeDecodeError as exc:
            raise ProtocolError("text message that is not UTF-8") from exc
        self._fragments.clear()

    def _close(self, code: bytes) -> None:
        self.is_open, self.is_closed = False, True
        self._send_frame(CLOSE, code)

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        if length <= MAX_CONTROL:
            header = bytes((0x80 | opcode, 0x80 | length))
        elif length < 1 << 16:
            header = bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
        else:
            header = bytes((0x80 | opcode, 0x80 | 127)) + length.to_bytes(8, "big")
        mask = self._mask()
        self._output += (header, mask, _apply_mask(payload, mask))


def _write_request(host: str, opening: Opening, key: bytes) -> bytes:
    """RFC 6455, section 4.1, what the client sends."""
    headers = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key.decode(),
        "Sec-WebSocket-Version": "13",
    }
    if opening.subprotocol is not None:
        headers["Sec-WebSocket-Protocol"] = opening.subprotocol
    lines = [f"{name}: {value}" for name, value in (headers | dict(opening.headers)).items()]
    return "\r\n".join([f"GET {opening.path} HTTP/1.1", *lines, "", ""]).encode()


def _apply_mask(payload: bytes, mask: bytes) -> bytes:
    """XOR as two big integers: a hundred times faster than a loop over bytes."""
    length = len(payload)
    repeated = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(length, "big")


def _make_printable(text: str) -> str:
    """What a stranger says ends in an error's one line: no line ends, nothing that a terminal obeys."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
