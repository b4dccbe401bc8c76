"""A session with the grid's server: one command at a time, its reply awaited; a lost connection is made anew."""

import socket
import time

from headless import __version__
from headless.errors import ConnectionFailed, ParameterError, ProtocolError, Refused, Untrusted
from headless.grid.credentials import TOKEN, USER, Credentials, choose_credentials, load_credentials
from headless.grid.errnos import EINVAL, EKEYEXPIRED, EKEYREJECTED, ENOTCONN, EPROTO, ETIMEDOUT
from headless.grid.messages import GridError, Reply, Request, parse_reply
from headless.grid.repeatable import is_repeatable
from headless.grid.settings import ClientSettings
from headless.grid.trace import Trace
from headless.protocol.websocket import Opening
from headless.transport.address import TcpAddress
from headless.transport.client import Connection, Dial, connect
from headless.transport.tls import ClientTls

__all__ = ["GridSession"]

MAX_REPLY = 1 << 30  # bytes
CONNECT_LIMIT_S = 10.0
FAMILIES = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}
FRESH_S = 1.0
OVER_S = 60.0  # a certificate with less than this left is not shown again


class GridSession:
    """One session, of one thread; :meth:`clone` makes more of them.

    Where the connection is lost, the next one begins in the same role and directory, and the command is sent again
    only if that cannot do harm (:mod:`headless.grid.repeatable`).

    Attributes:
        settings: as given.
        credentials: that were shown.
        user: who is logged in, in the current role, as of the last reply.
        directory: the working directory there, with a slash at its end; empty before the first reply.
        connect_s: seconds that connecting took.
        peer: host and port of the server.
    """

    def __init__(
        self, settings: ClientSettings, credentials: Credentials | None = None, trace: Trace | None = None
    ) -> None:
        """Connect and log in.

        Args:
            settings: where to, and how.
            credentials: to show; the token or the user's certificate if left out.
            trace: to write to; the one of the settings if left out.

        Raises:
            GridError: ENOTCONN: the server cannot be reached; EKEYREJECTED: it does not take the certificate; ENOKEY,
                EKEYEXPIRED, EINVAL: there is none, it is over, or it is of no use.
        """
        self.settings = settings
        self._trace = trace or Trace(settings.debug_file, is_appended=settings.is_debug_appended)
        self.credentials = credentials or choose_credentials(settings)
        self.user = self.directory = ""
        self.connect_s = 0.0
        self.peer = ""
        self._home = ""
        self._has_reread = False
        self._commands: frozenset[str] | None = None
        self._last_command_at = time.monotonic()
        self._connection: Connection | None = self._connect()

    def __enter__(self) -> "GridSession":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def home(self) -> str:
        """The directory that sessions begin in, with a slash at its end."""
        if not self._home:
            self.ask("pwd")
        return self._home

    @property
    def commands(self) -> frozenset[str]:
        """The names of all that the server knows."""
        if self._commands is None:
            rows = self.ask("commandlist", "-nomsg").rows
            names = (row.get("commandlist", "") for row in rows)
            self._commands = frozenset(name for name in names if name and not name.endswith("_csd"))
        return self._commands

    def run(self, command: str, *options: str) -> Reply:
        """Have a command done; what the server says of it, good or bad, is the reply.

        Raises:
            GridError: ENOTCONN or ETIMEDOUT: there is no answer; the message says whether it may have been done.
        """
        if not self._home and command in ("cd", "user", "su"):
            self.ask("pwd")
        tries = self.settings.tries if is_repeatable(command, options) else 1
        while True:
            tries -= 1
            self._ensure_connection(command, options)
            try:
                return self._exchange(command, options)
            except ConnectionFailed as exc:
                self._trace.note(f"lost: {exc}")
                self._drop()
                doubt = "" if is_repeatable(command, options) else "; it may have been done, or not"
                if isinstance(exc, ProtocolError):
                    raise GridError(EPROTO, f"{command}: {exc}{doubt}") from exc
                if not tries:
                    raise GridError(ENOTCONN, f"{command}: {exc}{doubt}") from exc

    def ask(self, command: str, *options: str) -> Reply:
        """The same, where only success will do.

        Raises:
            GridError: what the server says, or ENOTCONN.
        """
        reply = self.run(command, *options)
        if reply.code:
            raise GridError(reply.code, reply.error)
        return reply

    def clone(self) -> "GridSession":
        """Another session of the same user, in the same role and directory.

        Raises:
            GridError: as for the first.
        """
        other = GridSession(self.settings, self.credentials, self._trace)
        other._home, other._commands = self._home, self._commands
        other.user, other.directory = self.user, self.directory
        try:
            other._restore()
        except BaseException:
            other.close()
            raise
        return other

    def ping(self) -> float:
        """How long the server takes to answer a ping, in seconds.

        Raises:
            GridError: ENOTCONN: there is no answer.
        """
        self._ensure_connection("ping", ())
        try:
            return self._link.measure_ping(time.monotonic() + self.settings.timeout_s)
        except ConnectionFailed as exc:
            self._drop()
            raise GridError(ENOTCONN, f"ping: {exc}") from exc

    def keep_alive(self, idle_s: float) -> None:
        """Show the server, and what is between, that somebody is here. Never raises: the next command will tell.

        Args:
            idle_s: after this long without a command one is sent; pings alone do not count there.
        """
        if self._connection is None:
            return
        try:
            if time.monotonic() - self._last_command_at > idle_s:
                self._exchange("pwd", ())
            else:
                self._connection.measure_ping(time.monotonic() + self.settings.timeout_s)
        except (ConnectionFailed, GridError):
            self._drop()

    def interrupt(self) -> None:
        """A command was left alone: its answer may come yet, and must not be taken for the next one's. Never raises."""
        self._drop()

    def close(self) -> None:
        """Say goodbye. Never raises."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _link(self) -> Connection:
        if self._connection is None:
            raise ConnectionFailed("the session is closed")
        return self._connection

    def _ensure_connection(self, command: str, options: tuple[str, ...]) -> None:
        """A connection in the right role and directory; one that was lost meanwhile is noticed before anything is sent.

        The directory is not needed by a command that leaves it for another anyway. One that may be sent again need not
        ask whether a connection that has just been used is still there.
        """
        is_fresh = time.monotonic() - self._last_command_at < FRESH_S and is_repeatable(command, options)
        if self._connection is not None and not (is_fresh and self.settings.tries > 1):
            try:
                self._connection.settle()
            except ConnectionFailed:
                self._drop()
        if self._connection is None:
            if self.credentials.remaining_s < OVER_S:
                self.credentials = choose_credentials(self.settings)
            self._connection = self._connect()
            leaves = command == "cd" and (not options or options[0].startswith("/"))
            try:
                self._restore(with_directory=not leaves)
            except BaseException:
                self._drop()
                raise

    def _restore(self, *, with_directory: bool = True) -> None:
        """What the server has forgotten with the last connection.

        Raises:
            GridError: it cannot be had back; then nothing may be sent.
        """
        user, directory = self.user, self.directory
        try:
            if user and self._exchange("pwd", ()).user != user:
                self._insist("user", user)
            if with_directory and directory and self.directory != directory:
                self._insist("cd", directory)
        except ConnectionFailed as exc:
            raise GridError(ENOTCONN, str(exc)) from exc
        finally:
            self.user, self.directory = user, directory

    def _insist(self, command: str, value: str) -> None:
        reply = self._exchange(command, (value,))
        if reply.code or value not in (reply.user, reply.directory):
            why = reply.error or f"the server says {reply.user} in {reply.directory}"
            raise GridError(reply.code or EPROTO, f"connected anew, but '{command} {value}' failed: {why}")

    def _exchange(self, command: str, options: tuple[str, ...]) -> Reply:
        """Send, and wait.

        Raises:
            ConnectionFailed: the connection is of no more use.
            GridError: ETIMEDOUT.
        """
        limit_s = self.settings.command_limit_s
        link = self._link
        self._last_command_at = time.monotonic()
        self._trace.sent(command, options)
        link.send(Request(command, options).format())
        text = link.receive(self._last_command_at + limit_s if limit_s else None)
        if text is None:
            self._drop()  # the answer may come yet, and would be taken for the next command's
            raise GridError(ETIMEDOUT, f"{command}: no answer within {limit_s:g} s; it may have been done, or not")
        reply = parse_reply(text)
        self._trace.received(command, reply, time.monotonic() - self._last_command_at)
        self.user, self.directory = reply.user, reply.directory
        self._home = self._home or reply.directory
        return reply

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def _connect(self) -> Connection:
        """Raises:
        GridError: no server can be had, after all tries that could help.
        """
        for _ in range(self.settings.tries - 1):
            try:
                return self._connect_once()
            except GridError as exc:
                if exc.exit_code == EINVAL and self.credentials.kind == TOKEN:
                    self._leave_token(exc)
                elif exc.exit_code in (EKEYEXPIRED, EKEYREJECTED) and self.credentials.kind == TOKEN:
                    self._take_certificate(exc)
                    continue
                elif exc.exit_code != ENOTCONN or isinstance(exc.__cause__, ProtocolError | Untrusted):
                    raise
            time.sleep(self.settings.try_pause_s)
        return self._connect_once()

    def _leave_token(self, error: GridError) -> None:
        """Another process may just be writing it; one that stays of no use is not missed beside a certificate."""
        if not self._has_reread:
            self._has_reread = True
            return
        self._take_certificate(error)

    def _take_certificate(self, error: GridError) -> None:
        try:
            self.credentials = load_credentials(self.settings, USER)
        except GridError:
            raise error from None

    def _connect_once(self) -> Connection:
        *first, last = self.settings.servers
        for place in first:
            try:
                return self._open(*place)
            except GridError as exc:
                if exc.exit_code != ENOTCONN:
                    raise
        return self._open(*last)

    def _open(self, host: str, port: int) -> Connection:
        settings, began = self.settings, time.monotonic()
        agent = f"headless/{__version__} id/{settings.uid}@{socket.gethostname()}"
        opening = Opening("a grid server", None, "/websocket/json", {"User-Agent": agent})
        dial = Dial(FAMILIES[settings.ip_version], settings.is_staggered)
        try:
            connection = connect(
                TcpAddress(host, port),
                _make_tls(settings, self.credentials),
                CONNECT_LIMIT_S,
                opening=opening,
                max_message=MAX_REPLY,
                dial=dial,
            )
        except Refused as exc:
            raise _tell_refused(f"{host}:{port}: {exc}", exc, self.credentials.kind) from exc
        except ParameterError as exc:
            hint = ": is its passphrase right?" if self.credentials.has_passphrase else ""
            raise GridError(EINVAL, f"{exc}{hint}") from exc
        except Untrusted as exc:
            known = settings.ca_file or settings.ca_folder or "the system's: set X509_CERT_DIR"
            raise GridError(ENOTCONN, f"{exc} (authorities: {known})") from exc
        except ConnectionFailed as exc:
            raise GridError(ENOTCONN, str(exc)) from exc
        self._trace.note(f"connected to {host}:{port} with the {self.credentials.kind}")
        connection.ping_every_s = settings.timeout_s
        connection.silence_limit_s = 2 * settings.timeout_s
        self.connect_s, self.peer = time.monotonic() - began, f"{host}:{port}"
        if settings.site:
            self._set_site(connection)
        return connection

    def _set_site(self, connection: Connection) -> None:
        """What the server thinks of the site is not our concern: it only chooses replicas by it.

        Raises:
            GridError: ENOTCONN: it does not answer; an answer that comes later would be taken for the next command's.
        """
        try:
            connection.send(Request("setSite", ("-nomsg", self.settings.site)).format())
            if connection.receive(time.monotonic() + self.settings.timeout_s) is not None:
                return
            error = GridError(ENOTCONN, f"setSite: no answer within {self.settings.timeout_s:g} s")
        except ConnectionFailed as exc:
            error = GridError(ENOTCONN, f"setSite: {exc}")
        connection.abort()
        raise error


def _tell_refused(said: str, error: Refused, kind: str) -> GridError:
    """By our clock no certificate that is shown is over: one that the server says is means that the clocks differ."""
    if "CERTIFICATE_EXPIRED" in str(getattr(error.__cause__, "reason", "")):
        return GridError(EKEYEXPIRED, f"{said}: the {kind} is over, or this machine's clock is wrong")
    hint = ": get a new one: headless grid token-init" if kind == TOKEN else ""
    return GridError(EKEYREJECTED, f"{said}: is the {kind} known there?{hint}")


def _make_tls(settings: ClientSettings, credentials: Credentials) -> ClientTls:
    return ClientTls(
        check_chain=True,
        check_host=settings.check_host,
        ca_file=settings.ca_file,
        ca_folder=settings.ca_folder,
        certificate=credentials.certificate,
        key=credentials.key,
        ask_passphrase=credentials.ask,
    )
