"""A power cut, as near as can be had: everything is killed at once; and the machine that comes up is another one."""

import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from fault_support import JOB, PATIENCE, check_log, finish_all, list_jobs, revive, scale, start_all, wait_listening
from held_jobs import HeldJobs, cut_power
from job_support import find_warm, require_mounts
from support import World

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def test_what_had_begun_is_lost_and_what_waited_runs(world: World) -> None:
    server = world.serve("--max-running", "3", tls=False)
    service = ["-s", server.unix]
    jobs = HeldJobs(world)
    for number in range(3):
        jobs.start(number, service)
    held = [jobs.wait_begun(number) for number in range(3)]
    for number in range(3, 6):
        jobs.start(number, service)
        jobs.wait_talk(number, "accepted")
    cut_power(server)
    server = server.restart()
    jobs.let_end()
    for number in range(3):
        assert jobs.finish(number)[0] == 8
    for number in range(3, 6):
        jobs.check_ended_well(number)
    assert [jobs.count_runs(number) for number in range(6)] == [1] * 6
    lost = {job["job_id"] for job in list_jobs(world, service, "--state", "lost")}
    assert lost == {job.job_id for job in held}
    check_log(server)


def test_power_cuts_at_random_moments_never_run_a_job_twice(world: World, chance: random.Random) -> None:
    server = world.serve(tls=False)
    lines, number = world.home / "lines", 0
    for _ in range(scale(4, 60)):
        numbers = range(number, number + 8)
        number += 8
        command = ["-s", server.unix, *PATIENCE, "-t", "-1", "-c", JOB, "--", str(lines), ""]
        launchers = start_all(world, ([*command, str(each), "0", "10", "0.05"] for each in numbers))
        time.sleep(chance.uniform(0.1, 1.0))
        cut_power(server)
        wait_listening(server, revive(server))
        ran = finish_all(launchers)
        lost = [each for each, (code, _, _) in zip(numbers, ran, strict=True) if code]
        assert {code for code, _, _ in ran} <= {0, 8}, ran
        counts = Counter(map(int, lines.read_text().split())) if lines.exists() else Counter()
        assert all(counts[each] == 1 or (each in lost and not counts[each]) for each in numbers), (counts, ran)
    assert list_jobs(world, ["-s", server.unix], "--state", "live") == []
    assert len(list_jobs(world, ["-s", server.unix], "--state", "final")) == number
    check_log(server)


def test_a_job_that_was_about_to_begin_when_the_machine_went_down_is_lost(world: World) -> None:
    """Handed over, says the journal; but the newest files went with the power. It may have run: it must not again."""
    require_mounts()
    server = world.serve(tls=False)
    jobs = HeldJobs(world)
    # The warm interpreter stands still, so the start gets as far as the journal.
    warm = find_warm(server.process.pid)
    subprocess.run(["kill", "-STOP", str(warm)], check=True)
    jobs.start(0, ["-s", server.unix])
    jobs.wait_talk(0, "accepted")
    cut_power(server)
    assert not any((folder / "claim").exists() for folder in (server.state / "jobs").iterdir() if folder.is_dir())
    fake = world.home / "boot_id"
    fake.write_text("00000000-0000-4000-8000-000000000000\n")
    words = ["sh", "-c", f'mount --bind "$0" {BOOT_ID} && exec "$@"', str(fake)]
    real = list(server.process.args) if isinstance(server.process.args, list) else []
    server.process.args = ["unshare", "--mount", *words, *map(str, real)]
    wait_listening(server, revive(server))
    jobs.let_end()
    code, talk = jobs.finish(0)
    assert code == 8, talk
    assert "the machine went down" in talk
    assert jobs.count_runs(0) == 0
    assert [job["state"] for job in list_jobs(world, ["-s", server.unix])] == ["lost"]
    assert Path(BOOT_ID).read_text() != fake.read_text()  # of this machine: nothing has changed
    check_log(server)


def test_a_job_that_was_about_to_begin_when_only_the_server_died_runs(world: World) -> None:
    server = world.serve(tls=False)
    jobs = HeldJobs(world)
    warm = find_warm(server.process.pid)
    subprocess.run(["kill", "-STOP", str(warm)], check=True)
    jobs.start(0, ["-s", server.unix])
    jobs.wait_talk(0, "accepted")
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    subprocess.run(["kill", "-KILL", str(warm)], check=True)
    server = server.restart()
    jobs.let_end()
    jobs.check_ended_well(0)
    assert jobs.count_runs(0) == 1
    check_log(server)
