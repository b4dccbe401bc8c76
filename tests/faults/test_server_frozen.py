"""The server stands still (SIGSTOP) for longer than the keep-alive, and goes on: nobody loses anything."""

import signal

import pytest

from fault_support import SOAK, check_log, list_jobs, scale
from held_jobs import HeldJobs
from support import World


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_a_server_that_stood_still_costs_nobody_anything(world: World, kind: str) -> None:
    server = world.serve("--ping-interval", "1")
    service = server.add_user("batch", "--allow-code") if kind == "tls" else ["-s", server.unix]
    jobs, count = HeldJobs(world), scale(4, 30)
    for number in range(count):
        jobs.start(number, service)
    for number in range(count):
        jobs.wait_begun(number)
    server.process.send_signal(signal.SIGSTOP)
    try:
        for number in range(count):  # each has noticed, so it was longer than the keep-alive
            jobs.wait_talk(number, "trying again")
        jobs.start(count, service)  # knocks at a door behind which nobody moves
        if SOAK:
            jobs.wait_talk(count, "trying again")
        jobs.let_end()
    finally:
        server.process.send_signal(signal.SIGCONT)
    for number in range(count + 1):
        jobs.check_ended_well(number)
        assert jobs.count_runs(number) == 1
    assert {job["state"] for job in list_jobs(world, ["-s", server.unix])} == {"ended"}
    check_log(server)
