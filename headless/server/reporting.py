"""What the server tells the world outside of sessions: hooks, and metrics in a file and over HTTP."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from headless.server.hooks.courier import Courier
from headless.server.journal import Journal
from headless.server.metrics import Figures, Metrics
from headless.server.metrics_output import MetricsFile, serve_metrics
from headless.server.settings import ServerSettings, parse_metrics_listen
from headless.transport.server import close_quietly, wait_closed

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Reporting"]

RESTART_S = 10.0  # after a bug

log = logging.getLogger("headless.server")


class Reporting:
    """The courier of notices and the writers of metrics."""

    def __init__(self, settings: ServerSettings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._courier = Courier(journal, sendmail=settings.sendmail)
        self._file: MetricsFile | None = None

    def wake(self) -> None:
        """Something was written down that may have to be told."""
        self._courier.wake()
        if self._file is not None:
            self._file.wake()

    async def drain(self) -> None:
        """Wait a little for what is due; the rest is the next server's."""
        await self._courier.drain()

    @contextlib.asynccontextmanager
    async def run(self, figures: Figures) -> AsyncIterator[None]:
        """Tell, while the block runs.

        Args:
            figures: of the server, for the metrics.

        Raises:
            ConnectionFailed: the address for the metrics is not to be had.
            ParameterError: its host is unknown.
        """
        tasks = [asyncio.ensure_future(_keep_running(self._courier.run))]
        metrics = Metrics(self._journal, replace(figures, hooks_failed=lambda: self._courier.failed))
        server = None
        if self._settings.metrics_file:
            self._file = MetricsFile(metrics, self._settings.metrics_file)
            tasks.append(asyncio.ensure_future(_keep_running(self._file.run)))
        try:
            if self._settings.metrics_listen:
                server, shown = await serve_metrics(metrics, parse_metrics_listen(self._settings.metrics_listen))
                log.info("metrics address=http://%s/metrics", shown)
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if server is not None:
                close_quietly(server)
                await wait_closed(server)


async def _keep_running(function: Callable[[], Awaitable[object]]) -> None:
    """Run a task that is to run until it is cancelled; a bug in it must not silence the server for good."""
    while True:
        try:
            await function()
        except Exception:
            log.exception("bug in the reporting")
        await asyncio.sleep(RESTART_S)
