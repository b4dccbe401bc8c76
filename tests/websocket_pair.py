"""Our websocket client and the server's side of the ``websockets`` library, joined in memory."""

from collections.abc import Iterator

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from headless.protocol.session import SUBPROTOCOL
from headless.protocol.websocket import ClientConnection, Opening

OPENING = Opening("a headless server", SUBPROTOCOL)
KEY = bytes(range(16))
MASK = bytes.fromhex("37fa213d")
MAX_SIZE = 2 << 20


def make_client(max_size: int = MAX_SIZE, mask: bytes = MASK) -> ClientConnection:
    """A client with nothing random in it."""
    return ClientConnection("127.0.0.1:7443", OPENING, KEY, max_size, lambda: mask)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """The data in pieces of at most so many bytes; 0 leaves it whole."""
    for start in range(0, len(data), size or len(data) or 1):
        yield data[start : start + size] if size else data


class Pair:
    """A client and a server; :meth:`exchange` carries bytes between them, in pieces of ``size`` (0: whole)."""

    def __init__(self, size: int = 0, *, subprotocols: tuple[str, ...] = (SUBPROTOCOL,)) -> None:
        self.client = make_client()
        self.server = ServerProtocol(
            origins=[None], subprotocols=[Subprotocol(name) for name in subprotocols], max_size=MAX_SIZE
        )
        self.size = size
        self.request: Request | None = None
        self.response: Response | None = None
        self.frames: list[Frame] = []
        self.messages: list[str] = []

    def exchange(self) -> None:
        """Carry bytes until neither side has anything to say."""
        while True:
            to_server = self.client.data_to_send()
            for piece in cut(to_server, self.size):
                self.server.receive_data(piece)
            self._take_events()
            to_client = b"".join(self.server.data_to_send())
            for piece in cut(to_client, self.size):
                self.client.receive_data(piece)
            while (message := self.client.next_message()) is not None:
                self.messages.append(message)
            if not to_server and not to_client:
                return

    def texts(self) -> list[str]:
        """The text messages that the server has received."""
        return [bytes(frame.data).decode() for frame in self.frames if frame.opcode is Opcode.TEXT]

    def open(self) -> "Pair":
        """Do the opening handshake."""
        self.exchange()
        assert self.client.is_open
        return self

    def _take_events(self) -> None:
        if self.server.parser_exc is not None:
            raise self.server.parser_exc
        for event in self.server.events_received():
            if isinstance(event, Request):
                self.request = event
                self.response = self.server.accept(event)
                self.server.send_response(self.response)
            elif isinstance(event, Frame):
                self.frames.append(event)
