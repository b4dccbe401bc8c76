"""``cp`` of files that a storage has lost, where the rest of what is known differs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from copy_support import assert_failure, cp, list_left, run_storages
from grid_storage import Storage
from scripted_grid import HOME, ScriptedGrid

pytestmark = pytest.mark.peer("xrootd")
LARGE = 3 << 20  # bytes; small files come in another way


@pytest.fixture(scope="module")
def storages() -> Iterator[list[Storage]]:
    """Four storages."""
    with run_storages("one", "two", "three", "four") as storages:
        yield storages


@pytest.fixture
def grid(tmp_path: Path, storages: list[Storage]) -> Iterator[ScriptedGrid]:
    """A server with them."""
    with ScriptedGrid(tmp_path, storages) as grid:
        yield grid


def _lose(grid: ScriptedGrid, lfn: str, *storages: Storage) -> None:
    for storage in storages:
        (storage.files / grid.files[lfn].replicas[storage.name].lstrip("/")).unlink()


@pytest.mark.parametrize("size", [100, LARGE])
def test_all_replicas_are_looked_for(grid: ScriptedGrid, storages: list[Storage], tmp_path: Path, size: int) -> None:
    lfn, data = grid.put("f", os.urandom(size), *storages), tmp_path / "back"
    _lose(grid, lfn, *storages[:3])
    done = cp(grid, lfn, f"file:{data}")
    assert (done.returncode, done.stderr) == (0, b"")
    _lose(grid, lfn, storages[3])
    data.unlink()
    assert_failure(grid, 61, "it is in the catalogue, and missing on storage", lfn, f"file:{data}")
    assert list_left(tmp_path) == []


@pytest.mark.parametrize("target", ["file:{}/back", f"{HOME}/copy@disk:1"])
def test_one_that_is_away_may_have_it(grid: ScriptedGrid, storages: list[Storage], tmp_path: Path, target: str) -> None:
    lfn = grid.put("f", b"content", storages[0])
    _lose(grid, lfn, storages[0])
    grid.answers["whereis"] = lambda _: (
        0, "", [{"seName": "TEST::SITE::ONE"}, {"seName": "TEST::FAR::AWAY"}, {"seName": "no_se"}]
    )  # fmt: skip
    said = "the replica at TEST::SITE::ONE is missing, and TEST::FAR::AWAY, which has one too, is away"
    assert_failure(grid, 77, said, lfn, target.format(tmp_path))


def test_one_that_fails_is_told_beside_one_that_is_missing(
    grid: ScriptedGrid, storages: list[Storage], tmp_path: Path
) -> None:
    lfn = grid.put("f", b"content", *storages[:2])
    _lose(grid, lfn, storages[0])
    storages[1].put(grid.files[lfn].replicas["two"].lstrip("/"), b"changed")
    assert_failure(grid, 74, "and the replica at TEST::SITE::ONE is missing", lfn, f"file:{tmp_path}/back")


def test_a_file_that_goes_meanwhile_is_not_there(grid: ScriptedGrid, storages: list[Storage], tmp_path: Path) -> None:
    lfn = grid.put("f", b"content")
    _lose(grid, lfn, storages[0])
    grid.answers["whereis"] = lambda _: (2, "No such file or directory", [])
    assert_failure(grid, 2, "was removed meanwhile", lfn, f"file:{tmp_path}/back")


def test_a_server_that_does_not_know_whereis_changes_nothing(
    grid: ScriptedGrid, storages: list[Storage], tmp_path: Path
) -> None:
    lfn = grid.put("f", b"content")
    _lose(grid, lfn, storages[0])
    grid.answers["whereis"] = lambda _: (5, "no", [])
    assert_failure(grid, 61, "missing on storage, at TEST::SITE::ONE", lfn, f"file:{tmp_path}/back")
