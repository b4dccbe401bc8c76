"""What stores the reports ends by itself: nothing more is taken, and the exit status tells it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from inventory_server import CollectorServer
from support import TIME_SCALE

SERVE = """
import asyncio, sys
from headless.cli.main import main
from headless.errors import ParameterError
from headless.inventory.collect.worker import Worker

class Odd(BaseException):
    pass

async def end(worker):
    await asyncio.to_thread(sys.stdin.readline)
    {end}

Worker.run = end
sys.exit(main(["inventory", "serve", "--state", sys.argv[1], "--listen", "127.0.0.1:0", "--ready-fd", "1"]))
"""


@pytest.mark.parametrize(
    ("end", "status", "line"),
    [
        ('raise ParameterError("the database is another program\'s")', 2, "another program's"),
        ('raise ValueError("odd")', 70, "a bug in headless: ValueError: odd"),
        ("raise MemoryError", 70, "a bug in headless: MemoryError"),
        ("raise SystemExit(0)", 70, "has ended by itself"),
        ("raise KeyboardInterrupt", 70, "has ended by itself"),
        ('raise Odd("odd")', 70, "has ended by itself"),
        ("raise asyncio.CancelledError", 70, "has ended by itself"),
        ("return", 70, "has ended by itself"),
    ],
)
def test_an_end_of_the_worker_ends_the_collector(tmp_path: Path, end: str, status: int, line: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE.format(end=end), str(tmp_path / "state")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    ) as server:  # fmt: skip
        assert server.stdout is not None
        port = int(server.stdout.readline().rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), 10 * TIME_SCALE).close()
        _, told = server.communicate("\n", 30 * TIME_SCALE)
        assert server.returncode == status
        assert line in told.splitlines()[-1]
        assert "reason='nothing works'" in told
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 10 * TIME_SCALE)


def test_an_end_as_told_is_a_good_one(tmp_path: Path) -> None:
    with CollectorServer(tmp_path) as server:
        server.start().stop()
        assert "reason='SIGTERM'" in server.log
