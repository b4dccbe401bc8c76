"""HTTP as uvicorn and h11 read it, with an end to everybody's patience.

A connection has a time for its headers, one for its body and one for taking the answer, however it spends them; what it
may send once it is answered is limited. The feeds' own limits (size, access) are not here.
"""

import asyncio
import ssl
import time
from dataclasses import dataclass
from typing import Any

import h11
from cryptography import x509
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from headless.inventory.web.limits import Admission, Doors

__all__ = ["GuardedProtocol", "Patience"]

ANSWER_S = 600.0  # for which a client may take an answer
CLOSING_S = 5.0  # for which it may take the last of it
LINGER = 16 << 20  # bytes that an answered request may still send: many clients look for the answer only then
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may take, in seconds.

    Attributes:
        head: to be there with all its headers.
        body: for its body after that.
    """

    head: float
    body: float


class GuardedProtocol(H11Protocol):
    """A connection that ends in time. ``scope["state"]["subject"]`` is that of the client's certificate, or empty.

    Attributes:
        source: the peer's address; empty for a local socket.
    """

    def __init__(
        self, config: Config, server_state: ServerState, doors: Doors, patience: Patience, later: ASGIApp
    ) -> None:
        """Args:
        config: of uvicorn, loaded.
        server_state: of uvicorn.
        doors: where it is counted.
        patience: with it.
        later: answers if there are too many.
        """
        super().__init__(config, server_state, {"subject": ""})
        self.source = ""
        self._doors = doors
        self._patience = patience
        self._later = later
        self._stage: Any = None
        self._deadline = 0.0
        self._excess = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it in."""
        super().connection_made(transport)
        self.source = self.client[0] if self.client else ""
        self.app_state["subject"] = _read_subject(transport.get_extra_info("ssl_object"))
        admission = self._doors.enter(self)
        if admission is Admission.SHUT:
            transport.abort()
        elif admission is Admission.LATER:
            self.app = self._later
        self._note_stage()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        self._doors.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some bytes."""
        if self.cycle is not None and self.cycle.response_complete and self._stage is h11.SEND_BODY:
            self._excess += len(data)
            if self._excess > LINGER:
                self.transport.abort()
                return
        super().data_received(data)
        self._note_stage()

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has sent all may say so, and wait for the answer; TLS cannot wait."""
        cycle = self.cycle
        return cycle is not None and not cycle.more_body and not cycle.response_complete and self.scheme == "http"

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; an answer that was begun before can only be cut off."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def on_response_complete(self) -> None:
        """Begin with the next request."""
        self._stage = None
        self._excess = 0
        super().on_response_complete()
        self._note_stage()

    def check(self, now: float) -> None:
        """End if its time is over."""
        if now < self._deadline:
            return
        is_idle = self.cycle is None or self.cycle.response_complete
        if self.transport.is_closing() or not is_idle:
            self.transport.abort()
            return
        if self.conn.trailing_data[0]:  # headers that were begun
            self.transport.write(TIMED_OUT)
        self.transport.close()
        self._deadline = now + CLOSING_S

    def cut_off(self) -> None:
        """End an answer that has begun, and that nobody takes: there is no other to be given."""
        if self.cycle is not None and self.cycle.response_started:
            self.transport.abort()

    def _note_stage(self) -> None:
        stage = self.conn.their_state
        if self.transport.is_closing():
            self._deadline = time.monotonic() + CLOSING_S
        elif stage is not self._stage:
            self._stage = stage
            times = {h11.IDLE: self._patience.head, h11.SEND_BODY: self._patience.body + CLOSING_S}
            self._deadline = time.monotonic() + times.get(stage, ANSWER_S)


def _read_subject(tls: ssl.SSLObject | None) -> str:
    """The subject of a client's certificate whose chain was verified, as RFC 4514 writes it."""
    data = tls.getpeercert(binary_form=True) if tls is not None else None
    return x509.load_der_x509_certificate(data).subject.rfc4514_string() if data else ""
