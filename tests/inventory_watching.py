"""A collector as a monitoring system sees it: ``/health`` and ``/metrics``."""

import http.client
import re
from contextlib import closing

from prometheus_client.parser import text_string_to_metric_families

from inventory_server import LIMIT_S, CollectorServer
from support import wait_for

__all__ = ["WATCHED", "find_metrics", "look", "parse"]

WATCHED = """
[serve]
metrics_listen = "127.0.0.1:0"
"""


def look(port: int, path: str = "/health", method: str = "GET") -> tuple[int, str]:
    """Ask without a token; the status and the text."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def find_metrics(server: CollectorServer) -> dict[str, float]:
    """All metrics of a collector with the settings ``WATCHED``, by their names and labels as they are written."""
    wait_for(lambda: "action=metrics" in server.log, "the address of the metrics")
    port = int(re.findall(r"action=metrics address=http://127\.0\.0\.1:(\d+)/metrics", server.log)[-1])
    status, text = look(port, "/metrics")
    assert status == 200
    return parse(text)


def parse(text: str) -> dict[str, float]:
    """Metrics by their names and labels."""
    return {
        sample.name.removeprefix("headless_") + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
