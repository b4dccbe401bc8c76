"""The running collector: listening, the worker beside it, and the end."""

import asyncio
import contextlib
import functools
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_address

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from headless.errors import HeadlessError, ParameterError, Skipped
from headless.execution.notify import Notifier
from headless.inventory.certificates import explain_end
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.web.advice import Advice
from headless.inventory.web.answers import tell_later
from headless.inventory.web.limits import SHUT, Doors, Networks
from headless.inventory.web.metrics import CollectorMetrics
from headless.inventory.web.opening import Opening
from headless.inventory.web.protocol import GuardedProtocol, Patience
from headless.inventory.web.settings import WebSettings
from headless.metrics.output import tell_metrics
from headless.transport.address import TcpAddress, parse_address
from headless.transport.handshake import tell_untrusted
from headless.transport.server import open_socket
from headless.transport.tls import build_server_context

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["run_collector"]

BACKLOG = 2048
LARGEST_HEAD = 16 << 10  # bytes of a request's line and headers
STOP_S = 10  # for which requests that have begun may end
CUT_S = 2  # for which those that are cut off may take their answer
TICK_S = 0.1
QUIET_S = 60.0  # between two lines of the log about certificates
NOT_RENEWED = "the settings, the keys of sealed reports, the authorities and the references: they need a new start"
FIRST = asyncio.FIRST_COMPLETED

log = logging.getLogger("headless.inventory")


def run_collector(settings: CollectorSettings, web: WebSettings, notifier: Notifier) -> None:
    """Run a collector until a signal ends it.

    Args:
        settings: of it.
        web: of its face.
        notifier: is told the address as soon as it listens, and the end.

    Raises:
        HeadlessError: it could not start.
    """
    os.umask(0o077)
    _share_log()
    _allow_connections(SHUT * web.max_connections)
    try:
        uvloop.run(_run(settings, web, notifier))
    except Skipped as exc:
        raise ParameterError(f"state folder {settings.state} is in use by another collector") from exc


async def _run(settings: CollectorSettings, web: WebSettings, notifier: Notifier) -> None:
    stop: asyncio.Queue[str] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.put_nowait, number.name)
    tls = _build_tls(web)
    _warn_of_end(web)
    advice = Advice(web.advisories, web.vex)
    advice.check()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _renew, tls, web, advice)
    async with AsyncExitStack() as stack:
        opening = Opening(settings, web, stack, advice)
        await opening.begin()
        server = _Server(_build_config(opening), web, tls, opening.turned_away)
        address = parse_address(web.listen, is_any_port=True)
        channel = open_socket(address, 0o666)
        if isinstance(address, TcpAddress):
            address = TcpAddress(*channel.getsockname()[:2])
            _warn_of_plain(address, tls)
        await _tell_metrics(settings, web, opening, stack)
        serving = asyncio.create_task(server.serve([channel]))
        serving.add_done_callback(lambda _: stop.put_nowait("nothing listens"))
        await asyncio.wait([serving, listening := asyncio.create_task(server.listening.wait())], return_when=FIRST)
        listening.cancel()
        working = [asyncio.create_task(_work(part)) for part in (opening, advice)]
        for task in working:
            task.add_done_callback(lambda _: stop.put_nowait("nothing works"))
        if not serving.done():
            log.info("listening address=%s tls=%s", address, tls is not None)
            notifier.ready(f"listening on {address}", str(address))
        reason = await stop.get()
        log.info("stopping reason=%r", reason)
        notifier.stopping(f"stopping: {reason}")
        server.should_exit = True
        try:
            await serving
        finally:
            await _end(working)


async def _tell_metrics(settings: CollectorSettings, web: WebSettings, opening: Opening, stack: AsyncExitStack) -> None:
    """Tell metrics where the settings want them, until the stack is closed."""
    if web.metrics_file or web.metrics_listen:
        metrics = CollectorMetrics(settings.kept, opening.turned_away, lambda: opening.health)
        stack.callback(metrics.close)
        await stack.enter_async_context(tell_metrics(metrics, web.metrics_file, web.metrics_listen))


async def _work(part: Opening | Advice) -> BaseException | None:
    """Work until cancelled; whatever else ends it is returned: some of it would end the loop before the doors shut."""
    try:
        await part.run()
    except asyncio.CancelledError:
        raise
    except BaseException as exc:  # noqa: BLE001  # raised by whoever asks for the result
        return exc
    return None


