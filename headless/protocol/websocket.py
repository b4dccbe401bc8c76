"""The client's side of RFC 6455: bytes in, messages and bytes out.

Why our own: importing ``websockets.client`` costs a launch more than all the rest of it (``docs/benchmarks.md``).
No extension, text messages only: all that ``headless.v1`` uses. Tested against ``websockets`` in both directions.
"""

import binascii
import hashlib

from headless.errors import ProtocolError

__all__ = ["ClientConnection"]

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
MAX_HEADERS = 16 * 1024  # bytes; what nginx and Apache allow for a response's header at most
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


class ClientConnection:
    """One connection, from its opening handshake to its close.

    The caller sends what :meth:`data_to_send` returns after every call, feeds what it receives to
    :meth:`receive_data`, and takes messages from :meth:`next_message`.

    Attributes:
        is_open: whether the opening handshake was accepted and no close has come.
        close_reason: what the peer said when it closed; empty before that.
    """

    def __init__(self, host: str, subprotocol: str, key: bytes, max_size: int) -> None:
        """Args:
        host: the value of the ``Host`` header.
        subprotocol: the only one that is taken.
        key: 16 random bytes.
        max_size: the largest message that is taken, in bytes (a security limit).
        """
        self.is_open = False
        self.close_reason = ""
        self._subprotocol = subprotocol
        self._max_size = max_size
        self._key = binascii.b2a_base64(key, newline=False)
        self._input = bytearray()
        self._fragments = bytearray()
        self._in_message = False
        self._messages: list[str] = []
        self._output = [
            b"GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n\r\n"
            % (host.encode(), self._key, subprotocol.encode())
        ]
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether the closing handshake has begun on either side."""
        return self._is_closed

    def data_to_send(self) -> bytes:
        """All that has to go to the peer by now; empty if there is nothing."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    def next_message(self) -> str | None:
        """The next whole message, or ``None`` if more data is needed first."""
        return self._messages.pop(0) if self._messages else None

    def send_text(self, text: str, mask: bytes) -> None:
        """Send a message; ``mask`` is 4 fresh random bytes (RFC 6455, section 5.3)."""
        self._send_frame(TEXT, text.encode(), mask)

    def send_close(self, mask: bytes) -> None:
        """Begin the closing handshake with code 1000."""
        if not self._is_closed:
            self._is_closed = True
            self._send_frame(CLOSE, (1000).to_bytes(2, "big"), mask)

    def receive_data(self, data: bytes) -> None:
        """Take bytes of the peer, in pieces of any size.

        Raises:
            ProtocolError: it refused the handshake or broke a rule of the RFC.
        """
        self._input += data
        if not self.is_open and not self._is_closed and not self._read_handshake():
            return
        while self._read_frame():
            pass

    def _read_handshake(self) -> bool:
        end = self._input.find(b"\r\n\r\n")
        if end < 0:
            if len(self._input) > MAX_HEADERS or not b"HTTP/1.1 ".startswith(self._input[:9]):
                raise ProtocolError("this is not a headless server: no HTTP answer")
            return False
        status, *lines = bytes(self._input[:end]).decode("latin-1").split("\r\n")
        del self._input[: end + 4]
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if not status.startswith("HTTP/1.1 101"):
            raise ProtocolError(f"this is not a headless server: it answered {status[:60]!r}")
        digest = hashlib.sha1(self._key + GUID, usedforsecurity=False).digest()
        if headers.get("sec-websocket-accept", "").encode() != binascii.b2a_base64(digest, newline=False):
            raise ProtocolError("this is not a websocket server: wrong Sec-WebSocket-Accept")
        if headers.get("sec-websocket-protocol") != self._subprotocol:
            theirs = headers.get("sec-websocket-protocol", "none")
            raise ProtocolError(f"the server speaks another protocol version: {theirs}, not {self._subprotocol}")
        if "sec-websocket-extensions" in headers:
            raise ProtocolError("the server uses a websocket extension that was not offered")
        self.is_open = True
        return True

    def _read_frame(self) -> bool:
        """Take one frame off the input; False if it is not whole yet (RFC 6455, section 5.2)."""
        if self._is_closed or len(self._input) < 2:
            return False
        first, second = self._input[0], self._input[1]
        if first & 0x70 or second & 0x80:
            raise ProtocolError("websocket frame with reserved bits or a mask")
        start, length = 2, second & 0x7F
        if length >= 126:
            start += 2 if length == 126 else 8
            if len(self._input) < start:
                return False
            length = int.from_bytes(self._input[2:start], "big")
        if length + len(self._fragments) > self._max_size:
            raise ProtocolError(f"message larger than {self._max_size} bytes")
        if len(self._input) < start + length:
            return False
        payload = bytes(self._input[start : start + length])
        del self._input[: start + length]
        self._handle_frame(first & 0x0F, bool(first & 0x80), payload)
        return True

    def _handle_frame(self, opcode: int, is_final: bool, payload: bytes) -> None:
        if opcode in (TEXT, CONTINUATION):
            self._handle_data(opcode, is_final, payload)
        elif opcode not in (CLOSE, PING, PONG) or not is_final or len(payload) > 125:
            raise ProtocolError(f"websocket frame that is not allowed: opcode {opcode}")
        elif opcode == PING:
            # Section 5.3 wants a mask; a pong repeats what the peer sent, so a fixed one hides nothing less.
            self._send_frame(PONG, payload, b"\0\0\0\0")
        elif opcode == CLOSE:
            self.close_reason = payload[2:].decode(errors="replace") or "no reason given"
            self._is_closed = True
            self.is_open = False
            self._send_frame(CLOSE, payload[:2], b"\0\0\0\0")

    def _handle_data(self, opcode: int, is_final: bool, payload: bytes) -> None:
        if (opcode == TEXT) == self._in_message:
            raise ProtocolError("websocket fragments out of order")
        self._fragments += payload
        self._in_message = not is_final
        if not is_final:
            return
        try:
            self._messages.append(self._fragments.decode())
        except UnicodeDecodeError as exc:
            raise ProtocolError("text message that is not UTF-8") from exc
        self._fragments.clear()

    def _send_frame(self, opcode: int, payload: bytes, mask: bytes) -> None:
        length = len(payload)
        if length < 126:
            header = bytes((0x80 | opcode, 0x80 | length))
        elif length < 1 << 16:
            header = bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
        else:
            header = bytes((0x80 | opcode, 0x80 | 127)) + length.to_bytes(8, "big")
        self._output += (header, mask, _apply_mask(payload, mask))


def _apply_mask(payload: bytes, mask: bytes) -> bytes:
    """XOR as two big integers: a hundred times faster than a loop over bytes."""
    length = len(payload)
    repeated = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(length, "big")
