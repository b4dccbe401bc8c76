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
        state: its state folder.
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
        self._options = options
        self.state = folder / "state"
        self.unix = f"unix:{folder}/socket"
        self.tcp = "127.0.0.1:0"
        self.start()
        self.secret = str(folder / "secret")
        self.login = ["-s", self.tcp, "-u", USER, "-p", self.secret]

    def start(self) -> None:
        """Start it, once it was stopped, on the same port and state, and wait until it listens.

        Raises:
            RuntimeError: it does not start.
        """
        argv = [HEADLESS, "serve", "--listen", self.tcp, "--listen", self.unix, "--state", str(self.state)]
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [*argv, *self._options], env=self._environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.tcp = self._wait_listening()
        self.start_s = time.perf_counter() - began
        # Nobody reads the log, but a full pipe would hold the server.
        threading.Thread(target=self._drain, args=[self.process], daemon=True).start()

    def restart(self) -> None:
        """Kill it, and start it again on the same port and state."""
        self.process.kill()
        self.process.wait()
        self.start()

    def add_user(self) -> None:
        """Add the user who may run code."""
        argv = [HEADLESS, "user", "add", USER, "--allow-code", "--state", str(self.state)]
        argv += ["--secret-out", self.secret]
        # A server that runs as root must be told who the jobs run as.
        argv += ["--run-as", "root"] if os.geteuid() == 0 else []
        subprocess.run(argv, env=self._environment, check=True)

    def launch(self, *options: str) -> Command:
        """A launch of the trivial job, waited for to its end."""
        return Command([HEADLESS, *options, "-c", "pass", "-t", "-1"], self._environment)

    def list_jobs(self) -> Command:
        """``headless jobs list``, as its owner asks for it."""
        return Command([HEADLESS, "jobs", "list", "-s", self.unix], self._environment)

    def read_memory(self, kind: str = "VmRSS") -> int:
        """The server's resident memory in bytes; ``VmHWM`` for its peak."""
        match = re.search(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
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

    @staticmethod
    def _drain(process: "subprocess.Popen[str]") -> None:
        for _ in process.stderr or ():
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
