"""What the server tells the world outside of sessions: hooks, and metrics in a file and over HTTP."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from headless.metrics.output import MetricsFile, tell_metrics
from headless.server.hooks.courier import Courier
from headless.server.journal import Journal
from headless.server.metrics import Figures, Metrics
from headless.server.settings import ServerSettings

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
        metrics = Metrics(self._journal, replace(figures, hooks_failed=lambda: self._courier.failed))
        courier = asyncio.ensure_future(_keep_running(self._courier.run))
        try:
            async with tell_metrics(metrics, self._settings.metrics_file, self._settings.metrics_listen) as self._file:
                yield
        finally:
            courier.cancel()
            await asyncio.gather(courier, return_exceptions=True)


async def _keep_running(function: Callable[[], Awaitable[object]]) -> None:
    """Run a task that is to run until it is cancelled; a bug in it must not silence the server for good."""
    while True:
        try:
            await function()
        except Exception:
            log.exception("bug in the reporting")
        await asyncio.sleep(RESTART_S)
