"""What a launch imports: imports are most of its time, so each heavy one is taken only where it is used."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import TIME_SCALE, Server, open_world

PACKAGES = ("asyncio", "bcrypt", "concurrent", "cryptography", "logging", "multiprocessing", "uvloop", "websockets")
NEVER = {
    *PACKAGES,
    "difflib",
    "getpass",
    "shlex",
    "subprocess",
    "tempfile",
    "tomllib",
    "traceback",
    "importlib.metadata",
    # What only a launch needs that fails at first, or is given more to do.
    *(f"headless.launcher.{name}" for name in ("attempts", "regain", "splay", "not_after")),
    "random",
}
ONLY_TCP = {"ssl", "headless.transport.tls"}
ONLY_CHALLENGE = {"hmac", "headless.protocol.scram", "headless.launcher.secret"}
ONLY_WAITING = {"headless.job", "headless.launcher.wait", "headless.launcher.outcome"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the user ``batch``."""
    with open_world() as world:
        server = world.serve()
        server.add_user("batch", "--allow-code")
        yield server


def list_imports(server: Server, *arguments: str) -> set[str]:
    """The modules that a launch has imported by its end, without those of the interpreter's own start."""
    # -S and a path, for what an editable installation puts into the start of Python is not ours.
    folders = [str(Path(__file__).parents[2]), *(path for path in sys.path if path.endswith("site-packages"))]
    done = subprocess.run(
        [sys.executable, "-S", "-X", "importtime", "-m", "headless", *arguments],
        env={**server.world.environment, "PYTHONPATH": os.pathsep.join(folders)},
        stdin=subprocess.DEVNULL, capture_output=True, cwd="/", check=True, timeout=30 * TIME_SCALE,
    )  # fmt: skip
    return {line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines()}


def test_over_a_unix_socket_a_launch_imports_least(server: Server) -> None:
    found = list_imports(server, "-s", server.unix, "-c", "pass")
    assert "headless.launcher.run" in found
    assert not found & (NEVER | ONLY_TCP | ONLY_CHALLENGE | ONLY_WAITING)
    assert not any(name.startswith(("headless.server", "headless.execution", "headless.engines")) for name in found)


def test_over_tls_a_launch_imports_what_the_login_needs(server: Server) -> None:
    secret = f"{server.world.home}/batch.secret"
    found = list_imports(server, "-s", server.service, "-u", "batch", "-p", secret, "-c", "pass", "-t", "-1")
    assert found >= ONLY_TCP | ONLY_CHALLENGE | ONLY_WAITING
    assert not found & NEVER
