"""The collector's database in trouble: killed in a write, there without a word, read-only, without its last rows."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from headless.database.backends import build_engine, check_url
from headless.inventory.collect.access import Access
from headless.inventory.collect.schema import SCHEMA
from inventory_database import DatabaseServer, run_database
from inventory_outage import FastClock, ask, read_stored
from inventory_server import LIMIT_S, CollectorServer, open_socket, post, read_all, read_status, talk, write_report
from postgres import run_postgres
from support import HEADLESS, wait_for

SPEED, SLOW_SPEED = 20, 4
READ_ONLY = "default_transaction_read_only"
STANDBY = "synchronous_standby_names"


class Administrator:
    """Has a database do what its owner would not."""

    def __init__(self, connection: Connection) -> None:
        """Args:
        connection: with all rights; each statement is a transaction.
        """
        self._connection = connection
        self._is_postgresql = connection.engine.dialect.name == "postgresql"

    def set(self, setting: str, value: str) -> None:
        """Change a setting of PostgreSQL, of all its connections; empty: as it was."""
        change = f"set {setting} = '{value}'" if value else f"reset {setting}"
        self.do(f"alter system {change}", "select pg_reload_conf()")

    def do(self, *statements: str) -> int:
        """Do something; the last one's result."""
        found = [self._connection.execute(text(statement)) for statement in statements]
        return int(found[-1].scalar_one()) if found[-1].returns_rows else 0

    def hold_commits(self) -> None:
        """From now on no commit is answered: PostgreSQL does it, and waits for a replica; MariaDB does not do it."""
        if self._is_postgresql:
            self.set(STANDBY, "nobody")
        else:
            self.do("flush tables with read lock")

    def has_held(self) -> bool:
        """Whether somebody waits for that."""
        if self._is_postgresql:
            return self.do("select count(*) from pg_stat_activity where wait_event = 'SyncRep'") > 0
        return self.do("select count(*) from information_schema.processlist where state like '%lock%'") > 0

    def hold_reads(self) -> None:
        """From now on, until this is over, no question is answered."""
        if self._is_postgresql:
            self.do("begin", "lock table sites in access exclusive mode")
        else:
            self.do("lock tables sites write")

    def has_held_reads(self) -> bool:
        """Whether somebody waits for that."""
        if self._is_postgresql:
            return self.do("select count(*) from pg_locks where not granted") > 0
        return self.has_held()

    def release_commits(self) -> None:
        """After a new start: no commit waits any more."""
        if self._is_postgresql:
            self.set(STANDBY, "")

    def set_read_only(self, is_so: bool) -> None:
        """Have it refuse to write, or not."""
        if self._is_postgresql:
            self.set(READ_ONLY, "on" if is_so else "")
        else:
            self.do(f"set global read_only = {is_so:d}")

    def empty(self) -> None:
        """Have all rows be gone but the version, and numbers begin anew."""
        tables = [table.name for table in SCHEMA.version.metadata.sorted_tables if table is not SCHEMA.version]
        if self._is_postgresql:
            self.do(f"truncate {', '.join(tables)} restart identity cascade")
        else:
            self.do("set foreign_key_checks = 0", *(f"truncate {name}" for name in tables))


@contextmanager
def administrate(url: str) -> Iterator[Administrator]:
    """Be a database's administrator while the block runs."""
    engine = build_engine(check_url(url, "database", SCHEMA.backends))
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield Administrator(connection)
            connection.invalidate()  # its server may be gone
    finally:
        engine.dispose()


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """Each of the servers that a collector may use."""
    with run_database(request.param) as server:
        yield server


def send(server: CollectorServer, host: str, version: str = "1") -> None:
    """Have a report taken."""
    assert read_status(talk(server.port, post("/feed/", write_report(f"{host}.example.org", version)))) == 200


def find_version(server: CollectorServer, token: str, host: str) -> str:
    """Ask which version of a package a host has."""
    answer = talk(server.port, ask(f"/api/v1/show?host={host}.example.org", token))
    assert read_status(answer) == 200, answer
    rows = json.loads(answer.partition(b"\r\n\r\n")[2])["rows"]
    [version] = [row["version"] for row in rows if row["name"] == "app"]
    return str(version)


