"""The server's life: start, serve, reload, drain, end."""

import asyncio
import contextlib
import importlib
import logging
import math
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
from headless.errors import ParameterError, Unavailable
from headless.execution.files import write_atomically
from headless.execution.notify import FIRST_FD, Notifier
from headless.protocol.binding import compute_end_point, format_fingerprint
from headless.server.admission import Admission
from headless.server.audit import AuditAction, AuditLog
from headless.server.chronicle import Chronicle
from headless.server.history import forget_old
from headless.server.hooks.actions import HOOKS, ActionKind
from headless.server.jobs import Jobs
from headless.server.journal import Journal
from headless.server.login import Door, Peer
from headless.server.metrics import Figures
from headless.server.modules import Modules
from headless.server.reporting import Reporting
from headless.server.sessions import ServerSession
from headless.server.settings import ServerSettings, parse_listen
from headless.server.state import lock_state, prepare_state
from headless.server.throttle import Throttle
from headless.server.uploads import Uploads
from headless.server.users import UserStore
from headless.transport.address import UnixAddress
from headless.transport.server import (
    Channel,
    Listener,
    Server,
    adopt_socket,
    close_quietly,
    listen,
    open_socket,
    wait_closed,
)
from headless.transport.tls import build_server_context

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

import socket
import ssl

__all__ = ["Service", "run_service"]

TELL_LIMIT_S = 10.0  # in which sessions must take the news of their jobs when the server ends

log = logging.getLogger("headless.server")


