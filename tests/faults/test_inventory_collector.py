"""The collector killed at any moment, its disk full, its database away: what was answered with OK is stored, once."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from fault_support import fill, scale
from headless.inventory.seal import seal
from inventory_identities import Holder, make_collector
from inventory_server import CollectorServer, post, read_status, talk, write_report
from postgres import run_postgres
from small_disk import mount_small
from support import TIME_SCALE, wait_for

SENDERS = 6
KILLS = scale(5, 200)
REPORTS = scale(40, 1000)
"""That each sender has, at least: it goes on while the collector is killed."""


@pytest.fixture
def holder(tmp_path: Path) -> Holder:
    """Whose key the collector has."""
    return make_collector(tmp_path)


class Senders:
    """Threads that send reports of hosts of their own, each until it is answered with OK."""

    def __init__(self, port: int, holder: Holder) -> None:
        self.answered: list[str] = []
        self.is_over = threading.Event()
        self._port = port
        self._holder = holder
        self._pool = ThreadPoolExecutor(SENDERS)
        self._runs = [self._pool.submit(self._run, number) for number in range(SENDERS)]

    def _run(self, sender: int) -> None:
        count = 0
        while count < REPORTS or not self.is_over.is_set():
            host = f"node{sender}-{count}.example.org"
            body = seal(write_report(host), [self._holder.certificate])
            while not self._send(body):
                time.sleep(0.02)
            self.answered.append(host)
            count += 1

    def _send(self, body: bytes) -> bool:
        try:
            return read_status(talk(self._port, post("/feed/", body))) == 200
        except OSError:
            return False

    def finish(self) -> None:
        """Wait until all is answered."""
        self.is_over.set()
        for run in self._runs:
            run.result(120 * TIME_SCALE)
        self._pool.shutdown()


def check_stored(server: CollectorServer, senders: Senders) -> None:
    """Each report must be stored once: a host each, and a span each."""
    wait_for(lambda: server.count_waiting() == 0, "the end of what waits", 60)
    assert sorted(server.list_hosts()) == sorted(senders.answered)
    for host in senders.answered:
        assert {fate for fate, _, _ in server.find_fates(host)} == {"stored"}
    assert server.count_spans() == len(senders.answered)


def test_killed_at_any_moment(tmp_path: Path, holder: Holder, chance: random.Random) -> None:
    with CollectorServer(tmp_path, options=["--key", str(tmp_path / "both.pem")]) as server:
        server.start()
        senders = Senders(server.port, holder)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0, 0.6))
            server.kill()
            server.start()
        senders.finish()
        check_stored(server, senders)
        assert "Traceback" not in server.log


def test_stopped_under_load(tmp_path: Path, holder: Holder) -> None:
    """An end as told is clean each time: the exit status is 0, nothing in the log is an error."""
    with CollectorServer(tmp_path, options=["--key", str(tmp_path / "both.pem")]) as server:
        server.start()
        senders = Senders(server.port, holder)
        for _ in range(2):
            time.sleep(0.2)
            server.stop()
            server.start()
        senders.finish()
        check_stored(server, senders)
        assert "ERROR" not in server.log


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mount_small(disk, 4 << 20):
        yield disk


def test_a_full_disk(tmp_path: Path, disk: Path) -> None:
    """Told to come later while it is full, and taken as soon as there is room, without a restart."""
    with CollectorServer(tmp_path, state=disk / "state") as server:
        server.start()
        assert read_status(talk(server.port, post("/feed/", write_report("before.example.org")))) == 200
        server.wait_fate("before.example.org")
        wait_for(lambda: server.count_waiting() == 0, "an empty spool")  # what leaves it later makes room
        fill(disk / "ballast")
        answer = talk(server.port, post("/feed/", write_report("during.example.org")))
        assert read_status(answer) == 503
        assert b"\r\nretry-after: " in answer
        (disk / "ballast").unlink()
        assert read_status(talk(server.port, post("/feed/", write_report("after.example.org")))) == 200
        server.wait_fate("after.example.org")
        assert server.find_fates("during.example.org") == []


def test_a_disk_that_fills_with_reports(tmp_path: Path, disk: Path) -> None:
    """What was taken before it was full is stored once there is room."""
    with CollectorServer(tmp_path, state=disk / "state") as server:
        server.start()
        with (disk / "ballast").open("wb") as file:
            file.write(b"\0" * (3 << 20))
        taken, statuses = [], set()
        for number in range(400):
            host = f"fill{number}.example.org"
            padding = b"".join(b"lib%d\t1\tx86_64\n" % line for line in range(4000))
            body = b"#\nhost: %b\npackager: rpm\nversion: 1\n#\n%b#\n" % (host.encode(), padding)
            status = read_status(talk(server.port, post("/feed/", body)))
            statuses.add(status)
            if status == 200:
                taken.append(host)
            elif len(statuses) == 2:
                break
        assert statuses == {200, 503}
        (disk / "ballast").unlink()
        for host in taken:
            server.wait_fate(host)
        assert sorted(server.list_hosts()) == sorted(taken)


def test_the_database_away(tmp_path: Path) -> None:
    """At the start, and again later: reports are taken all the same, and stored once it is back."""
    question = b"GET /api/v1/hosts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with run_postgres() as postgres:
        url = postgres.create_database("inventory")
        postgres.stop()
        with CollectorServer(tmp_path, options=["--database", url]) as server:
            server.start()
            assert read_status(talk(server.port, post("/feed/", write_report("early.example.org")))) == 200
            answer = talk(server.port, question)
            assert read_status(answer) == 503
            assert b"\r\nretry-after: " in answer.lower()
            postgres.start()
            wait_for(lambda: read_status(talk(server.port, question)) == 401, "an answer from the API", 30)
            server.wait_fate("early.example.org")
            postgres.stop()
            for number in range(20):
                host = f"during{number}.example.org"
                assert read_status(talk(server.port, post("/feed/", write_report(host)))) == 200
            assert server.find_fates("during0.example.org") == []
            answer = talk(server.port, question)
            assert read_status(answer) in (401, 503)  # tokens are not in the database
            wait_for(lambda: "waiting" in server.log.partition("going-on")[2], "a line that it waits")
            time.sleep(3)  # some tries
            postgres.start()
            for number in range(20):
                assert [fate for fate, _, _ in server.wait_fate(f"during{number}.example.org")] == ["stored"]
            server.stop()
            # Once at the start, and once for each step that waits: reading what is known, and storing.
            assert 2 <= server.log.count("action=waiting") == server.log.count("action=going-on") <= 4
        with closing(psycopg.connect(url)) as connection:
            assert connection.execute("select count(*), count(distinct host_id) from spans").fetchone() == (21, 21)


def test_a_database_that_comes_back_as_another_one(tmp_path: Path) -> None:
    """Its service manager sees it, and does not try again: that is for somebody to mend."""
    with run_postgres() as postgres:
        url = postgres.create_database("inventory")
        with closing(psycopg.connect(url)) as connection:
            connection.execute("create table hosts (id integer)")
            connection.commit()
        postgres.stop()
        with CollectorServer(tmp_path, options=["--database", url]) as server:
            server.start()
            assert server.process is not None
            postgres.start()
            assert server.process.wait(30 * TIME_SCALE) == 2
            assert "another program's database" in server.log
