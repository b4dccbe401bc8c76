"""A grid of root whose jobs run as somebody else: with an interpreter that others may run too."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import headless
from grid_support import GridServer, GridUser
from headless.engines.os_users import find_closed_folder
from support import wait_for

PYTHON = "/usr/bin/python3"
PLACES = (os.path.dirname(os.path.dirname(headless.__file__)), sysconfig.get_paths()["purelib"])


@pytest.fixture
def user() -> Iterator[GridUser]:
    """A user of a grid of root, in a folder that all may pass through."""
    if os.geteuid() != 0 or any(find_closed_folder(place) for place in PLACES):
        pytest.skip("only root runs jobs as others, who must reach this checkout")
    version = subprocess.run([PYTHON, "-V"], capture_output=True, text=True, check=True).stdout
    if not version.startswith(f"Python {sys.version_info.major}.{sys.version_info.minor}."):
        pytest.skip("the system's Python is of another version")
    folder = Path(tempfile.mkdtemp(prefix="headless-as-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with GridServer(folder, "--run-as", "nobody") as server:
            server.program = [_make_interpreter(folder), "-m", "headless"]
            user = server.add_user("tester", "jobs")
            server.start()
            yield user
    finally:
        shutil.rmtree(folder)


def _make_interpreter(folder: Path) -> str:
    """One that is in nobody's home, as a real server's is, and that has what this one has."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    (packages / "tests.pth").write_text("\n".join(PLACES) + "\n")
    return str(folder / "venv" / "bin" / "python")


def test_a_job_runs_as_the_user_that_was_said_and_reads_no_key(user: GridUser) -> None:
    out = user.server.folder / "out"
    out.mkdir()
    out.chmod(0o777)
    key = user.server.state / "pki" / "ca.key"
    assert key.exists()
    script = f"id -un > {out}/who; cat {key} > {out}/key; true"
    done = user.run("submit", f'Executable = "/bin/sh"; Arguments = {{"-c", "{script}"}};')
    assert done.returncode == 0, done.stderr

    def look() -> bool:
        return b" to DONE" in user.run("ps", "-trace", "1").stdout

    wait_for(look, "the job's end", 30)
    assert (out / "who").read_text() == "nobody\n"
    assert (out / "key").read_bytes() == b""
