"""``cp`` where storage, server, network, disk and files fail: the truth, and nothing half."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from copy_support import assert_failure, cp, list_left, make_file, run_storages
from grid_storage import Storage, show_port
from scripted_grid import HOME, Reply, ScriptedGrid
from support import TIME_SCALE, wait_for
from tcp_relay import tcp_relay

pytestmark = pytest.mark.peer("xrootd")
CUT = [6 << 20, *[1] * 1000]  # bytes: one connection is cut in the middle of a file, and all after it at once
SMALL = 1 << 20  # bytes: up to here files go up and come down in another way
Done = subprocess.CompletedProcess[bytes]


@pytest.fixture(scope="module")
def storages() -> Iterator[list[Storage]]:
    """Three storages; a test that has spoilt one starts it again."""
    with run_storages("one", "two", "three") as storages:
        yield storages


@pytest.fixture
def grid(tmp_path: Path, storages: list[Storage]) -> Iterator[ScriptedGrid]:
    """A server with two of them."""
    with ScriptedGrid(tmp_path, storages[:2]) as grid:
        yield grid


def _refuse(options: list[str]) -> Reply:
    return 122, "quota", []


def test_a_refused_commit_is_a_failure(grid: ScriptedGrid, tmp_path: Path) -> None:
    refusals: Iterator[Reply] = iter(
        [(53, "Nothing was registered", []), (0, "", [{"lfn": "0"}]), (0, "", [{}]), (0, "", [])]
    )
    grid.answers["commit"] = lambda _: next(refusals)
    for code in (53, 67, 67, 67):
        assert_failure(grid, code, "registered", make_file(tmp_path, "f"), f"{HOME}/f@disk:1")
    assert grid.names() == []


def test_a_refused_replacement_leaves_the_old_file(grid: ScriptedGrid, tmp_path: Path) -> None:
    lfn = grid.put("f", b"old")
    before = grid.files[lfn]
    for command in ("access", "commit", "mv"):
        grid.answers[command] = _refuse
        assert_failure(grid, 122, "quota", "-f", make_file(tmp_path, "f", b"new"), lfn)
        assert (grid.files, grid.names()) == ({lfn: before}, ["f"])
        del grid.answers[command]
    moves: Iterator[Reply | None] = iter([None, (5, "broken", [])])
    grid.answers["mv"] = lambda _: next(moves, None)
    assert_failure(grid, 5, "broken", "-f", make_file(tmp_path, "f", b"new"), lfn)
    assert grid.files == {lfn: before}


def test_other_storage_is_taken_where_one_is_down(grid: ScriptedGrid, storages: list[Storage], tmp_path: Path) -> None:
    storages[0].stop()
    try:
        grid.storages = list(storages)
        done = cp(grid, "--report", str(tmp_path / "r"), make_file(tmp_path, "f"), f"{HOME}/f@disk:2")
        assert (done.returncode, done.stderr) == (0, b"")
        row = json.loads((tmp_path / "r").read_text())
        assert sorted(row["storages"]) == ["TEST::SITE::THREE", "TEST::SITE::TWO"]
        grid.storages = storages[:2]
        assert_failure(grid, 121, "1 of 2 replicas", "-norecovery", make_file(tmp_path, "g"), f"{HOME}/g@disk:2")
        assert list(grid.files[f"{HOME}/g"].replicas) == ["two"]
        assert_failure(grid, 121, "ONE: ", make_file(tmp_path, "g"), f"{HOME}/g@disk:2")
        advice = "the same with @disk:2 makes what is missing"  # though nobody has said how many there are to be
        assert_failure(grid, 121, advice, make_file(tmp_path, "h"), f"{HOME}/h")
    finally:
        storages[0].start()
    assert cp(grid, "-v", make_file(tmp_path, "g"), f"{HOME}/g@disk:2").stdout.startswith(b"copied ")
    assert sorted(grid.files[f"{HOME}/g"].replicas) == ["one", "two"]
    assert cp(grid, "-v", make_file(tmp_path, "g"), f"{HOME}/g@disk:2").stdout.startswith(b"same ")


def test_a_download_goes_on_with_another_replica(grid: ScriptedGrid, storages: list[Storage], tmp_path: Path) -> None:
    lfn = grid.put("f", b"right", *storages[:2])
    storages[0].put(grid.files[lfn].replicas["one"][1:], b"wrong")
    assert cp(grid, lfn, f"file:{tmp_path}/out").returncode == 0
    assert (tmp_path / "out").read_bytes() == b"right"


def test_a_wrong_checksum_is_a_failure_and_leaves_what_was_there(
    grid: ScriptedGrid, storages: list[Storage], tmp_path: Path
) -> None:
    lfn = grid.put("f", b"right")
    storages[0].put(grid.files[lfn].replicas["one"][1:], b"wrong")
    make_file(tmp_path, "out", b"precious")
    assert_failure(grid, 74, "is registered", "-f", lfn, f"file:{tmp_path}/out")
    storages[0].put(grid.files[lfn].replicas["one"][1:], b"longer than right")
    assert_failure(grid, 74, "are registered", "-f", lfn, f"file:{tmp_path}/out")
    assert ((tmp_path / "out").read_bytes(), list_left(tmp_path)) == (b"precious", [])


@pytest.mark.parametrize("size", [20 << 20, SMALL])
def test_a_download_that_is_cut_leaves_nothing(
    grid: ScriptedGrid, storages: list[Storage], tmp_path: Path, size: int
) -> None:
    lfn = grid.put("f", os.urandom(size))
    with tcp_relay(storages[0].service, [size // 3, *CUT[1:]]) as relay:
        real = storages[0].port
        storages[0].port = int(relay.service.rpartition(":")[2])
        try:
            done = cp(grid, lfn, f"file:{tmp_path}/out")
        finally:
            storages[0].port = real
        assert relay.cuts
    assert done.returncode != 0
    assert not (tmp_path / "out").exists()
    assert list_left(tmp_path) == []


@pytest.mark.parametrize("size", [20 << 20, SMALL])
def test_an_upload_that_is_cut_is_not_registered(
    grid: ScriptedGrid, storages: list[Storage], tmp_path: Path, size: int
) -> None:
    source = make_file(tmp_path, "f", os.urandom(size))
    with tcp_relay(storages[0].service, [size // 3, *CUT[1:]]) as relay:
        real = storages[0].port
        storages[0].port = int(relay.service.rpartition(":")[2])
        try:
            done = cp(grid, "-norecovery", source, f"{HOME}/f@disk:1")
        finally:
            storages[0].port = real
        assert relay.cuts
    assert done.returncode != 0
    assert grid.names() == []


@pytest.mark.parametrize("size", [20 << 20, SMALL])
def test_an_upload_that_is_cut_once_is_tried_again(
    grid: ScriptedGrid, storages: list[Storage], tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    source = make_file(tmp_path, "f", data)
    with tcp_relay(storages[0].service, [size // 3]) as relay, show_port(storages[0], relay.service):
        done = cp(grid, source, f"{HOME}/f@disk:1")
        assert relay.cuts == 1
    assert (done.returncode, done.stderr) == (0, b"")
    assert cp(grid, f"{HOME}/f", f"file:{tmp_path}/back").returncode == 0
    assert (tmp_path / "back").read_bytes() == data


def test_frozen_storage_is_given_up(grid: ScriptedGrid, storages: list[Storage], tmp_path: Path) -> None:
    lfn = grid.put("f", b"x" * 100_000, *storages[:2])
    storages[0].freeze()
    try:
        done = cp(grid, lfn, f"file:{tmp_path}/out")
    finally:
        storages[0].thaw()
    assert (done.returncode, (tmp_path / "out").read_bytes()) == (0, b"x" * 100_000)


@pytest.mark.parametrize("size", [5 << 20, SMALL])
def test_read_only_and_full_storage(grid: ScriptedGrid, tmp_path: Path, size: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="headless-full-", dir="/tmp"))
    folder.chmod(0o755)
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size // 2}", "none", str(disk)], check=True)
    full, closed = Storage(folder, "full", files=disk), Storage(folder, "closed", read_only=True)
    try:
        grid.storages = [full.start()]
        assert_failure(grid, 28, "no space", make_file(tmp_path, "f", os.urandom(size)), f"{HOME}/f")
        grid.storages = [closed.start()]
        done = cp(grid, make_file(tmp_path, "f", bytes(size)), f"{HOME}/f")
        assert (done.returncode, b"read/only" in done.stderr) == (121, True), done.stderr
        assert grid.names() == []
    finally:
        full.stop()
        closed.stop()
        subprocess.run(["umount", "-l", str(disk)], check=True)
        shutil.rmtree(folder)


@pytest.mark.parametrize("size", [5 << 20, SMALL])
def test_a_full_disk_here_leaves_nothing(grid: ScriptedGrid, tmp_path: Path, size: int) -> None:
    lfn = grid.put("f", os.urandom(size))
    (tmp_path / "disk").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(tmp_path / "disk")], check=True)
    try:
        assert_failure(grid, 28, "o space", lfn, f"file:{tmp_path}/disk/out")
        assert os.listdir(tmp_path / "disk") == []
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "disk")], check=True)


@pytest.mark.parametrize("size", [2 << 20, 1000])
@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite", "vanish", "replace"])
def test_a_file_that_changes_while_it_is_copied_is_not_registered(
    grid: ScriptedGrid, tmp_path: Path, change: str, size: int
) -> None:
    source = make_file(tmp_path, "f", b"x" * size)
    path = tmp_path / "f"

    def answer(options: list[str]) -> None:
        """The moment between the first look at the file and its copying."""
        if change == "grow":
            path.write_bytes(b"x" * 2 * size)
        elif change == "shrink":
            path.write_bytes(b"x")
        elif change == "rewrite":
            path.write_bytes(b"y" * size)
        else:
            path.unlink()
        if change == "replace":
            path.write_bytes(b"x" * size)

    grid.answers["access"] = answer
    done = cp(grid, "-norecovery", source, f"{HOME}/f@disk:1")
    assert done.returncode == 11, done.stderr
    assert b"while it was copied" in done.stderr
    assert grid.names() == []


@pytest.mark.parametrize("command", ["stat", "access", "commit", "ls"])
def test_the_server_closing_at_a_command(grid: ScriptedGrid, tmp_path: Path, command: str) -> None:
    def close_once(options: list[str]) -> None:
        if not closed:
            closed.append(1)
            raise ConnectionError

    closed: list[int] = []
    grid.answers[command] = close_once
    (tmp_path / "in").mkdir()
    make_file(tmp_path / "in", "f")
    done = cp(grid, f"file:{tmp_path}/in/", f"{HOME}/new")
    assert (done.returncode, done.stderr, closed) == (0, b"", [1])
    assert grid.names() == ["new/f"]


def test_a_commit_whose_answer_is_lost_counts_if_it_was_done(grid: ScriptedGrid, tmp_path: Path) -> None:
    def do_and_close(options: list[str]) -> None:
        grid._do_commit(options)
        raise ConnectionError

    grid.answers["commit"] = do_and_close
    done = cp(grid, make_file(tmp_path, "f"), f"{HOME}/f@disk:1")
    assert (done.returncode, done.stderr) == (0, b"")
    grid.answers["commit"] = lambda _: 1 / 0  # type: ignore[assignment,return-value]
    assert cp(grid, make_file(tmp_path, "g"), f"{HOME}/g@disk:1").returncode == 107


def test_a_second_replicas_commit_that_is_lost_is_no_success_of_the_first(grid: ScriptedGrid, tmp_path: Path) -> None:
    count = 0

    def lose(_: list[str]) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise ConnectionError

    grid.answers["commit"] = lose
    done = cp(grid, make_file(tmp_path, "f"), f"{HOME}/f@disk:2")
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(grid.files[f"{HOME}/f"].replicas) == ["one", "two"]


@contextlib.contextmanager
def _half_way(grid: ScriptedGrid, storage: Storage, folder: Path) -> "Iterator[tuple[str, subprocess.Popen[bytes]]]":
    """A download that has begun, over a network that stands still."""
    lfn = grid.put("f", bytes(100 << 20))
    with tcp_relay(storage.service) as relay, show_port(storage, relay.service):
        world = grid.world
        process = world.start("grid", "cp", lfn, f"file:{folder}/out")
        try:
            wait_for(lambda: any(os.path.getsize(folder / name) for name in list_left(folder)), "the first bytes")
            relay.stall()
            yield lfn, process
        finally:
            relay.resume()
            world.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_half(
    grid: ScriptedGrid, storages: list[Storage], tmp_path: Path, number: signal.Signals
) -> None:
    with _half_way(grid, storages[0], tmp_path) as (_, process):
        process.send_signal(number)
        assert process.wait(30 * TIME_SCALE) == -number
    assert not (tmp_path / "out").exists()
    assert list_left(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("size", [100 << 20, SMALL])
def test_an_upload_that_a_signal_ends_is_not_registered(
    grid: ScriptedGrid, storages: list[Storage], tmp_path: Path, number: signal.Signals, size: int
) -> None:
    source = make_file(tmp_path, "f", bytes(size))
    stored = storages[0].find()
    with tcp_relay(storages[0].service) as relay, show_port(storages[0], relay.service):
        relay.pause_s = 0.2
        process = grid.world.start("grid", "cp", source, f"{HOME}/f@disk:1")
        try:
            wait_for(lambda: storages[0].find() != stored, "the file's beginning")
            relay.stall()
            process.send_signal(number)
            process.communicate(timeout=30 * TIME_SCALE)
        finally:
            relay.resume()
            grid.world.close()
    assert (process.returncode, grid.names()) == (-number, [])


def test_what_a_killed_run_leaves_the_next_one_removes(
    grid: ScriptedGrid, storages: list[Storage], tmp_path: Path
) -> None:
    with _half_way(grid, storages[0], tmp_path) as (lfn, process):
        process.kill()
        process.wait()
    assert not (tmp_path / "out").exists()
    assert len(list_left(tmp_path)) == 1
    assert cp(grid, lfn, f"file:{tmp_path}/out").returncode == 0
    assert list_left(tmp_path) == []
