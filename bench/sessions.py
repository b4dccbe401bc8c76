"""Our load: a process that holds many sessions at a server (``crowd_program.py``), and what is measured with it."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import run_once
from bench.server import USER, Server

__all__ = [
    "STARTER",
    "Burst",
    "Program",
    "Waiting",
    "measure_burst",
    "measure_job_rates",
    "measure_rate",
    "measure_waiting",
    "run_crowd",
]

ROOT = str(Path(__file__).resolve().parent.parent)
# Isolated, so that headless is the installed one; our own modules come last.
BOOT = """\
import runpy, sys
sys.path.append(sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
PINGED_AFTER_S = 25.0  # the server pings each session every 20 s
LONG = "import time; time.sleep(3600)"
STARTER = "xargs -P 4 -n 1 python3 -I -c pass"


class Program:
    """A running ``crowd_program.py``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, *command: Any) -> dict[str, Any]:
        """Have a command done; return its answer.

        Raises:
            RuntimeError: it has failed; why is on standard error.
        """
        if self._process.stdin is None:
            raise AssertionError("it has no input")
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self.read_answer()

    def read_answer(self) -> dict[str, Any]:
        """Wait for its next line.

        Raises:
            RuntimeError: there is none.
        """
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError("the sessions' process has failed")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def run_crowd(server: Server, service: str, count: int) -> Iterator[Program]:
    """Hold so many sessions at a server while the block runs."""
    options = [ROOT, "bench.crowd_program", service, USER, server.secret, str(count)]
    argv = [sys.executable, "-I", "-c", BOOT, *options]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={}) as process:
        program = Program(process)
        program.read_answer()
        yield program


def measure_job_rates(server: Server, sessions: int, each: int, rounds: int) -> dict[str, float]:
    """Trivial jobs a second from so many sessions at a time, and interpreters that xargs starts, in turn; medians.

    Args:
        server: to run them.
        sessions: of one process.
        each: jobs of each session in a round.
        rounds: that count; one more warms up.
    """
    count = sessions * each
    services = {"over TLS": server.tcp, "over the unix socket": server.unix}
    times: dict[str, list[float]] = {name: [] for name in (*services, STARTER)}
    for _ in range(rounds + 1):
        for name, service in services.items():
            with run_crowd(server, service, sessions) as program:
                times[name].append(program.ask("run", each)["seconds"])
        times[STARTER].append(_run_xargs(count))
    return {name: count / statistics.median(values[1:]) for name, values in times.items()}


@dataclass(frozen=True)
class Burst:
    """What became of many starts in one second, in seconds from the first; the memory is the server's peak in bytes."""

    accepted_s: float
    ended_s: float
    retries: int
    memory: int


def measure_burst(server: Server, sessions: int, count: int) -> Burst:
    """Start so many trivial jobs in one second over TLS; all must be accepted and end well."""
    with run_crowd(server, server.tcp, sessions) as program:
        answer = program.ask("burst", count, 1.0)
        return Burst(**answer, memory=server.read_memory("VmHWM"))


@dataclass(frozen=True)
class Waiting:
    """What sessions that wait for a job cost.

    Attributes:
        growth: the server's, in bytes for each session, by when it was read.
        start_s: of the server that was started after the first one was killed, until it listens.
        back_s: from then on, until all sessions were back and followed the job again.
    """

    growth: dict[str, float]
    start_s: float
    back_s: float


def measure_waiting(server: Server, count: int) -> Waiting:
    """Have many sessions over TLS wait for one job; kill the server, start it again, and have them come back.

    Args:
        server: that has had no session yet.
        count: of sessions.
    """
    before = server.read_memory()
    growth = {}
    with run_crowd(server, server.tcp, count) as program:
        growth["logged in"] = (server.read_memory() - before) / count
        job_id = program.ask("begin", LONG)["job_id"]
        program.ask("watch", job_id)
        growth["waiting"] = (server.read_memory() - before) / count
        time.sleep(PINGED_AFTER_S)
        growth["waiting, pinged"] = (server.read_memory() - before) / count
        server.restart()
        back_s = program.ask("come-back", count, job_id)["seconds"]
        growth["come back"] = (server.read_memory() - before) / count
        program.ask("cancel", job_id)
    return Waiting(growth, server.start_s, back_s)


def measure_rate(server: Server, launchers: int, launches: int) -> float:
    """Jobs per second when so many launchers over TLS do launch after launch, so many each."""
    commands = [server.launch(*server.login)] * (launchers * launches)
    with ThreadPoolExecutor(launchers) as pool:
        began = time.perf_counter()
        done = list(pool.map(run_once, commands))
        return len(done) / (time.perf_counter() - began)


def _run_xargs(count: int) -> float:
    """Seconds in which xargs has started so many interpreters, four at a time, and all have ended."""
    # The interpreter of our own environment, below it: what our jobs run.
    argv = ["xargs", "-P", "4", "-n", "1", os.path.realpath(sys.executable), "-I", "-c", "pass"]
    began = time.perf_counter()
    subprocess.run(argv, input="x\n" * count, text=True, check=True, env={"PATH": os.defpath})
    return time.perf_counter() - began
