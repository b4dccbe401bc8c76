"""The grid's client where answers are lost, late or odd: nothing is done twice, and no failure counts as success."""

import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grid_storage import Storage, storage_of_test
from scripted_grid import HOME, Reply, ScriptedGrid
from support import TIME_SCALE

pytestmark = pytest.mark.peer("xrootd")
Done = subprocess.CompletedProcess[bytes]


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


def _run(grid: ScriptedGrid, *words: str, **variables: str) -> Done:
    done = grid.world.run("grid", *words, environment={**grid.world.variables, **variables}, limit_s=60)
    assert b"Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("lost", [1, 2])
def test_a_replacement_whose_answer_is_lost_is_looked_at(grid: ScriptedGrid, tmp_path: Path, lost: int) -> None:
    lfn = grid.put("f", b"old")
    (tmp_path / "new").write_bytes(b"new")
    count = 0

    def move(options: list[str]) -> Reply:
        nonlocal count
        count += 1
        reply = grid._do_mv(options)
        if count == lost:
            raise ConnectionError
        return reply

    grid.answers["mv"] = move
    done = _run(grid, "cp", "-f", f"file:{tmp_path}/new", f"{lfn}")
    assert (done.returncode, done.stderr) == (0, b"")
    assert grid.names() == ["f"]
    assert grid.files[lfn].size == 3
    assert _run(grid, "cp", lfn, f"file:{tmp_path}/back").returncode == 0
    assert (tmp_path / "back").read_bytes() == b"new"


@pytest.mark.parametrize("code", [256, 512, -1, 4711])
def test_an_exit_code_that_is_none_is_no_success(grid: ScriptedGrid, code: int) -> None:
    grid.answers["rm"] = lambda _: (code, "broken", [])
    assert _run(grid, "rm", "x").returncode == 5


def test_a_late_answer_about_the_site_is_not_taken_for_the_next_ones(grid: ScriptedGrid) -> None:
    def sleep(_: list[str]) -> Reply:
        time.sleep(1.5 * TIME_SCALE)
        return 0, "", []

    grid.answers["setSite"] = sleep
    done = _run(grid, "rm", "nosuch", ALIEN_SITE="CERN", ALIENPY_TIMEOUT=f"{TIME_SCALE:g}")
    assert done.returncode == 107
    assert b"setSite" in done.stderr


def test_a_connection_lost_at_the_site_is_one_like_any_other(grid: ScriptedGrid) -> None:
    def lose(_: list[str]) -> Reply:
        raise ConnectionError

    grid.answers["setSite"] = lose
    assert _run(grid, "pwd", ALIEN_SITE="CERN").returncode == 107


def test_a_server_that_knows_nothing_of_a_file_any_more(grid: ScriptedGrid, tmp_path: Path) -> None:
    lfn = grid.put("f", b"content")
    stats: list[Reply] = [(0, "", [{"lfn": lfn, "type": "f"}])]
    grid.answers["stat"] = lambda _: stats.pop() if stats else (0, "", [])
    grid.answers["access"] = lambda _: (77, "No read PFNs", [])
    done = _run(grid, "cp", lfn, f"file:{tmp_path}/down")
    assert done.returncode == 77
    assert not (tmp_path / "down").exists()


def test_a_damaged_archive(grid: ScriptedGrid, storage: Storage, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("member", b"0123456789" * 100)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[200] ^= 1  # the member's content
    storage.put("x/damaged", bytes(data))
    url = f"root://{storage.service}//x/damaged#member"
    grid.put("m", b"0123456789" * 100)
    grid.answers["access"] = lambda _: (0, "", [{"url": url, "size": "1000", "se": "A::B::C", "md5": ""}])
    done = _run(grid, "cp", "-noxrdzip", f"{HOME}/m", f"file:{tmp_path}/down")
    assert done.returncode == 74
    assert b"cannot be taken out" in done.stderr
    assert not (tmp_path / "down").exists()


@contextmanager
def checksums_by(storage: Storage, script: str) -> Iterator[None]:
    """Have a storage compute its checksums by a shell script."""
    storage.stop()
    program = storage.folder / "checksums"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    storage.checksum = f"md5 {program}"
    storage.start()
    try:
        yield
    finally:
        storage.stop()
        storage.checksum = "md5"
        storage.start()


def test_a_storage_that_cannot_read_what_it_has_stored_has_not_stored_it(
    grid: ScriptedGrid, storage: Storage, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"content")
    with checksums_by(storage, "exit 5"):  # EIO
        done = _run(grid, "cp", f"file:{tmp_path}/f", f"{HOME}/f")
    assert done.returncode == 121
    assert b"checksum at the storage" in done.stderr
    assert grid.names() == []


def test_what_the_storage_has_stored_wrongly_is_not_registered(
    grid: ScriptedGrid, storage: Storage, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"content")
    with checksums_by(storage, f"echo {'0' * 32}"):
        done = _run(grid, "cp", f"file:{tmp_path}/f", f"{HOME}/f")
    assert done.returncode == 74, done.stderr
    assert b"what was stored has the md5 0000" in done.stderr
    assert grid.names() == []


def test_where_no_storage_is_up_what_was_there_stays(grid: ScriptedGrid, storage: Storage, tmp_path: Path) -> None:
    lfn = grid.put("f", b"registered")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "out").write_bytes(b"precious")
    (tmp_path / "new").write_bytes(b"new")
    before = grid.files[lfn]
    storage.stop()
    try:
        down = _run(grid, "cp", "-f", lfn, f"file:{tmp_path}/to/out")
        up = _run(grid, "cp", "-f", f"file:{tmp_path}/new", lfn)
    finally:
        storage.start()
    for done in (down, up):
        assert done.returncode not in (0, 70), done.stderr
        assert b"1 of 1 files failed" in done.stderr
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["out"]
    assert (tmp_path / "to" / "out").read_bytes() == b"precious"
    assert grid.files == {lfn: before}


