"""The server's life: start, serve, reload, drain, end."""

import asyncio
import importlib
import logging
import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

import headless
from headless.engines.local import LocalEngine
from headless.errors import ParameterError
from headless.execution.files import write_atomically
from headless.protocol.binding import compute_end_point, format_fingerprint
from headless.server.certificate import ensure_certificate, read_leaf, read_subjects
from headless.server.jobs import Jobs
from headless.server.journal import Journal
from headless.server.login import Door, Peer
from headless.server.modules import Modules
from headless.server.notify import FIRST_FD, Notifier
from headless.server.sessions import ServerSession
from headless.server.settings import ServerSettings
from headless.server.throttle import Throttle
from headless.server.uploads import Uploads
from headless.server.users import UserStore
from headless.transport.address import Address, TcpAddress, parse_address
from headless.transport.server import Channel, Listener, adopt_socket, close_quietly, listen, open_socket, wait_closed
from headless.transport.tls import build_server_context

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

import fcntl
import socket
import ssl

__all__ = ["Service", "lock_state", "prepare_state", "run_service"]

FOLDERS = ("journal", "jobs", "uploads")
TELL_LIMIT_S = 10.0  # in which sessions must take the news of their jobs when the server ends

log = logging.getLogger("headless.server")


def prepare_state(state: str) -> None:
    """Make the state folder and what belongs in it.

    Raises:
        ParameterError: it cannot be made or written.
    """
    # As root, jobs of other users must be able to reach their working folders: the way is open, the files are not.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        os.makedirs(os.path.dirname(state), exist_ok=True)
        for folder in (state, *(os.path.join(state, name) for name in FOLDERS)):
            if not os.path.isdir(folder):
                os.mkdir(folder, mode)
        if os.stat(state).st_uid != os.geteuid():
            raise ParameterError(f"state folder {state} belongs to another user: choose another one")
        if not os.access(state, os.W_OK | os.X_OK):
            raise ParameterError(f"state folder {state} cannot be written")
    except OSError as exc:
        raise ParameterError(f"state folder {state} is of no use: {exc.strerror}") from exc


