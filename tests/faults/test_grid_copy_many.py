"""``cp`` of many files, and of the same file twice at once: each whole, none lost."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from copy_support import cp, list_left, make_file, run_storages
from grid_storage import Storage
from scripted_grid import HOME, ScriptedGrid

pytestmark = pytest.mark.peer("xrootd")
FILES = 5000


@pytest.fixture(scope="module")
def storages() -> Iterator[list[Storage]]:
    """Two, as many as a file has replicas."""
    with run_storages("one", "two") as storages:
        yield storages


@pytest.fixture
def grid(tmp_path: Path, storages: list[Storage]) -> Iterator[ScriptedGrid]:
    """A server with both."""
    with ScriptedGrid(tmp_path, storages) as grid:
        yield grid


def test_two_of_the_same_at_once_are_both_right(grid: ScriptedGrid, tmp_path: Path) -> None:
    lfn = grid.put("f", os.urandom(3 << 20))
    source = make_file(tmp_path, "up", os.urandom(3 << 20))
    for words in ((lfn, f"file:{tmp_path}/out"), (source, f"{HOME}/up")):
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda each: cp(grid, *each), [words, words]))
        assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert list_left(tmp_path) == []
    assert grid.names() == ["f", "up"]


def test_many_small_files_and_many_at_a_time(grid: ScriptedGrid, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(FILES):
        make_file(tmp_path / "in", f"{number}", b"%d" % number)
    assert cp(grid, "-T", "64", f"file:{tmp_path}/in/", f"{HOME}/many@disk:1", limit_s=120).returncode == 0
    assert len(grid.files) == FILES
    assert cp(grid, "-T", "64", f"{HOME}/many/", f"file:{tmp_path}/out", limit_s=120).returncode == 0
    assert sorted(os.listdir(tmp_path / "out")) == sorted(map(str, range(FILES)))
    assert all((tmp_path / "out" / f"{number}").read_bytes() == b"%d" % number for number in range(FILES))


def test_metadata_is_asked_ahead(grid: ScriptedGrid, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(30):
        make_file(tmp_path / "in", f"{number}", b"%d" % number)
    assert cp(grid, f"file:{tmp_path}/in/", f"{HOME}/many").returncode == 0
    asked = [words[0] for words in grid.commands]
    assert (asked.count("access"), asked.count("commit")) == (30, 60)
    assert asked.count("stat") <= 2  # the target's listing has told what is there
