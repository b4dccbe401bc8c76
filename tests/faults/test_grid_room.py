"""Storages without room, uploads that fail in them: no half file stays, and nothing of them counts for anybody."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fault_support import fill
from grid_files import Local, book, commit, run_xrdcp, show
from grid_support import GridServer, GridUser
from grid_talk import Talk
from small_disk import mount_small

pytestmark = pytest.mark.peer("xrootd")
SMALL, LARGE = "LOCAL::SITE::SMALL", "LOCAL::SITE::SE1"
ROOM = 8 << 20  # bytes of the small one
QUOTA = 20 << 20


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A small disk, below no folder that another user may not pass through."""
    folder = Path(tempfile.mkdtemp(prefix="headless-small-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with mount_small(folder, ROOM):
            yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def user(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user who may have little, of a grid with a storage on that disk, and another."""
    options = ["--with-storage", f"{SMALL}={disk / 'se'}", "--max-bytes", str(QUOTA)]
    with GridServer(tmp_path_factory.mktemp("grid"), *options).with_storages(1) as server:
        user = server.add_user("tester")
        server.start()
        yield user
        assert "bug" not in server.log


def _make(tmp_path: Path, name: str, size: int) -> Local:
    local = Local(tmp_path / name)
    local.path.write_bytes(os.urandom(size))
    return local


def _list_files(disk: Path) -> list[Path]:
    return [path for path in (disk / "se" / "data").rglob("*") if path.is_file()]


def test_a_storage_without_room_is_given_out_to_nobody(user: GridUser, disk: Path, tmp_path: Path) -> None:
    local = _make(tmp_path, "large", 2 * ROOM)
    done = user.run("cp", f"file:{local.path}", f"large@{SMALL}")
    assert done.returncode == 28
    assert f"there is no room for {2 * ROOM} bytes on {SMALL}" in done.stderr.decode()
    done = user.run("cp", f"file:{local.path}", "large@disk:2")
    assert done.returncode == 28, done.stderr
    with Talk(user) as talk:
        assert [row["seName"] for row in talk.ask("whereis", "large")] == [LARGE]
        talk.ask("rm", "large")
    assert _list_files(disk) == []


def test_what_fails_on_a_disk_that_fills_leaves_nothing_and_is_not_counted(
    user: GridUser, disk: Path, tmp_path: Path
) -> None:
    """Together they have no room, and each has."""
    names = ["a", "b"]
    folder = tmp_path / "both"
    folder.mkdir()
    for name in names:
        _make(folder, name, 6 << 20)
    done = user.run("cp", "-strictspec", "-T", "2", f"file:{folder}/", f"both/@{SMALL}")
    assert done.returncode == 28, done.stderr
    with Talk(user) as talk:
        there = [name for name in names if talk.run("stat", f"both/{name}").code == 0]
        assert len(_list_files(disk)) == len(there) < 2
        for name in there:
            talk.ask("rm", f"both/{name}")
    for name in names:  # 12 MiB of 20, were the other 12 not given back
        done = user.run("cp", f"file:{folder}/{name}", f"again-{name}@{LARGE}")
        assert (done.returncode, done.stderr) == (0, b"")
    with Talk(user) as talk:
        talk.ask("rm", "again-a", "again-b")


def test_leave_that_is_given_back_is_of_no_use_and_frees_the_quota(user: GridUser, tmp_path: Path) -> None:
    other = user.server.add_user("other")
    local = _make(tmp_path, "file", 12 << 20)
    with Talk(user) as talk, Talk(other) as stranger:
        (row,) = book(talk, "first", local, LARGE)
        assert run_xrdcp(str(local.path), show(row)).returncode == 0
        said = talk.run("access", "-s", str(local.size), "write", "second", LARGE)
        assert (said.code, "12582912 are booked" in said.error) == (122, True)
        (again,) = book(talk, "first", local, LARGE)  # who tries again is not counted twice
        assert stranger.run("release", row["envelope"]).code == 13
        assert talk.ask("release", row["envelope"], again["envelope"])
        (second,) = book(talk, "second", local, LARGE)
        said = commit(talk, row, "first", local)
        assert (said.code, "another user's" in said.error) == (53, True)
        assert not list((user.server.storages / "SE1" / "data").rglob(row["guid"]))
        assert run_xrdcp(str(local.path), show(second)).returncode == 0
        assert commit(talk, second, "second", local).code == 0
        assert talk.ask("release", second["envelope"])  # it was used: nothing happens
        assert talk.ask("whereis", "second")
        assert len(list((user.server.storages / "SE1" / "data").rglob(second["guid"]))) == 1
        talk.ask("rm", "second")
        assert talk.run("release", "x").code == 13
        assert talk.run("release").code == 22


def test_a_grid_whose_storage_is_full_starts_again(user: GridUser, disk: Path, tmp_path: Path) -> None:
    local = _make(tmp_path, "small", 5000)
    assert user.run("cp", f"file:{local.path}", f"kept@{SMALL}").returncode == 0
    fill(disk / "ballast")
    user.server.stop()
    user.server.start()
    assert user.run("cp", "kept", f"file:{tmp_path}/back").returncode == 0
    assert (tmp_path / "back").read_bytes() == local.path.read_bytes()
    (disk / "ballast").unlink()
