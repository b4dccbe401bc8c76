"""Whether a collector is well, and what it counts, as a monitoring system asks."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless.errors import Unavailable
from headless.inventory.collect import spool as spooling
from headless.inventory.collect.spool import Arrived, Spool
from headless.inventory.collect.tally import STUCK_S, Tally
from headless.inventory.package import Package
from headless.inventory.report import Report
from headless.inventory.text import write_text
from headless.inventory.web.metrics import Figures
from headless.inventory.web.metrics_text import build_metrics
from inventory_server import CollectorServer, post, read_status, talk, write_report
from inventory_watching import WATCHED, find_metrics, look, parse
from support import wait_for

MANY = tuple(Package("rpm", f"p{number:02d}", "0:1-1", "noarch") for number in range(60))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorServer]:
    """A collector that tells its metrics over HTTP and in a file."""
    with CollectorServer(tmp_path_factory.mktemp("watched"), WATCHED + 'metrics_file = "headless.prom"\n') as server:
        yield server.start()
        server.stop()


def test_who_is_well_says_so_to_whoever_asks(server: CollectorServer) -> None:
    assert look(server.port) == (200, "OK\n")
    assert look(server.port, method="HEAD") == (200, "")
    assert look(server.port, method="POST")[0] == 405


def test_metrics_are_told_where_the_settings_say_and_nowhere_else(server: CollectorServer) -> None:
    assert look(server.port, "/metrics")[0] == 404
    file = server.folder / "headless.prom"
    wait_for(file.exists, "the file")
    assert file.stat().st_mode & 0o777 == 0o644
    assert parse(file.read_text()).keys() >= {"inventory_up database", "inventory_held", "start_time_seconds"}


def test_reports_are_counted_by_what_became_of_them(server: CollectorServer) -> None:
    before = find_metrics(server)
    now = int(time.time())
    whole = write_text(Report("a.example.org", MANY, "S", made=now - 100))
    short = write_text(Report("a.example.org", MANY[:3], "S", made=now - 50))
    for body in (whole, whole, short, b"#\nno report", write_report("b.example.org")):
        assert read_status(talk(server.port, post("/feed/", body))) == 200
        count = server.count_letters()
        wait_for(lambda count=count: server.count_waiting() == 0, "it to be processed")  # type: ignore[misc]

    def is_counted() -> bool:
        told = find_metrics(server)
        stored = told["inventory_reports_total stored"] - before["inventory_reports_total stored"]
        return (stored, told["inventory_hosts"]) == (2, 2)

    wait_for(is_counted, "the metrics")
    told = find_metrics(server)
    assert {name: told[name] - before[name] for name in told if name.startswith("inventory_reports")} == {
        "inventory_reports_total stored": 2,
        "inventory_reports_total held": 1,
        "inventory_reports_total refused": 1,
        "inventory_reports_total replayed": 1,
    }
    assert (told["inventory_hosts"], told["inventory_held"]) == (2, 1)
    assert told["inventory_spool_files"] == told["inventory_spool_bytes"] == 0
    assert told["inventory_spool_oldest_age_seconds"] == 0
    assert told["inventory_spool_limit_bytes"] == 4 << 30
    assert now - 1 <= told["inventory_last_stored_timestamp_seconds"] <= time.time()
    assert all(told[f"inventory_up {part}"] for part in ("worker", "spool", "database"))


def test_a_new_start_knows_when_something_was_stored_last(tmp_path: Path) -> None:
    with CollectorServer(tmp_path, WATCHED) as server:
        server.start()
        assert "inventory_last_stored_timestamp_seconds" not in find_metrics(server)
        assert read_status(talk(server.port, post("/feed/", write_report("a.example.org")))) == 200
        server.wait_fate("a.example.org")
        server.stop()
        server.start()
        told = find_metrics(server)
        assert told["inventory_last_stored_timestamp_seconds"] > 0
        assert (told["inventory_hosts"], told["inventory_reports_total stored"]) == (1, 0)
        server.stop()


@pytest.mark.parametrize(
    ("listen", "reason"), [("unix:/tmp/x", "is HOST:PORT"), ("127.0.0.1", "is HOST:PORT"), ("127.0.0.1:99999", "is")]
)
def test_an_address_for_metrics_that_is_none_is_told(tmp_path: Path, listen: str, reason: str) -> None:
    with CollectorServer(tmp_path, f'[serve]\nmetrics_listen = "{listen}"\n') as server:
        with pytest.raises(AssertionError, match=f"metrics_listen' {reason}"):
            server.start()
        assert server.process is not None and server.process.wait() == 2


def test_a_spool_that_has_no_room_is_not_well(tmp_path: Path) -> None:
    async def run() -> None:
        spool = Spool(str(tmp_path / "spool"), 100_000)
        assert spool.try_out() == ""
        await spool.put(bytes(99_700), Arrived(1))
        assert spool.try_out() == "it is full"
        with pytest.raises(Unavailable, match="full"):
            await spool.put(bytes(1000), Arrived(1))
        await spool.close()

    asyncio.run(run())


def test_a_spool_that_cannot_be_written_is_not_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(str(tmp_path / "spool"), 1 << 30)
    assert spool.try_out() == ""
    assert not list((tmp_path / "spool").iterdir())
    (tmp_path / "spool").rmdir()
    assert spool.try_out() == "it cannot be written: No such file or directory"
    (tmp_path / "spool").mkdir()
    asyncio.run(spool.put(b"x", Arrived(1)))
    monkeypatch.setattr(spooling, "write_synced", None)
    assert spool.try_out() == ""  # what was written a moment ago shows it


def test_a_worker_that_does_not_go_on_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally()
    assert tally.explain() == ""
    later = time.monotonic() + STUCK_S + 10
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert "has not gone on for 310 s" in tally.explain()
    tally.note_step()
    assert tally.explain() == ""
    tally.is_waiting = True
    assert tally.explain() == "it waits, the log says what for"
    tally.is_failing = True
    assert tally.explain() == "it fails, the log says how"


def test_what_is_not_known_is_left_out() -> None:
    figures = Figures(
        started_at=1.0, troubles={"spool": "it is gone"}, fates={}, turned_away={}, spool=0, spool_limit=9,
        waiting=None, hosts=None, held=None, last_stored=0,
    )  # fmt: skip
    told = parse(build_metrics(figures).decode())
    assert {name for name in told if name.startswith("inventory")} == {
        "inventory_up spool", "inventory_spool_bytes", "inventory_spool_limit_bytes",
    }  # fmt: skip
    assert told["inventory_up spool"] == 0