def test_only_our_own_temporary_files_are_passed_over_and_removed(grid: ScriptedGrid, tmp_path: Path) -> None:
    names = ["data.headless-part", ".mine.headless-part"]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"x")
    orphan = tmp_path / "in" / ".f.0123456789ab.headless-part"
    orphan.write_bytes(b"half")
    assert _run(grid, "cp", "-a", f"file:{tmp_path}/in/", f"{HOME}/up").returncode == 0
    assert grid.names() == [f"up/{name}" for name in sorted(names)]
    assert _run(grid, "cp", f"{HOME}/up/data.headless-part", f"file:{tmp_path}/in/down").returncode == 0
    assert {path.name for path in (tmp_path / "in").iterdir()} == {*names, "down"}


def test_an_alias_that_cannot_be_read_has_failed(grid: ScriptedGrid) -> None:
    (grid.home / ".alienpy_aliases").write_text("broken=ls 'x\n")
    assert _run(grid, "broken; pwd").returncode == 22


def test_a_name_with_an_at_is_edited_as_it_is(grid: ScriptedGrid, tmp_path: Path) -> None:
    grid.put("a", b"other")
    grid.put("a@b", b"meant")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ncat "$1"\n')
    editor.chmod(0o755)
    assert _run(grid, "edit", f"{HOME}/a@b", EDITOR=str(editor)).stdout == b"meant"


def _submit(grid: ScriptedGrid, *words: str) -> Done:
    grid.answers["submit"] = lambda _: (0, "", [{"jobId": "7"}])
    variables = [f"--env={name}={value}" for name, value in grid.world.variables.items()]
    return subprocess.run(
        [sys.executable, "-m", "headless.jobs.grid_submit", "Executable = \"x\";", *variables, *words],
        capture_output=True, cwd=grid.home, timeout=60 * TIME_SCALE, check=False,
    )  # fmt: skip


def test_a_job_that_was_taken_is_not_reported_as_refused(grid: ScriptedGrid) -> None:
    grid.answers["ps"] = lambda _: (13, "not today", [])
    done = _submit(grid)
    assert done.returncode == 8, done.stderr
    assert b"job 7 was taken" in done.stderr


def test_a_kill_that_is_refused_is_not_reported_as_done(grid: ScriptedGrid) -> None:
    grid.answers["ps"] = lambda _: (0, "", [{"id": "7", "status": "RUNNING"}])
    grid.answers["kill"] = lambda _: (1, "not yours", [])
    done = _submit(grid, "--timeout", "0.1", "--kill-on-timeout")
    assert done.returncode == 8, done.stderr
    assert b"not yours" in done.stderr


def test_a_name_that_the_server_would_take_for_a_pattern_is_not_deleted(grid: ScriptedGrid, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ab").write_bytes(b"x")
    grid.put("up/a*", b"surplus")
    grid.folders.add(f"{HOME}/up")
    variables = [f"--env={name}={value}" for name, value in grid.world.variables.items()]
    done = subprocess.run(
        [sys.executable, "-m", "headless.jobs.grid_sync", f"{tmp_path}/in", f"alien:{HOME}/up", "--delete", *variables],
        capture_output=True, cwd=grid.home, timeout=60 * TIME_SCALE, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert b"not deleted" in done.stderr
    assert grid.names() == ["up/a*", "up/ab"]


NO_THREADS = """
import sys, threading
first, start = {count}, threading.Thread.start
def refuse(thread):
    global first
    first -= 1
    if first < 0:
        raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = refuse
from headless.cli.main import main
raise SystemExit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("count", "code"), [(0, 11), (1, 11), (2, 0)])
def test_a_machine_that_grants_few_threads(grid: ScriptedGrid, tmp_path: Path, count: int, code: int) -> None:
    (tmp_path / "in").mkdir()
    for number in range(100):
        (tmp_path / "in" / f"f{number}").write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, "-c", NO_THREADS.format(count=count), "grid", "cp", f"file:{tmp_path}/in/", f"{HOME}/up"],
        capture_output=True, cwd=grid.home, timeout=60 * TIME_SCALE, check=False,
        env={"HOME": str(grid.home), "PATH": "/usr/bin:/bin", **grid.world.variables},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert len(grid.names()) == (0 if code else 100)


def test_output_that_cannot_be_written_is_not_blamed_on_the_file_of_commands(grid: ScriptedGrid) -> None:
    (grid.home / "commands").write_text("pwd\n")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "headless", "grid", "-f", "commands"],
            stdout=full, stderr=subprocess.PIPE, cwd=grid.home, timeout=60 * TIME_SCALE, check=False,
            env={"HOME": str(grid.home), "PATH": "/usr/bin:/bin", **grid.world.variables},
        )  # fmt: skip
    assert done.returncode == 28
    assert b"the output could not be written" in done.stderr
