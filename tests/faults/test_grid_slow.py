"""``cp`` where the storage answers slowly: it is waited for, and given up when the time that was given is over."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_storage import Storage, show_port, storage_of_test
from scripted_grid import HOME, ScriptedGrid
from tcp_relay import TcpRelay, tcp_relay

pytestmark = pytest.mark.peer("xrootd")
FAR = (0.06, 1_000)  # seconds a piece, bytes of the file: the answers are late
NARROW = (0.001, 1_500_000)  # the content is
# XRootD's own limits, which are short in these tests, would end it too.
PATIENT = {"XRD_STREAMTIMEOUT": "60", "XRD_REQUESTTIMEOUT": "1200"}
WAYS = [(NARROW[1], "16384"), (NARROW[1], "4194304"), (900_000, "4194304")]  # bytes of the file, of a chunk
STARVED_S = 0.15  # at which that content takes a minute


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    """A storage."""
    with storage_of_test() as storage:
        yield storage


@pytest.fixture
def relay(storage: Storage) -> Iterator[TcpRelay]:
    """The way to it, which the grid names."""
    with tcp_relay(storage.service) as relay, show_port(storage, relay.service):
        yield relay


@pytest.fixture
def grid(tmp_path: Path, storage: Storage, relay: TcpRelay) -> Iterator[ScriptedGrid]:
    """A server with it."""
    with ScriptedGrid(tmp_path, [storage]) as grid:
        yield grid


def _cp(grid: ScriptedGrid, *words: str) -> "subprocess.CompletedProcess[bytes]":
    done = grid.world.run("grid", "cp", *words, environment=PATIENT, limit_s=60)
    assert b"Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("pause_s", "size", "options"), [(*FAR, []), (*NARROW, ["-timeout", "60"])], ids=["far", "narrow, in time"]
)
def test_a_slow_storage_is_waited_for(
    grid: ScriptedGrid, relay: TcpRelay, tmp_path: Path, pause_s: float, size: int, options: list[str]
) -> None:
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)
    relay.pause_s = pause_s
    done = _cp(grid, *options, f"file:{tmp_path}/f", f"{HOME}/f@disk:1")
    assert (done.returncode, done.stderr) == (0, b"")
    done = _cp(grid, *options, f"{HOME}/f", f"file:{tmp_path}/back")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "back").read_bytes() == data


@pytest.mark.parametrize(("size", "chunk"), WAYS, ids=["between chunks", "in one", "small"])
def test_a_download_that_takes_too_long_is_given_up_and_leaves_what_was_there(
    grid: ScriptedGrid, relay: TcpRelay, tmp_path: Path, size: int, chunk: str
) -> None:
    lfn = grid.put("f", os.urandom(size))
    out = tmp_path / "to" / "out"
    out.parent.mkdir()
    out.write_bytes(b"precious")
    relay.pause_s = STARVED_S
    done = _cp(grid, "-f", "-norecovery", "-timeout", "1", "-chunksz", chunk, lfn, f"file:{out}")
    assert done.returncode == 110, done.stderr
    assert (os.listdir(out.parent), out.read_bytes()) == (["out"], b"precious")


@pytest.mark.parametrize(("size", "chunk"), WAYS, ids=["between chunks", "in one", "small"])
def test_an_upload_that_takes_too_long_is_given_up_and_not_registered(
    grid: ScriptedGrid, relay: TcpRelay, tmp_path: Path, size: int, chunk: str
) -> None:
    (tmp_path / "f").write_bytes(os.urandom(size))
    relay.pause_s = STARVED_S
    done = _cp(grid, "-norecovery", "-timeout", "1", "-chunksz", chunk, f"file:{tmp_path}/f", f"{HOME}/f@disk:1")
    assert done.returncode == 110, done.stderr
    assert b"1 of 1 files failed" in done.stderr
    assert grid.names() == []
