"""Opening a journal: what is none is refused in words, what is older is brought up to date."""

import asyncio
import os
import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, select

from headless.database.backends import check_url
from headless.errors import ParameterError
from headless.job import JobState
from headless.server import ledger
from headless.server.journal import Journal
from headless.server.schema import JOURNAL
from journal_support import insert_name, run

LAST = len(JOURNAL.migrations)
ROOT_ONLY = pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")


def refuse(state: Path, match: str, journal_url: str = "") -> None:
    async def main() -> None:
        with pytest.raises(ParameterError, match=match):
            Journal.open(journal_url, str(state))

    before = threading.active_count()
    asyncio.run(main())
    assert threading.active_count() == before


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / JOURNAL.file).write_bytes(b"three billion jobs\n" * 1000)
    refuse(tmp_path, "not a database: restore it from a backup")
    assert (tmp_path / JOURNAL.file).read_bytes().startswith(b"three billion")


def test_another_program_s_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / JOURNAL.file) as other:
        other.execute("create table jobs (id integer)")
    other.close()
    refuse(tmp_path, "another program's database")


def test_a_journal_from_the_future(tmp_path: Path, journal_url: str) -> None:
    async def age(journal: Journal) -> None:
        await journal.write(
            lambda connection: connection.execute(JOURNAL.version.update().values(version=LAST + 1)) and None
        )

    run(age, tmp_path, journal_url)
    refuse(tmp_path, f"of version {LAST + 1}, and this headless knows {LAST} at most: upgrade headless", journal_url)


def test_a_locked_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headless.database.backends.LOCK_LIMIT_S", 0.2)
    other = sqlite3.connect(tmp_path / JOURNAL.file, isolation_level=None)
    other.execute("begin exclusive")
    refuse(tmp_path, "locked: another program has it open")
    other.close()


@ROOT_ONLY
def test_a_journal_that_cannot_be_written(tmp_path: Path) -> None:
    run(lambda journal: asyncio.sleep(0), tmp_path)
    (tmp_path / JOURNAL.file).chmod(stat.S_IRUSR)
    refuse(tmp_path, "readonly")


def test_a_journal_whose_place_is_taken_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / JOURNAL.file).mkdir()
    refuse(tmp_path, "is of no use: unable to open database file")


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    run(lambda journal: asyncio.sleep(0), tmp_path)
    assert stat.S_IMODE((tmp_path / JOURNAL.file).stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["nonsense", "mysql://host/db", "sqlite:///x", "postgresql", "http://x/y"])
def test_urls_that_are_none(text: str) -> None:
    with pytest.raises(ParameterError, match="setting 'journal'"):
        check_url(text, "journal")


def test_an_unreachable_database_is_named_without_its_password(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(ParameterError) as caught:
            Journal.open("postgresql://anna:geheim@127.0.0.1:1/db", str(tmp_path))
        assert "127.0.0.1" in str(caught.value)
        assert "geheim" not in str(caught.value)

    asyncio.run(main())


def test_a_journal_of_version_1_is_opened_by_every_later_headless(tmp_path: Path) -> None:
    """The vector was written by the first version: what it holds must stay readable for good."""
    with sqlite3.connect(tmp_path / JOURNAL.file) as old:
        old.executescript((Path(__file__).parents[1] / "vectors" / "journal_1.sql").read_text())
    old.close()

    async def look(journal: Journal) -> None:
        (live,) = await journal.read(ledger.load_live)
        assert (live.spec.name, live.state, live.spec.source) == ("nightly", JobState.WAITING, b"\0pass\xff")
        assert (
            await journal.read(lambda connection: connection.execute(select(JOURNAL.version.c.version)).scalar_one())
            == LAST
        )

    run(look, tmp_path)


def test_an_older_journal_is_migrated_step_by_step_and_once(
    tmp_path: Path, journal_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write(journal: Journal) -> None:
        await journal.write(insert_name("before"))

    run(write, tmp_path, journal_url)
    steps: list[str] = []

    def add_column(connection: Connection) -> None:
        steps.append("column")
        connection.exec_driver_sql("alter table names add column colour text")

    def fill_column(connection: Connection) -> None:
        steps.append("fill")
        connection.exec_driver_sql("update names set colour = 'green'")

    monkeypatch.setattr(Journal, "schema", replace(JOURNAL, migrations=(*JOURNAL.migrations, add_column, fill_column)))

    async def look(journal: Journal) -> None:
        rows = await journal.read(lambda connection: connection.exec_driver_sql("select name, colour from names").all())
        assert [tuple(row) for row in rows] == [("before", "green")]

    for _ in range(2):
        run(look, tmp_path, journal_url)
    assert steps == ["column", "fill"]


def test_a_migration_that_fails_leaves_the_journal_as_it_was(
    tmp_path: Path, journal_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(lambda journal: asyncio.sleep(0), tmp_path, journal_url)

    def fail(connection: Connection) -> None:
        connection.exec_driver_sql("alter table names add column half text")
        connection.exec_driver_sql("select * from nothing_like_it")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "schema", replace(JOURNAL, migrations=(*JOURNAL.migrations, fail)))
        refuse(tmp_path, "nothing_like_it", journal_url)

    async def look(journal: Journal) -> None:
        columns = await journal.read(
            lambda connection: {item["name"] for item in inspect(connection).get_columns("names")}
        )
        assert "half" not in columns

    run(look, tmp_path, journal_url)
