"""A world of its own for a test: its home, its servers, and the installed command run as cron would run it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HEADLESS = os.path.join(os.path.dirname(sys.executable), "headless")
TIME_SCALE = float(os.environ.get("HEADLESS_TEST_TIME_SCALE", "1"))
"""Multiplies every time limit of the tests, for slow machines."""


@dataclass
class World:
    """A home folder, and everything that is run in it.

    The environment is cron's: four variables and nothing else, no terminal, an empty standard input, folder ``/``.
    """

    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    servers: "list[Server]" = field(default_factory=list)
    launchers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a command is run with."""
        cron = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LANG": "C"}
        return {**cron, **self.variables}

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        limit_s: float = 30,
        environment: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run ``headless`` to its end; a hanging one fails the test."""
        return subprocess.run(
            [HEADLESS, *arguments],
            input=stdin or b"",
            capture_output=True,
            env={**self.environment, **(environment or {})},
            cwd="/",
            timeout=limit_s * TIME_SCALE,
            check=False,
        )

    def start(
        self, *arguments: str, stdin: int = subprocess.DEVNULL, stderr: int = subprocess.PIPE
    ) -> "subprocess.Popen[bytes]":
        """Start ``headless`` and return at once; both outputs are pipes. It ends with the world, if not before."""
        launcher = subprocess.Popen(
            [HEADLESS, *arguments],
            env=self.environment,
            cwd="/",
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        self.launchers.append(launcher)
        return launcher

    def serve(self, *options: str, state: Path | None = None, tls: bool = True, service: str = "") -> "Server":
        """Start a server on a unix socket, and with ``tls`` on TCP too, a free port or ``service``; wait for it."""
        server = Server(self, state or self.home / f"state{len(self.servers)}", options, tls=tls, service=service)
        self.servers.append(server)
        return server

    def close(self) -> None:
        """End all launchers and servers of this world, the embedded one too."""
        for launcher in self.launchers:
            launcher.kill()
            with launcher:  # closes its pipes, and waits
                pass
        for server in self.servers:
            server.kill()
        if (self.home / ".local").exists():
            self.run("server", "stop", "--no-wait")
            wait_for(lambda: self.run("server", "status").returncode == 1, "the embedded server's end")


class Server:
    """A ``headless serve`` of a test.

    Attributes:
        service: ``127.0.0.1:PORT``; empty without TLS.
        unix: ``unix:/path``.
    """

    def __init__(self, world: World, state: Path, options: Sequence[str], *, tls: bool, service: str = "") -> None:
        self.world = world
        self.state = state
        self.options = options
        self.log_file = world.home / f"{state.name}.log"
        self.unix = f"unix:{world.home}/{state.name}.sock"
        self.service = ""
        listen = ["--listen", self.unix] + (["--listen", service or "127.0.0.1:0"] if tls else [])
        # A server before this one, on the same state folder, has logged there too.
        self._log_start = len(self.log) if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [HEADLESS, "serve", *listen, "--state", str(state), *options],
                env=world.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.wait_log(r"listening address=unix")
        if tls:
            self.service = self.wait_log(r"listening address=(127\.0\.0\.1:\d+)")[1]

    @property
    def log(self) -> str:
        """All that was logged by the servers of this state folder."""
        return self.log_file.read_text()

    def wait_log(self, pattern: str, limit_s: float = 15) -> "re.Match[str]":
        """Wait until a line that this server has logged matches; return the last one."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            log = self.log[self._log_start :]
            if self.process.poll() is not None and not re.search(pattern, log):
                raise AssertionError(f"the server has ended with {self.process.returncode}: {log}")
            found.extend(re.finditer(pattern, log))
            return bool(found)

        wait_for(look, f"{pattern!r} in the log", limit_s)
        return found[-1]

    def user(self, *arguments: str, **options: bytes) -> "subprocess.CompletedProcess[bytes]":
        """Run ``headless user ARGUMENTS`` on this server's state folder; it must succeed."""
        done = self.world.run("user", *arguments, "--state", str(self.state), stdin=options.get("stdin"))
        assert done.returncode == 0, done.stderr
        return done

    def add_user(self, name: str, *permissions: str) -> list[str]:
        """Add a user with a secret file; return the launcher's options for it over TLS."""
        secret = self.world.home / f"{name}.secret"
        # Where the tests run as root so do the servers, and those must be told who the jobs run as.
        mapping = ["--run-as", "root"] if os.geteuid() == 0 and "--run-as" not in permissions else []
        self.user("add", name, *permissions, *mapping, "--secret-out", str(secret))
        return ["-s", self.service, "-u", name, "-p", str(secret)]

    def crash(self) -> None:
        """End it as a power cut does; its jobs go on."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> "Server":
        """Start the next server, in the same places."""
        return self.world.serve(*self.options, state=self.state, tls=bool(self.service), service=self.service)

    def stop(self, limit_s: float = 20) -> int:
        """Send TERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit_s * TIME_SCALE)

    def kill(self) -> None:
        """End it whatever it does; its jobs too, if they are still there."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5 * TIME_SCALE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def open_world(**variables: str) -> Iterator[World]:
    """A world below a short path (a unix socket's path has at most 107 bytes) that everybody may enter."""
    home = Path(tempfile.mkdtemp(prefix="hl-"))
    home.chmod(0o755)
    world = World(home, variables)
    try:
        yield world
    finally:
        world.close()
        shutil.rmtree(home, ignore_errors=True)


def wait_for(condition: Callable[[], bool], what: str, limit_s: float = 15) -> None:
    """Wait until a condition holds; fail the test if it does not in time."""
    deadline = time.monotonic() + limit_s * TIME_SCALE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit_s} s in vain for {what}")
        time.sleep(0.02)