class Service:
    """One running server."""

    def __init__(
        self, settings: ServerSettings, notifier: Notifier, job_descriptors: int, *, was_emptied: bool
    ) -> None:
        """Args:
        settings: complete, with absolute paths; the state folder is prepared and locked.
        notifier: to tell the service manager.
        job_descriptors: how many descriptors a job may open: what the server itself was started with.
        was_emptied: what an earlier server had in the jobs' folder was removed.
        """
        self._settings = settings
        self._notifier = notifier
        self._started = time.monotonic()
        self._sessions: dict[ServerSession, Channel] = {}
        self._strangers: dict[Channel, None] = {}  # not logged in yet, oldest first
        self._addresses: list[str] = []
        self._stop = asyncio.Event()
        self._idle_since = time.monotonic()
        state = settings.state
        self._users = UserStore(state)
        folders = [*settings.modules, *(_shipped_modules() if settings.shipped_modules else ())]
        self._engine = LocalEngine(
            os.path.join(state, "jobs"),
            {"PATH": os.defpath, "LANG": "C.UTF-8"},
            max_output=settings.max_output,
            descriptors=job_descriptors,
            cgroups=settings.cgroups,
            was_emptied=was_emptied,
        )
        self._uploads = Uploads(os.path.join(state, "uploads"), settings.max_stdin)
        self._journal = Journal.open(settings.journal, state)
        self._admission = Admission(settings, Modules(folders), self._users)
        self._audit = AuditLog(state)
        self._reporting = Reporting(settings, self._journal)
        chronicle = Chronicle(self._journal, self._audit, self._admission.find_hooks, self._reporting.wake)
        self._jobs = Jobs(settings, self._admission, chronicle, self._engine, self._uploads)
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
        figures = Figures(
            running=lambda: self._jobs.running,
            waiting=lambda: self._jobs.waiting,
            sessions=lambda: len(self._sessions),
            refused=lambda: self._door.refused,
        )
        try:
            async with self._reporting.run(figures):
                await self._serve(descriptors)
                await self._reporting.drain()
        finally:
            await self._engine.close()
            await self._journal.close()
            await self._audit.close()
        log.info("stopped")

    async def _serve(self, descriptors: int) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as unix_sockets:
            servers = await self._start(descriptors, unix_sockets)
            sweep = loop.create_task(self._jobs.sweep())
            tasks = [loop.create_task(self._watch_idle()), loop.create_task(self._tidy())]
            for address in self._addresses:
                log.info("listening address=%s", address)
            self._audit.record(AuditAction.SERVER_START, version=headless.__version__, pid=os.getpid())
            self._notifier.ready(f"listening on {', '.join(self._addresses)}")
            await self._stop.wait()
            self._jobs.is_draining = True
            for task in tasks:
                task.cancel()
            for server in servers:
                close_quietly(server)
            # Their names go before the jobs have ended: whoever starts another server there meanwhile keeps his.
        await self._drain()
        sweep.cancel()
        await asyncio.gather(*(channel.close(1001, "the server is stopping") for channel in self._sessions.values()))
        for server in servers:
            await wait_closed(server)
        await self._jobs.settle()
        self._audit.record(AuditAction.SERVER_STOP, pid=os.getpid(), running=self._jobs.running)

    async def _start(self, descriptors: int, unix_sockets: contextlib.ExitStack) -> list[Server]:
        """Listen, once all else is there. The names of unix sockets go with ``unix_sockets``."""
        listeners = self._open_listeners(descriptors, unix_sockets)
        self._addresses = [listener.name for listener in listeners]
        await self._engine.check()
        await self._jobs.recover()
        return [await self._listen(listener) for listener in listeners]

    async def _listen(self, listener: Listener) -> Server:
        return await listen(listener, self._handle, self._settings.login_timeout, self._settings.ping_interval)

    async def _drain(self) -> None:
        """Wait until all jobs have ended and all sessions know; a second signal ends the waiting, not the jobs."""
        self._stop.clear()
        stop: asyncio.Future[Any] = asyncio.ensure_future(self._stop.wait())
        log.info("draining running=%d", self._jobs.running)
        self._notifier.stopping(f"waiting for {self._jobs.running} running jobs")
        limit = self._settings.drain
        until = time.monotonic() + (math.inf if limit < 0 else limit)
        while self._jobs.running and not stop.done() and time.monotonic() < until:
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
        if self._jobs.is_draining:  # it came in the moment of the end: there may be a next server already
            await channel.close(1001, "the server is stopping")
            return
        self._strangers[channel] = None
        if len(self._strangers) > self._settings.max_logins:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.abort()  # it has said nothing yet: nobody waits for its goodbye
        session = None
        try:
            session = ServerSession(
                channel,
                self._describe_peer(channel),
                self._door,
                self._jobs,
                self._control,
                lambda: self._strangers.pop(channel, None),
                self._settings.ping_interval,
                self._audit,
            )
            self._sessions[session] = channel
            # A message holds a script in base 64, its arguments, and little else.
            await session.run(self._settings.login_timeout, 2 * self._settings.max_script + (1 << 20))
        except Exception:
            log.exception("bug from=%s", channel.source)
        finally:
            self._strangers.pop(channel, None)
            if session is not None:
                self._sessions.pop(session, None)
            self._idle_since = time.monotonic()

    def _describe_peer(self, channel: Channel) -> Peer:
        subjects: frozenset[str] = frozenset()
        if channel.client_certificate:
            from headless.server.certificate import read_subjects  # with cryptography, as below

            try:
                subjects = read_subjects(channel.client_certificate)
            except ValueError as exc:  # OpenSSL takes what a stricter reader does not: then it names nobody
                log.warning("certificate-malformed from=%s reason=%r", channel.source, str(exc))
        binding = self._binding if channel.is_tls else None
        return Peer(source=channel.host, uid=channel.uid, binding=binding, subjects=subjects)

    def _control(self, command: str) -> dict[str, Any]:
        if command == "stop":
            asyncio.get_running_loop().call_soon(self._handle_stop)
        return {
            "version": headless.__version__,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._started, 3),
            "sessions": len(self._sessions),
            "running": self._jobs.running,
            "waiting": self._jobs.waiting,
            "listen": self._addresses,
            "state": self._settings.state,
        }

    def _handle_stop(self) -> None:
        self._stop.set()

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            count = len(self._users.load())
        except (ParameterError, OSError) as exc:
            log.error("reload-failed reason=%r: the users from before still hold", str(exc))
        else:
            log.info("reload users=%d modules=%d", count, len(self._admission.modules.list_names()))
        self._notifier.ready("reloaded")

    async def _tidy(self) -> None:
        """Forget what is old, once an hour."""
        while True:
            try:
                await forget_old(self._engine, self._journal, self._settings.keep_days, self._settings.keep_jobs)
                self._uploads.remove_old(self._jobs)
            except Unavailable as exc:
                log.error("not-tidied reason=%r", str(exc))
            except Exception:
                log.exception("bug")
            await asyncio.sleep(3600)

    async def _watch_idle(self) -> None:
        """For an embedded server: end after some time without session and job."""
        limit = self._settings.idle_exit
        while limit:
            await asyncio.sleep(min(limit, 5.0) / 2)
            if self._sessions or self._jobs.running or self._jobs.waiting:
                self._idle_since = time.monotonic()
            elif time.monotonic() - self._idle_since >= limit:
                log.info("idle: nothing to do for %g s", limit)
                self._jobs.is_draining = True
                self._stop.set()
                return

    def _open_listeners(self, descriptors: int, unix_sockets: contextlib.ExitStack) -> list[Listener]:
        mode = int(self._settings.socket_mode, 8)
        sockets = [("systemd", adopt_socket(FIRST_FD + number)) for number in range(descriptors)]
        # What systemd hands over takes the place of the settings: both would be the same addresses.
        for text in () if descriptors else self._settings.listen:
            address = parse_listen(text)
            sockets.append((text, open_socket(address, mode)))
            if isinstance(address, UnixAddress):
                unix_sockets.callback(_unlink, address.path)
        context = None
        listeners = []
        for text, channel in sockets:
            is_plain = channel.family == socket.AF_UNIX or text.startswith("proxied:")
            if not is_plain and context is None:
                context = self._build_context()
            listeners.append(Listener(channel, _name_socket(channel, text), None if is_plain else context))
        return listeners

    def _build_context(self) -> ssl.SSLContext:
        # With cryptography, which costs 20 ms: the embedded server has no TLS, and somebody waits for its start.
        from headless.server.certificate import ensure_certificate, read_leaf

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
    _check_settings(settings)
    os.umask(0o022)  # every mode is given where a file is made; what a job makes is its own business
    was_emptied = prepare_state(settings.state)
    lock = lock_state(settings.state)
    job_descriptors = _raise_descriptor_limit()

    async def main() -> None:
        await Service(settings, notifier, job_descriptors, was_emptied=was_emptied).run(descriptors)

    try:
        uvloop.run(main())
    finally:
        os.close(lock)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _check_settings(settings: ServerSettings) -> None:
    for folder in settings.modules:
        if not os.path.isdir(folder):
            raise ParameterError(f"setting 'modules': {folder} is no folder")
    for action in (action for name in HOOKS for action in getattr(settings, name)):
        program = action.target[0] if action.kind is ActionKind.COMMAND else settings.sendmail
        if action.kind in (ActionKind.COMMAND, ActionKind.MAIL) and not os.access(program, os.X_OK):
            raise ParameterError(f"a hook of kind {action.kind} needs {program}, which is no program")
    if settings.python and not os.access(settings.python, os.X_OK):
        raise ParameterError(f"setting 'python': {settings.python} is no program")


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


def _raise_descriptor_limit() -> int:
    """Allow this process all the descriptors it may have; return the limit from before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft
