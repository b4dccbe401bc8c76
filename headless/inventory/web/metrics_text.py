"""The text that Prometheus reads, of a collector's figures."""

import time
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from headless.inventory.collect.spool import find_arrival
from headless.inventory.web.metrics import Figures
from headless.metrics.text import build_process, build_text

__all__ = ["build_metrics"]

PREFIX = "headless_inventory"


def build_metrics(figures: Figures) -> bytes:
    """The text."""
    return build_text(
        [*build_process(figures.started_at), _build_up(figures), *_build_counts(figures), *_build_gauges(figures)]
    )


def _build_up(figures: Figures) -> Metric:
    up = GaugeMetricFamily(f"{PREFIX}_up", "1 if this part of the collector is well, 0 if not.", labels=["part"])
    for part, trouble in figures.troubles.items():
        up.add_metric([part], not trouble)
    return up


def _build_counts(figures: Figures) -> Iterator[Metric]:
    for name, text, label, counts in (
        (
            "reports",
            "Reports that came and were processed since the start, by what became of them.",
            "fate",
            figures.fates,
        ),
        ("turned_away", "Requests answered with 503 since the start, by what they were.", "what", figures.turned_away),
    ):
        family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[label])
        for value, count in counts.items():
            family.add_metric([value], count)
        yield family


def _build_gauges(figures: Figures) -> Iterator[Metric]:
    """What is not known is left out."""
    for name, text, value in (
        ("spool_bytes", "Bytes that wait to be processed.", figures.spool),
        ("spool_limit_bytes", "Bytes that may wait; above it senders are told to come later.", figures.spool_limit),
        *_list_waiting(figures),
        ("hosts", "Hosts that are known, with those that are retired.", figures.hosts),
        ("held", "Reports that are held until somebody decides.", figures.held),
        (
            "last_stored_timestamp_seconds",
            "When a report was last stored, in seconds since 1970.",
            figures.last_stored or None,
        ),
    ):
        if value is not None:
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _list_waiting(figures: Figures) -> Iterator[tuple[str, str, float]]:
    if figures.waiting is not None:
        oldest_s = max(time.time() - find_arrival(figures.waiting[0]), 0) if figures.waiting else 0
        yield "spool_files", "Files that wait to be processed, of one or more reports each.", len(figures.waiting)
        yield "spool_oldest_age_seconds", "For how long the oldest of them has waited.", oldest_s
