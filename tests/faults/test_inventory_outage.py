"""The collector's database away for an hour (some seconds in the suite), while hosts go on reporting and people asking.

A true hour: ``make outage``, whose table of memory and spool is printed as it goes.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from fault_support import scale
from headless.inventory.collect.access import Access
from inventory_identities import Holder, make_holder
from inventory_outage import Clock, Reporting, Watching, check_stored
from inventory_server import CollectorServer
from mariadb import run_mariadb
from postgres import run_postgres
from support import wait_for

OUTAGE_S = float(os.environ.get("HEADLESS_OUTAGE_S") or scale(8, 300))
HOSTS, RATE = 9, 3.0
REPORT_BYTES = 1000
"""That a report of these hosts takes in the spool, about; some come twice."""


class DatabaseServer(Protocol):
    """A database server that comes and goes."""

    def start(self) -> None:
        """Have it answer."""

    def stop(self) -> None:
        """End it at once."""

    def create_database(self, name: str) -> str:
        """Make an empty database; return its URL."""


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """Each of the servers that a collector may use."""
    running: AbstractContextManager[DatabaseServer] = run_postgres() if request.param == "postgresql" else run_mariadb()
    with running as server:
        yield server


@pytest.fixture
def holder(tmp_path: Path) -> Holder:
    """Whose key the collector has."""
    holder = make_holder(tmp_path, "collector")
    (tmp_path / "both.pem").write_bytes(holder.certificate_file.read_bytes() + holder.key_file.read_bytes())
    return holder


def test_the_database_away_for_an_hour(tmp_path: Path, holder: Holder, database: DatabaseServer) -> None:
    url = database.create_database("inventory")
    most = int(OUTAGE_S * RATE * REPORT_BYTES * 0.75)
    settings = f"max_spool = {most}\n[feeds.feed]\nsites = ['*']\nnetworks = ['127.0.0.1']\n"
    options = ["--database", url, "--key", str(tmp_path / "both.pem")]
    with CollectorServer(tmp_path, settings, options) as server:
        server.start()
        token = Access(str(server.state / "access.json")).add("watcher", "admin", ())
        now = time.time()
        reporting = Reporting(server, holder, Clock(now, now), HOSTS, RATE)
        watching = Watching(server, token, max(OUTAGE_S / 60, 0.5))
        try:
            for host in reporting.hosts:
                wait_for(lambda host=host: len(host.said) > 1, "reports before it")  # type: ignore[misc]
            before = len(server.log.splitlines())
            database.stop()
            begun = watching.look()
            time.sleep(OUTAGE_S)
            ended = watching.look()
            database.start()
            back = time.monotonic()
            wait_for(lambda: watching.look()[3] < 5, "the end of what waits", 90)
            print(f"{time.monotonic() - back:.1f} s after it was back all was stored")  # noqa: T201
        finally:
            watching.finish()
            reporting.finish()
        wait_for(lambda: server.count_waiting() == 0, "the end of what waits", 60)
        server.stop()
        print(reporting.statuses, watching.statuses, begun, ended)  # noqa: T201
        print(server.log)  # noqa: T201
        check_stored(url, reporting.hosts)
        assert reporting.untrue == [] and set(reporting.statuses) == {200, 503}
        assert watching.untrue == [] and set(watching.statuses) == {200, 503}
        assert most / 2 < max(row[2] for row in watching.rows) <= most + REPORT_BYTES
        lines = server.log.splitlines()[before:]
        assert 1 <= server.log.count("action=waiting") == server.log.count("action=going-on") <= 4
        assert len([line for line in lines if re.search("WARN|ERROR", line)]) < 10, server.log
