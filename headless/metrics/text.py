"""The text of metrics that are there already: nothing is counted here."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import headless

__all__ = ["build_process", "build_text"]


def build_text(metrics: Iterable[Metric]) -> bytes:
    """The text, in the format of :data:`headless.metrics.output.CONTENT_TYPE`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(list(metrics)))
    return generate_latest(registry)


def build_process(started_at: float) -> Iterator[Metric]:
    """What every server tells of itself.

    Args:
        started_at: seconds since the epoch.
    """
    build = GaugeMetricFamily("headless_build_info", "The server's version; always 1.", labels=["version"])
    build.add_metric([headless.__version__], 1)
    yield build
    text = "When the server was started, in seconds since 1970."
    yield GaugeMetricFamily("headless_start_time_seconds", text, value=started_at)


class _Given(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics
