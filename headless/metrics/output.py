"""Where the metrics go: into a file for node_exporter's textfile collector, and to whoever asks for ``/metrics``."""

import asyncio
import contextlib
import glob
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from headless.errors import Unavailable
from headless.execution.files import write_atomically
from headless.metrics.fresh import FreshText
from headless.metrics.settings import parse_metrics_listen
from headless.transport.address import TcpAddress
from headless.transport.server import close_quietly, open_socket, wait_closed

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["CONTENT_TYPE", "MetricsFile", "serve_metrics", "tell_metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
INTERVAL_S = 15.0  # Prometheus' own habit
REQUEST_LIMIT_S = 5.0  # in which a request must be there
RESTART_S = 10.0  # after a bug
AT_A_TIME = 16  # requests that are answered; to more than that the answer is to come again

log = logging.getLogger("headless.metrics")
_silent = logging.getLogger("headless.metrics.http")
_silent.setLevel(logging.CRITICAL + 1)  # port scanners fill no log


class MetricsFile:
    """Writes the file every 15 s, and after each end."""

    def __init__(self, metrics: FreshText, path: str) -> None:
        """Args:
        metrics: what to write.
        path: of the file, absolute; 0644, and always whole.
        """
        self._metrics = metrics
        self._path = path
        self._changed = asyncio.Event()
        self._complaint = ""

    def wake(self) -> None:
        """A job has ended: write soon."""
        self._changed.set()

    async def run(self) -> None:
        """Write until cancelled; what cannot be written is told once, and tried again."""
        await asyncio.to_thread(self._remove_leftovers)
        while True:
            try:
                await self._write_on()
            except Exception:
                log.exception("bug in the metrics")  # it must not silence them for good
                await asyncio.sleep(RESTART_S)

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(self._metrics.fresh_s)
            self._changed.clear()
            begin = time.monotonic()
            await self.write()
            if self._metrics.made_at < begin:
                continue  # somebody else had it made, maybe before the end that woke us
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), INTERVAL_S)
            await asyncio.sleep(begin + 1.0 - time.monotonic())

    async def write(self) -> None:
        """Write once; never raises for a file or journal that is of no use."""
        try:
            text = await self._metrics.render()
            await asyncio.to_thread(write_atomically, self._path, text, durable=False, mode=0o644, is_exact=True)
        except (OSError, Unavailable) as exc:
            reason = (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
            if reason != self._complaint:
                log.error("metrics-failed file=%s reason=%r", self._path, reason)
            self._complaint = reason
        else:
            self._complaint = ""

    def _remove_leftovers(self) -> None:
        """What a server that was killed while it wrote has left."""
        for path in glob.glob(f"{glob.escape(self._path)}.*.????????.tmp"):
            with contextlib.suppress(OSError):
                os.unlink(path)


@contextlib.asynccontextmanager
async def tell_metrics(metrics: FreshText, path: str, listen: str) -> AsyncIterator[MetricsFile | None]:
    """Write them and serve them, while the block runs; the value is the file, if there is to be one.

    Args:
        metrics: what is told.
        path: of the file; empty for none.
        listen: ``HOST:PORT``; empty for nowhere.

    Raises:
        ConnectionFailed: the address is not to be had.
        ParameterError: its host is unknown.
    """
    file = MetricsFile(metrics, path) if path else None
    server = None
    if listen:
        server, shown = await serve_metrics(metrics, parse_metrics_listen(listen))
        log.info("metrics address=http://%s/metrics", shown)
    task = asyncio.ensure_future(file.run()) if file else None
    try:
        yield file
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if server is not None:
            close_quietly(server)
            await wait_closed(server)


async def serve_metrics(metrics: FreshText, address: TcpAddress) -> tuple[Server, str]:
    """Answer ``GET /metrics``, and nothing else, over plain HTTP; return the server and its ``HOST:PORT``.

    The websocket library reads the request, with its limits on lines and headers; no websocket is ever opened.

    Raises:
        ConnectionFailed: the address is in use or not ours.
        ParameterError: the host is unknown.
    """
    answering = asyncio.Semaphore(AT_A_TIME)

    async def answer(connection: ServerConnection, request: Request) -> Response:
        return await _answer(metrics, answering, connection, request)

    async def refuse(connection: ServerConnection) -> None:
        raise AssertionError("a websocket where there is none")

    channel = open_socket(address, 0)
    server = await serve(
        refuse,
        sock=channel,
        process_request=answer,
        server_header=None,
        open_timeout=REQUEST_LIMIT_S,
        close_timeout=1.0,
        compression=None,
        logger=_silent,
    )
    host, port = channel.getsockname()[:2]
    return server, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _answer(
    metrics: FreshText, answering: asyncio.Semaphore, connection: ServerConnection, request: Request
) -> Response:
    if request.path.partition("?")[0] != "/metrics":
        return connection.respond(HTTPStatus.NOT_FOUND, "there is /metrics here, and nothing else\n")
    if answering.locked():
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many at a time\n")
    async with answering:
        try:
            text = await metrics.render()
        except Unavailable as exc:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, f"{exc}\n")
        except Exception:
            log.exception("bug in the metrics")  # the library's own log is silent
            return connection.respond(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug in headless: the log has more\n")
    response = connection.respond(HTTPStatus.OK, "")
    headers: Any = response.headers
    del headers["Content-Type"], headers["Content-Length"]
    headers["Content-Type"], headers["Content-Length"] = CONTENT_TYPE, str(len(text))
    return Response(response.status_code, response.reason_phrase, headers, text)
