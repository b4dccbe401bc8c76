"""What a session may do in which state: the table, and the server's side of following it.

Everything that affects the states of a session must stand in this file. The launcher follows the same order by
construction: it sends one request at a time, and logs in first.
"""

import enum

from headless.errors import ProtocolError
from headless.protocol.codec import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Request,
    decode_message,
)

__all__ = ["LOGIN_METHODS", "SUBPROTOCOL", "TRANSITIONS", "Session", "SessionState"]

SUBPROTOCOL = "headless.v1"
"""The websocket subprotocol (RFC 6455, section 1.9) that names this protocol and its version."""


class SessionState(enum.StrEnum):
    """Where a session is; nobody is logged in before ``READY``."""

    NEW = "new"  # connected, nobody logged in
    CHALLENGED = "challenged"  # the server has sent its challenge and waits for the proof
    READY = "ready"  # a user is logged in
    CLOSED = "closed"  # nothing is taken any more


_NEW, _CHALLENGED, _READY, _CLOSED = SessionState

# state -> method -> (state after success, state after failure)
TRANSITIONS: dict[SessionState, dict[str, tuple[SessionState, SessionState]]] = {
    _NEW: {
        "login.salt": (_NEW, _CLOSED),
        "login.challenge": (_CHALLENGED, _CLOSED),
        "login.osuser": (_READY, _CLOSED),
        "login.x509": (_READY, _CLOSED),
    },
    _CHALLENGED: {
        "login.proof": (_READY, _CLOSED),
    },
    _READY: {
        "job.check": (_READY, _READY),
        "job.upload": (_READY, _READY),
        "job.start": (_READY, _READY),
        "job.watch": (_READY, _READY),
        "job.list": (_READY, _READY),
        "job.show": (_READY, _READY),
        "job.cancel": (_READY, _READY),
        "job.rerun": (_READY, _READY),
        "job.prune": (_READY, _READY),
        "server.status": (_READY, _READY),
        "server.stop": (_READY, _READY),
    },
    _CLOSED: {},
}

METHODS = frozenset(method for row in TRANSITIONS.values() for method in row)
LOGIN_METHODS = frozenset(method for method in METHODS if method.startswith("login."))


class Session:
    """The server's side of one session: says what may happen next, does none of it."""

    def __init__(self) -> None:
        self.state = SessionState.NEW

    def receive_text(self, text: str) -> Request:
        """Read a message of the launcher.

        Afterwards the caller owes :meth:`check_allowed`, then one :meth:`succeed` or :meth:`fail` for the request.

        Raises:
            ProtocolError: it is no request.
        """
        message = decode_message(text)
        if not isinstance(message, Request):
            raise ProtocolError("only requests are expected here", INVALID_REQUEST)
        return message

    def check_allowed(self, request: Request) -> None:
        """Check that this state allows the request.

        Raises:
            ProtocolError: an unknown method, or one that this state does not allow.
        """
        if request.method not in METHODS:
            raise ProtocolError("unknown method", METHOD_NOT_FOUND)
        if request.method not in TRANSITIONS[self.state]:
            raise ProtocolError(f"{request.method} is not allowed in the state {self.state}", INVALID_REQUEST)

    def succeed(self, request: Request) -> None:
        """Take the state that follows when this request was answered with a result.

        Raises:
            ProtocolError: this state does not allow it.
        """
        self.check_allowed(request)
        self.state = TRANSITIONS[self.state][request.method][0]

    def fail(self, request: Request | None) -> None:
        """Take the state that follows an error; ``None`` stands for a message that was no request.

        Whoever is not logged in has one try for everything: then the session is closed. After the login it goes on.
        """
        row = TRANSITIONS[self.state]
        if request is not None and request.method in row:
            self.state = row[request.method][1]
        elif self.state is not SessionState.READY:
            self.state = SessionState.CLOSED
