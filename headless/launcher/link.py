"""The launcher's calls over a connection: one request at a time, each answered or failed."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from headless.errors import (
    ConnectionFailed,
    HeadlessError,
    JobFailed,
    JobStopped,
    OutcomeUnknown,
    ParameterError,
    ProtocolError,
    Refused,
    Skipped,
    Unavailable,
)
from headless.launcher.talk import Talk
from headless.protocol.codec import (
    INVALID_PARAMS,
    ErrorResponse,
    Notification,
    Request,
    Response,
    decode_message,
    encode_message,
)
from headless.transport.client import PINGS_MISSED, Connection

__all__ = ["Link", "read_text"]

KEEP_ALIVE_S = 0.01  # for what has arrived already
LONGEST_PING_S = 600.0  # no proxy would wait for longer; whoever says more does not say when it is gone

_ERRORS: dict[int, type[HeadlessError]] = {
    cls.exit_code: cls
    for cls in (Unavailable, ParameterError, Refused, Skipped, JobFailed, JobStopped, OutcomeUnknown, HeadlessError)
}


class Link:
    """A session as the launcher sees it; it may be lost and taken up again.

    Attributes:
        certificate: the server's, in DER; ``None`` on a unix socket.
        answer_limit_s: seconds in which every request must be answered.
        deadline: on the monotonic clock, in seconds: no answer is awaited for longer.
        reopen: takes the session up again on a new connection, done by a deadline of the monotonic clock; ``None``
            for a link that nobody can open again.
        max_script: the largest script that the server takes, in bytes; ``None`` before the login, or if it says none.
    """

    def __init__(self, connection: Connection, talk: Talk, answer_limit_s: float) -> None:
        """Args:
        connection: open; the link closes it.
        talk: shows the messages.
        answer_limit_s: see above.
        """
        self.certificate = connection.certificate
        self.max_script: int | None = None
        self.deadline = math.inf
        self.reopen: Callable[[float], None] | None = None
        self._connection = connection
        self._talk = talk
        self.answer_limit_s = answer_limit_s
        self._last_id = 0

    def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return its result.

        Raises:
            HeadlessError: the server's error, of the class whose exit code it gave.
            ConnectionFailed: the connection is lost, or no answer came in time.
            ProtocolError: the answer is none of ours.
        """
        self._last_id += 1
        self._talk.sent(method, params)
        self._connection.send(encode_message(Request(self._last_id, method, dict(params))))
        sent_at = time.monotonic()
        deadline = min(sent_at + self.answer_limit_s, self.deadline)
        text = self._connection.receive(deadline)
        if text is None:
            raise ConnectionFailed(f"the server did not answer {method} within {max(deadline - sent_at, 0):.3g} s")
        message = decode_message(text)
        if isinstance(message, ErrorResponse):
            self._talk.received("error", {"code": message.code, "message": message.message})
            raise _build_error(message)
        if not isinstance(message, Response) or message.id != self._last_id or not isinstance(message.result, dict):
            raise ProtocolError(f"the server's answer to {method} is none")
        self._talk.received("result", message.result)
        return message.result

    def next_notification(self, deadline: float | None) -> Notification | None:
        """Wait for what the server tells by itself; ``None`` when the deadline (monotonic clock, seconds) has come.

        Raises:
            ConnectionFailed: the connection is lost.
            ProtocolError: it was something else.
        """
        text = self._connection.receive(deadline)
        if text is None:
            return None
        message = decode_message(text)
        if not isinstance(message, Notification):
            raise ProtocolError("the server sent an answer that nobody has asked for")
        self._talk.received(message.method, message.params)
        return message

    def keep_alive(self) -> None:
        """Answer the server's pings; to be called every some seconds while there is nothing to ask.

        Raises:
            ConnectionFailed: the connection is lost.
            ProtocolError: there was something else.
        """
        if self._connection.receive(time.monotonic() + KEEP_ALIVE_S) is not None:
            raise ProtocolError("the server sent an answer that nobody has asked for")

    def expect_pings(self, interval_s: Any) -> None:
        """Take what the server says of how often it pings, in seconds; anything but a number changes nothing."""
        if isinstance(interval_s, int | float) and 0 < interval_s <= LONGEST_PING_S:
            self._connection.silence_limit_s = PINGS_MISSED * interval_s

    def adopt(self, other: "Link") -> None:
        """Go on over the connection of another link, which is not used any more. Ours is closed by now."""
        self.certificate, self.max_script = other.certificate, other.max_script
        self._connection, self._last_id = other._connection, other._last_id

    def close(self) -> None:
        """Say goodbye. Never raises."""
        self._connection.close()


def _build_error(message: ErrorResponse) -> HeadlessError:
    if message.code == INVALID_PARAMS:
        return ParameterError(message.message)
    return _ERRORS.get(Unavailable.exit_code if message.exit_code is None else message.exit_code, Unavailable)(
        message.message
    )


def read_text(body: Mapping[str, Any], name: str) -> str:
    """A text of a server's message.

    Raises:
        ProtocolError: it is missing or something else.
    """
    value = body.get(name)
    if not isinstance(value, str):
        raise ProtocolError(f"the server's message has no {name}")
    return value
