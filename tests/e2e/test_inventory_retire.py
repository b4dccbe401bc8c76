"""A host is retired and comes back, beside a running collector and without one."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless.inventory.text import write_text
from inventory_fleet import AskedCollector
from inventory_server import CollectorServer
from inventory_support import make_report


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorServer]:
    with CollectorServer(tmp_path_factory.mktemp("retire")) as server:
        yield server.start()


@pytest.fixture(scope="module")
def collector(server: CollectorServer) -> AskedCollector:
    return AskedCollector(server, server.folder, 0)


def keep(collector: AskedCollector, server: CollectorServer, *words: str, code: int = 0) -> str:
    """Run a command of the collector's keeper."""
    done = collector.run(*words, "--state", str(server.state))
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def take(collector: AskedCollector, server: CollectorServer, folder: Path, host: str, version: str = "1") -> None:
    file = folder / "report"
    file.write_bytes(write_text(make_report(version, host=host), plain=True))
    assert "stored" in keep(collector, server, "take", str(file))


def list_hosts(collector: AskedCollector, *options: str) -> list[str]:
    return [row["host"] for row in json.loads(collector.run("hosts", "--json", *options).stdout)["rows"]]


def test_a_host_is_retired_beside_a_running_collector(
    collector: AskedCollector, server: CollectorServer, tmp_path: Path
) -> None:
    for host in ("a.x", "b.x"):
        take(collector, server, tmp_path, host)
    assert "there is no host 'c'" in keep(collector, server, "retire", "a", "c", code=2)
    assert list_hosts(collector) == ["a.x", "b.x"]
    told = keep(collector, server, "retire", "a")
    assert told.startswith("SITE/a.x#1: retired at 20") and len(told.splitlines()) == 1
    assert list_hosts(collector) == ["b.x"] and list_hosts(collector, "--retired") == ["a.x"]
    assert "RETIRED" in collector.run("hosts", "--retired").stdout and "RETIRED" not in collector.run("hosts").stdout
    assert "RETIRED" in collector.run("history", "a").stdout
    done = collector.run("show", "a")
    assert done.returncode == 2 and "'a' is retired, since 20" in done.stderr and len(done.stderr.splitlines()) == 1
    status, _, page = collector.get("/host/a.x")
    assert status == 200 and b"retired" in page and b"lib1" in page
    assert b"a.x" not in collector.get("/site/SITE")[2]
    assert "retired already" in keep(collector, server, "retire", "SITE/a.x")
    assert keep(collector, server, "retire", "a", "--undo") == "SITE/a.x#1: no longer retired\n"
    assert list_hosts(collector) == ["a.x", "b.x"]
    keep(collector, server, "retire", "a")
    server.stop()
    assert keep(collector, server, "retire", "b").startswith("SITE/b.x#2: retired at 20")
    server.start()
    collector.url = f"http://127.0.0.1:{server.port}"
    assert list_hosts(collector) == []
    take(collector, server, tmp_path, "b.x", "2")
    assert list_hosts(collector) == ["b.x"]


def test_machines_of_one_name_are_told_apart(
    collector: AskedCollector, server: CollectorServer, tmp_path: Path
) -> None:
    file = tmp_path / "report"
    for machine, made in (("1" * 32, int(time.time()) - 9000), ("2" * 32, 0)):
        file.write_bytes(write_text(make_report(host="e.x", machine=machine, made=made)))
        assert "stored: new" in keep(collector, server, "take", str(file))
    rows = [row for row in json.loads(collector.run("hosts", "--json").stdout)["rows"] if row["host"] == "e.x"]
    shown = [line.split()[1] for line in collector.run("hosts").stdout.splitlines() if "e.x" in line]
    assert len(rows) == 2 and shown == [f"e.x#{row['id']}" for row in rows]
    told = keep(collector, server, "retire", "e", code=2)
    assert len(told.splitlines()) == 1 and all(f"SITE/{name} (last report 20" in told for name in shown)
    assert keep(collector, server, "retire", f"SITE/{shown[0]}").startswith(f"SITE/{shown[0]}: retired")
    assert "  e.x  " in collector.run("hosts").stdout


def test_what_cannot_be_retired_is_one_line(collector: AskedCollector, server: CollectorServer, tmp_path: Path) -> None:
    take(collector, server, tmp_path, "d.x")
    for words, said in (
        (("nosuch",), "there is no host 'nosuch'"),
        (("d", "--at", "2001-01-01"), "has reported at 20"),
        (("d", "--at", "2100-01-01"), "is yet to come"),
        (("d", "--at", "soon"), "is no time"),
        (("d", "--at", "2026-01-01", "--undo"), "not both"),
    ):
        told = keep(collector, server, "retire", *words, code=2)
        assert said in told and len(told.splitlines()) == 1, told
    assert "d.x" in list_hosts(collector)
