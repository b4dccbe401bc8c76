"""What a monitoring system is told while a collector's database says nothing, or is not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory_database import DatabaseServer, run_database
from inventory_server import CollectorServer, post, read_status, talk, write_report
from inventory_watching import WATCHED, find_metrics, look
from support import wait_for

ROOM = 5000  # bytes: for a few reports


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """Each of the servers that a collector may use."""
    with run_database(request.param) as server:
        yield server


def send(server: CollectorServer) -> int:
    """Send a report; the status."""
    return read_status(talk(server.port, post("/feed/", write_report("a.example.org"))))


def test_a_database_without_a_word_is_told_and_waited_for_by_nobody(tmp_path: Path, database: DatabaseServer) -> None:
    url = database.create_database("silent")
    with CollectorServer(tmp_path, f"max_spool = {ROOM}\n{WATCHED}", ["--database", url]) as server:
        server.start()
        assert send(server) == 200
        server.wait_fate("a.example.org")
        wait_for(lambda: find_metrics(server).get("inventory_hosts") == 1, "the host")
        database.freeze()
        try:
            # Sooner than the database is given up: the look of a moment ago may still serve the first who ask.
            wait_for(lambda: look(server.port) == (503, "database: it does not answer\n"), "the word")
            statuses = [send(server) for _ in range(10)]
            assert set(statuses) == {200, 503}
            wait_for(lambda: find_metrics(server)["inventory_spool_oldest_age_seconds"] > 0, "what waits")
            told = find_metrics(server)
            assert told["inventory_up database"] == 0 and told["inventory_up spool"] == 1
            assert "inventory_hosts" not in told
            assert told["inventory_spool_files"] >= 1
            assert 0 < told["inventory_spool_bytes"] <= told["inventory_spool_limit_bytes"] == ROOM
            assert told["inventory_turned_away_total reports"] == statuses.count(503)
            assert told["inventory_turned_away_total questions"] == 0
        finally:
            database.thaw()
        wait_for(lambda: look(server.port) == (200, "OK\n"), "its health", 60)

        def is_over() -> bool:
            told = find_metrics(server)
            return told["inventory_spool_files"] == 0 and told.get("inventory_hosts") == 1

        wait_for(is_over, "the worker", 30)
        server.stop()


def test_a_database_that_is_away_at_the_start_is_told(tmp_path: Path, database: DatabaseServer) -> None:
    url = database.create_database("away")
    database.stop()
    try:
        with CollectorServer(tmp_path, WATCHED, ["--database", url]) as server:
            server.start()
            assert look(server.port) == (503, "database: it does not answer\n")
            told = find_metrics(server)
            assert (told["inventory_up database"], told["inventory_up spool"]) == (0, 1)
            assert send(server) == 200
            wait_for(lambda: find_metrics(server)["inventory_spool_files"] == 1, "what waits")
            database.start()
            wait_for(lambda: look(server.port) == (200, "OK\n"), "its health", 60)
            wait_for(lambda: find_metrics(server).get("inventory_reports_total stored") == 1, "the report")
            server.stop()
    except BaseException:
        database.start()  # for the tests that follow
        raise


def test_a_database_that_goes_is_told_by_the_worker_too(tmp_path: Path, database: DatabaseServer) -> None:
    url = database.create_database("gone")
    with CollectorServer(tmp_path, WATCHED, ["--database", url]) as server:
        server.start()
        assert send(server) == 200
        server.wait_fate("a.example.org")
        database.stop()
        try:
            assert send(server) == 200
            expected = "worker: it waits, the log says what for; database: it does not answer\n"
            wait_for(lambda: look(server.port) == (503, expected), "the word", 60)
        finally:
            database.start()
        wait_for(lambda: look(server.port) == (200, "OK\n"), "its health", 60)
        server.stop()


def test_the_end_does_not_wait_for_a_look_at_a_database_without_a_word(
    tmp_path: Path, database: DatabaseServer
) -> None:
    url = database.create_database("ended")
    with CollectorServer(tmp_path, WATCHED, ["--database", url]) as server:
        server.start()
        wait_for(lambda: "action=warm" in server.log, "the last question of the start")
        database.freeze()
        try:
            wait_for(lambda: look(server.port)[0] == 503, "the word")
            server.stop()  # within half of the time after which the database is given up
        finally:
            database.thaw()
        assert "Traceback" not in server.log
