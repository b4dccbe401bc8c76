"""A real MariaDB of the tests' own: its data in a temporary folder, on a unix socket, ended with the tests."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peer_server import check_peer, make_peer_folder
from support import TIME_SCALE

USER = "mysql"
FIND = f"{os.defpath}:/usr/sbin:/usr/local/sbin"


class MariaDB:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "s"
        self._server: subprocess.Popen[bytes] | None = None
        # As root it must run as its own user.
        self._options = ["--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}"]
        self._options += [f"--user={USER}"] if os.geteuid() == 0 else []
        self._run("mariadb-install-db", *self._options, "--auth-root-authentication-method=normal", "--skip-test-db")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with open(self._folder / "log", "ab") as log:
            self._server = subprocess.Popen(
                [_find("mariadbd"), *self._options, "--skip-networking", f"--socket={self._socket}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env={"PATH": FIND},
            )  # fmt: skip
        until = time.monotonic() + 60 * TIME_SCALE
        while not self._answers():
            assert self._server.poll() is None and time.monotonic() < until, (self._folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once, as a failing database server would."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def crash(self) -> None:
        """End it as a power cut would."""
        self.stop()

    def freeze(self) -> None:
        """Stop it in its tracks: it takes connections, and never says a word."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def create_database(self, name: str) -> str:
        """Make an empty database; return its URL."""
        self._ask("mariadb", "-e", f"create database {name}")
        return f"mysql://root@localhost/{name}?unix_socket={self._socket}"

    def dump(self, name: str) -> None:
        """Copy a database to a file, with MariaDB's own tools, as docs/operations.md has it."""
        self._ask(
            "mariadb-dump", "--single-transaction", "--hex-blob", f"--result-file={self._folder}/{name}.sql", name
        )

    def drop(self, name: str) -> None:
        """Lose a database."""
        self._ask("mariadb", "-e", f"drop database {name}")

    def restore(self, name: str) -> None:
        """Have a database be what was dumped: it is made anew."""
        self.create_database(name)
        self._ask("mariadb", name, "-e", f"source {self._folder}/{name}.sql")

    def _answers(self) -> bool:
        return self._try("mariadb-admin", "--no-defaults", "-uroot", f"--socket={self._socket}", "ping") == 0

    def _ask(self, name: str, *arguments: str) -> None:
        self._run(name, "--no-defaults", "-uroot", f"--socket={self._socket}", *arguments)

    def _run(self, name: str, *arguments: str) -> None:
        assert self._try(name, *arguments) == 0, (name, arguments)

    def _try(self, name: str, *arguments: str) -> int:
        return subprocess.run(
            [_find(name), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd="/", env={"PATH": FIND}, timeout=60 * TIME_SCALE, check=False,
        ).returncode  # fmt: skip


def _find(name: str) -> str:
    return shutil.which(name, path=FIND) or name


@contextmanager
def run_mariadb() -> Iterator[MariaDB]:
    """A server for as long as the block runs; where MariaDB is missing the test is skipped, and fails in CI."""
    check_peer(shutil.which("mariadbd", path=FIND), "MariaDB")
    with make_peer_folder("hlmy-", USER) as folder:
        server = MariaDB(folder)
        try:
            yield server
        finally:
            server.stop()
