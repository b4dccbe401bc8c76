"""What the tests of jobs share: a world for a whole file, a look at the system's processes, and a result's way back."""

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from support import TIME_SCALE, Server, wait_for

STARTS = {"warm": (), "cold": ("--python", sys.executable)}
"""The two ways to start a job, and the server's options for them."""


def run_for_result(server: Server, *arguments: str, stdin: bytes | None = None) -> Any:
    """Run a job that must end well, in silence, and return what it handed over with ``job.result``."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    done = server.world.run(
        "-s", server.unix, "-t", "-1", "--result", "-", *options, *arguments[len(options) :], stdin=stdin
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return json.loads(done.stdout)


def find_processes(marker: str) -> list[int]:
    """The ids of all living processes with ``marker`` in their command line or in their environment at their start."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
            texts = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if marker.encode() in texts and state != b"Z" and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return sorted(found)


def list_children(pid: int) -> list[int]:
    """The children of a process of ours, zombies included, whichever of its threads has started them."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return sorted(int(word) for file in files for word in file.read_text().split())


def list_warm(pid: int) -> list[int]:
    """The process ids of the warm interpreters of a server, or of an engine."""
    return [child for child in list_children(pid) if b"execution.warm" in Path(f"/proc/{child}/cmdline").read_bytes()]


def find_warm(pid: int) -> int:
    """The process id of the one warm interpreter; a new one has no command line for the first instant."""
    wait_for(lambda: len(list_warm(pid)) == 1, "the warm interpreter")
    return list_warm(pid)[0]


def read_name(pid: int) -> str:
    """A process's name as ``ps -o comm`` shows it."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def list_open_paths(pid: int) -> list[str]:
    """What the open descriptors of a process lead to, sorted; nothing if the process has gone."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):  # closed meanwhile
            found.append(os.readlink(entry))
    return sorted(found)


def list_descriptors(pid: int) -> list[str]:
    """The same without the numbers of pipes and sockets, to compare one moment with another."""
    return [path.split(":")[0] for path in list_open_paths(pid)]


def require_mounts() -> None:
    """Skip a test where even root may not have a mount namespace of its own, as in most containers."""
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=30 * TIME_SCALE, check=False)
    if done.returncode:
        pytest.skip(f"needs a mount namespace of its own: {done.stderr.decode().strip()}")


def wait_dead(pid: int) -> None:
    """Wait until a process is gone, or at least nothing but a status that its parent has not asked for."""

    def is_dead() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
        except OSError:
            return True

    wait_for(is_dead, f"the end of process {pid}")


def assert_accounts_for(output: bytes, size: int, errors: bytes) -> int:
    """Check that what was read of an output and the marks of what was cut make up all that was written.

    Args:
        output: as it was read.
        size: bytes that the job has written.
        errors: of the launcher; must tell how much was cut, if that is looked at (not empty).

    Returns:
        How many bytes were cut.
    """
    mark = re.compile(rb"\n?\[headless: (\d+) bytes were cut here\]\n")
    cut = sum(map(int, mark.findall(output)))
    assert len(mark.sub(b"", output)) + cut == size
    if errors:
        assert f"{cut} bytes of its output were cut, for their number" in errors.decode()
    return cut
