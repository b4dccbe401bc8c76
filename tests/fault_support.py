"""What the fault tests share: their size, their chance, a server that is killed at any moment, launchers by the dozen.

``HEADLESS_SOAK=1`` (``make soak``) takes the large numbers, ``HEADLESS_FAULT_SEED`` repeats a run that has failed.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from free_port import find_port
from support import TIME_SCALE, Server, World, wait_for

SOAK = os.environ.get("HEADLESS_SOAK", "") not in ("", "0")
LAUNCHERS = 8  # at a time

_Number = TypeVar("_Number", int, float)

# Appends its number to a file by one write, marks begin and end, gives back its input, prints so many bytes with a
# pause in the middle.
JOB = """
import os, sys, time
lines, marks, number, status, size, pause = sys.argv[1:]
def append(path, text):
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(file, text.encode())
    os.close(file)
append(lines, number + "\\n")
if marks:
    append(marks, "begin " + number + "\\n")
sys.stdout.write(sys.stdin.read())
row = "output of " + number + "\\n"
rows = row * (int(size) // len(row) + 1)
sys.stdout.write(rows[:len(rows) // 2])
sys.stdout.flush()
time.sleep(float(pause))
sys.stdout.write(rows[len(rows) // 2:])
sys.stdout.flush()
if marks:
    append(marks, "end " + number + "\\n")
raise SystemExit(int(status))
"""


def scale(suite: _Number, soak: _Number) -> _Number:
    """A size: for the suite, or for ``make soak``."""
    return soak if SOAK else suite


# A server that is killed a hundred times in a row is away for most of that time.
PATIENCE = ("--connect-for", str(scale(60, 600)), "--reconnect-for", str(scale(60, 600)))
LAUNCH_LIMIT_S = scale(300.0, 1800.0)  # of one launcher: it must end by itself long before


def make_chance() -> random.Random:
    """Chance from a seed that is printed; pytest shows it when the test fails."""
    seed = int(os.environ.get("HEADLESS_FAULT_SEED") or random.SystemRandom().randrange(1 << 32))
    sys.stdout.write(f"HEADLESS_FAULT_SEED={seed}\n")
    return random.Random(seed)


def fake_clock(file: Path) -> dict[str, str]:
    """What gives a process the wall clock of :func:`set_clock`; the one that counts seconds stays true."""
    return {**fake_time(file), "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def fake_time(file: Path) -> dict[str, str]:
    """What gives a process the clocks of :func:`set_clock`, all of them.

    Its sleeps, and its waits for sockets (select, poll, epoll, an event loop's timers), take as long as they say by
    these clocks. But a wait for a lock with a limit never ends: glibc has that done by the true clock.
    """
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    library = str(libraries[0]) if libraries else ""
    return {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}


def set_clock(file: Path, offset_s: float, speed: int = 1) -> None:
    """Set a faked clock: as far from the true time, and so many times as fast from the process's start on."""
    new = file.with_suffix(".new")
    new.write_text(f"{offset_s:+.3f} x{speed}\n" if speed != 1 else f"{offset_s:+.0f}\n")
    new.rename(file)


def find_fixed_port() -> str:
    """``127.0.0.1:PORT`` for a server that comes and goes."""
    return f"127.0.0.1:{find_port()}"


@dataclass(frozen=True)
class Task:
    """One launch and what must come of it.

    Attributes:
        number: its line in the file.
        words: options of the launcher.
        stdin: its input.
        status: the job's own exit status.
        code: what the launcher must exit with.
        size: bytes that the job prints, about.
        pause_s: in the middle of it.
        is_waited: whether the launcher waits for the end.
        in_line: whether it goes behind others of its name.
    """

    number: int
    words: tuple[str, ...]
    stdin: bytes = field(default=b"", repr=False)
    status: int = 0
    code: int = 0
    size: int = 0
    pause_s: float = 0.0
    is_waited: bool = True
    in_line: bool = False

    @property
    def stdout(self) -> bytes:
        """What the launcher must print."""
        if not self.is_waited:
            return b""
        row = f"output of {self.number}\n".encode()
        return self.stdin + row * (self.size // len(row) + 1)


def make_task(number: int, chance: random.Random) -> Task:
    """One of the mix: most end well at once; the others fail, print much, wait in line, take input, or nobody waits."""
    pause_s = chance.choice((0.0, 0.0, 0.1, 0.5))
    waited = ("-t", "-1", "-o", "-", "--name", f"job-{number}")
    match number % 10:
        case 1:
            return Task(number, (*waited, "--exit-code", "job"), status=3, code=3, pause_s=pause_s)
        case 2:
            return Task(number, waited, status=3, code=4, pause_s=pause_s)
        case 3:
            return Task(number, waited, size=chance.randrange(200_000, 800_000), pause_s=pause_s)
        case 4 | 5:
            in_line = ("-t", "-1", "-o", "-", "--name", "in-line", "--overlap", "wait")
            return Task(number, in_line, pause_s=min(pause_s, 0.1), in_line=True)
        case 6:
            return Task(number, ("--name", f"job-{number}"), pause_s=pause_s, is_waited=False)
        case 7:
            stdin = f"input of {number}\n".encode() * chance.randrange(1, 80_000)
            return Task(number, (*waited, "--stdin"), stdin=stdin, pause_s=pause_s)
    return Task(number, waited, pause_s=pause_s)


class Fleet:
    """Launchers, some at a time, and the truth that all of them and the server's history must tell afterwards."""

    def __init__(self, world: World, services: Sequence[Sequence[str]], chance: random.Random) -> None:
        """Args:
        world: whose home takes the files of the jobs.
        services: the options to reach the server and log in; the launchers take them in turn.
        chance: for the mix.
        """
        self.lines = world.home / "lines"
        self.marks = world.home / "marks"
        self.tasks: list[Task] = []
        self._world = world
        self._services = services
        self._chance = chance
        self._lock = threading.Lock()

    def run(self, count: int, is_over: Callable[[], bool] = lambda: True) -> None:
        """Launch at least so many jobs, and more until ``is_over``; each launcher must tell the truth."""
        deadline = time.monotonic() + LAUNCH_LIMIT_S * TIME_SCALE
        with ThreadPoolExecutor(LAUNCHERS) as pool:
            workers = [pool.submit(self._work, count, is_over, deadline) for _ in range(LAUNCHERS)]
        wrong = [text for worker in workers for text in worker.result()]
        assert not wrong, "\n".join(wrong)
        assert len(self.tasks) >= count and is_over(), f"after {len(self.tasks)} launches the time was over"

    def _work(self, count: int, is_over: Callable[[], bool], deadline: float) -> list[str]:
        wrong: list[str] = []
        while not wrong and (len(self.tasks) < count or not is_over()) and time.monotonic() < deadline:
            with self._lock:
                task = make_task(len(self.tasks), self._chance)
                self.tasks.append(task)
            wrong = self._launch(task)
        return wrong

    def _launch(self, task: Task) -> list[str]:
        service = self._services[task.number % len(self._services)]
        marks = str(self.marks) if task.in_line else ""
        arguments = (str(self.lines), marks, str(task.number), str(task.status), str(task.size), str(task.pause_s))
        done = self._world.run(
            *service, *PATIENCE, *task.words, "-c", JOB, "--", *arguments, stdin=task.stdin, limit_s=LAUNCH_LIMIT_S
        )
        is_silent = not done.stderr or task.code
        if done.returncode == task.code and done.stdout == task.stdout and is_silent:
            return []
        size = f"{len(done.stdout)} bytes of output, {len(task.stdout)} expected"
        return [f"{task}: exit code {done.returncode}, {size}: {done.stderr.decode()}"]

    def check_history(self, service: Sequence[str]) -> None:
        """Every job has run exactly once, those in line one after the other, and the history says how it ended."""
        wait_for(lambda: not list_jobs(self._world, service, "--state", "live"), "the end of all jobs", 60)
        ran = Counter(map(int, self.lines.read_text().split()))
        wrong = {number: ran[number] for number in range(len(self.tasks)) if ran[number] != 1}
        assert not wrong, f"jobs that have not run once, by number: {wrong}"
        check_marks(self.marks)
        failed = {f"job-{task.number}" for task in self.tasks if task.status}
        states = {job["name"]: job["state"] for job in list_jobs(self._world, service) if job["name"] != "in-line"}
        assert states == {
            f"job-{task.number}": "failed" if f"job-{task.number}" in failed else "ended"
            for task in self.tasks
            if not task.in_line
        }
        in_line = [job["state"] for job in list_jobs(self._world, service, "--name", "in-line")]
        assert in_line == ["ended"] * sum(task.in_line for task in self.tasks)


def list_jobs(world: World, service: Sequence[str], *options: str) -> list[dict[str, Any]]:
    """What ``headless jobs list`` tells, the last job first."""
    done = world.run("jobs", "list", *service, "--limit", "100000", "--json", *options)
    assert done.returncode == 0, done.stderr
    jobs: list[dict[str, Any]] = json.loads(done.stdout)
    return jobs


def check_marks(path: Path) -> list[str]:
    """Runs never overlap: each *begin* is followed by its own *end*. Return the names in their order."""
    marks = path.read_text().splitlines() if path.exists() else []
    names = [mark.split()[1] for mark in marks][::2]
    assert marks == [f"{word} {name}" for name in names for word in ("begin", "end")]
    return names


def check_log(server: Server) -> None:
    """The server has met no bug."""
    assert "Traceback" not in server.log, server.log
    assert "action=bug" not in server.log, server.log


def revive(server: Server) -> int:
    """Start a server that has ended again by the very same command, and wait for nothing.

    Returns:
        Where in its log the new one begins.
    """
    start = len(server.log)
    with server.log_file.open("ab") as log:
        server.process = subprocess.Popen(
            server.process.args, env=server.world.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    return start


def wait_listening(server: Server, start: int) -> None:
    """Wait until a server that was revived listens again."""

    def look() -> bool:
        assert server.process.poll() is None, f"the server has ended by itself: {server.log[start:]}"
        return "listening address=" in server.log[start:]

    wait_for(look, "the server to listen", 60)


class Killer(threading.Thread):
    """Kills a server (SIGKILL) so many times, in its start or at its work, and starts it again each time."""

    def __init__(self, server: Server, chance: random.Random, kills: int) -> None:
        super().__init__()
        self._server = server
        self._chance = random.Random(chance.random())
        self._kills = kills
        self.error: BaseException | None = None

    def run(self) -> None:
        """See :class:`Killer`."""
        try:
            start = 0
            for _ in range(self._kills):
                if self._chance.random() < 0.75:
                    wait_listening(self._server, start)
                time.sleep(self._chance.uniform(0, 0.6))
                assert self._server.process.poll() is None, f"the server has ended by itself: {self._server.log}"
                self._server.crash()
                start = revive(self._server)
            wait_listening(self._server, start)
        except BaseException as exc:  # noqa: BLE001  # told by the test's own thread
            self.error = exc

    def has_ended(self) -> bool:
        """Whether all kills are done."""
        return not self.is_alive()

    def finish(self) -> None:
        """Wait for the last one; what went wrong is raised here."""
        self.join()
        if self.error is not None:
            raise self.error


def draw_budgets(chance: random.Random) -> Iterator[int]:
    """After how many bytes connections are cut: in the login, in the start, in the output. Never ends."""
    own = random.Random(chance.random())
    while True:
        yield own.choice((own.randrange(1, 4_000), own.randrange(1, 4_000), own.randrange(4_000, 400_000)))


def start_all(world: World, commands: Iterable[Sequence[str]]) -> "list[subprocess.Popen[bytes]]":
    """Start many launchers at once."""
    return [world.start(*words) for words in commands]


def finish_all(launchers: "Iterable[subprocess.Popen[bytes]]", limit_s: float = 120) -> list[tuple[int, bytes, str]]:
    """Wait for all of them; exit code, output and talk of each."""
    found = []
    for launcher in launchers:
        stdout, stderr = launcher.communicate(timeout=limit_s * TIME_SCALE)
        found.append((launcher.returncode, stdout, stderr.decode()))
    return found


def fill(path: Path) -> None:
    """Take all the room that is left, to the last byte."""
    with path.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
