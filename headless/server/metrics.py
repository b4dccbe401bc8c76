"""Metrics as Prometheus reads them: what became of each job name's runs, and what the server is doing."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from headless.server.journal import Journal
from headless.server.schema import names

__all__ = ["CONTENT_TYPE", "Figures", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAMES_LIMIT = 10_000  # those that ended last
FRESH_S = 1.0  # for which a text serves all who ask
SHARE = 10  # of the time at most one such part is spent on it: a text that took 0.5 s serves for 5
FRESH_LIMIT_S = 10.0

log = logging.getLogger("headless.metrics")


def _nothing() -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Where to ask for the server's own figures; called in the event loop.

    Attributes:
        running: how many jobs are running.
        waiting: how many are accepted and have not begun.
        sessions: how many are logged in.
        refused: how many logins were refused since the server's start.
        hooks_failed: how many notices were dropped since then.
    """

    running: Callable[[], int] = _nothing
    waiting: Callable[[], int] = _nothing
    sessions: Callable[[], int] = _nothing
    refused: Callable[[], int] = _nothing
    hooks_failed: Callable[[], int] = _nothing


class Metrics:
    """Makes the text, at most once a second however many ask."""

    def __init__(self, journal: Journal, figures: Figures) -> None:
        """Args:
        journal: that holds what became of each name.
        figures: of the server.
        """
        self._journal = journal
        self._figures = figures
        self._started_at = time.time()
        self._text = b""
        self.made_at = 0.0  # when the making of the text began, on the monotonic clock
        self._fresh_until = 0.0
        self._making = asyncio.Lock()

    @property
    def fresh_s(self) -> float:
        """For how many seconds :meth:`render` still returns what it has."""
        return max(0.0, self._fresh_until - time.monotonic())

    async def render(self) -> bytes:
        """The text as of now, or of the last second.

        Raises:
            Unavailable: the journal cannot be read.
        """
        async with self._making:
            begin = time.monotonic()
            if begin >= self._fresh_until:
                rows, left_out = await self._journal.read(_read_names)
                figures = {name: ask() for name, ask in vars(self._figures).items()}
                # A hundred thousand lines take longer than the event loop may be away.
                self._text = await asyncio.to_thread(_build_text, rows, left_out, figures, self._started_at)
                took_s = time.monotonic() - begin
                self.made_at = begin
                self._fresh_until = begin + took_s + max(FRESH_S, min(FRESH_LIMIT_S, SHARE * took_s))
        return self._text


def _read_names(connection: Connection) -> tuple[list[dict[str, Any]], int]:
    query = select(names).order_by(names.c.last_ended_at.desc()).limit(NAMES_LIMIT)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    count = connection.execute(select(func.count()).select_from(names)).scalar_one()
    return rows, count - len(rows)


def _build_text(rows: list[dict[str, Any]], left_out: int, figures: dict[str, int], started_at: float) -> bytes:
    # With prometheus_client, which costs 35 ms: most servers are asked for no metrics.
    from headless.server.metrics_text import build_metrics

    return build_metrics(rows, left_out, figures, started_at)
