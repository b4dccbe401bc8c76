"""One job prints 10 GB (300 MB in the suite): its spool is bounded, the server stays small, the exit code is true."""

import subprocess
from pathlib import Path

import pytest

from fault_support import LAUNCH_LIMIT_S, check_log, scale
from support import TIME_SCALE, Server, World

SIZE_MB = scale(300, 10_000)
MAX_OUTPUT = 16 << 20
MEMORY_LIMIT = 150 << 20
TORRENT = """
import os, sys
piece = b"x" * 99 + b"\\n"
for _ in range(int(sys.argv[1])):
    data = memoryview(piece * 10_000)
    while data:
        data = data[os.write(1, data):]
raise SystemExit(3)
"""


def read_peak_memory(server: Server) -> int:
    """The most memory that the server has ever had, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def measure_spools(server: Server) -> int:
    """Bytes of all outputs on disk."""
    sizes = []
    for path in (server.state / "jobs").glob("*/stdout*"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            continue
    return sum(sizes)


@pytest.mark.parametrize("reads", [True, False], ids=["read", "unread"])
def test_a_torrent_of_output_is_bounded(world: World, reads: bool) -> None:
    server = world.serve("--max-output", str(MAX_OUTPUT))
    login = server.add_user("batch", "--allow-code")
    words = ["-o", "/dev/null"] if reads else []
    launcher = world.start(*login, "-t", "-1", *words, "--exit-code", "job", "-c", TORRENT, "--", str(SIZE_MB))
    largest = 0
    for _ in range(int(LAUNCH_LIMIT_S * 4 * TIME_SCALE)):
        try:
            launcher.wait(0.25)
            break
        except subprocess.TimeoutExpired:
            largest = max(largest, measure_spools(server))
    _, errors = launcher.communicate(timeout=10 * TIME_SCALE)
    assert launcher.returncode == 3, errors
    assert (b"were cut" in errors) or not reads
    assert 0 < largest <= MAX_OUTPUT
    assert read_peak_memory(server) < MEMORY_LIMIT
    check_log(server)
