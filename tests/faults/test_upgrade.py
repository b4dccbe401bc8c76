"""An upgrade: the server is told to stop and leaves its jobs running, the next one takes them over."""

from fault_support import check_log, list_jobs, scale
from held_jobs import HeldJobs
from support import World


def test_stop_and_start_touch_neither_running_nor_waiting_jobs_nor_their_launchers(world: World) -> None:
    server = world.serve("--drain", "0", "--max-running", "4")
    login = server.add_user("batch", "--allow-code")
    services = [["-s", server.unix], login]
    jobs = HeldJobs(world)
    for number in range(4):
        jobs.start(number, services[number % 2], status=number % 2)
    held = [jobs.wait_begun(number) for number in range(4)]
    for number in range(4, 7):  # no place for these
        jobs.start(number, services[number % 2], status=number % 2)
        jobs.wait_talk(number, "accepted")
    for _ in range(scale(2, 20)):
        assert server.stop() == 0
        server = server.restart()
        assert [jobs.wait_begun(number) for number in range(4)] == held
    assert len(list_jobs(world, ["-s", server.unix], "--state", "running")) == 4
    assert len(list_jobs(world, ["-s", server.unix], "--state", "waiting")) == 3
    jobs.let_end()
    for number in range(7):
        jobs.check_ended_well(number, status=number % 2)
        assert jobs.count_runs(number) == 1
    check_log(server)
