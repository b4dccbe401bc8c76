"""What lies below a folder, in parts."""

import pytest
import sqlalchemy
from sqlalchemy import Connection, select

from headless.grid.serve import entries as module
from headless.grid.serve.entries import insert_folder, split_below
from headless.grid.serve.schema import entries, metadata

PATHS = ["/", "/a", *(f"/a/{name:02d}" for name in range(25)), "/a/03/deep", "/a!", "/a!/x", "/a0", "/b"]


@pytest.fixture
def connection() -> Connection:
    """A database of its own."""
    engine = sqlalchemy.create_engine("sqlite://")
    metadata.create_all(engine)
    connection = engine.connect()
    for path in sorted(PATHS):
        if path != "/":
            insert_folder(connection, path, "tester", "tester")
    return connection


@pytest.mark.parametrize("folder", ["/", "/a", "/a/03", "/b", "/nosuch"])
def test_parts_are_all_and_none_is_large(connection: Connection, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setattr(module, "PART", 10)
    found: list[str] = []
    for part in split_below(connection, folder):
        rows = connection.execute(select(entries.c.path).where(part)).scalars().all()
        assert len(rows) <= 10
        found += rows
    assert sorted(found) == sorted(path for path in PATHS if path.startswith(folder.rstrip("/") + "/") and path != "/")
