"""Our side: a server of the installed command, and the launches that it is asked for."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Command

__all__ = ["HEADLESS", "USER", "Server", "build_environment", "run_server"]

HEADLESS = os.path.join(os.path.dirname(sys.executable), "headless")
USER = "bench"


class Server:
    """A running server.

    Attributes:
        process: of the server.
        tcp: ``127.0.0.1:PORT``.
        unix: ``unix:/path``.
        start_s: seconds from the command to the first line that says it listens.
        secret: path of the user's secret file.
        login: the launcher's options that log in over TLS.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        """Start it, and wait until it listens.

        Raises:
            RuntimeError: it does not start.
        """
        self._environment = build_environment(folder)
        self._state = folder / "state"
        self.unix = f"unix:{folder}/socket"
        argv = [HEADLESS, "serve", "--listen", "127.0.0.1:0", "--listen", self.unix, "--state", str(self._state)]
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [*argv, *options], env=self._environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.tcp = self._wait_listening()
        self.start_s = time.perf_counter() - began
        # Nobody reads the log, but a full pipe would hold the server.
        threading.Thread(target=self._drain, daemon=True).start()
        self.secret = str(folder / "secret")
        self.login = ["-s", self.tcp, "-u", USER, "-p", self.secret]

    def add_user(self) -> None:
        """Add the user who may run code."""
        argv = [HEADLESS, "user", "add", USER, "--allow-code", "--state", str(self._state)]
        argv += ["--secret-out", self.secret]
        # A server that runs as root must be told who the jobs run as.
        argv += ["--run-as", "root"] if os.geteuid() == 0 else []
        subprocess.run(argv, env=self._environment, check=True)

    def launch(self, *options: str) -> Command:
        """A launch of the trivial job, waited for to its end."""
        return Command([HEADLESS, *options, "-c", "pass", "-t", "-1"], self._environment)

    def read_rss(self) -> int:
        """The server's resident memory in bytes."""
        match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        if match is None:
            raise RuntimeError("the server has ended")
        return int(match[1]) * 1024

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def _wait_listening(self) -> str:
        for line in self.process.stderr or ():
            if match := re.search(r"listening address=(127\.0\.0\.1:\d+)", line):
                return match[1]
        raise RuntimeError(f"the server does not start: exit code {self.process.wait()}")

    def _drain(self) -> None:
        for _ in self.process.stderr or ():
            pass


def build_environment(folder: Path) -> dict[str, str]:
    """What cron gives to a command, and nothing else."""
    return {"HOME": str(folder), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LANG": "C"}


@contextmanager
def run_server(folder: Path, *options: str) -> Iterator[Server]:
    """Run a server with its user while the block runs."""
    server = Server(folder, *options)
    try:
        server.add_user()
        yield server
    finally:
        server.stop()
