"""What a job leaves behind: after its end no process of it is left, and its outcome is its own."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from job_support import find_processes, find_warm, list_children, list_descriptors, read_name, wait_dead
from support import TIME_SCALE, Server, open_world, wait_for

HEADER = """
import os, signal, subprocess, sys, time
HERE = sys.argv[1]
def child(script, **options):
    return subprocess.Popen(["sh", "-c", script], **options)
"""
DAEMON = """
child("trap '' HUP; sleep 600 & exit 0", stdout=-3, stderr=-3, start_new_session=True).wait()
"""
IGNORES_TERM = """
child("trap '' TERM; echo ready; while :; do sleep 600; done")
time.sleep(0.3)
"""
STOPPED = """
victim = child("exec sleep 600")
os.kill(victim.pid, signal.SIGSTOP)
"""
HOLDS_THE_PIPES = """
child("sleep 600 & sleep 600 & exec sleep 600", close_fds=False)
"""
THREAD_WITHOUT_ITS_FIRST = """
code = '''
import ctypes, threading, time, sys
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).pthread_exit(None)
'''
victim = subprocess.Popen([sys.executable, "-c", code])
while open(f"/proc/{victim.pid}/stat").read().rpartition(")")[2].split()[0] != "Z":
    time.sleep(0.01)
"""
FIFTY = """
for _ in range(50):
    child("exec sleep 600")
"""
# Name: what the job does, its exit status, how many processes had to be ended.
BEHIND = {
    "a daemon of its own session": (DAEMON, 0, 1),
    "one that ignores TERM": (IGNORES_TERM, 0, 2),
    "one that is stopped": (STOPPED, 0, 1),
    "three that hold the pipes": (HOLDS_THE_PIPES, 0, 3),
    "three, after its own failure": (HOLDS_THE_PIPES + "sys.exit(5)", 4, 3),
    "one whose first thread has ended": (THREAD_WITHOUT_ITS_FIRST, 0, 1),
    "fifty": (FIFTY, 0, 50),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with a short grace."""
    with open_world() as world:
        yield world.serve("--grace", "1", tls=False)


def _options(server: Server, code: str) -> list[str]:
    return ["-s", server.unix, "-t", "-1", "-v", "-c", HEADER + code, "--", str(server.world.home)]


def _launch(server: Server, code: str, *options: str) -> "subprocess.CompletedProcess[bytes]":
    return server.world.run(*options, *_options(server, code))


@pytest.fixture(scope="module")
def launchers(server: Server) -> "dict[str, subprocess.Popen[bytes]]":
    """All of them at once: each waits for its job, which waits for what it left behind."""
    return {name: server.world.start(*_options(server, code)) for name, (code, _, _) in BEHIND.items()}


@pytest.mark.parametrize("name", list(BEHIND))
def test_what_a_job_leaves_behind_is_ended_and_told_beside_its_own_outcome(
    launchers: "dict[str, subprocess.Popen[bytes]]", name: str
) -> None:
    _, status, count = BEHIND[name]
    stderr = launchers[name].communicate(timeout=30 * TIME_SCALE)[1].decode()
    assert launchers[name].returncode == status, stderr
    job_id = stderr.partition(" accepted")[0].split()[-1]
    assert find_processes(f"HEADLESS_JOB_ID={job_id}") == []
    assert ("failed: exit status 5" in stderr) == (status == 4)
    processes = "1 process" if count == 1 else f"{count} processes"
    assert f"{processes} it left behind had to be ended" in stderr


def test_children_that_end_by_themselves_are_nobodys_fault(server: Server) -> None:
    done = _launch(server, "child('sleep 0.2; echo last words')", "-o", "-")
    assert (done.returncode, done.stdout) == (0, b"last words\n")
    assert b"left behind" not in done.stderr


def test_a_job_that_closes_its_outputs_lives_on_until_its_own_end(server: Server) -> None:
    code = """
for descriptor in (0, 1, 2, 3):
    os.close(descriptor)
open(HERE + "/closed", "w").close()
while not os.path.exists(HERE + "/go"):
    time.sleep(0.02)
os._exit(6)
"""
    home = server.world.home
    launcher = server.world.start("--exit-code", "job", *_options(server, code))
    wait_for((home / "closed").exists, "the job")
    assert launcher.poll() is None
    (home / "go").touch()
    assert launcher.wait(15 * TIME_SCALE) == 6
    assert launcher.communicate()[0] == b""


def test_what_a_child_says_before_its_end_is_in_the_output(server: Server) -> None:
    code = "child(\"trap 'echo caught TERM; exit 0' TERM; echo ready; while :; do sleep 0.05; done\")\n"
    done = _launch(server, code, "-o", "-")
    assert (done.returncode, done.stdout) == (0, b"ready\ncaught TERM\n")


def test_no_process_and_no_descriptor_is_left_of_many_jobs(server: Server) -> None:
    warm = find_warm(server.process.pid)

    def count() -> tuple[int, int]:
        return len(list_descriptors(server.process.pid)), len(list_descriptors(warm))

    assert _launch(server, "").returncode == 0
    wait_for(lambda: not list_children(warm), "the supervisor's last steps")
    # The socket of that first session may still be open and be counted: so each end comes twice, and a descriptor
    # that is left by any of them shows all the same.
    before = count()
    for end in ("", "1/0", "os.abort()", "child('exit 0')") * 2:
        _launch(server, end)
    wait_for(lambda: not list_children(warm), "no process of a job")
    wait_for(lambda: all(now <= then for now, then in zip(count(), before, strict=True)), "no descriptor more")


def test_a_supervisor_that_is_killed_takes_its_job_with_it_and_the_outcome_is_unknown(server: Server) -> None:
    code = """
with open(HERE + "/lost", "w") as file:
    print(os.getpid(), os.getppid(), file=file, flush=True)
    time.sleep(600)
"""
    launcher = server.world.start(*_options(server, code))
    file = server.world.home / "lost"
    wait_for(lambda: file.exists() and file.read_text().endswith("\n"), "the job")
    job, supervisor = map(int, file.read_text().split())
    assert read_name(supervisor).startswith("headless-s")
    os.kill(supervisor, signal.SIGKILL)
    wait_dead(job)
    assert launcher.wait(20 * TIME_SCALE) == 8
    stderr = launcher.communicate()[1].decode()
    assert "its outcome is unknown: its supervisor is gone and left no outcome" in stderr
    assert _launch(server, "").returncode == 0


def test_a_supervisor_is_not_ended_by_what_ends_others(server: Server) -> None:
    code = """
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    os.kill(os.getppid(), number)
sys.exit(3)
"""
    assert b"exit status 3" in _launch(server, code).stderr


def test_the_next_job_starts_although_the_warm_interpreter_was_killed(server: Server) -> None:
    for number in (signal.SIGKILL, signal.SIGSEGV):
        warm = find_warm(server.process.pid)
        os.kill(warm, number)
        wait_dead(warm)
        done = _launch(server, "print('runs')", "-o", "-")
        assert (done.returncode, done.stdout) == (0, b"runs\n")
