"""What a job outlives: the launcher's patience, the launcher, the server."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_support import find_processes, find_warm, wait_dead
from support import TIME_SCALE, Server, World, open_world, wait_for

# Says that it runs, waits for leave to end, says that it is done.
PATIENT = """
import os, pathlib, subprocess, sys, time
here = pathlib.Path(sys.argv[1])
child = subprocess.Popen(["sleep", "600"])
(here / "started").write_text(f"{os.getpid()} {os.getppid()}\\n")
while not (here / "go").exists():
    time.sleep(0.02)
child.kill()
child.wait()
print("the end")
(here / "done").write_text(os.environ["HEADLESS_JOB_ID"])
raise SystemExit(int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server."""
    with open_world() as world:
        yield world.serve(tls=False)


@pytest.fixture
def here(server: Server) -> Path:
    """A folder for one job's messages to the test and back."""
    folder = server.world.home / f"here-{os.urandom(4).hex()}"
    folder.mkdir()
    return folder


def _options(server: Server, here: Path, status: int = 0) -> list[str]:
    return ["-s", server.unix, "-c", PATIENT, "--", str(here), str(status)]


def test_a_timeout_leaves_the_job_running_and_it_comes_to_its_end(server: Server, here: Path) -> None:
    done = server.world.run("-t", "0.5", *_options(server, here))
    assert (done.returncode, done.stdout) == (3, b"")
    job_id = done.stderr.decode().split()[2]
    assert done.stderr.decode() == f"headless: job {job_id} is still running after 0.5 s, and goes on\n"
    wait_for((here / "started").exists, "the job's start")
    assert len(find_processes(f"HEADLESS_JOB_ID={job_id}")) == 2  # it and its child; so this search can find some
    (here / "go").touch()
    wait_for((here / "done").exists, "the job's end")
    assert (here / "done").read_text() == job_id
    wait_for(lambda: f"end job={job_id}" in server.log, "the end in the log")
    assert find_processes(f"HEADLESS_JOB_ID={job_id}") == []


def test_without_a_timeout_the_launcher_returns_once_the_job_is_accepted(server: Server, here: Path) -> None:
    done = server.world.run("-v", *_options(server, here, 5))
    assert (done.returncode, done.stdout) == (0, b"")
    job_id = done.stderr.decode().partition(" accepted")[0].split()[-1]
    shown = server.world.run("jobs", "show", "-s", server.unix, job_id)
    assert shown.returncode == 0, shown.stderr
    wait_for((here / "started").exists, "the job's start")
    (here / "go").touch()
    wait_for(lambda: f"end job={job_id}" in server.log, "the end in the log")
    assert "code=5" in server.log.rpartition(f"end job={job_id}")[2]


def test_the_job_outlives_a_launcher_that_is_killed(server: Server, here: Path) -> None:
    launcher = server.world.start("-t", "-1", *_options(server, here))
    wait_for((here / "started").exists, "the job's start")
    launcher.kill()
    launcher.communicate()
    (here / "go").touch()
    wait_for((here / "done").exists, "the job's end")


def test_a_killed_server_loses_no_job_and_the_next_one_knows_its_outcome(world: World) -> None:
    server = world.serve(tls=False)
    launcher = world.start("-t", "-1", "--exit-code", "job", *_options(server, world.home, 6))
    job_id = server.wait_log(r"start job=(\w{26})")[1]
    started = world.home / "started"
    wait_for(lambda: started.exists() and started.read_text().endswith("\n"), "the job's start")
    job, supervisor = map(int, started.read_text().split())
    warm = find_warm(server.process.pid)
    server.crash()
    wait_dead(warm)  # it belongs to the server; the supervisor does not
    os.kill(job, 0)
    second = world.serve(state=server.state, tls=False)
    (world.home / "go").touch()
    assert launcher.wait(20 * TIME_SCALE) == 6
    launcher.communicate()
    second.wait_log(f"end job={job_id} .* state=failed ending=status code=6")
    assert (server.state / "jobs" / job_id / "stdout").read_bytes() == b"the end\n"
    wait_dead(supervisor)
    assert find_processes(f"HEADLESS_JOB_ID={job_id}") == []


def test_a_job_that_ends_while_no_server_runs_is_known_to_the_next_one(world: World) -> None:
    server = world.serve(tls=False)
    done = world.run("-v", *_options(server, world.home))
    job_id = done.stderr.decode().partition(" accepted")[0].split()[-1]
    started = world.home / "started"
    wait_for(lambda: started.exists() and started.read_text().endswith("\n"), "the job's start")
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    (world.home / "go").touch()
    wait_dead(int(started.read_text().split()[1]))
    second = world.serve(state=server.state, tls=False)
    second.wait_log(f"end job={job_id} .* state=ended ending=status code=0")
    assert second.stop() == 0


def test_a_server_that_is_told_to_stop_waits_for_its_job_and_its_launcher_hears_of_the_end(world: World) -> None:
    server = world.serve(tls=False)
    launcher = world.start("-t", "-1", "-o", "-", *_options(server, world.home))
    wait_for((world.home / "started").exists, "the job's start")
    server.process.send_signal(signal.SIGTERM)
    server.wait_log("draining running=1")
    refused = world.run("-s", server.unix, "-c", "pass", "--connect-for", "1")
    assert refused.returncode == 1
    (world.home / "go").touch()
    assert launcher.wait(20 * TIME_SCALE) == 0
    assert launcher.communicate() == (b"the end\n", b"")
    assert server.process.wait(20 * TIME_SCALE) == 0
