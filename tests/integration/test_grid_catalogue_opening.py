"""The grid's catalogue in its two databases: one of an older headless is brought up to date, and counts as before."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from headless.grid.messages import GridError
from headless.grid.serve.bookings import Booking, book
from headless.grid.serve.catalogue import Catalogue
from headless.grid.serve.entries import now_ms
from headless.grid.serve.schema import CATALOGUE, bookings
from headless.grid.serve.settings import GridSettings
from headless.grid.serve.usage import find_quota
from postgres import Postgres

EDQUOT = 122


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


def _age(connection: Connection) -> None:
    """Make it what version 1 was."""
    connection.execute(text("drop index grid_bookings_open"))
    connection.execute(text('create index grid_bookings_user on grid_bookings ("user")'))
    connection.execute(CATALOGUE.version.update().values(version=1))


def test_a_catalogue_of_version_1_gets_its_index(tmp_path: Path, url: str) -> None:
    _run(lambda catalogue: catalogue.write(_age), tmp_path, url)

    async def look(catalogue: Catalogue) -> None:
        names = await catalogue.read(lambda connection: inspect(connection).get_indexes("grid_bookings"))
        found = {row["name"] for row in names}
        assert "grid_bookings_open" in found
        assert "grid_bookings_user" not in found

    _run(look, tmp_path, url)


def _make(count: int, size: int, guid: str = "") -> Booking:
    return Booking(
        id=f"b{count}", user="u", path=f"/f{count}", guid=guid or f"g{count}", storage="A::B::C", pfn=f"/p{count}",
        size=size, md5="", job_id=None, expires_ms=now_ms() + 60_000,
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
        await catalogue.write(lambda connection: connection.execute(bookings.update().values(committed=True)))
        await add(_make(5, 100))
        quota = await catalogue.read(lambda connection: find_quota(connection, settings, "u"))
        assert (quota.files, quota.bytes, quota.max_files, quota.max_bytes) == (0, 0, 3, 100)

    _run(work, tmp_path, url)
