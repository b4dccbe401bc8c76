"""Metrics as Prometheus reads them: what became of each job name's runs, and what the server is doing."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

import headless
from headless.job import JobState
from headless.server.journal import Journal
from headless.server.schema import names

__all__ = ["CONTENT_TYPE", "Figures", "Metrics", "build_metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAMES_LIMIT = 10_000  # those that ended last
FRESH_S = 1.0  # for which a text serves all who ask
SHARE = 10  # of the time at most one such part is spent on it: a text that took 0.5 s serves for 5
FRESH_LIMIT_S = 10.0
ENDS = (JobState.ENDED, JobState.FAILED, JobState.STOPPED, JobState.LOST)

log = logging.getLogger("headless.metrics")
Row = dict[str, Any]


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
                self._text = await asyncio.to_thread(build_metrics, rows, left_out, figures, self._started_at)
                took_s = time.monotonic() - begin
                self._fresh_until = begin + took_s + max(FRESH_S, min(FRESH_LIMIT_S, SHARE * took_s))
        return self._text


def build_metrics(rows: Sequence[Row], left_out: int, figures: dict[str, int], started_at: float) -> bytes:
    """The text of rows of the table ``names`` and of the server's figures."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given([*_build_server(figures, left_out, started_at), *_build_jobs(rows)]))
    return generate_latest(registry)


class _Given(Collector):
    """Metrics that are there already: nothing is counted here, the journal does."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _read_names(connection: Connection) -> tuple[list[Row], int]:
    query = select(names).order_by(names.c.last_ended_at.desc()).limit(NAMES_LIMIT)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    count = connection.execute(select(func.count()).select_from(names)).scalar_one()
    return rows, count - len(rows)


def _build_server(figures: dict[str, int], left_out: int, started_at: float) -> Iterator[Metric]:
    build = GaugeMetricFamily("headless_build_info", "The server's version; always 1.", labels=["version"])
    build.add_metric([headless.__version__], 1)
    yield build
    for name, text, value in (
        ("start_time_seconds", "When the server was started, in seconds since 1970.", started_at),
        ("jobs_running", "Jobs that are running.", figures["running"]),
        ("jobs_waiting", "Jobs that are accepted and have not begun.", figures["waiting"]),
        ("sessions", "Sessions that are logged in.", figures["sessions"]),
        ("names_left_out", f"Job names beyond the {NAMES_LIMIT} that are shown here.", left_out),
    ):
        yield GaugeMetricFamily(f"headless_{name}", text, value=value)
    for name, text, value in (
        ("logins_refused", "Logins that were refused since the server's start.", figures["refused"]),
        ("hooks_failed", "Notices that no hook could deliver since the server's start.", figures["hooks_failed"]),
    ):
        yield CounterMetricFamily(f"headless_{name}", text, value=value)


def _build_jobs(rows: Sequence[Row]) -> Iterator[Metric]:
    """A name that has never ended has none of the ``last`` metrics: what was never run has not failed."""
    for name, text, key in (
        ("last_success_timestamp_seconds", "When a run last ended well, in seconds since 1970.", "last_success_at"),
        ("last_end_timestamp_seconds", "When a run last ended in whatever way.", "last_ended_at"),
        ("last_duration_seconds", "How long the last run took.", "last_duration_s"),
        ("consecutive_failures", "Runs that failed since the last that ended well.", "failures"),
    ):
        gauge = GaugeMetricFamily(f"headless_job_{name}", text, labels=["name"])
        for row in rows:
            if row[key] is not None:
                gauge.add_metric([row["name"]], row[key])
        yield gauge
    state = GaugeMetricFamily("headless_job_last_state", "How the last run ended; always 1.", labels=["name", "state"])
    runs = CounterMetricFamily("headless_job_runs", "Runs that have ended, by how.", labels=["name", "state"])
    skipped = CounterMetricFamily("headless_job_skipped", "Starts that were skipped.", labels=["name"])
    for row in rows:
        if row["last_state"]:
            state.add_metric([row["name"], row["last_state"]], 1)
        for end in ENDS:
            runs.add_metric([row["name"], str(end)], row[str(end)])
        skipped.add_metric([row["name"]], row["skipped"])
    yield from (state, runs, skipped)
