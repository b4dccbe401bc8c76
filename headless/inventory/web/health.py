"""Whether the collector is well: its worker, its spool, its database. ``GET /health``, for whoever asks."""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy import Connection, func, select
from starlette.requests import Request
from starlette.responses import Response

from headless.errors import Unavailable
from headless.inventory.collect.collector import Collector
from headless.inventory.collect.schema import hosts
from headless.inventory.collect.spool import Spool
from headless.inventory.web.answers import build_answer

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["PARTS", "Health"]

PARTS = ("worker", "spool", "database")
FRESH_S = 2.0  # for which what was found serves all who ask
PATIENCE_S = 2.0  # for which something that may hang is waited for
SILENT = "it does not answer"

log = logging.getLogger("headless.inventory")


class Health:
    """Looks at the parts of a collector.

    Attributes:
        spool: in which reports are taken.
        collector: that runs; ``None`` as long as its database is away.
    """

    def __init__(self, spool: Spool, collector: Collector | None = None) -> None:
        self.spool, self.collector = spool, collector
        self._hosts: int | None = None
        self._spool = _Look(lambda: asyncio.to_thread(spool.try_out))
        self._database = _Look(self._look_at_database)

    @property
    def hosts(self) -> int | None:
        """How many hosts the inventory knew when the database was last looked at; ``None``: it does not answer."""
        return self._hosts

    async def explain(self) -> Mapping[str, str]:
        """For each of ``PARTS`` why it is not well; empty if it is."""
        worker = self.collector.worker.tally.explain() if self.collector else ""
        spool, database = await asyncio.gather(self._spool.find(), self._database.find())
        if database:
            self._hosts = None
        return dict(zip(PARTS, (worker, spool, database), strict=True))

    async def answer(self, request: Request) -> Response:
        """Answer ``GET /health``: 200, or 503 and one line that says what is not well."""
        reasons = [f"{part}: {reason}" for part, reason in (await self.explain()).items() if reason]
        return build_answer(503 if reasons else 200, "; ".join(reasons) or "OK", cache_control="no-store")

    async def _look_at_database(self) -> str:
        if self.collector is None:
            return SILENT
        try:
            self._hosts = await self.collector.store.read_apart(_count_hosts)
        except Unavailable:
            return SILENT  # the driver's words are for the log
        return ""


class _Look:
    """A look at something that may hang: one at a time, however many ask, and nobody waits for it for long."""

    def __init__(self, look: Callable[[], Awaitable[str]]) -> None:
        """Args:
        look: finds out why it is not well; empty if it is.
        """
        self._look = look
        self._task: asyncio.Task[None] | None = None
        self._reason = ""
        self._found_at = -FRESH_S
        self._begun = 0.0

    async def find(self) -> str:
        """Why it is not well, as of a moment ago; empty if it is."""
        if time.monotonic() < self._found_at + FRESH_S:
            return self._reason
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._find())
            self._begun = time.monotonic()
        left_s = self._begun + PATIENCE_S - time.monotonic()
        done, _ = await asyncio.wait([self._task], timeout=max(left_s, 0))
        return self._reason if done else SILENT

    async def _find(self) -> None:
        try:
            self._reason = await self._look()
        except Exception:
            log.exception("bug in a look at the collector's health")
            self._reason = "it fails, the log says how"
        self._found_at = time.monotonic()


def _count_hosts(connection: Connection) -> int:
    """How many hosts are known: they are numbered from 1, by one writer, and none is ever deleted."""
    return connection.execute(select(func.max(hosts.c.id))).scalar() or 0
