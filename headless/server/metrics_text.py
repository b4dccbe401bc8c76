"""The text that Prometheus reads, of what the journal has of each job name and of the server's own figures."""

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from headless.job import JobState
from headless.metrics.text import build_process, build_text

__all__ = ["build_metrics"]

ENDS = (JobState.ENDED, JobState.FAILED, JobState.STOPPED, JobState.LOST)

Row = dict[str, Any]


def build_metrics(rows: Sequence[Row], left_out: int, figures: dict[str, int], started_at: float) -> bytes:
    """The text of rows of the table ``names`` and of the server's figures."""
    return build_text([*build_process(started_at), *_build_server(figures, left_out), *_build_jobs(rows)])


def _build_server(figures: dict[str, int], left_out: int) -> Iterator[Metric]:
    for name, text, value in (
        ("jobs_running", "Jobs that are running.", figures["running"]),
        ("jobs_waiting", "Jobs that are accepted and have not begun.", figures["waiting"]),
        ("sessions", "Sessions that are logged in.", figures["sessions"]),
        ("names_left_out", "Job names beyond those that are shown here.", left_out),
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
