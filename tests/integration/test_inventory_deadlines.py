"""Deadlines: ``check --on`` and ``conform --at``, asked about the same host and the same moment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headless.inventory.dates import parse_date
from headless.inventory.text import write_text
from inventory_fleet import AskedCollector, run_asked_collector
from inventory_support import make_report

RULE = '[[rule]]\npackage = "app"\nkind = "rpm"\nversion = ">= 2"\ndeadline = 2026-01-31\n'
REPORT = make_report("1", made=parse_date("2026-01-10T04:00:00Z"))
EARLY = ("2026-01-30", "2026-01-31", "2026-01-31T23:59:59Z")
LATE = ("2026-02-01T00:00:00Z", "2026-02-01")


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedCollector]:
    """A collector that holds one host, which falls short of the rule."""
    with run_asked_collector(tmp_path_factory.mktemp("deadlines"), "", [REPORT]) as collector:
        yield collector


def judge(collector: AskedCollector, folder: Path, rule: str, date: str) -> str:
    """The host's state by both commands, which is one."""
    reference, report = folder / "reference.toml", folder / "report.txt"
    reference.write_text(rule)
    report.write_bytes(write_text(REPORT))
    of_file = collector.run("check", str(report), "--reference", str(reference), "--on", date)
    of_collector = collector.run("conform", "--reference", str(reference), "--at", date)
    state = of_file.stdout.split()[1].removesuffix(":")
    assert of_collector.stdout.splitlines()[1].split()[2] == state, of_collector.stderr
    assert of_file.returncode == of_collector.returncode == (0 if state == "early" else 4)
    return state


@pytest.mark.parametrize(
    ("grace", "date", "state"),
    [
        *((grace, date, "early") for grace in (0, 14) for date in EARLY),
        *((0, date, "overdue") for date in LATE),
        *((14, date, "due") for date in (*LATE, "2026-02-14", "2026-02-14T23:59:59Z")),
        *((14, date, "overdue") for date in ("2026-02-15T00:00:00Z", "2026-02-15")),
    ],
)
def test_a_deadline_is_the_last_day_to_meet_it(
    collector: AskedCollector, tmp_path: Path, grace: int, date: str, state: str
) -> None:
    assert judge(collector, tmp_path, f"{RULE}grace = {grace}\n", date) == state
