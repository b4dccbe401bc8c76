"""The collector's metrics: what becomes of reports, what waits, and whether its parts are well."""

import asyncio
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headless.errors import ParameterError
from headless.inventory.collect.kept import Kept
from headless.inventory.collect.spool import Spool
from headless.inventory.web.health import Health
from headless.metrics.fresh import FreshText

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["TURNED_AWAY", "CollectorMetrics", "Figures"]

TURNED_AWAY = ("reports", "questions", "connections")
"""What was answered with 503."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is told.

    Attributes:
        started_at: when the collector was started, seconds since the epoch.
        troubles: for each part of the collector why it is not well; empty if it is.
        fates: reports, by what became of them, since the start.
        turned_away: requests that were answered with 503, by what they were, since the start.
        spool: bytes that wait.
        spool_limit: bytes that may.
        waiting: the names of the spool's files, the oldest first; ``None``: they cannot be listed.
        hosts: that are known; ``None``: the database does not answer.
        held: reports that wait for a review; ``None``: what is kept cannot be read.
        last_stored: when a report was last stored, seconds since the epoch; 0: not that anybody knew.
    """

    started_at: float
    troubles: Mapping[str, str]
    fates: Mapping[str, int]
    turned_away: Mapping[str, int]
    spool: int
    spool_limit: int
    waiting: list[str] | None
    hosts: int | None
    held: int | None
    last_stored: float


class CollectorMetrics(FreshText):
    """Makes the text."""

    def __init__(self, kept: str, turned_away: Counter[str], find_health: Callable[[], Health]) -> None:
        """Args:
        kept: the path of what is kept.
        turned_away: requests that were answered with 503, by what they were.
        find_health: gives the health of the collector as it is now.
        """
        super().__init__()
        self._path = kept
        self._turned_away = turned_away
        self._find_health = find_health
        self._kept: Kept | None = None
        self._last_stored: int | None = None  # before the start

    async def make(self) -> bytes:
        """See :meth:`FreshText.make`."""
        health = self._find_health()
        troubles = await health.explain()
        tally = health.collector.worker.tally if health.collector else None
        figures = Figures(
            started_at=self.started_at,
            troubles=troubles,
            fates=dict(tally.fates) if tally else {},
            turned_away=dict(self._turned_away),
            spool=health.spool.size,
            spool_limit=health.spool.limit,
            waiting=await asyncio.to_thread(_list_waiting, health.spool),
            hosts=health.hosts,
            held=await asyncio.to_thread(self._count_held),
            last_stored=(tally.last_stored if tally else 0) or self._last_stored or 0,
        )
        return await asyncio.to_thread(_build_text, figures)

    def close(self) -> None:
        """Close what was opened."""
        if self._kept is not None:
            self._kept.close()

    def _count_held(self) -> int | None:
        try:
            # The worker's own is for one thread.
            self._kept = self._kept or Kept(self._path)
            if self._last_stored is None:
                self._last_stored = self._kept.find_last_stored()
            return self._kept.count_held()
        except (ParameterError, sqlite3.Error):
            return None


def _list_waiting(spool: Spool) -> list[str] | None:
    try:
        return spool.list_files()
    except OSError:
        return None


def _build_text(figures: Figures) -> bytes:
    # With prometheus_client, which costs 35 ms: most collectors are asked for no metrics.
    from headless.inventory.web.metrics_text import build_metrics

    return build_metrics(figures)
