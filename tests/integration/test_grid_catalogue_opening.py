"""The grid's catalogue in its two databases: one of an older headless is brought up to date, and counts as before."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, func, inspect, select, text

from headless.grid.messages import GridError
from headless.grid.serve.bookings import Booking, book
from headless.grid.serve.catalogue import Catalogue
from headless.grid.serve.entries import now_ms
from headless.grid.serve.schema import (
    CATALOGUE,
    bookings,
    entries,
    orphans,
    quotas,
    replicas,
    storages,
    subjects,
    transfers,
    users,
)
from headless.grid.serve.settings import GridSettings
from headless.grid.serve.usage import check_quota, find_quota
from postgres import Postgres

EDQUOT = 122
ALL = (users, subjects, entries, storages, replicas, orphans, bookings, quotas, transfers)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Of a database for one test; empty for SQLite."""
    if request.param == "sqlite":
        return ""
    database: Postgres = request.getfixturevalue("postgres")
    return database.create_database("opening_" + str(abs(hash(request.node.name))))


def _run(work: Callable[[Catalogue], Awaitable[None]], state: Path, url: str) -> None:
    async def run() -> None:
        catalogue = Catalogue.open(url, str(state))
        try:
            await work(catalogue)
        finally:
            await catalogue.close()

    asyncio.run(run())


def _load(state: Path, url: str) -> None:
    """Make the catalogue that the vector holds."""
    vectors = Path(__file__).parents[1] / "vectors"
    if url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute((vectors / "catalogue_1.postgresql.sql").read_bytes())
        return
    with closing(sqlite3.connect(state / CATALOGUE.file)) as file:
        file.executescript((vectors / "catalogue_1.sqlite.sql").read_text(encoding="utf-8"))


def _describe(connection: Connection) -> dict[str, Any]:
    """All that a catalogue is made of but its rows."""
    looking = inspect(connection)
    made: dict[str, Any] = {}
    for table in looking.get_table_names():
        made[table] = {
            "columns": [{**column, "type": repr(column["type"])} for column in looking.get_columns(table)],
            "key": looking.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(str(found["column_names"]) for found in looking.get_unique_constraints(table)),
            "indexes": {str(index["name"]): _show(index) for index in looking.get_indexes(table)},
        }
    made["triggers"] = {
        (name, " ".join(text.split())) for name, text in connection.execute(text(_TRIGGERS[connection.dialect.name]))
    }
    return made


def _show(index: Any) -> str:
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return repr({**index, "dialect_options": options})


_TRIGGERS = {
    "sqlite": "select name, sql from sqlite_master where type = 'trigger'",
    "postgresql": "select tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal"
    " union select proname, pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace",
}


def test_a_catalogue_of_version_1_becomes_what_a_new_one_is(
    tmp_path: Path, url: str, request: pytest.FixtureRequest
) -> None:
    new = request.getfixturevalue("postgres").create_database("opening_new") if url else ""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    _load(tmp_path / "old", url)
    described: list[dict[str, Any]] = []

    async def look(catalogue: Catalogue) -> None:
        described.append(await catalogue.read(_describe))
        version = select(CATALOGUE.version.c.version)
        assert await catalogue.read(lambda connection: connection.execute(version).all()) == [
            (len(CATALOGUE.migrations),)
        ]

    _run(look, tmp_path / "new", new)
    for _ in range(2):  # the second time there is nothing to be done
        _run(look, tmp_path / "old", url)
    assert described[1] == described[0]
    assert described[2] == described[0]


def test_a_catalogue_of_version_1_keeps_its_rows_and_counts_on(tmp_path: Path, url: str) -> None:
    _load(tmp_path, url)
    settings = GridSettings(state=str(tmp_path))

    def count(connection: Connection, user: str) -> tuple[int, ...]:
        return astuple(find_quota(connection, settings, user))[:2]

    def look(connection: Connection) -> None:
        rows = {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in ALL}
        assert rows == {
            "grid_users": 2, "grid_subjects": 1, "grid_entries": 12, "grid_storages": 2, "grid_replicas": 4,
            "grid_orphans": 1, "grid_bookings": 3, "grid_quotas": 1, "grid_transfers": 1,
        }  # fmt: skip
        one = connection.execute(entries.select().where(entries.c.name == "höhe 'x'")).one()
        assert (one.path, one.owner, one.mode, one.size) == ("/grid/user/a/anna/höhe 'x'", "anna", 0o644, 0)
        assert set(connection.execute(select(replicas.c.checked_ms, replicas.c.fault))) == {(0, "")}
        assert (count(connection, "anna"), count(connection, "ben")) == ((2, 100), (2, 30))
        check_quota(connection, settings, "anna", 60, booked_for="/x")  # 100 are there, 40 are booked, 200 are allowed
        with pytest.raises(GridError) as caught:
            check_quota(connection, settings, "anna", 61, booked_for="/x")
        assert caught.value.exit_code == EDQUOT

    def change(connection: Connection) -> None:
        two = connection.execute(entries.select().where(entries.c.name == "two")).one()
        files = [{**two._mapping, "path": f"{two.path}{n}", "owner": "anna", "size": 1000} for n in range(3)]
        connection.execute(entries.insert(), files)
        connection.execute(entries.update().where(entries.c.path == two.path).values(owner="anna"))
        assert (count(connection, "anna"), count(connection, "ben")) == ((6, 3123), (1, 7))
        connection.execute(entries.delete().where(entries.c.size == 1000))
        assert (count(connection, "anna"), count(connection, "ben")) == ((3, 123), (1, 7))

    async def work(catalogue: Catalogue) -> None:
        await catalogue.read(look)
        await catalogue.write(change)

    _run(work, tmp_path, url)


def _make(count: int, size: int, guid: str = "") -> Booking:
    return Booking(
        id=f"b{count}", user="u", path=f"/f{guid or count}", guid=guid or f"g{count}", storage="A::B::C",
        pfn=f"/p{count}", size=size, md5="", job_id=None, expires_ms=now_ms() + 60_000,
    )  # fmt: skip


def test_what_is_booked_counts_until_it_is_committed_and_replicas_of_one_content_once(tmp_path: Path, url: str) -> None:
    settings = GridSettings(state=str(tmp_path), max_files=3, max_bytes=100)

    async def work(catalogue: Catalogue) -> None:
        async def add(*made: Booking) -> None:
            await catalogue.write(lambda connection: book(connection, settings, list(made), is_new=True))

        await add(_make(1, 60, "same"), _make(2, 60, "same"))
        with pytest.raises(GridError) as caught:
            await add(_make(3, 41))
        assert caught.value.exit_code == EDQUOT
        assert "60 are booked" in str(caught.value)
        await add(_make(4, 40))
        await add(replace(_make(4, 40, "g4 again"), id="again", path="/f4"))  # only one of them can become the file
        await catalogue.write(lambda connection: connection.execute(bookings.update().values(committed=True)))
        await add(_make(5, 100))
        quota = await catalogue.read(lambda connection: find_quota(connection, settings, "u"))
        assert (quota.files, quota.bytes, quota.max_files, quota.max_bytes) == (0, 0, 3, 100)

    _run(work, tmp_path, url)