def lock_state(state: str) -> int:
    """Take the state folder for this process, as long as the returned descriptor is open.

    Raises:
        ParameterError: another server has it.
    """
    lock = os.open(os.path.join(state, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(lock)
        raise ParameterError(f"state folder {state} is in use by another server") from exc
    return lock


class Service:
    """One running server."""

    def __init__(self, settings: ServerSettings, notifier: Notifier) -> None:
        """Args:
        settings: complete, with absolute paths; the state folder is prepared and locked.
        notifier: to tell the service manager.
        """
        self._settings = settings
        self._notifier = notifier
        self._started = time.monotonic()
        self._sessions: dict[ServerSession, Channel] = {}
        self._strangers: dict[Channel, None] = {}  # not logged in yet, oldest first
        self._stop = asyncio.Event()
        self._idle_since = time.monotonic()
        state = settings.state
        self._users = UserStore(state)
        folders = [*settings.modules, *(_shipped_modules() if settings.shipped_modules else ())]
        self._engine = LocalEngine(
            os.path.join(state, "jobs"),
            {"PATH": os.defpath, "LANG": "C.UTF-8"},
            max_output=settings.max_output,
            grace_s=settings.grace,
        )
        uploads = Uploads(os.path.join(state, "uploads"), settings.max_stdin)
        journal = Journal(os.path.join(state, "journal"))
        self._jobs = Jobs(settings, Modules(folders), journal, self._engine, uploads)
        self._door = Door(self._users, _read_mock_key(state), Throttle(time.monotonic))
        self._binding: bytes | None = None

    async def run(self, descriptors: int) -> None:
        """Serve until told to stop, then until the running jobs have ended.

        Args:
            descriptors: how many listening sockets the service manager has handed over.

        Raises:
            HeadlessError: it could not start.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._handle_stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        self._users.load()
        listeners = self._open_listeners(descriptors)
        await self._engine.warm_up()
        await self._jobs.recover()
        timeout_s = self._settings.login_timeout
        servers = [await listen(listener, self._handle, timeout_s) for listener in listeners]
        sweep = loop.create_task(self._jobs.sweep())
        idle = loop.create_task(self._watch_idle())
        for listener in listeners:
            log.info("listening address=%s", listener.name)
        self._notifier.ready(f"listening on {', '.join(listener.name for listener in listeners)}")
        await self._stop.wait()
        self._jobs.is_draining = True
        idle.cancel()
        for server in servers:
            close_quietly(server)
        await self._drain()
        sweep.cancel()
        await asyncio.gather(*(channel.close(1001, "the server is stopping") for channel in self._sessions.values()))
        for server in servers:
            await wait_closed(server)
        await self._engine.close()
        for address in map(_parse_listen, self._settings.listen):
            if (path := getattr(address, "path", None)) and os.path.lexists(path):
                os.unlink(path)
        log.info("stopped")

    async def _drain(self) -> None:
        """Wait until all jobs have ended and all sessions know; a second signal ends the waiting, not the jobs."""
        self._stop.clear()
        stop: asyncio.Future[Any] = asyncio.ensure_future(self._stop.wait())
        log.info("draining running=%d", self._jobs.running)
        self._notifier.stopping(f"waiting for {self._jobs.running} running jobs")
        while self._jobs.running and not stop.done():
            await asyncio.wait([stop], timeout=0.1)
        if self._jobs.running:
            log.warning("leaving running=%d: the jobs go on, the next server finds them", self._jobs.running)
        told: asyncio.Future[Any] = asyncio.ensure_future(self._tell_all())
        if not stop.done():
            await asyncio.wait({stop, told}, timeout=TELL_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        told.cancel()

    async def _tell_all(self) -> None:
        await asyncio.gather(*(session.finish_watches() for session in self._sessions))

    async def _handle(self, channel: Channel) -> None:
        """Serve one connection."""
        self._strangers[channel] = None
        if len(self._strangers) > self._settings.max_logins:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            await oldest.close(1013, "too many connections that do not log in")
        peer = Peer(
            source=channel.host,
            uid=channel.uid,
            binding=self._binding if channel.is_tls else None,
            subjects=read_subjects(channel.client_certificate) if channel.client_certificate else frozenset(),
        )
        session = ServerSession(
            channel, peer, self._door, self._jobs, self._control, lambda: self._strangers.pop(channel, None)
        )
        self._sessions[session] = channel
        try:
            # A message holds a script in base 64, its arguments, and little else.
            await session.run(self._settings.login_timeout, 2 * self._settings.max_script + (1 << 20))
        finally:
            self._strangers.pop(channel, None)
            del self._sessions[session]
            self._idle_since = time.monotonic()

    def _control(self, command: str) -> dict[str, Any]:
        if command == "stop":
            asyncio.get_running_loop().call_soon(self._handle_stop)
        return {
            "version": headless.__version__,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._started, 3),
            "sessions": len(self._sessions),
            "running": self._jobs.running,
            "listen": list(self._settings.listen),
            "state": self._settings.state,
        }

    def _handle_stop(self) -> None:
        self._stop.set()

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            count = len(self._users.load())
        except ParameterError as exc:
            log.error("reload failed: %s: the users from before still hold", exc)
        else:
            log.info("reload users=%d modules=%d", count, len(self._jobs.modules.list_names()))
        self._notifier.ready("reloaded")

    async def _watch_idle(self) -> None:
        """For an embedded server: end after some time without session and job."""
        limit = self._settings.idle_exit
        while limit:
            await asyncio.sleep(min(limit, 5.0) / 2)
            if self._sessions or self._jobs.running:
                self._idle_since = time.monotonic()
            elif time.monotonic() - self._idle_since >= limit:
                log.info("idle: nothing to do for %g s", limit)
                self._stop.set()
                return

    def _open_listeners(self, descriptors: int) -> list[Listener]:
        mode = int(self._settings.socket_mode, 8)
        sockets = [(text, open_socket(_parse_listen(text), mode)) for text in self._settings.listen]
        adopted = [adopt_socket(FIRST_FD + number) for number in range(descriptors)]
        sockets += [("systemd", channel) for channel in adopted]
        if not sockets:
            raise ParameterError("nowhere to listen: give --listen HOST:PORT or --listen unix:/path")
        context = None
        listeners = []
        for text, channel in sockets:
            is_plain = channel.family == socket.AF_UNIX or text.startswith("proxied:")
            if not is_plain and context is None:
                context = self._build_context()
            listeners.append(Listener(channel, _name_socket(channel, text), None if is_plain else context))
        return listeners

    def _build_context(self) -> ssl.SSLContext:
        settings = self._settings
        certificate, key = settings.certificate, settings.key
        if not certificate:
            certificate, key = ensure_certificate(settings.state)
        context = build_server_context(certificate, key, settings.client_ca or None)
        leaf = read_leaf(certificate)
        self._binding = compute_end_point(leaf)
        log.info("certificate file=%s sha256=%s", certificate, format_fingerprint(leaf))
        return context


def run_service(settings: ServerSettings, notifier: Notifier, descriptors: int) -> None:
    """Run a server to its end, on uvloop.

    Raises:
        HeadlessError: it could not start.
    """
    import uvloop

    if not settings.listen and not descriptors:
        raise ParameterError("nowhere to listen: give --listen HOST:PORT or --listen unix:/path")
    prepare_state(settings.state)
    lock = lock_state(settings.state)
    _raise_descriptor_limit()

    async def main() -> None:
        await Service(settings, notifier).run(descriptors)

    try:
        uvloop.run(main())
    finally:
        os.close(lock)


def _parse_listen(text: str) -> Address:
    host, _, port = text.removeprefix("proxied:").rpartition(":")
    if port != "0":
        return parse_address(text.removeprefix("proxied:"))
    return TcpAddress(host.strip("[]"), 0)


def _name_socket(channel: socket.socket, text: str) -> str:
    if channel.family == socket.AF_UNIX:
        return f"unix:{channel.getsockname()}"
    host, port = channel.getsockname()[:2]
    prefix = "proxied:" if text.startswith("proxied:") else ""
    return f"{prefix}[{host}]:{port}" if ":" in host else f"{prefix}{host}:{port}"


def _shipped_modules() -> Sequence[str]:
    return list(importlib.import_module("headless.jobs").__path__)


def _read_mock_key(state: str) -> bytes:
    """The key of made-up salts: made once, kept beside the users' file but not in it."""
    path = os.path.join(state, "mock.key")
    try:
        with open(path, "rb") as file:
            key = file.read()
    except FileNotFoundError:
        key = secrets.token_bytes(32)
        write_atomically(path, key)
    return key


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
