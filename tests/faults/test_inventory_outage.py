"""The collector's database away for an hour, while hosts go on reporting and people asking.

``make outage`` does it for a true hour, and prints what the collector takes as it goes. In the suite it is some
seconds, and an hour by the collector's own clocks.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from fault_support import scale
from headless.inventory.collect.access import Access
from inventory_database import DatabaseServer, run_database
from inventory_identities import Holder, make_collector
from inventory_outage import Clock, FastClock, Reporting, Watching, check_stored
from inventory_server import CollectorServer
from support import TIME_SCALE, wait_for

OUTAGE_S = float(os.environ.get("HEADLESS_OUTAGE_S") or scale(4, 300))
HOUR_S, FAST, SLOW = 3600, 900, 20
HOSTS, RATE = 9, 6.0
REPORT_BYTES = 1000
"""That a report of these hosts takes in the spool, about; some come twice."""
PART = 0.75
"""Of what comes while the database is away, for which there is room."""
# What is sent takes its time by a fast clock too.
SETTINGS = """
max_spool = {}

[feeds.feed]
sites = ["*"]
networks = ["127.0.0.1"]

[serve]
head_s = 3600
body_s = 3600
"""


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """Each of the servers that a collector may use."""
    with run_database(request.param) as server:
        yield server


@pytest.fixture
def holder(tmp_path: Path) -> Holder:
    """Whose key the collector has."""
    return make_collector(tmp_path)


class Outage:
    """A collector whose database goes and comes back, with those who report and ask all the while.

    Attributes:
        url: of the database.
        server: the collector.
        most: bytes for which its spool has room.
        back: when the database was there again, by the collector's clock.
    """

    def __init__(self, folder: Path, database: DatabaseServer, reports: float) -> None:
        """Args:
        folder: for its files, with its keys.
        database: which it uses.
        reports: that come while the database is away, about.
        """
        self.url = database.create_database("inventory")
        self.most = int(reports * REPORT_BYTES * PART)
        options = ["--database", self.url, "--key", str(folder / "both.pem")]
        self.server = CollectorServer(folder, SETTINGS.format(self.most), options)
        self.back = 0
        self._database = database
        self._clock: Clock
        self._reporting: Reporting
        self._watching: Watching

    @contextmanager
    def having(self, holder: Holder, clock: Clock, rate: float, pause_s: float) -> Iterator[None]:
        """Have hosts report, so many a second together, and somebody ask after each pause, while the block runs.

        When it ends all that was refused is sent once more, and stored.
        """
        token = Access(str(self.server.state / "access.json")).add("watcher", "admin", ())
        self._clock = clock
        self._reporting = Reporting(self.server, holder, clock, HOSTS, rate)
        self._watching = Watching(self.server, token, pause_s)
        try:
            for host in self._reporting.hosts:
                wait_for(lambda host=host: len(host.said) > 1, "reports before it")  # type: ignore[misc]
            yield
        finally:
            self._watching.finish()
            self._reporting.finish()
        wait_for(lambda: self.server.count_waiting() == 0, "the end of what waits", 60)
        self.server.stop()

    def be_away(self, limit_s: float) -> None:
        """Have the database be away."""
        self._database.stop()
        time.sleep(limit_s)

    def come_back(self) -> None:
        """Have the database be there again, and wait until all is stored."""
        self._database.start()
        self.back = self._clock.now()
        begun = time.monotonic()
        wait_for(lambda: self.server.count_waiting() < RATE, "the end of what waits", 300)
        print(f"{time.monotonic() - begun:.1f} s after it was there again all was stored")  # noqa: T201

    def check(self) -> None:
        """Nothing is lost, doubled or misdated, nobody was told anything untrue, and few lines were logged."""
        print(self._reporting.statuses, self._watching.statuses, self.server.log, sep="\n")  # noqa: T201
        check_stored(self.url, self._reporting.hosts)
        assert self._reporting.untrue == self._watching.untrue == []
        assert set(self._reporting.statuses) == set(self._watching.statuses) == {200, 503}
        assert self.most / 2 < max(row.spooled for row in self._watching.rows) <= self.most
        log = self.server.log
        # A small spool may be full again by what comes while it is worked off.
        assert 1 <= log.count("action=spool-full") == log.count("action=spool-has-room") <= 4
        assert 1 <= log.count("action=waiting") == log.count("action=going-on") <= 4
        assert len(re.findall(" (?:WARNING|ERROR|CRITICAL) ", log)) < 12


def test_the_database_away_for_an_hour(tmp_path: Path, holder: Holder, database: DatabaseServer) -> None:
    """By a true clock, and so for some seconds: but see ``make outage``."""
    outage = Outage(tmp_path, database, OUTAGE_S * RATE)
    with outage.server.start(), outage.having(holder, Clock(), RATE, max(OUTAGE_S / 60, 0.5)):
        outage.be_away(OUTAGE_S)
        outage.come_back()
    outage.check()


@pytest.mark.peer("faketime")
def test_an_hour_by_the_collectors_clock(tmp_path: Path, holder: Holder, database: DatabaseServer) -> None:
    """All its pauses, time limits and ages take part: its clocks go 900 times as fast while the database is away."""
    outage = Outage(tmp_path, database, HOUR_S / FAST * RATE * 2)
    clock = FastClock(tmp_path / "clock", outage.server, SLOW)
    with outage.server.start():
        clock.look()
        with outage.having(holder, clock, RATE * 2, 0.5):
            clock.change(FAST)
            outage.be_away(HOUR_S / FAST)
            clock.change(SLOW)
            outage.come_back()
    outage.check()
    [waited] = re.findall(r"(\S+) INFO action=going-on waited_s=[0-9]{4}\n", outage.server.log)
    assert datetime.fromisoformat(waited).timestamp() < outage.back + 120 * TIME_SCALE  # it tries once in half a minute
