"""A collector that finds its database in use: by its own session of before, whose end nobody told, or by another."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fault_support import fake_time, set_clock
from headless.database.backends import build_engine, check_url
from headless.database.lock import try_lock
from headless.inventory.collect.access import Access
from headless.inventory.collect.schema import SCHEMA
from inventory_database import DatabaseServer, run_database
from inventory_outage import ask
from inventory_server import CollectorServer, post, read_status, talk, write_report
from support import HEADLESS, TIME_SCALE, wait_for


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """Each of the servers that a collector may use."""
    with run_database(request.param) as server:
        yield server


@contextmanager
def hold_lock(url: str) -> Iterator[None]:
    """Be a session that holds the lock while the block runs."""
    engine = build_engine(check_url(url, "database", SCHEMA.backends))
    with engine.connect() as connection:
        assert try_lock(connection, SCHEMA.advisory_lock)
        yield
        connection.invalidate()
    engine.dispose()


def test_a_session_that_was_left_is_waited_for(tmp_path: Path, database: DatabaseServer) -> None:
    """Reports are taken meanwhile, and questions refused."""
    url = database.create_database("abandoned")
    with CollectorServer(tmp_path, options=["--database", url]) as server:
        token = Access(str(tmp_path / "access.json")).add("watcher", "admin", ())
        with hold_lock(url):
            server.start()
            (tmp_path / "access.json").rename(server.state / "access.json")
            assert read_status(talk(server.port, post("/feed/", write_report("node.example.org")))) == 200
            assert read_status(talk(server.port, ask("/api/v1/hosts", token))) == 503
        assert server.wait_fate("node.example.org")[0][0] == "stored"
        assert read_status(talk(server.port, ask("/api/v1/hosts", token))) == 200
        [line] = [line for line in server.log.splitlines() if "action=inventory-locked" in line]
        assert "limit_s=75" in line and "session " in line
        assert "action=going-on" in server.log
        server.stop()


@pytest.mark.peer("faketime")
def test_another_collector_is_an_error_in_the_end(tmp_path: Path, database: DatabaseServer) -> None:
    """After 75 s, here by a clock 20 times as fast."""
    url = database.create_database("another")
    set_clock(tmp_path / "clock", 0, 20)
    with hold_lock(url):
        done = subprocess.run(
            [HEADLESS, "inventory", "serve", "--state", str(tmp_path / "state"), "--listen", "127.0.0.1:0",
             "--database", url],
            env={"HOME": "/", **fake_time(tmp_path / "clock")},
            capture_output=True, text=True, timeout=60 * TIME_SCALE, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "it is in use by another server (session " in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_it_is_told_to_stop_while_it_waits(tmp_path: Path, database: DatabaseServer) -> None:
    """A signal is not waited for, nor an error."""
    url = database.create_database("told")
    with CollectorServer(tmp_path, options=["--database", url]) as server, hold_lock(url):
        server.start()
        wait_for(lambda: "action=inventory-locked" in server.log, "a line that it waits")
        server.stop()
