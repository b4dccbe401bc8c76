"""What a long past costs: starting a server, and looking back, with 100,000 ended jobs in its journal and with none."""

import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.measure import run_once
from bench.server import Server
from bench.sessions import BOOT, ROOT

__all__ = ["Past", "measure_past"]


@dataclass(frozen=True)
class Past:
    """Seconds for a server with a past: its start until it listens, and ``headless jobs list``."""

    start_s: float
    list_s: float


def measure_past(folder: Path, count: int, rounds: int) -> tuple[Past, Past]:
    """Medians for a server with none, and for one with so many ended jobs, measured in turn."""
    servers = []
    for name in ("none", "many"):
        (folder / name).mkdir()
        servers.append(Server(folder / name))
        servers[-1].stop()
    argv = [sys.executable, "-I", "-c", BOOT, ROOT, "bench.journal", str(servers[1].state), str(count)]
    subprocess.run(argv, check=True, env={})
    times: list[list[tuple[float, float]]] = [[], []]
    for _ in range(rounds):
        for server, measured in zip(servers, times, strict=True):
            server.start()
            measured.append((server.start_s, run_once(server.list_jobs()).wall_s))
            server.stop()
    none, many = (Past(*map(statistics.median, zip(*measured, strict=True))) for measured in times)
    return none, many
