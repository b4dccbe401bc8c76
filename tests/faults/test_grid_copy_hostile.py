"""``cp`` and a server that lists, names and answers what it should not: nothing of it is believed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from copy_support import assert_failure, cp, make_file, run_storages
from grid_storage import Storage
from scripted_grid import HOME, ScriptedGrid

pytestmark = pytest.mark.peer("xrootd")


@pytest.fixture(scope="module")
def storages() -> Iterator[list[Storage]]:
    """One is enough."""
    with run_storages("one") as storages:
        yield storages


@pytest.fixture
def grid(tmp_path: Path, storages: list[Storage]) -> Iterator[ScriptedGrid]:
    """A server with it."""
    with ScriptedGrid(tmp_path, storages) as grid:
        yield grid


HOSTILE = {
    "dots": {"lfn": f"{HOME}/d/../../escape", "type": "f", "size": "1"},
    "elsewhere": {"lfn": "/etc/passwd", "type": "f", "size": "1"},
    "prefix": {"lfn": f"{HOME}/dd/f", "type": "f", "size": "1"},
    "double": {"lfn": f"{HOME}/d//etc/x", "type": "f", "size": "1"},
    "nul": {"lfn": f"{HOME}/d/a\0b", "type": "f", "size": "1"},
    "half": {"lfn": f"{HOME}/d/a\ud800b", "type": "f", "size": "1"},
    "long": {"lfn": f"{HOME}/d/{'n' * 4096}", "type": "f", "size": "1"},
    "empty": {},
    "numbers": {"lfn": 17, "type": 3, "size": [1]},
}


@pytest.mark.parametrize("row", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_hostile_server_lists_is_not_written_outside(
    grid: ScriptedGrid, tmp_path: Path, row: dict[str, object]
) -> None:
    grid.folders.add(f"{HOME}/d")
    grid.put("d/good", b"good")
    good = grid._do_find(["-l", "9", "-o", "0", f"{HOME}/d", "*"])[2]
    grid.answers["find"] = lambda _: (0, "", [row, *good])
    grid.answers["access"] = lambda options: (
        None if options[-1].endswith("good") else grid._do_access(["read", f"{HOME}/d/good"])
    )
    out = tmp_path / "out" / "in"
    before = set(os.listdir(tmp_path)) | {"out", ".alienpy_history", ".cache", ".local"}
    done = cp(grid, f"{HOME}/d/", f"file:{out}")
    assert done.returncode in (0, 71, 40, 36, 84), done.stderr  # a row without a type 'f' is no file
    assert b"Traceback" not in done.stderr
    assert b"bug" not in done.stderr
    assert os.listdir(out) == ["good"]
    assert os.listdir(tmp_path / "out") == ["in"]
    assert set(os.listdir(tmp_path)) <= before


@pytest.mark.parametrize(
    "change",
    [
        {"url": None}, {"url": "file:///etc/passwd"}, {"url": "/etc/passwd"}, {"url": 7}, {"url": "root://h/ x"},
        {"url": "root://127.0.0.1:1//x#a&xrd.b=c"},
    ],
)  # fmt: skip
def test_storage_that_is_none_is_not_opened(grid: ScriptedGrid, tmp_path: Path, change: dict[str, object]) -> None:
    lfn = grid.put("f", b"x")

    def answer(options: list[str]) -> "tuple[int, str, list[dict[str, object]]]":
        _, _, rows = grid._do_access(options)
        return 0, "", [{key: value for key, value in {**row, **change}.items() if value is not None} for row in rows]

    grid.answers["access"] = answer
    assert_failure(grid, 71, "the server names", lfn, f"file:{tmp_path}/out")
    assert_failure(grid, 71, "the server names", make_file(tmp_path, "g"), f"{HOME}/g")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"metadata": {}, "results": 1}', '{"metadata": {"exitcode": "x"}}'])
def test_replies_that_are_none(grid: ScriptedGrid, tmp_path: Path, text: str) -> None:
    lfn = grid.put("f", b"x")
    grid.answers["access"] = lambda _: text
    done = cp(grid, lfn, f"file:{tmp_path}/out")
    assert done.returncode not in (0, 70)
    assert b"bug" not in done.stderr
    assert not (tmp_path / "out").exists()