async def _end(working: "Sequence[asyncio.Task[BaseException | None]]") -> None:
    """End what works, as told; an end that nobody told it is a failure.

    Raises:
        HeadlessError: what it has raised, or that it has ended: a bug.
        Exception: what it has raised.
    """
    were_at_it = [task.cancel() for task in working]
    await asyncio.wait(working)
    for task, was_at_it in zip(working, were_at_it, strict=True):
        failure = None if task.cancelled() else task.result()
        if isinstance(failure, Exception):
            raise failure
        if failure is not None or not was_at_it:
            raise HeadlessError("what stores the reports has ended by itself") from failure


def _build_config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=LARGEST_HEAD,
    )


class _Server(uvicorn.Server):
    """uvicorn's, with our connections and our signals.

    Attributes:
        listening: set as soon as it does.
    """

    def __init__(
        self, config: uvicorn.Config, web: WebSettings, tls: ssl.SSLContext | None, turned_away: Counter[str]
    ) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._doors = Doors(web.max_connections, web.max_per_source, Networks(web.proxies))
        self._patience = Patience(web.head_s, web.body_s)
        self._tls = tls
        self._turned_away = turned_away

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, with a limit to TLS handshakes too."""
        connect = functools.partial(
            GuardedProtocol, self.config, self.server_state, self._doors, self._patience, self._tell_later
        )
        loop = asyncio.get_running_loop()
        limit_s = self._patience.head if self._tls else None
        self.servers = [
            await loop.create_server(
                connect, sock=channel, ssl=self._tls, backlog=BACKLOG, ssl_handshake_timeout=limit_s
            )
            for channel in sockets or ()
        ]
        self.started = True
        self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections; requests that have begun have their time, and are then told to come later."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if not await self._wait_for_end(STOP_S):
            log.warning("cut-off requests=%d reason='not answered within %d s'", len(self.server_state.tasks), STOP_S)
            for connection in list(self.server_state.connections):
                if isinstance(connection, GuardedProtocol):
                    connection.cut_off()
            await asyncio.sleep(TICK_S)
            for task in list(self.server_state.tasks):
                task.cancel()
            await self._wait_for_end(CUT_S)

    async def _wait_for_end(self, limit_s: float) -> bool:
        """Whether all connections and requests have ended in time."""
        until = time.monotonic() + limit_s
        while self.server_state.connections or self.server_state.tasks:
            if time.monotonic() > until:
                return False
            self._doors.check(time.monotonic())
            await asyncio.sleep(TICK_S)
        return True

    async def _tell_later(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._turned_away["connections"] += 1
        await tell_later(scope, receive, send)

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections, ten times a second."""
        self._doors.check(time.monotonic())
        return await super().on_tick(counter)


def _build_tls(web: WebSettings) -> ssl.SSLContext | None:
    if not web.tls_cert:
        return None
    context = build_server_context(web.tls_cert, web.tls_key or web.tls_cert, web.client_ca or None)
    told = -QUIET_S

    def tell(reason: str) -> None:
        nonlocal told
        if time.monotonic() >= told + QUIET_S:
            told = time.monotonic()
            log.warning("certificate-not-trusted reason=%r", f"a client's: {reason}: see 'client_ca'")

    tell_untrusted(context, tell)
    return context


def _renew(tls: ssl.SSLContext | None, web: WebSettings, advice: Advice) -> None:
    """Read the advisories again, and the certificate and its key, for the connections that come."""
    read = ["the TLS certificate"] * (tls is not None) + ["the advisories"] * bool(advice)
    log.info("renewing reads=%r not=%r", " and ".join(read) or "nothing", NOT_RENEWED)
    advice.renew()
    if tls is None:
        return
    try:
        _build_tls(web)  # what cannot be used does not replace what can
        tls.load_cert_chain(web.tls_cert, web.tls_key or web.tls_cert)
    except (ParameterError, OSError) as exc:
        log.error("certificate-kept reason=%r", str(exc))
    else:
        log.info("certificate-read")
        _warn_of_end(web)


def _warn_of_end(web: WebSettings) -> None:
    reason = explain_end(web.tls_cert) if web.tls_cert else ""
    if reason:
        log.warning("certificate-unfit file=%r reason=%r", web.tls_cert, f"{reason}: clients refuse it")


def _allow_connections(count: int) -> None:
    """Raise the limit of open files, as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))


def _share_log() -> None:
    """What uvicorn has to say is ours to say; but not each request that is no HTTP."""
    logger = logging.getLogger("uvicorn.error")
    logger.setLevel(logging.ERROR)
    logger.handlers = logging.getLogger("headless").handlers
    logger.propagate = False


def _warn_of_plain(address: TcpAddress, tls: ssl.SSLContext | None) -> None:
    if tls is None and not ip_address(address.host).is_loopback:
        log.warning(
            "plain-http address=%s reason='who listens on the way reads tokens, and reports not sealed'", address
        )
