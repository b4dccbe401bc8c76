"""A session of a test's own with a grid's server, frame by frame: what no decent client sends, too."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from grid_support import GridUser
from support import TIME_SCALE

LIMIT_S = 30 * TIME_SCALE


class RawSession:
    """An open session.

    Attributes:
        connection: of the ``websockets`` library.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, text: str) -> dict[str, Any]:
        """Send a frame as it is; the reply."""
        self.connection.send(text)
        reply: dict[str, Any] = json.loads(self.connection.recv(LIMIT_S))
        return reply

    def ask(self, command: str, *options: str) -> dict[str, Any]:
        """Have a command done; the whole reply."""
        return self.send(json.dumps({"command": command, "options": options}))

    def rows(self, command: str, *options: str) -> list[dict[str, str]]:
        """The same, where it must go well; the rows."""
        reply = self.ask(command, *options)
        assert reply["metadata"]["exitcode"] == "0", reply["metadata"]
        rows: list[dict[str, str]] = reply["results"]
        return rows

    def code(self, command: str, *options: str) -> int:
        """The exit code alone."""
        return int(self.ask(command, *options)["metadata"]["exitcode"])

    def error(self, command: str, *options: str) -> str:
        """The error's text; empty if it went well."""
        text: str = self.ask(command, *options)["metadata"]["error"]
        return text

    def lines(self, command: str, *options: str) -> list[str]:
        """What people see, where it must go well."""
        return [row["message"] for row in self.rows(command, "-nokeys", *options)]


@contextmanager
def open_session(user: GridUser, certificate: str = "", key: str = "") -> Iterator[RawSession]:
    """A session of a user, with the user's own certificate or another."""
    variables = user.variables
    context = ssl.create_default_context(cafile=variables["X509_CERT_FILE"])
    context.load_cert_chain(certificate or variables["X509_USER_CERT"], key or variables["X509_USER_KEY"])
    url = f"wss://localhost:{user.server.port}/websocket/json"
    with connect(
        url, ssl=context, max_size=None, compression=None, open_timeout=LIMIT_S, close_timeout=1
    ) as connection:
        yield RawSession(connection)
