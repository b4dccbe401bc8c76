"""What the verifier makes of what it has found: nothing is removed but for a replica that is good just now."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, select

from headless.grid.serve.bookings import list_replicas
from headless.grid.serve.entries import find_entry, insert_file, insert_folder
from headless.grid.serve.schema import CONTENT, MISSING, metadata, orphans, replicas, transfers
from headless.grid.serve.verifier import _note

GUID = "1c0f1f3e-0000-4000-8000-000000000000"


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A catalogue with a file, whose two replicas were found good long ago."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        insert_folder(connection, "/", "admin", "admin")
        insert_file(connection, "/f", "anna", "anna", 5, "0" * 32, GUID)
        for name in ("A", "B"):
            connection.execute(replicas.insert().values(guid=GUID, storage=name, pfn=f"/{name}", checked_ms=7))
        yield connection


def _find(connection: Connection, storage: str, fault: str) -> None:
    entry = find_entry(connection, "/f")
    assert entry is not None
    row = connection.execute(select(replicas).where(replicas.c.storage == storage)).one()
    _note(connection, row, entry, fault)


def test_a_wrong_replica_goes_when_another_one_is_good_now(connection: Connection) -> None:
    _find(connection, "B", CONTENT)
    assert set(list_replicas(connection, GUID)) == {"A", "B"}
    assert connection.execute(select(replicas.c.checked_ms).where(replicas.c.storage == "A")).scalar_one() == 0
    _find(connection, "A", "")
    assert set(list_replicas(connection, GUID)) == {"A"}
    assert connection.execute(select(orphans.c.pfn)).scalars().all() == ["/B"]
    assert connection.execute(select(transfers.c.storage)).scalars().all() == ["B"]


@pytest.mark.parametrize("other", [CONTENT, MISSING])
def test_none_goes_where_all_are_wrong(connection: Connection, other: str) -> None:
    _find(connection, "B", CONTENT)
    _find(connection, "A", other)
    _find(connection, "B", CONTENT)
    assert set(list_replicas(connection, GUID)) == {"A", "B"}
    assert connection.execute(select(orphans.c.pfn)).all() == []
    assert connection.execute(select(replicas.c.checked_ms).where(replicas.c.checked_ms == 0)).all() == []


def test_none_goes_for_the_sake_of_one_that_has_gone_since_it_was_seen(connection: Connection) -> None:
    entry = find_entry(connection, "/f")
    assert entry is not None
    _find(connection, "B", CONTENT)
    row = connection.execute(select(replicas).where(replicas.c.storage == "A")).one()
    connection.execute(replicas.delete().where(replicas.c.storage == "A"))
    _note(connection, row, entry, "")
    assert set(list_replicas(connection, GUID)) == {"B"}
    assert connection.execute(select(orphans.c.pfn)).all() == []
