"""``cp`` with a server that closes the connection at any of its commands, or sends what no server would."""

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_storage import Storage, storage_of_test
from scripted_grid import HOME, ScriptedGrid

pytestmark = pytest.mark.peer("xrootd")
ASKED = {"access", "commit", "find", "ls", "mkdir", "mv", "pwd", "rm", "stat", "touch"}
NEW = {"old": b"new", "f": b"content", "empty": b"", "in/g": b"deeper"}


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    """A storage."""
    with storage_of_test() as storage:
        yield storage


@pytest.fixture
def grid(tmp_path: Path, storage: Storage) -> Iterator[ScriptedGrid]:
    """A server with it."""
    with ScriptedGrid(tmp_path, [storage]) as grid:
        yield grid


def _cp(grid: ScriptedGrid, *words: str) -> "subprocess.CompletedProcess[bytes]":
    done = grid.world.run("grid", "cp", *words, limit_s=60)
    assert b"Traceback" not in done.stderr
    assert b"bug" not in done.stderr
    return done


def _prepare(grid: ScriptedGrid, folder: Path) -> None:
    """A folder here, and an older file where one of its files is to go."""
    grid.put("up/old", b"old")
    grid.folders.add(f"{HOME}/up")
    for name, data in NEW.items():
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _copy_up(grid: ScriptedGrid, folder: Path) -> tuple[int, bytes]:
    done = _cp(grid, "-f", f"file:{folder}/in/", f"{HOME}/up")
    return done.returncode, done.stderr


def _copy_down(grid: ScriptedGrid, folder: Path) -> None:
    """What is there is what was here."""
    done = _cp(grid, f"{HOME}/up/", f"file:{folder}/out")
    assert (done.returncode, done.stderr) == (0, b"")
    assert grid.names() == sorted(f"up/{name}" for name in NEW)
    assert {name: (folder / "out" / name).read_bytes() for name in NEW} == NEW


def test_these_are_all_commands(grid: ScriptedGrid, tmp_path: Path) -> None:
    """Else the next test would have to know more."""
    _prepare(grid, tmp_path)
    assert _copy_up(grid, tmp_path) == (0, b"")
    _copy_down(grid, tmp_path)
    assert {words[0] for words in grid.commands} <= ASKED


@pytest.mark.parametrize("command", sorted(ASKED))
def test_wherever_the_server_closes_all_is_done_or_told(grid: ScriptedGrid, tmp_path: Path, command: str) -> None:
    def close_once(options: list[str]) -> None:
        if not closed:
            closed.append(command)
            raise ConnectionError

    closed: list[str] = []
    _prepare(grid, tmp_path)
    before = grid.files[f"{HOME}/up/old"]
    grid.answers[command] = close_once
    code, talk = _copy_up(grid, tmp_path)
    if command in ("mv", "touch"):  # which are not sent twice
        assert (code, talk.endswith(b"1 of 4 files failed\n")) == (107, True), talk
        assert command == "touch" or grid.files[f"{HOME}/up/old"] == before
    else:
        assert (code, talk) == (0, b"")
    assert _copy_up(grid, tmp_path) == (0, b"")  # which also removes what an unanswered rm has left
    _copy_down(grid, tmp_path)
    assert closed == [command]


@pytest.mark.parametrize("frame", [
    struct.pack(">BBQ", 0x81, 127, 1 << 62), struct.pack(">BBQ", 0x81, 127, (1 << 30) + 1),
    struct.pack(">BBQ", 0x81, 127, 1 << 63), b"\xff\xff", b"\x81\x81", b"HTTP/1.1 200 OK\r\n\r\n",
], ids=["of 4 EiB", "one too large", "of a negative size", "of no kind", "masked", "none"])  # fmt: skip
def test_frames_that_are_none_end_it_in_a_line(grid: ScriptedGrid, tmp_path: Path, frame: bytes) -> None:
    lfn = grid.put("f", b"x")
    grid.answers["access"] = lambda _: frame
    done = _cp(grid, lfn, f"file:{tmp_path}/out")
    assert done.returncode in (71, 107), done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert not (tmp_path / "out").exists()
    assert not [name for name in os.listdir(tmp_path) if "headless-part" in name]
