"""The state folder's disk is full: new jobs are refused in words, nothing accepted is lost, and room mends it all."""

import random
import sqlite3
from collections.abc import Iterator

import pytest

from fault_support import check_log, fill, list_jobs
from held_jobs import HeldJobs
from small_disk import mount_small
from support import Server, World, open_world, wait_for

SIZE = 4 << 20  # bytes of the disk
FULL = r"No space left on device|disk is full|disk I/O error"


@pytest.fixture
def small() -> Iterator[World]:
    """A world whose ``state`` is a disk of its own, and a small one."""
    with open_world() as world:
        disk = world.home / "state"
        disk.mkdir()
        with mount_small(disk, SIZE, "711"):
            yield world
            world.close()


def check_refused(world: World, service: list[str]) -> None:
    """A new job is refused by one clear line."""
    done = world.run(*service, "--connect-for", "1", "-t", "-1", "-c", "print('never')", "-o", "-")
    assert (done.returncode, done.stdout) == (1, b""), done.stderr
    (line,) = done.stderr.decode().splitlines()
    assert any(text in line for text in FULL.split("|")), line


def check_works(world: World, service: list[str]) -> None:
    """All is as if nothing had been."""
    done = world.run(*service, "-t", "-1", "-c", "print('well')", "-o", "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"well\n", b"")


def serve(world: World, *options: str) -> tuple[Server, list[str]]:
    """A server on the small disk that has run a job."""
    server = world.serve(*options, state=world.home / "state", tls=False)
    service = ["-s", server.unix]
    check_works(world, service)
    return server, service


def test_other_files_fill_the_disk(small: World) -> None:
    server, service = serve(small, "--max-running", "2")
    jobs = HeldJobs(small)
    for number in (0, 1):
        jobs.start(number, service, status=number)
        jobs.wait_begun(number)
    for number in (2, 3):  # accepted while there is room, to begin when there is none
        jobs.start(number, service, status=number - 2)
        jobs.wait_talk(number, "accepted")
    ballast = server.state / "ballast"
    fill(ballast)
    check_refused(small, service)
    jobs.let_end()
    for number in (0, 1):  # as they ended, though the last line of their output found no room
        code, talk = jobs.finish(number)
        assert code == (4 if number else 2), talk
        assert "stdout could not be kept: No space left on device" in talk
    assert [jobs.count_runs(number) for number in (2, 3)] == [0, 0]
    check_refused(small, service)
    ballast.unlink()
    for number in (2, 3):
        jobs.check_ended_well(number, status=number - 2)
    check_works(small, service)
    wait_for(lambda: not list_jobs(small, service, "--state", "live"), "all ends in the journal")
    states = [job["state"] for job in list_jobs(small, service, "--state", "final")][::-1]
    assert states == ["ended", "ended", "failed", "ended", "failed", "ended"]
    assert [jobs.count_runs(number) for number in range(4)] == [1] * 4
    check_log(server)


def test_the_server_is_killed_and_started_while_the_disk_is_full(small: World) -> None:
    server, service = serve(small, "--max-running", "1")
    jobs = HeldJobs(small)
    jobs.start(0, service, status=1)
    held = jobs.wait_begun(0)
    jobs.start(1, service)
    jobs.wait_talk(1, "accepted")
    ballast = server.state / "ballast"
    fill(ballast)
    server.crash()
    jobs.let_end()
    jobs.check_nothing_left(held.job_id)
    ballast.unlink()
    server = server.restart()
    assert jobs.finish(0)[0] == 4
    jobs.check_ended_well(1)
    check_works(small, service)
    check_log(server)


def test_the_output_of_one_job_fills_the_disk(small: World) -> None:
    server, service = serve(small)
    jobs = HeldJobs(small)
    jobs.start(0, service)
    jobs.wait_begun(0)
    greedy = "import os\nfor _ in range(3000): os.write(1, b'x' * 4096)\nraise SystemExit(5)"
    done = small.run(*service, "--exit-code", "job", "-t", "-1", "-o", "/dev/null", "-c", greedy)
    assert done.returncode == 5, done.stderr
    assert b"stdout could not be kept: No space left on device" in done.stderr
    check_refused(small, service)
    jobs.let_end()
    assert jobs.finish(0)[0] in (0, 2)  # its last line may have found no room
    wait_for(lambda: not list_jobs(small, service, "--state", "live"), "both ends in the journal")
    pruned = small.run("jobs", "prune", *service, "--older", "0s")
    assert pruned.returncode == 0, pruned.stderr
    check_works(small, service)
    assert list_jobs(small, service, "--state", "lost") == []
    check_log(server)


def test_the_journal_fills_the_disk(small: World, chance: random.Random) -> None:
    """A reader that does not go keeps the write-ahead log from being used anew: it grows with every job."""
    server, service = serve(small)
    ballast = server.state / "ballast"
    ballast.write_bytes(b"\0" * (SIZE // 4))
    jobs = HeldJobs(small)
    jobs.start(0, service, status=1)
    jobs.wait_begun(0)
    script = small.home / "large.py"
    script.write_text("#" + "x" * chance.randrange(400_000, 800_000))
    reader = sqlite3.connect(server.state / "journal.db", isolation_level=None)
    try:
        reader.execute("begin")
        reader.execute("select count(*) from jobs").fetchone()
        accepted = 0
        while True:
            done = small.run(*service, "--connect-for", "1", "-t", "-1", "-f", str(script))
            if done.returncode:
                break
            accepted += 1
            assert accepted < 2 * SIZE // 400_000, "the disk does not get full"
        assert done.returncode == 1, done.stderr
        (line,) = done.stderr.decode().splitlines()
        assert any(text in line for text in FULL.split("|")), line
        fill(ballast)
        check_refused(small, service)
        jobs.let_end()
        assert jobs.finish(0)[0] == 4
    finally:
        reader.close()
    ballast.unlink()
    check_works(small, service)
    wait_for(lambda: list_jobs(small, service, "--state", "live") == [], "the end in the journal")
    states = [job["state"] for job in list_jobs(small, service)]
    assert states.count("failed") == 1
    assert states.count("ended") == accepted + 2
    check_log(server)
