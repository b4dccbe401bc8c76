"""Fifty launches in the same instant, under one name; two servers on one state folder."""

import random
import time
from contextlib import suppress

import pytest

from fault_support import (
    PATIENCE,
    check_log,
    check_marks,
    find_fixed_port,
    finish_all,
    list_jobs,
    revive,
    scale,
    start_all,
    wait_listening,
)
from held_jobs import HELD
from support import Server, World, wait_for

CROWD = 50  # all at once, which leaves others no time: so these tests are alone
MARK = """
import os, sys, time
def mark(word):
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(file, f"{word} {os.environ['HEADLESS_JOB_ID']}\\n".encode())
    os.close(file)
mark("begin")
time.sleep(0.02)
mark("end")
"""
# Ends when it is told to, but not at once.
SLOW_END = """
import os, signal, sys, time
marks, number = sys.argv[1:]
def mark(word):
    file = os.open(marks, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(file, f"{word} {number}\\n".encode())
    os.close(file)
def end(*_):
    time.sleep(0.3)
    mark("end")
    raise SystemExit(0)
signal.signal(signal.SIGTERM, end)
mark("begin")
time.sleep(0 if number == "last" else 300)
end()
"""


@pytest.fixture
def server(world: World) -> Server:
    """A server that comes back to the same port."""
    return world.serve(service=find_fixed_port())


def both_ways(server: Server) -> list[list[str]]:
    """The options for the unix socket and for TLS."""
    return [["-s", server.unix], server.add_user("batch", "--allow-code")]


def test_two_servers_on_one_state_folder_the_second_refuses(world: World, server: Server) -> None:
    second = world.run("serve", "--listen", f"unix:{world.home}/second.sock", "--state", str(server.state))
    assert second.returncode == 2
    assert b"is in use by another server" in second.stderr
    assert world.run("-s", server.unix, "-t", "-1", "-c", "pass").returncode == 0


@pytest.mark.alone
def test_of_fifty_with_skip_exactly_one_runs(world: World, server: Server) -> None:
    services = both_ways(server)
    words = [*PATIENCE, "-t", "-1", "--name", "one", "--overlap", "skip", "-c", HELD, "--", str(world.home)]
    launchers = start_all(world, ([*services[number % 2], *words, str(number), "0"] for number in range(CROWD)))
    wait_for(lambda: sum(one.poll() is not None for one in launchers) == CROWD - 1, "all but one to be skipped", 120)
    (world.home / "go").touch()
    found = finish_all(launchers)
    assert sorted(code for code, _, _ in found) == [0] + [6] * (CROWD - 1), found
    (job,) = list_jobs(world, ["-s", server.unix])
    assert all(job["job_id"] in talk for code, _, talk in found if code)
    assert len((world.home / "ran").read_text().split()) == 1
    check_log(server)


@pytest.mark.alone
@pytest.mark.parametrize(("crowd", "kills"), [(scale(15, CROWD), 0), (CROWD, 3)])
def test_many_that_wait_run_one_after_the_other_in_the_order_of_their_acceptance(
    world: World, server: Server, chance: random.Random, crowd: int, kills: int
) -> None:
    services, marks = both_ways(server), world.home / "marks"
    words = [*PATIENCE, "-t", "-1", "--overlap", "wait", "-c", MARK, "--", str(marks)]
    launchers = start_all(world, ([*services[number % 2], "--name", "line", *words] for number in range(crowd)))
    for kill in range(scale(kills, 10 * kills)):
        with suppress(AssertionError):  # the last may have ended by then
            wait_for(lambda least=kill: count_lines(marks) > least * 5, "some more runs", 20)  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.2))
        server.crash()
        wait_listening(server, revive(server))
    found = finish_all(launchers)
    assert [code for code, _, _ in found] == [0] * crowd, found
    jobs = list_jobs(world, ["-s", server.unix])  # the last one accepted first
    assert check_marks(marks) == [job["job_id"] for job in jobs][::-1]
    check_log(server)


def count_lines(path: object) -> int:
    """Lines of a file that may not be there yet."""
    try:
        with open(str(path)) as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


def test_replace_never_begins_before_the_older_one_is_gone(world: World, server: Server) -> None:
    marks, count = world.home / "marks", scale(5, 40)
    words = [*PATIENCE, "-v", "-t", "-1", "--name", "one", "--overlap", "replace", "-c", SLOW_END, "--", str(marks)]
    launchers = []
    for number in range(count):
        launchers.append(world.start("-s", server.unix, *words, "last" if number == count - 1 else str(number)))
        wait_for(lambda least=2 * number: count_lines(marks) > least, "its begin")  # type: ignore[misc]
    found = finish_all(launchers)
    assert [code for code, _, _ in found] == [7] * (count - 1) + [0], found
    lines = marks.read_text().splitlines()
    numbers = [*map(str, range(count - 1)), "last"]
    assert lines == [f"{word} {number}" for number in numbers for word in ("begin", "end")]
    check_log(server)


@pytest.mark.alone
def test_of_fifty_with_replace_the_last_one_accepted_runs_to_its_end(world: World, server: Server) -> None:
    marks = world.home / "marks"
    words = [*PATIENCE, "-t", "-1", "--name", "one", "--overlap", "replace", "-c", MARK, "--", str(marks)]
    launchers = start_all(world, (["-s", server.unix, *words] for _ in range(CROWD)))
    found = finish_all(launchers)
    states = [job["state"] for job in list_jobs(world, ["-s", server.unix])]
    assert len(states) == CROWD
    assert states[0] == "ended"
    assert sorted(code for code, _, _ in found) == sorted(0 if state == "ended" else 7 for state in states), found
    check_log(server)
