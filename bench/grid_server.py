"""A grid to measure: ``headless grid serve`` with a user and a storage, and the two clients' commands against it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Command
from bench.server import HEADLESS

__all__ = ["ALIEN_PY", "GridServer", "run_grid_server"]

ALIEN_PY = os.path.join(os.path.dirname(sys.executable), "alien.py")
USER = "bench"


class GridServer:
    """A grid in a folder, with one user; it may be started and stopped.

    Attributes:
        environment: what points both clients to it.
        state: its state folder.
        home: of the user's, on this machine.
        storage: where its storage keeps files, if it was started with ``--with-storage storage``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.state, self.home, self.storage = folder / "grid", folder / "home", folder / "storage" / "data"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        (self.home / "tmp").mkdir(parents=True)
        globus = self.home / ".globus"
        self.environment = {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.home / "tmp"),
            "X509_CERT_FILE": str(self.state / "pki" / "ca.pem"),
            "X509_USER_CERT": str(globus / "usercert.pem"),
            "X509_USER_KEY": str(globus / "userkey.pem"),
            "ALIENPY_JCENTRAL": "localhost",
            "ALIENPY_JCENTRAL_PORT": str(self.port),
        }
        self._call("pki", "--state", str(self.state), "init")
        self._call("pki", "--state", str(self.state), "user", USER, "--out", str(globus))

    def start(self, *options: str) -> None:
        """Start it, and wait until it listens.

        Raises:
            RuntimeError: it does not start; the log says why.
        """
        argv = [HEADLESS, "grid", "serve", "--state", str(self.state), "--listen", f"127.0.0.1:{self.port}"]
        read, write = os.pipe()
        log = self._folder / "log"
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [*argv, "--ready-fd", str(write), *options],
                env=self.environment, cwd=self._folder, stdin=subprocess.DEVNULL, stderr=file, pass_fds=(write,),
            )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as ready:
            if not ready.readline():
                raise RuntimeError(f"the grid does not start: {log.read_text()}")

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def ours(self, *words: str) -> Command:
        """A command of our client."""
        return Command([HEADLESS, "grid", *words], self.environment)

    def theirs(self, *words: str) -> Command:
        """The same of alien.py."""
        return Command([ALIEN_PY, *words], self.environment)

    def ask(self, *words: str) -> str:
        """What a command of our client prints."""
        command = self.ours(*words)
        return subprocess.run(command.argv, env=command.environment, check=True, capture_output=True, text=True).stdout

    def _call(self, *words: str) -> None:
        subprocess.run([HEADLESS, "grid", *words], env=self.environment, cwd=self._folder, check=True)


@contextlib.contextmanager
def run_grid_server(folder: Path, *options: str) -> Iterator[GridServer]:
    """Run a grid while the block runs."""
    folder.mkdir()
    folder.chmod(0o755)
    server = GridServer(folder)
    server.start(*options)
    try:
        yield server
    finally:
        server.stop()
