"""A session with the grid's server: one command at a time, its reply awaited."""

import time

from headless.errors import ConnectionFailed, Refused
from headless.grid.messages import GridError, Reply, Request, parse_reply
from headless.grid.settings import ClientSettings
from headless.protocol.websocket import Opening
from headless.transport.address import TcpAddress
from headless.transport.client import Connection, connect
from headless.transport.tls import ClientTls

__all__ = ["GridSession"]

ENOTCONN, EKEYREJECTED = 107, 129
MAX_REPLY = 1 << 30  # bytes
CONNECT_LIMIT_S = 10.0


class GridSession:
    """One session.

    Attributes:
        user: who is logged in, as of the last reply.
        directory: the working directory there, with a slash at its end.
        home: the directory that the session began in.
        commands: the names of all that the server knows.
    """

    def __init__(self, settings: ClientSettings) -> None:
        """Connect and log in.

        Raises:
            GridError: ENOTCONN: the server cannot be reached; EKEYREJECTED: it does not take the certificate.
            ParameterError: certificate or key are of no use.
        """
        self._settings = settings
        self._connection = _connect(settings)
        self.user = self.directory = ""
        reply = self.run("commandlist")
        self.home = reply.directory
        self.commands = frozenset(row["commandlist"] for row in reply.rows if "commandlist" in row)

    def run(self, command: str, *options: str) -> Reply:
        """Have a command done; what the server says of it, good or bad, is the reply.

        Raises:
            GridError: ENOTCONN: the connection is lost; the command may have been done or not.
        """
        try:
            self._connection.send(Request(command, options).format())
            text = self._connection.receive(time.monotonic() + 600)
        except ConnectionFailed as exc:
            raise GridError(ENOTCONN, str(exc)) from exc
        if text is None:
            raise GridError(ENOTCONN, "no answer")
        reply = parse_reply(text)
        self.user, self.directory = reply.user, reply.directory
        return reply

    def ask(self, command: str, *options: str) -> Reply:
        """The same, where only success will do.

        Raises:
            GridError: what the server says, or ENOTCONN.
        """
        reply = self.run(command, *options)
        if reply.code:
            raise GridError(reply.code, reply.error)
        return reply

    def open_another(self) -> "GridSession":
        """One more session of this user, in the same directory.

        Raises:
            GridError: it cannot be had.
        """
        other = GridSession(self._settings)
        try:
            other.ask("cd", self.directory)
        except BaseException:
            other.close()
            raise
        return other

    def close(self) -> None:
        """Say goodbye. Never raises."""
        self._connection.close()


def _connect(settings: ClientSettings) -> Connection:
    tls = ClientTls(
        check_chain=True,
        check_host=settings.check_host,
        ca_file=settings.ca_file,
        ca_folder=settings.ca_folder,
        certificate=settings.user_certificate,
        key=settings.user_key,
    )
    opening = Opening("a grid server", None, "/websocket/json", {"User-Agent": "headless"})
    try:
        return connect(
            TcpAddress(settings.host, settings.port), tls, CONNECT_LIMIT_S, opening=opening, max_message=MAX_REPLY
        )
    except Refused as exc:
        raise GridError(EKEYREJECTED, f"{settings.host}:{settings.port}: {exc}") from exc
    except ConnectionFailed as exc:
        raise GridError(ENOTCONN, str(exc)) from exc
