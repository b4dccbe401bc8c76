"""The grid's own storages: real XRootDs that live as long as the grid does, and serve nobody without an envelope."""

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from grid_support import GridServer
from support import TIME_SCALE

pytestmark = pytest.mark.peer("xrootd")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridServer]:
    """A grid with one storage."""
    with GridServer(tmp_path_factory.mktemp("grid")).with_storages(1) as server:
        yield server.start()


def _find_last(server: GridServer) -> tuple[int, int]:
    """The port and the process id of the storage that was started last."""
    port, pid = re.findall(r"storage name=\S+ port=(\d+) pid=(\d+)", server.log)[-1]
    return int(port), int(pid)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(condition: "object", limit_s: float = 15) -> None:
    assert callable(condition)
    limit = time.monotonic() + limit_s * TIME_SCALE
    while not condition():
        assert time.monotonic() < limit, "it does not come true"
        time.sleep(0.05)


def test_a_storage_that_dies_is_started_again_at_its_port(server: GridServer) -> None:
    port, pid = _find_last(server)
    os.kill(pid, signal.SIGKILL)
    _wait_until(lambda: _find_last(server)[1] != pid)
    assert _find_last(server)[0] == port
    assert "storage-died name=LOCAL::SITE::SE1" in server.log


def test_nothing_is_served_without_an_envelope(server: GridServer, tmp_path: Path) -> None:
    port, _ = _find_last(server)
    (server.storages / "SE1" / "data" / "here").write_text("x")
    done = subprocess.run(["xrdfs", f"127.0.0.1:{port}", "stat", "/here"], capture_output=True, timeout=60 * TIME_SCALE)
    assert done.returncode != 0
    assert b"permission denied" in done.stderr


def test_storages_end_with_a_killed_server_and_come_back_at_the_same_port(server: GridServer) -> None:
    port, pid = _find_last(server)
    server.kill()
    _wait_until(lambda: not _is_listening(port))
    server.start()
    assert _find_last(server)[0] == port
    assert _find_last(server)[1] != pid
    server.stop()
    assert not _is_listening(port)
    server.start()


