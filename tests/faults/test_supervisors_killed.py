"""Supervisors are killed: their jobs are lost, at once and for ever, and nobody else notices."""

import os
import random
import signal

from fault_support import check_log, list_jobs, scale
from held_jobs import HeldJobs
from support import World


def test_jobs_whose_supervisor_is_killed_are_lost_and_leave_nothing(world: World, chance: random.Random) -> None:
    server = world.serve(tls=False)
    service = ["-s", server.unix]
    jobs, count = HeldJobs(world), scale(8, 40)
    for number in range(count):
        jobs.start(number, service, status=number % 2)
    held = {number: jobs.wait_begun(number) for number in range(count)}
    victims = chance.sample(range(count), count // 2)
    for number in victims[::2]:
        os.kill(held[number].supervisor, signal.SIGKILL)
    for number in victims[::2]:
        code, talk = jobs.finish(number)
        assert code == 8, talk
        assert held[number].job_id in talk
        jobs.check_nothing_left(held[number].job_id)
    # The others die while no server is there to see it.
    server.crash()
    for number in victims[1::2]:
        os.kill(held[number].supervisor, signal.SIGKILL)
    server = server.restart()
    for number in victims[1::2]:
        assert jobs.finish(number)[0] == 8
        jobs.check_nothing_left(held[number].job_id)
    lost = {job["job_id"] for job in list_jobs(world, service, "--state", "lost")}
    assert lost == {held[number].job_id for number in victims}
    live = {job["job_id"] for job in list_jobs(world, service, "--state", "live")}
    assert live == {job.job_id for job in held.values()} - lost
    server.crash()
    server = server.restart()
    jobs.let_end()
    for number in set(range(count)) - set(victims):
        jobs.check_ended_well(number, status=number % 2)
    assert [jobs.count_runs(number) for number in range(count)] == [1] * count
    assert {job["job_id"] for job in list_jobs(world, service, "--state", "lost")} == lost
    check_log(server)
