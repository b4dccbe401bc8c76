"""A storage's disk that goes while the grid runs, and is back: told, kept out of, taken back."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from grid_files import Local, book, commit, put
from grid_support import GridServer, GridUser
from grid_talk import Talk
from support import TIME_SCALE, wait_for

pytestmark = [pytest.mark.peer("xrootd"), pytest.mark.peer("xrdcp")]
FIRST, SECOND = "LOCAL::SITE::SE1", "LOCAL::SITE::SE2"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a grid with two storages."""
    with GridServer(tmp_path_factory.mktemp("grid")).with_storages(2) as server:
        user = server.add_user("tester")
        server.start()
        (user.home / "local").write_bytes(b"content")
        yield user
        assert "bug" not in server.log


class Disk:
    """A storage's folder, which can be taken away."""

    def __init__(self, user: GridUser, name: str) -> None:
        self.user, self.name = user, name
        self.folder = user.server.storages / name.rpartition(":")[2]
        self.place = self.folder.with_name("disk")
        self._gone, self._back = self._count("storage-gone"), self._count("storage-back")

    def _count(self, action: str) -> int:
        return self.user.server.log.count(f"action={action} name={self.name} ")

    def take_away(self) -> None:
        """Have an empty folder in its place, as where a disk is not mounted."""
        self.folder.rename(self.place)
        self.folder.mkdir()

    def put_back(self) -> None:
        """Have it again."""
        shutil.rmtree(self.folder)
        self.place.rename(self.folder)

    def wait_gone(self) -> None:
        """Until the server has told."""
        wait_for(lambda: self._count("storage-gone") > self._gone, "the server to see that it is gone", 30)

    def wait_back(self) -> None:
        """Until the server has taken it back, with one word of each."""
        wait_for(lambda: self._count("storage-back") > self._back, "the server to see that it is back", 30)
        assert (self._count("storage-gone"), self._count("storage-back")) == (self._gone + 1, self._back + 1)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """A file that no other test has."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(5000))
    return Local(path)


def _list_away(user: GridUser, command: str) -> list[str]:
    lines = user.run(command).stdout.decode().splitlines()
    return [name for name in (FIRST, SECOND) for line in lines if name in line and line.endswith("  away")]


def test_it_is_told_kept_out_of_and_taken_back(user: GridUser, local: Local) -> None:
    disk = Disk(user, FIRST)
    with Talk(user) as talk:
        put(talk, "on-one", local, FIRST)
        put(talk, "on-both", local, "disk:2")
        disk.take_away()
        disk.wait_gone()
        assert [row["se"] for row in talk.ask("access", "-s", "9", "write", "new", "disk:2")] == [SECOND]
        assert [row["se"] for row in talk.ask("access", "read", "on-both")] == [SECOND]
        assert [_list_away(user, command) for command in ("df", "getSE", "listSEs")] == [[FIRST]] * 3
        assert user.run("cp", "alien:on-one", f"file:{user.home}/back").returncode == 77
        assert user.run("cat", "on-both").stdout == local.path.read_bytes()
        assert list(disk.folder.iterdir()) == []
        disk.put_back()
        disk.wait_back()
        wait_for(lambda: not _list_away(user, "df"), "df to see it")
        assert "storage-not-back" not in user.server.log
        assert user.run("cat", "on-one").stdout == local.path.read_bytes()
        put(talk, "later", local, FIRST)
        assert {row["broken"] for row in talk.ask("df")[1:]} == {"0"}


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[tuple[GridUser, list[str]]]:
    """A user of a grid whose only storage is on a real file system of its own; and the command that mounts it."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(40 << 20)
    with GridServer(tmp_path).with_storages(1) as server:
        user, folder = server.add_user("tester"), server.storages / "SE1"
        folder.mkdir()
        mount = ["mount", "-o", "loop,errors=remount-ro", str(image), str(folder)]
        for command in (["mkfs.ext4", "-q", str(image)], mount):
            if not shutil.which(command[0]) or subprocess.run(command, capture_output=True, check=False).returncode:
                pytest.skip("nothing can be mounted here")
        try:
            server.start()
            (user.home / "a").write_bytes(b"content")
            assert user.run("cp", f"file:{user.home}/a", "alien:a").returncode == 0
            yield user, mount
            server.stop()
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def test_a_real_disk_that_is_unmounted(mounted: tuple[GridUser, list[str]]) -> None:
    user, mount = mounted
    folder = Path(mount[-1])
    subprocess.run(["umount", "-l", str(folder)], check=True)
    wait_for(lambda: "ERROR action=storage-gone" in user.server.log, "the server to see that it is gone", 30)
    assert list(folder.iterdir()) == []
    subprocess.run(mount, check=True)
    wait_for(lambda: "action=storage-back" in user.server.log, "the server to see that it is back", 30)
    wait_for(lambda: user.run("cat", "a").stdout == b"content", "the file", 30)


