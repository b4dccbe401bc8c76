"""Jobs that run until the test lets them end, with a child in a session of its own; and the end of all of it."""

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fault_support import PATIENCE
from job_support import find_processes, list_children
from support import TIME_SCALE, Server, World, wait_for

# Tells that it runs, and as what; ends when it may.
HELD = """
import os, subprocess, sys, time
here, number, status = sys.argv[1:]
file = os.open(here + "/ran", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(file, (number + "\\n").encode())
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
with open(here + "/new-" + number, "w") as file:
    print(os.getpid(), os.getppid(), os.environ["HEADLESS_JOB_ID"], file=file)
os.rename(here + "/new-" + number, here + "/started-" + number)
print("begin", number, flush=True)
limit = time.monotonic() + 300
while os.path.exists(here) and not os.path.exists(here + "/go") and time.monotonic() < limit:
    time.sleep(0.02)
child.kill()
child.wait()
print("end", number, flush=True)
raise SystemExit(int(status))
"""


@dataclass(frozen=True)
class Held:
    """One job as it told of itself."""

    pid: int
    supervisor: int
    job_id: str


class HeldJobs:
    """Launchers that wait for such jobs.

    Attributes:
        launchers: by number; all options but the job's own are the caller's.
    """

    def __init__(self, world: World, name: str = "held") -> None:
        self.here = world.home / name
        self.here.mkdir()
        self.launchers: dict[int, subprocess.Popen[bytes]] = {}
        self._world = world
        self._talk: dict[int, str] = {}

    def start(self, number: int, service: Sequence[str], *words: str, status: int = 0) -> None:
        """Launch one; it need not begin at once."""
        self.launchers[number] = self._world.start(
            *service, *PATIENCE, "-v", "-t", "-1", "-o", f"{self.here}/output-{number}", *words,
            "-c", HELD, "--", str(self.here), str(number), str(status),
        )  # fmt: skip
        self._talk[number] = ""

    def wait_begun(self, number: int, limit_s: float = 60) -> Held:
        """Wait until one runs."""
        path = self.here / f"started-{number}"
        wait_for(path.exists, f"the start of job {number}", limit_s)
        pid, supervisor, job_id = path.read_text().split()
        return Held(int(pid), int(supervisor), job_id)

    def wait_talk(self, number: int, pattern: str, limit_s: float = 60) -> str:
        """Wait until a launcher has said something; return all that it has said."""
        channel = self.launchers[number].stderr
        assert channel is not None
        deadline = time.monotonic() + limit_s * TIME_SCALE
        while not re.search(pattern, self._talk[number]):
            left_s = deadline - time.monotonic()
            assert left_s > 0 and select.select([channel], [], [], left_s)[0], self._talk[number]
            data = os.read(channel.fileno(), 65536).decode()
            assert data, f"the launcher has ended without {pattern!r}: {self._talk[number]}"
            self._talk[number] += data
        return self._talk[number]

    def let_end(self) -> None:
        """All may end, and what begins later ends at once."""
        (self.here / "go").touch()

    def finish(self, number: int, limit_s: float = 90) -> tuple[int, str]:
        """Wait for a launcher's end; its exit code and all that it has said."""
        launcher = self.launchers[number]
        _, stderr = launcher.communicate(timeout=limit_s * TIME_SCALE)
        return launcher.returncode, self._talk[number] + stderr.decode()

    def check_ended_well(self, number: int, status: int = 0) -> None:
        """A launcher tells the true outcome, and has all of the output, once."""
        code, talk = self.finish(number)
        assert code == (4 if status else 0), talk
        assert (self.here / f"output-{number}").read_text() == f"begin {number}\nend {number}\n", talk

    def count_runs(self, number: int) -> int:
        """How often a job was begun."""
        path = self.here / "ran"
        return path.read_text().split().count(str(number)) if path.exists() else 0

    def check_nothing_left(self, job_id: str) -> None:
        """No process of a job is left."""
        wait_for(lambda: not find_processes(f"HEADLESS_JOB_ID={job_id}"), f"the end of all processes of {job_id}")


def cut_power(server: Server) -> None:
    """Kill a server, its warm interpreter, the supervisors and all jobs, as nearly in one instant as can be."""
    jobs = server.state / "jobs"
    marks = [f"HEADLESS_JOB_ID={folder.name}" for folder in jobs.iterdir() if folder.is_dir()]
    server.process.send_signal(signal.SIGSTOP)  # else it would see the others die, and act on it
    warm = list_children(server.process.pid)
    for process in warm:
        _signal(process, signal.SIGSTOP)
    supervisors = [child for process in warm for child in list_children(process)]
    for process in supervisors:
        _signal(process, signal.SIGSTOP)
    tasks = {pid for mark in marks for pid in find_processes(mark)}
    for process in (server.process.pid, *warm, *supervisors, *tasks):
        _signal(process, signal.SIGKILL)
    server.process.wait()
    wait_for(lambda: not any(map(is_alive, (*warm, *supervisors, *tasks))), "the end of everything")


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
