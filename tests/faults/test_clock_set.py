"""The clock is set back and forth while jobs run and wait: nothing but time stamps changes. DST is no event at all."""

import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fault_support import Fleet, check_log, fake_clock, list_jobs, revive, scale, set_clock, wait_listening
from held_jobs import HeldJobs
from support import Server, World, open_world

LARGEST_S = 3 * 86_400  # ended jobs are kept for two weeks: a jump beyond that may forget some, and rightly


@pytest.fixture
def adrift() -> Iterator[tuple[Server, Path]]:
    """A server whose wall clock is the test's, and its zone one with summer time; the launchers' zone is another."""
    with open_world(TZ="America/New_York") as world:
        clock = world.home / "clock"
        set_clock(clock, 0)
        launchers, world.variables = world.variables, {"TZ": "Europe/Berlin", **fake_clock(clock)}
        server = world.serve("--max-running", "6")
        world.variables = launchers
        yield server, clock


@contextmanager
def drifting(clock: Path, chance: random.Random) -> Iterator[None]:
    """Set the clock back and forth, some times a second."""
    over = threading.Event()
    own = random.Random(chance.random())

    def drift() -> None:
        while not over.wait(0.15):
            set_clock(clock, own.randrange(-LARGEST_S, LARGEST_S))

    thread = threading.Thread(target=drift)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.peer("faketime")
def test_the_server_has_the_clock_that_it_was_given(adrift: tuple[Server, Path]) -> None:
    """Else the other tests would show nothing."""
    server, clock = adrift
    set_clock(clock, -86_400)
    assert server.world.run("-s", server.unix, "-t", "-1", "-c", "pass").returncode == 0
    (job,) = list_jobs(server.world, ["-s", server.unix])
    assert abs(job["accepted_at"] + 86_400 - time.time()) < 3600


@pytest.mark.peer("faketime")
def test_jobs_of_all_kinds_are_as_ever(adrift: tuple[Server, Path], chance: random.Random) -> None:
    server, clock = adrift
    login = server.add_user("batch", "--allow-code")
    fleet = Fleet(server.world, [["-s", server.unix], login], chance)
    with drifting(clock, chance):
        fleet.run(scale(30, 300))
    fleet.check_history(["-s", server.unix])
    check_log(server)


@pytest.mark.peer("faketime")
def test_time_limits_are_as_long_as_they_are(adrift: tuple[Server, Path], chance: random.Random) -> None:
    server, clock = adrift
    service, world = ["-s", server.unix], server.world
    jobs = HeldJobs(world)
    with drifting(clock, chance):
        jobs.start(0, service, "--name", "line")
        jobs.wait_begun(0)
        patient = ["--name", "line", "--overlap", "wait", "--wait-for", "600", "--not-after", "600"]
        jobs.start(1, service, *patient, "--max-runtime", "600")
        jobs.wait_talk(1, "accepted")
        begun = time.monotonic()
        done = world.run(*service, "-t", "-1", "--max-runtime", "2", "-c", "import time; time.sleep(60)")
        assert done.returncode == 7, done.stderr
        assert time.monotonic() - begun >= 2  # the clock has not ended it before
        hasty = world.run(*service, "-t", "-1", "--name", "line", "--overlap", "wait", "--wait-for", "1", "-c", "pass")
        assert hasty.returncode == 6, hasty.stderr
        assert b"did not come in time" in hasty.stderr
        timed_out = world.run(*service, "-t", "0.5", "-c", "import time; time.sleep(2)")
        assert timed_out.returncode == 3
        jobs.let_end()
        for number in (0, 1):
            jobs.check_ended_well(number)
    check_log(server)


@pytest.mark.peer("faketime")
def test_a_server_that_comes_back_at_another_time_takes_up_what_runs_and_waits(adrift: tuple[Server, Path]) -> None:
    server, clock = adrift
    service, jobs = ["-s", server.unix], HeldJobs(server.world)
    jobs.start(0, service, "--name", "line")
    jobs.wait_begun(0)
    jobs.start(1, service, "--name", "line", "--overlap", "wait", "--wait-for", "600")
    jobs.wait_talk(1, "accepted")
    for offset_s in (-LARGEST_S, LARGEST_S):
        server.crash()
        set_clock(clock, offset_s)
        wait_listening(server, revive(server))
    jobs.let_end()
    for number in (0, 1):
        jobs.check_ended_well(number)
    states = [job["state"] for job in list_jobs(server.world, service)]
    assert states == ["ended", "ended"]
    check_log(server)


def test_the_hour_that_comes_twice_is_no_event(world: World) -> None:
    """A time with its offset means one instant, whatever the zones of both sides say."""
    world.variables = {"TZ": "Europe/Berlin"}
    server = world.serve(tls=False)
    world.variables = {"TZ": "America/New_York"}
    for text, code in (("2099-10-25T02:30:00+02:00", 0), ("2020-10-25T02:30:00+01:00", 6)):
        done = world.run("-s", server.unix, "-t", "-1", "--not-after", text, "-c", "pass")
        assert done.returncode == code, done.stderr
    assert subprocess.run(["date"], env={"TZ": "Europe/Berlin"}, check=False).returncode == 0
    check_log(server)
