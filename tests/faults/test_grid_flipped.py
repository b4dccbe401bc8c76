"""``cp`` from storage over a network that changes bytes: what has come is what is stored, or has not come."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_storage import Storage, show_port, storage_of_test
from scripted_grid import ScriptedGrid
from tcp_relay import TcpRelay, tcp_relay

pytestmark = pytest.mark.peer("xrootd")
MARK = b"what is changed on its way"
SIZES = [100, 3 << 20, 9 << 20]  # bytes: of each way that a file comes


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
def grid(tmp_path: Path, storage: Storage) -> Iterator[ScriptedGrid]:
    """A server with it."""
    with ScriptedGrid(tmp_path, [storage]) as grid:
        yield grid


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("is_registered", "reason"), [(True, b"is registered"), (False, b"the storage says")], ids=["md5", "no md5"]
)
def test_what_is_changed_on_its_way_has_not_come(
    grid: ScriptedGrid, relay: TcpRelay, tmp_path: Path, size: int, is_registered: bool, reason: bytes
) -> None:
    data = os.urandom(size // 2) + MARK * 9 + os.urandom(size // 2)
    lfn, target = grid.put("f", data), tmp_path / "to" / "f"
    if not is_registered:
        grid.files[lfn].md5 = ""
    relay.change = lambda piece: piece.replace(MARK, MARK.upper())
    done = grid.world.run("grid", "cp", lfn, f"file:{target}", limit_s=60)
    assert done.returncode == 74, done.stderr
    assert reason in done.stderr
    assert os.listdir(target.parent) == []
    relay.change = bytes
    done = grid.world.run("grid", "cp", lfn, f"file:{target}", limit_s=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert target.read_bytes() == data


def test_a_storage_that_tells_no_checksum_is_believed_where_none_is_registered(
    grid: ScriptedGrid, storage: Storage, tmp_path: Path
) -> None:
    storage.stop()
    storage.checksum = ""
    storage.start()
    lfn = grid.put("f", b"content")
    grid.files[lfn].md5 = ""
    done = grid.world.run("grid", "cp", lfn, f"file:{tmp_path}/back", limit_s=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "back").read_bytes() == b"content"
