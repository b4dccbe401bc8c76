"""A real PostgreSQL of the tests' own: a new cluster in a temporary folder, on a unix socket, ended with the tests."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peer_server import check_peer, make_peer_folder
from support import TIME_SCALE, wait_for

USER = "postgres"


def find_program(name: str) -> str | None:
    """Debian keeps the server's programs off the PATH."""
    found = shutil.which(name) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), default="")
    return found or None


class Postgres:
    """A running cluster.

    Attributes:
        url: of its database, for the setting ``journal``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self.url = f"postgresql://{self._owner}@/postgres?host={folder}"
        self._run("initdb", "--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C", "-D", str(self._data))
        self.start()

    @property
    def _owner(self) -> str:
        return USER if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    def start(self, *settings: str) -> None:
        """Start it, and wait until it answers."""
        options = " ".join((f"-k {self._folder} -c listen_addresses='' -c fsync=off", *settings))
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-w", "-D", str(self._data), "-l", log, "-o", options)

    def stop(self) -> None:
        """Stop it at once, as a failing database server would."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self._data))

    def start_forever(self) -> None:
        """Start it, and have it be at that, as after a crash when there is much to mend, until it is stopped."""
        (self._data / "standby.signal").touch()
        self.start("-c hot_standby=off")
        (self._data / "standby.signal").unlink()

    def crash(self) -> None:
        """End it as a power cut would."""
        processes = self._signal(signal.SIGKILL)
        wait_for(lambda: not any(map(_lives, processes)), "the end of PostgreSQL")
        for lock in (self._data / "postmaster.pid", *self._folder.glob(".s.PGSQL.*")):
            lock.unlink()

    def freeze(self) -> None:
        """Stop it in its tracks: it takes connections, and never says a word."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> list[int]:
        server = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        processes = [server, *map(int, children)]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        return processes

    def create_database(self, name: str) -> str:
        """Make an empty database; return its URL."""
        self._run("createdb", "-h", str(self._folder), name)
        return self.url.replace("/postgres?", f"/{name}?")

    def dump(self, name: str) -> None:
        """Copy a database to a file, with PostgreSQL's own tools, as docs/operations.md has it."""
        file = self._folder / f"{name}.dump"
        self._run("pg_dump", "-h", str(self._folder), "--format=custom", f"--file={file}", name)

    def drop(self, name: str) -> None:
        """Lose a database."""
        self._run("dropdb", "-h", str(self._folder), "--force", name)

    def restore(self, name: str) -> None:
        """Have a database be what was dumped: it is made anew."""
        self.create_database(name)
        file = self._folder / f"{name}.dump"
        options = ("--single-transaction", "--exit-on-error", "--no-owner", f"--role={self._owner}", f"--dbname={name}")
        self._run("pg_restore", "-h", str(self._folder), *options, str(file))

    def _run(self, name: str, *arguments: str) -> None:
        program = find_program(name)
        assert program is not None, f"{name} is not installed"
        # PostgreSQL refuses to run as root.
        user = USER if os.geteuid() == 0 else None
        done = subprocess.run(
            [program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd="/", env={"PATH": os.defpath, "LC_ALL": "C"}, timeout=60 * TIME_SCALE, check=False,
            user=user, group=user, extra_groups=None if user is None else [],
        )  # fmt: skip
        assert done.returncode == 0, (name, (self._folder / "log").read_text() if self._data.exists() else "")


def _lives(process: int) -> bool:
    """Whether a process is there, and not just waited for by nobody."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def run_postgres() -> Iterator[Postgres]:
    """A cluster for as long as the block runs; where PostgreSQL is missing the test is skipped, and fails in CI."""
    check_peer(find_program("initdb"), "PostgreSQL")
    with make_peer_folder("hlpg-", USER) as folder:
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.stop()