def check_once(server: CollectorServer, url: str, *hosts: str) -> None:
    """Each of these hosts, and no other, must have one report stored; in the log nothing is a bug."""

    def is_stored(host: str) -> bool:
        return [fate for fate, _, _ in server.find_fates(f"{host}.example.org")] == ["stored"]

    wait_for(lambda: all(map(is_stored, hosts)), f"one report of each of {hosts}", 30)
    stored = read_stored(url)
    assert {name: sum(len(times) for times, _ in spans) for name, spans in stored.items()} == dict.fromkeys(hosts, 1)
    assert not re.search("Traceback|bug", server.log), server.log


def test_killed_in_a_write(tmp_path: Path, database: DatabaseServer) -> None:
    """What was in it is stored once, whether it was committed or not."""
    url = database.create_database("killed")
    with CollectorServer(tmp_path, options=["--database", url]) as server:
        server.start()
        send(server, "before")
        server.wait_fate("before.example.org")
        with administrate(url) as administrator:
            administrator.hold_commits()
            send(server, "during")
            wait_for(administrator.has_held, "a write that is held up")
            database.crash()
        database.start()
        with administrate(url) as administrator:
            administrator.release_commits()
        check_once(server, url, "before", "during")


@pytest.mark.peer("faketime")
def test_there_without_a_word(tmp_path: Path, database: DatabaseServer) -> None:
    """It is waited for 40 s, here by a clock 20 times as fast; then who asks is told, and it is tried again."""
    url = database.create_database("silent")
    with CollectorServer(tmp_path, options=["--database", url]) as server:
        FastClock(tmp_path / "clock", server, SPEED)
        server.start()
        send(server, "before")
        server.wait_fate("before.example.org")
        token = Access(str(server.state / "access.json")).add("watcher", "admin", ())
        assert read_status(talk(server.port, ask("/api/v1/hosts", token))) == 200
        database.freeze()
        try:
            send(server, "during")
            with open_socket(server.port) as leaver:  # who does not wait for the answer
                leaver.sendall(ask("/api/v1/hosts", token))
            answer = talk(server.port, ask("/api/v1/hosts", token))
            wait_for(lambda: "action=waiting" in server.log, "a line that it waits")
            send(server, "later")
        finally:
            database.thaw()
        assert read_status(answer) == 503
        assert b"\r\nretry-after: " in answer.lower()
        check_once(server, url, "before", "during", "later")
        assert read_status(talk(server.port, ask("/api/v1/hosts", token))) == 200


@pytest.mark.peer("faketime")
def test_stopped_while_it_says_nothing(tmp_path: Path, database: DatabaseServer) -> None:
    """The end does not wait for it for ever, and is a clean one."""
    url = database.create_database("stopped")
    with CollectorServer(tmp_path, options=["--database", url]) as server:
        FastClock(tmp_path / "clock", server, SPEED)
        server.start()
        send(server, "before")
        server.wait_fate("before.example.org")
        database.freeze()
        try:
            send(server, "during")
            wait_for(lambda: "action=waiting" in server.log, "a line that it waits")
            server.stop()
        finally:
            database.thaw()
        server.start()
        check_once(server, url, "before", "during")


@pytest.mark.peer("faketime")
def test_started_and_stopped_while_it_says_nothing(tmp_path: Path, database: DatabaseServer) -> None:
    """Reports are taken; they are stored after the next start."""
    url = database.create_database("started")
    with CollectorServer(tmp_path, options=["--database", url]) as server:
        FastClock(tmp_path / "clock", server, SPEED)
        server.start()
        server.stop()
        database.freeze()
        try:
            server.start()
            send(server, "during")
            server.stop()
        finally:
            database.thaw()
        server.start()
        check_once(server, url, "during")