def test_a_real_disk_that_has_errors(mounted: tuple[GridUser, list[str]]) -> None:
    """Linux writes no more to it, and reads."""
    user, mount = mounted
    device = subprocess.run(["losetup", "-nO", "NAME", "-j", mount[-2]], check=True, capture_output=True, text=True)
    trigger = Path("/sys/fs/ext4", Path(device.stdout.strip()).name, "trigger_fs_error")
    if not trigger.exists():
        pytest.skip("this Linux makes no errors on demand")
    trigger.write_text("a test")
    wait_for(lambda: "ERROR action=storage-read-only" in user.server.log, "the server to see it", 60)
    for command in ("df", "getSE", "listSEs"):
        assert user.run(command).stdout.rstrip().endswith(b"  read-only")
    assert user.run("cat", "a").stdout == b"content"
    assert user.run("access", "-s", "9", "write", "b").returncode == 77


def test_a_storage_that_dies_with_its_disk_is_not_begun_anew(user: GridUser) -> None:
    disk = Disk(user, FIRST)
    pid = int(re.findall(rf"action=storage name={FIRST} port=\d+ pid=(\d+)", user.server.log)[-1])
    disk.take_away()
    os.kill(pid, signal.SIGKILL)
    disk.wait_gone()
    assert list(disk.folder.iterdir()) == []
    disk.put_back()
    disk.wait_back()


@pytest.mark.parametrize("with_key", [False, True], ids=["data", "data-and-key"])
def test_a_mount_point_with_an_old_storage_in_it_is_not_taken_for_it(user: GridUser, with_key: bool) -> None:
    """As one that was begun before its disk was mounted for the first time."""
    disk = Disk(user, FIRST)
    disk.take_away()
    (disk.folder / "data").mkdir()
    if with_key:
        shutil.copy(disk.place / "macaroons.key", disk.folder)
    disk.wait_gone()
    assert sorted(path.name for path in disk.folder.iterdir()) == ["data", "macaroons.key"][: 1 + with_key]
    disk.put_back()
    disk.wait_back()


def test_what_was_written_to_a_mount_point_is_not_registered(user: GridUser, local: Local) -> None:
    disk = Disk(user, FIRST)

    with Talk(user) as talk:
        (row,) = book(talk, "hidden", local, FIRST)
        disk.take_away()
        stored = disk.folder / "data" / row["url"].rpartition("//")[2]
        stored.parent.mkdir(parents=True)
        shutil.copy(local.path, stored)
        said = commit(talk, row, "hidden", local)
        assert (said.code, "its disk is gone" in said.error) == (53, True), said.error
        disk.wait_gone()
    disk.put_back()
    disk.wait_back()
    assert user.run("stat", "hidden").returncode == 2


def test_what_was_missing_is_looked_for_when_a_disk_is_back(user: GridUser, local: Local) -> None:
    disk = Disk(user, FIRST)
    with Talk(user) as talk:
        (row,) = put(talk, "half-mounted", local, FIRST)
    with closing(sqlite3.connect(user.server.state / "catalogue.db", timeout=30 * TIME_SCALE)) as catalogue:
        one = f"where guid = '{row['guid']}'"
        catalogue.execute(f"update grid_replicas set fault = 'missing', checked_ms = 9 {one}")
        catalogue.commit()
        disk.take_away()
        disk.wait_gone()
        disk.put_back()
        disk.wait_back()
        assert catalogue.execute(f"select checked_ms <> 9 from grid_replicas {one}").fetchone() == (1,)


def test_the_server_ends_while_a_disk_is_gone(user: GridUser) -> None:
    disk = Disk(user, FIRST)
    disk.take_away()
    disk.wait_gone()
    user.server.stop()
    disk.put_back()
    user.server.start()
    assert not _list_away(user, "df")
