"""The job server's metrics: what became of each job name's runs, and what the server is doing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from headless.metrics.fresh import FreshText
from headless.server.journal import Journal
from headless.server.schema import names

__all__ = ["Figures", "Metrics"]

NAMES_LIMIT = 10_000  # those that ended last


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


class Metrics(FreshText):
    """Makes the text of what the journal has, and of the server's figures."""

    def __init__(self, journal: Journal, figures: Figures) -> None:
        """Args:
        journal: that holds what became of each name.
        figures: of the server.
        """
        super().__init__()
        self._journal = journal
        self._figures = figures

    async def make(self) -> bytes:
        """See :meth:`FreshText.make`."""
        rows, left_out = await self._journal.read(_read_names)
        figures = {name: ask() for name, ask in vars(self._figures).items()}
        # A hundred thousand lines take longer than the event loop may be away.
        return await asyncio.to_thread(_build_text, rows, left_out, figures, self.started_at)


def _read_names(connection: Connection) -> tuple[list[dict[str, Any]], int]:
    query = select(names).order_by(names.c.last_ended_at.desc()).limit(NAMES_LIMIT)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    count = connection.execute(select(func.count()).select_from(names)).scalar_one()
    return rows, count - len(rows)


def _build_text(rows: list[dict[str, Any]], left_out: int, figures: dict[str, int], started_at: float) -> bytes:
    # With prometheus_client, which costs 35 ms: most servers are asked for no metrics.
    from headless.server.metrics_text import build_metrics

    return build_metrics(rows, left_out, figures, started_at)
