"""What becomes of a lost disk's replicas in the catalogue."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, select

from headless.errors import ParameterError
from headless.grid.serve.entries import insert_file, insert_folder
from headless.grid.serve.schema import LOST, members, metadata, orphans, replicas, storages, transfers
from headless.grid.serve.storage_identity import count_files
from headless.grid.serve.storage_replace import find_mount, list_lost, replace_storage

ONE, TWO = "A::B::ONE", "A::B::TWO"


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A catalogue with files at two storages."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        for number, name in enumerate((ONE, TWO)):
            connection.execute(storages.insert().values(name=name, number=number, url="root://x", qos="[]"))
        insert_folder(connection, "/", "admin", "admin")
        yield connection


def _put(connection: Connection, guid: str, *paths: str, at: tuple[str, ...] = (ONE,), fault: str = "") -> None:
    for path in paths:
        insert_file(connection, path, "anna", "anna", 5, "0" * 32, guid)
    for name in at:
        broken = fault if name == TWO else ""
        connection.execute(replicas.insert().values(guid=guid, storage=name, pfn=f"/{guid}", fault=broken))


def _list(connection: Connection) -> list[str]:
    found: list[str] = []
    assert list_lost(connection, ONE, found.append) == len(found)
    return found


def test_only_what_is_good_elsewhere_is_made_again(connection: Connection) -> None:
    _put(connection, "g1", "/z", "/y", at=(ONE, TWO))
    _put(connection, "g2", "/broken", at=(ONE, TWO), fault="content")
    _put(connection, "g3", "/alone", "/alone-too")
    _put(connection, "g4", "/other", at=(TWO,))
    for is_dry, again in ((True, 1), (False, 1), (False, 0)):
        assert replace_storage(connection, ONE, is_dry=is_dry) == again
        assert _list(connection) == ["/alone", "/alone-too", "/broken"]
    assert _list_transfers(connection) == [("anna", "/y", "g1", ONE, "WAITING")]
    left = connection.execute(select(replicas.c.guid, replicas.c.storage, replicas.c.fault).order_by(*replicas.c)).all()
    assert [tuple(row) for row in left] == [
        ("g1", TWO, ""), ("g2", ONE, LOST), ("g2", TWO, "content"), ("g3", ONE, LOST), ("g4", TWO, ""),
    ]  # fmt: skip
    assert (count_files(connection, ONE), count_files(connection, TWO)) == (0, 3)


def _list_transfers(connection: Connection) -> list[tuple[str, ...]]:
    """What is to be copied."""
    columns = (transfers.c.user, transfers.c.path, transfers.c.guid, transfers.c.storage, transfers.c.state)
    return [tuple(row) for row in connection.execute(select(*columns))]


def test_what_is_in_a_lost_archive_is_lost(connection: Connection) -> None:
    _put(connection, "zip", "/a.zip")
    for guid, path in (("in", "/in"), ("apart", "/apart")):
        _put(connection, guid, path, at=())
        connection.execute(members.insert().values(guid=guid, archive="zip", name=path[1:]))
    connection.execute(replicas.insert().values(guid="apart", storage=TWO, pfn="/apart"))
    assert _list(connection) == ["/a.zip", "/in"]


def test_what_was_to_be_removed_is_forgotten(connection: Connection) -> None:
    for name in (ONE, TWO):
        connection.execute(orphans.insert().values(storage=name, pfn="/x"))
    replace_storage(connection, ONE)
    assert connection.execute(select(orphans.c.storage)).scalars().all() == [TWO]


def test_a_storage_that_nobody_knows(connection: Connection) -> None:
    with pytest.raises(ParameterError, match=f"knows no storage A::B::ON; it knows {ONE}, {TWO}"):
        replace_storage(connection, "A::B::ON")


def test_where_a_folder_is_mounted(tmp_path: Path) -> None:
    assert find_mount("/proc/self") == "/proc"
    assert str(tmp_path).startswith(find_mount(str(tmp_path)))
