"""A grid of a test's own: a real ``headless grid serve``, and the real alien.py beside our client."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from support import HEADLESS, TIME_SCALE, World

ALIEN_PY = os.path.join(os.path.dirname(sys.executable), "alien.py")


class GridServer:
    """A ``headless grid serve`` of a test, on a free port of loopback.

    Attributes:
        port: where it listens.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.state = folder / "grid"
        self.options = options
        self.variables: dict[str, str] = {}
        self.program = [HEADLESS]
        self.log_file = folder / "grid.log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._storages: Path | None = None
        self.run_tool("pki", "--state", str(self.state), "init")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def with_storages(self, count: int) -> Self:
        """Have the next start run so many real XRootDs, LOCAL::SITE::SE1 and on. Their folders are ``storages/SE1``."""
        # Where tests run as root another user serves the files, who may not pass through pytest's own folders.
        self._storages = Path(tempfile.mkdtemp(prefix="headless-se-", dir="/tmp"))
        self._storages.chmod(0o755)
        names = [f"SE{number + 1}" for number in range(count)]
        self.options += tuple(
            word for name in names for word in ("--with-storage", f"LOCAL::SITE::{name}={self._storages / name}")
        )
        return self

    @property
    def storages(self) -> Path:
        """The folder of the storages' folders."""
        assert self._storages is not None
        return self._storages

    def close(self) -> None:
        """End it in any case, and remove what is in no folder of pytest's."""
        self.kill()
        if self._storages is not None:
            shutil.rmtree(self._storages)

    def add_user(self, name: str, *roles: str) -> "GridUser":
        """Make a user, who may come from now on."""
        home = self.folder / name
        words = [word for role in roles for word in ("--role", role)]
        self.run_tool("pki", "--state", str(self.state), "user", name, "--out", str(home / ".globus"), *words)
        (home / "tmp").mkdir(mode=0o700)
        return GridUser(self, home)

    def start(self) -> Self:
        """Start, or start again, and wait until it listens; after the first time on the same port."""
        read, write = os.pipe()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "grid", "serve", "--state", str(self.state), "--listen", f"127.0.0.1:{self.port}",
                 "--ready-fd", str(write), *self.options],
                cwd="/", env={**_environment(self.folder), **self.variables}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, pass_fds=(write,),
            )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as pipe:
            address = pipe.readline()
        assert address, self.log
        self.port = int(address.rpartition(":")[2])
        return self

    def stop(self) -> None:
        """End it as an administrator would."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(30 * TIME_SCALE) == 0, self.log

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def log(self) -> str:
        """All that was logged."""
        return self.log_file.read_text()

    def run_tool(self, *words: str) -> None:
        """Run ``headless grid``, as whoever runs the server."""
        subprocess.run(
            [HEADLESS, "grid", *words], check=True, env=_environment(self.folder), cwd="/", timeout=60 * TIME_SCALE
        )


class GridUser:
    """A user of a test's grid, with a home of its own.

    Attributes:
        world: to run ``headless`` in.
    """

    def __init__(self, server: GridServer, home: Path) -> None:
        self.server = server
        self.home = home
        self.world = World(home)

    @property
    def variables(self) -> dict[str, str]:
        """What points a client, ours or alien.py, to the server."""
        temporary = str(self.home / "tmp")
        return {
            "TMPDIR": temporary,
            "X509_CERT_FILE": str(self.server.state / "pki" / "ca.pem"),
            "X509_USER_CERT": str(self.home / ".globus" / "usercert.pem"),
            "X509_USER_KEY": str(self.home / ".globus" / "userkey.pem"),
            "JALIEN_TOKEN_CERT": os.path.join(temporary, f"tokencert_{os.getuid()}.pem"),
            "JALIEN_TOKEN_KEY": os.path.join(temporary, f"tokenkey_{os.getuid()}.pem"),
            "ALIENPY_JCENTRAL": "localhost",
            "ALIENPY_JCENTRAL_PORT": str(self.server.port),
        }

    def run(
        self, *words: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None, limit_s: float = 30
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run ``headless grid``."""
        more = {**self.variables, **(environment or {})}
        return self.world.run("grid", *words, stdin=stdin, environment=more, limit_s=limit_s)

    def alien(
        self, *words: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None, limit_s: float = 60
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run the real alien.py, in this user's home."""
        return subprocess.run(
            [ALIEN_PY, *words],
            input=stdin or b"",
            capture_output=True,
            env={**_environment(self.home), **self.variables, **(environment or {})},
            cwd=self.home,
            timeout=limit_s * TIME_SCALE,
            check=False,
        )


def _environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "SHELL": "/bin/sh", "LANG": "C.UTF-8"}
