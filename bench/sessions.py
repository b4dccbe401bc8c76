"""The server's memory for idle sessions, and its jobs per second with several launchers at a time."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bench.measure import run_once
from bench.server import USER, Server

__all__ = ["measure_growth", "measure_rate"]

IDLE_SESSIONS = str(Path(__file__).with_name("idle_sessions.py"))
PINGED_AFTER_S = 25.0  # the server pings each session every 20 s


def measure_growth(server: Server, count: int) -> dict[str, float]:
    """Open idle sessions; return by how many bytes the server grew for each: at once, and after they were pinged.

    Args:
        server: that has had no session yet.
        count: of sessions.
    """
    before = server.read_rss()
    growth = {}
    with _hold_sessions(server, count):
        growth["logged in"] = (server.read_rss() - before) / count
        time.sleep(PINGED_AFTER_S)
        growth["pinged"] = (server.read_rss() - before) / count
    return growth


def measure_rate(server: Server, launchers: int, launches: int) -> float:
    """Jobs per second when so many launchers over TLS do launch after launch, so many each."""
    commands = [server.launch(*server.login)] * (launchers * launches)
    with ThreadPoolExecutor(launchers) as pool:
        began = time.perf_counter()
        done = list(pool.map(run_once, commands))
        return len(done) / (time.perf_counter() - began)


@contextmanager
def _hold_sessions(server: Server, count: int) -> Iterator[None]:
    argv = [sys.executable, "-I", IDLE_SESSIONS, server.tcp, USER, server.secret, str(count)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={})
    with process:
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise RuntimeError("the sessions could not be opened")
        yield