@pytest.mark.peer("faketime")
def test_stopped_while_somebody_asks_and_it_says_nothing(tmp_path: Path, database: DatabaseServer) -> None:
    """The question has 10 s, and the database 10 s after that, by the collector's clock; who asked is told."""
    url = database.create_database("asked")
    with CollectorServer(tmp_path, options=["--database", url]) as server:
        FastClock(tmp_path / "clock", server, SLOW_SPEED)
        server.start()
        token = Access(str(server.state / "access.json")).add("watcher", "admin", ())
        wait_for(lambda: "action=warm" in server.log, "the end of what it reads by itself")
        with administrate(url) as administrator, open_socket(server.port) as channel:
            administrator.hold_reads()
            channel.sendall(ask("/api/v1/hosts", token))
            wait_for(administrator.has_held_reads, "a question that is held up")
            database.freeze()
            try:
                assert server.process is not None
                server.process.terminate()
                answer = read_all(channel)
                assert server.process.wait(LIMIT_S) == 0
            finally:
                database.thaw()
    assert read_status(answer) == 503
    assert b"the collector stops" in answer and b"\r\nretry-after: " in answer.lower()
    assert "action=cut-off requests=1" in server.log and "action=inventory-left" in server.log
    assert not re.search("Traceback|ASGI|bug", server.log), server.log


def test_read_only(tmp_path: Path, database: DatabaseServer) -> None:
    """As after a change of servers: while the collector runs, when it starts, and before its tables are made."""
    url = database.create_database("standing")
    with administrate(url) as administrator:
        if "mysql" in url:  # its root may always write
            administrator.do("create user keeper@localhost", "grant all on standing.* to keeper@localhost")
        mine = url.replace("root@", "keeper@")
        with CollectorServer(tmp_path, options=["--database", mine]) as server:
            administrator.set_read_only(True)
            try:
                server.start()
                send(server, "first")
                wait_for(lambda: server.log.count("action=waiting") == 1, "a line that it waits")
                administrator.set_read_only(False)
                server.wait_fate("first.example.org")
                administrator.set_read_only(True)
                send(server, "second")
                wait_for(lambda: server.log.count("action=waiting") == 2, "a line that it waits")
                server.stop()
                server.start()
                send(server, "third")
                wait_for(lambda: server.log.count("action=waiting") == 3, "a line that it waits")
            finally:
                administrator.set_read_only(False)
            check_once(server, url, "first", "second", "third")


def test_back_without_its_last_rows(tmp_path: Path, database: DatabaseServer) -> None:
    """As a replica that was behind: what comes is numbered anew, and what is gone is made anew of what was kept."""
    url = database.create_database("behind")
    with CollectorServer(tmp_path, options=["--database", url]) as server:
        server.start()
        token = Access(str(server.state / "access.json")).add("watcher", "admin", ())
        send(server, "before", "1")
        server.wait_fate("before.example.org")
        assert find_version(server, token, "before") == "0:1-1.el9"
        database.crash()
        database.start()
        with administrate(url) as administrator:
            administrator.empty()
        send(server, "after", "2")
        check_once(server, url, "after")
        assert find_version(server, token, "after") == "0:2-1.el9"
        assert server.log.count("action=stored-lost") == 1
        subprocess.run([HEADLESS, "inventory", "reprocess", "--state", str(server.state)], check=True)
        check_once(server, url, "before", "after")
        assert find_version(server, token, "before") == "0:1-1.el9"


def test_starting_up(tmp_path: Path) -> None:
    """It says that it takes no connections yet: while the collector runs, and when it starts."""
    with run_postgres() as database, CollectorServer(tmp_path) as server:
        url = database.create_database("starting")
        server.options += ["--database", url]
        server.start()
        send(server, "before")
        server.wait_fate("before.example.org")
        database.stop()
        database.start_forever()
        send(server, "first")
        wait_for(lambda: server.log.count("not accepting connections") == 1, "a line that it waits")
        server.stop()
        server.start()
        send(server, "second")
        wait_for(lambda: server.log.count("not accepting connections") == 2, "a line that it waits")
        database.stop()
        database.start()
        check_once(server, url, "before", "first", "second")
