"""A storage's disk, as it is looked at."""

import asyncio
import os
from pathlib import Path

import pytest

from headless.grid.serve.storage_disk import StorageDisk

KEY = "a key\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A storage's folder."""
    (tmp_path / "se" / "data").mkdir(parents=True)
    (tmp_path / "se" / "macaroons.key").write_text(KEY)
    return tmp_path / "se"


def _take(folder: Path, limit_s: float = 30.0) -> StorageDisk:
    disk = StorageDisk(str(folder), KEY, limit_s)
    disk.take()
    return disk


def test_what_is_there(folder: Path) -> None:
    disk = _take(folder)
    assert asyncio.run(disk.look()) == ""
    assert asyncio.run(disk.look_back()) == ""
    disk.release()
    disk.release()
    assert asyncio.run(disk.look()) == ""


def test_what_is_not(folder: Path, tmp_path: Path) -> None:
    disk = _take(folder)
    folder.rename(tmp_path / "disk")
    for made in ([], [folder], [folder / "data"]):
        for place in made:
            place.mkdir()
        assert "macaroons.key: No such file or directory" in asyncio.run(disk.look())
        assert asyncio.run(disk.look_back()) == asyncio.run(disk.look())
    (folder / "macaroons.key").write_text("another")
    assert "is another storage's" in asyncio.run(disk.look())
    (folder / "macaroons.key").write_text(KEY)
    assert "is not the folder that it was" in asyncio.run(disk.look())
    assert asyncio.run(disk.look_back()) == asyncio.run(disk.look())
    disk.release()


def test_one_that_hangs_is_gone_and_is_asked_once(folder: Path) -> None:
    disk = _take(folder, limit_s=0.05)
    key = folder / "macaroons.key"
    key.unlink()
    os.mkfifo(key)

    async def look() -> None:
        assert "has not answered" in await disk.look()
        assert "has not answered" in await disk.look_back()
        os.close(os.open(key, os.O_WRONLY))  # as when it goes on
        while await disk.look_back() != "":
            key.unlink(missing_ok=True)
            key.write_text(KEY)

    asyncio.run(asyncio.wait_for(look(), 30))
    assert asyncio.run(disk.look()) == ""
    disk.release()