def test_what_an_earlier_server_left_behind_is_ended(server: GridServer) -> None:
    port, _ = _find_last(server)
    server.stop()
    folder = server.storages / "SE1"
    user = "xrootd" if os.geteuid() == 0 else None
    stale = subprocess.Popen(
        ["xrootd", "-c", str(folder / "xrootd.cf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user
    )
    try:
        _wait_until(lambda: _is_listening(port))
        (folder / "pid").write_text(f"{stale.pid}\n")
        server.start()
        assert stale.wait(10 * TIME_SCALE) == -signal.SIGKILL
        assert _find_last(server)[0] == port
    finally:
        stale.kill()
        stale.wait()


def test_a_storage_that_runs_elsewhere(server: GridServer, tmp_path: Path) -> None:
    port, _ = _find_last(server)
    server.stop()
    folder, options = server.storages / "SE1", server.options
    name = "LOCAL::SITE::SE1"
    server.run_tool("pki", "--state", str(server.state), "storage", name, "--out", str(tmp_path / "key"))
    (folder / "macaroons.key").write_bytes((tmp_path / "key").read_bytes())
    user = "xrootd" if os.geteuid() == 0 else None
    elsewhere = subprocess.Popen(
        ["xrootd", "-c", str(folder / "xrootd.cf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user
    )
    try:
        _wait_until(lambda: _is_listening(port))
        server.options = ("--with-storage", f"{name}=root://127.0.0.1:{port}")
        user_of_it = server.add_user("elsewhere")
        server.start()
        done = user_of_it.run("testSE", name)
        assert (done.returncode, done.stdout) == (0, f"{name}: write, read, remove: ok\n".encode()), done.stderr
        server.stop()
    finally:
        server.options = options
        elsewhere.kill()
        elsewhere.wait()
    server.start()


def _refused_start(server: GridServer) -> str:
    """The last line of a start that is refused."""
    with pytest.raises(AssertionError):
        server.start()
    assert server.process is not None
    assert server.process.wait(30 * TIME_SCALE) == 2
    return server.log.splitlines()[-1]


def test_a_storage_whose_disk_is_away_is_not_begun_anew(tmp_path: Path) -> None:
    with GridServer(tmp_path).with_storages(2) as server:
        user = server.add_user("keeper")
        server.start()
        (user.home / "a").write_bytes(b"content")
        assert user.run("cp", f"file:{user.home}/a", "alien:a@LOCAL::SITE::SE2").returncode == 0
        server.stop()
        folder, disk = server.storages / "SE2", server.storages / "disk"
        folder.rename(disk)
        folder.mkdir()
        told = _refused_start(server)
        assert "storage LOCAL::SITE::SE2: the catalogue knows 1 files of it, and" in told
        assert "is its disk mounted?" in told
        assert list(folder.iterdir()) == []
        options, server.options = server.options, server.options[:2]  # without it
        server.start()
        assert "ERROR action=storage-left-out name=LOCAL::SITE::SE2 files=1" in server.log
        away, here = (next(line for line in user.run("df").stdout.decode().splitlines() if name in line)
                      for name in ("SE2", "SE1"))  # fmt: skip
        assert away.endswith("  away")
        assert not here.endswith("away")
        server.stop()
        server.options = options
        folder.rmdir()
        disk.rename(folder)
        server.start()
        assert user.run("cat a").stdout == b"content"


def test_a_lost_catalogue_is_told(tmp_path: Path) -> None:
    with GridServer(tmp_path).with_storages(1) as server:
        user = server.add_user("keeper")
        server.start()
        (user.home / "a").write_bytes(b"content")
        assert user.run("cp", f"file:{user.home}/a", "alien:a").returncode == 0
        server.stop()
        server.start()
        assert "ERROR" not in server.log
        server.stop()
        for file in server.state.glob("catalogue.db*"):
            file.unlink()
        server.start()
        folder = server.storages / "SE1"
        assert f"ERROR action=storage-unknown name=LOCAL::SITE::SE1 folder={folder} reason='it holds" in server.log


def test_what_was_copied_while_it_ran_is_a_grid_again(tmp_path: Path) -> None:
    """In the order of docs/operations.md."""
    with GridServer(tmp_path).with_storages(1) as server:
        user = server.add_user("keeper")
        server.start()
        (user.home / "a").write_bytes(b"content")
        assert user.run("cp", f"file:{user.home}/a", "alien:a").returncode == 0
        saved = server.storages / "saved"
        saved.mkdir(mode=0o755)
        with (
            closing(sqlite3.connect(server.state / "catalogue.db")) as catalogue,
            closing(sqlite3.connect(saved / "catalogue.db")) as copy,
        ):
            catalogue.backup(copy)
        assert user.run("cp", f"file:{user.home}/a", "alien:later").returncode == 0
        for source in (server.state / "pki", server.storages / "SE1"):
            subprocess.run(["cp", "-a", source, saved], check=True)
        server.kill()
        shutil.rmtree(server.state)
        server.state.mkdir(mode=0o700)
        for name in ("catalogue.db", "pki"):
            (saved / name).rename(server.state / name)
        server.options = ("--with-storage", f"LOCAL::SITE::SE1={saved / 'SE1'}")
        server.start()
        assert user.run("ls").stdout == b"a\n"
        assert user.run("cat a").stdout == b"content"
        assert user.run("cp", f"file:{user.home}/a", "alien:later").returncode == 0
        assert "ERROR" not in server.log


def test_storages_whose_folders_were_exchanged_are_refused(tmp_path: Path) -> None:
    with GridServer(tmp_path).with_storages(2) as server:
        server.start().stop()
        one, other = (server.storages / name for name in ("SE1", "SE2"))
        before = (one / "macaroons.key").read_bytes()
        server.options = ("--with-storage", str(other), "--with-storage", str(one))
        assert f"storage LOCAL::SITE::SE1: {other} is the folder of another storage" in _refused_start(server)
        assert (one / "macaroons.key").read_bytes() == before
        (other / "macaroons.key").unlink()
        (one / "macaroons.key").unlink()
        server.start().stop()


def test_what_would_be_refused_leaves_no_folder(tmp_path: Path) -> None:
    with GridServer(tmp_path, "--with-storage", str(tmp_path / "deep" / "se"), "--run-as", "nosuch") as server:
        assert "--run-as nosuch: there is no such user" in _refused_start(server)
        assert not (tmp_path / "deep").exists()


def test_a_folder_serves_one_grid_only(server: GridServer, tmp_path: Path) -> None:
    other = GridServer(tmp_path, "--with-storage", str(server.storages / "SE1"))
    try:
        assert "is the folder of another storage, or of another grid's" in _refused_start(other)
        (server.storages / "SE1" / "macaroons.key").unlink()
        assert "is in use by another server" in _refused_start(other)
    finally:
        other.close()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("NAME=/tmp/x", "is no name of a storage"),
        ("A::B::C=", "give its folder"),
        ("A::B::C=root://", "give its folder"),
        ("root://host:1", "give its folder"),
        ("/dev/null/x", "is of no use"),
    ],
)
def test_what_is_no_storage_is_told(tmp_path: Path, option: str, message: str) -> None:
    other = GridServer(tmp_path, "--with-storage", option)
    try:
        with pytest.raises(AssertionError, match=message):
            other.start()
    finally:
        other.close()
