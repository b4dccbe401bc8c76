"""Somebody removes the folder of the jobs while some run: the truth is told, nothing hangs, nothing runs twice."""

import shutil

from fault_support import check_log, list_jobs
from held_jobs import HeldJobs
from support import World


def test_jobs_whose_files_were_removed_are_lost_and_the_server_goes_on(world: World) -> None:
    server = world.serve("--max-running", "2", tls=False)
    service = ["-s", server.unix]
    jobs = HeldJobs(world)
    for number in (0, 1):
        jobs.start(number, service)
    held = [jobs.wait_begun(number) for number in (0, 1)]
    jobs.start(2, service)
    jobs.wait_talk(2, "accepted")
    shutil.rmtree(server.state / "jobs")
    for number in (0, 1):
        code, talk = jobs.finish(number)
        assert code == 8, talk
        jobs.check_nothing_left(held[number].job_id)
    jobs.let_end()
    jobs.check_ended_well(2)
    done = world.run(*service, "-t", "-1", "-c", "print('well')", "-o", "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"well\n", b"")
    server.crash()
    server = server.restart()
    states = [job["state"] for job in list_jobs(world, service)]
    assert states == ["ended", "ended", "lost", "lost"]
    assert [jobs.count_runs(number) for number in range(3)] == [1, 1, 1]
    check_log(server)


def test_jobs_whose_files_were_removed_while_no_server_was_there_are_lost(world: World) -> None:
    server = world.serve(tls=False)
    service = ["-s", server.unix]
    jobs = HeldJobs(world)
    for number in (0, 1):
        jobs.start(number, service)
    held = [jobs.wait_begun(number) for number in (0, 1)]
    server.crash()
    shutil.rmtree(server.state / "jobs")
    server = server.restart()
    for number in (0, 1):
        code, talk = jobs.finish(number)
        assert code == 8, talk
        jobs.check_nothing_left(held[number].job_id)
    assert [jobs.count_runs(number) for number in (0, 1)] == [1, 1]
    assert [job["state"] for job in list_jobs(world, service)] == ["lost", "lost"]
    check_log(server)
