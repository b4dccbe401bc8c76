"""JAliEn's messages: a command and its reply as values, in both directions. No I/O.

A request is ``{"command": "ls", "options": ["-l", "x"]}``; each has exactly one reply, in order::

    {"metadata": {"exitcode": "0", "error": "", "user": "u", "currentdir": "/a/"}, "results": [{"message": "..."}]}

Source: alien.py 1.7.0 and JAliEn's ``JsonWebsocketEndpoint`` (March 2024); exit codes are Linux's errnos.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headless.errors import HeadlessError, ProtocolError
from headless.grid.errnos import EINVAL

__all__ = ["GridError", "Reply", "Request", "Row", "format_metadata", "format_rows", "parse_reply", "parse_request"]

_ENCODER = json.JSONEncoder(ensure_ascii=False)

Row = Mapping[str, str]
"""One row of a reply: names and texts; ``message`` is the line for people."""


class GridError(HeadlessError):
    """A command of the grid failed: the exit code is the errno that says why."""

    def __init__(self, code: int, message: str) -> None:
        """Args:
        code: a Linux errno, 1 to 255; it becomes the exit code.
        message: one line.
        """
        super().__init__(message)
        self.exit_code = _fit(code) or 5


@dataclass(frozen=True)
class Request:
    """A command for the server, with its options; what is no text there is made one."""

    command: str
    options: tuple[str, ...] = ()

    def format(self) -> str:
        """The text frame of it."""
        return json.dumps({"command": self.command, "options": list(self.options)})


@dataclass(frozen=True)
class Reply:
    """What the server says to one command.

    Attributes:
        code: 0, or the errno of what failed last; rows may be there all the same.
        error: why, in one line; empty with code 0.
        user: who is logged in, in the current role.
        directory: the session's, with a slash at its end.
        rows: in the server's order.
    """

    code: int
    error: str
    user: str
    directory: str
    rows: tuple[Row, ...]

    @property
    def text(self) -> str:
        """The lines for people; without a line end after the last."""
        return "\n".join(row["message"] for row in self.rows if "message" in row)


def parse_request(text: str) -> Request:
    """Read a client's request.

    Raises:
        GridError: EINVAL: it is none.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise GridError(EINVAL, "Incoming JSON is not ok") from exc
    command = message.get("command") if isinstance(message, dict) else None
    options = message.get("options", []) if isinstance(message, dict) else None
    if not isinstance(command, str) or not isinstance(options, list):
        raise GridError(EINVAL, "Incoming JSON is not ok")
    if any(isinstance(option, dict | list) for option in options):
        raise GridError(EINVAL, "Incoming JSON is not ok")
    words = tuple(option if isinstance(option, str) else json.dumps(option) for option in options)
    try:
        "".join((command, *words)).encode()
    except UnicodeEncodeError as exc:  # half a surrogate pair: what could not even be said in an answer
        raise GridError(EINVAL, "Incoming JSON is not ok: a text is no UTF-8") from exc
    if any("\0" in word for word in words):  # no name holds one, and PostgreSQL takes none
        raise GridError(EINVAL, "Incoming JSON is not ok: a text holds a NUL")
    return Request(command, words)


def parse_reply(text: str) -> Reply:
    """Read a server's reply. Values that are no texts are made texts; what a row lacks is missed by whoever needs it.

    Raises:
        ProtocolError: it is none.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError("the grid's server has sent what is no JSON") from exc
    metadata = message.get("metadata") if isinstance(message, dict) else None
    results = message.get("results", []) if isinstance(message, dict) else None
    if not isinstance(metadata, dict) or not isinstance(results, list):
        raise ProtocolError("the grid's server has sent a reply without metadata or results")
    if not all(isinstance(row, dict) for row in results):
        raise ProtocolError("the grid's server has sent a row that is none")
    code = _text(metadata.get("exitcode", "0"))
    if not code.isascii() or not code.removeprefix("-").isdigit() or len(code) > 9:
        raise ProtocolError("the grid's server has sent an exit code that is no number")
    return Reply(
        _fit(int(code)),
        " ".join(_text(metadata.get("error", "")).split()),
        _text(metadata.get("user", "")),
        _text(metadata.get("currentdir", "")),
        tuple({name: _text(value) for name, value in row.items()} for row in results),
    )


def format_rows(rows: Sequence[Row]) -> str:
    """Some of a reply's rows, as members of a JSON list; empty for none."""
    return _ENCODER.encode(rows)[1:-1]


def format_metadata(code: int, error: str, user: str, directory: str, more: Sequence[tuple[str, str]] = ()) -> str:
    """A reply's metadata, as JSON; all its values are texts."""
    values = {"exitcode": str(code), "error": error, "user": user, "currentdir": directory, **dict(more)}
    return _ENCODER.encode(values)


def _fit(code: int) -> int:
    """As an exit code: 256 would be taken for 0. EIO, where nothing better is known."""
    return code if 0 <= code < 256 else 5


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
