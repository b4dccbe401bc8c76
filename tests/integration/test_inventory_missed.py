"""Silence by each host's own interval."""

import time
from pathlib import Path

from inventory_fleet import run_asked_collector
from inventory_support import make_report

HOUR = 3600
HOSTS = {"hourly": HOUR, "daily": 24 * HOUR, "quiet": 0}  # which says nothing of it, and is taken for daily


def test_each_host_goes_by_its_own_interval(tmp_path: Path) -> None:
    now = int(time.time())
    reports = [
        make_report(host=f"{name}{hours}", interval=interval, made=now - hours * HOUR)
        for name, interval in HOSTS.items()
        for hours in (1, 3, 30, 55, 90)
    ]
    with run_asked_collector(tmp_path, "", reports) as collector:

        def ask(least: str) -> set[str]:
            return {row["host"] for row in collector.ask("silent", missed=least)["rows"]}

        hourly = {"hourly30", "hourly55", "hourly90"}
        assert ask("1") == hourly | {"hourly3", "daily55", "daily90", "quiet55", "quiet90"}
        assert ask("") == ask("1")
        assert ask("2") == hourly | {"hourly3", "daily90", "quiet90"}
        assert ask("3") == hourly | {"daily90", "quiet90"}
        assert ask("4") == hourly
