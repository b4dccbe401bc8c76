"""The launcher's calls over a connection: one request at a time, each answered or failed."""

import time
from collections.abc import Mapping
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
from headless.transport.client import Connection

__all__ = ["Link", "read_text"]

KEEP_ALIVE_S = 0.01  # for what has arrived already

_ERRORS: dict[int, type[HeadlessError]] = {
    cls.exit_code: cls
    for cls in (Unavailable, ParameterError, Refused, Skipped, JobFailed, JobStopped, OutcomeUnknown, HeadlessError)
}


class Link:
    """A session as the launcher sees it.

    Attributes:
        certificate: the server's, in DER; ``None`` on a unix socket.
        answer_limit_s: seconds in which every request must be answered.
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
        deadline = time.monotonic() + self.answer_limit_s
        text = self._connection.receive(deadline)
        if text is None:
            raise ConnectionFailed(f"the server did not answer {method} within {self.answer_limit_s:g} s")
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
