"""What `headless grid pwd` imports: imports are most of its time, so each heavy one comes only where it is used."""

import subprocess
import sys
from pathlib import Path

from grid_support import GridServer
from support import HEADLESS, TIME_SCALE

NEVER = {
    "asyncio",
    "concurrent",
    "cryptography",
    "difflib",
    "getpass",
    "headless.grid.copy",
    "headless.grid.serve",
    "logging",
    "multiprocessing",
    "prompt_toolkit",
    "sqlalchemy",
    "subprocess",
    "tempfile",
    "random",
    "tomllib",
    "uvloop",
    "websockets",
    "XRootD",
}


def test_a_short_command_imports_nothing_heavy(tmp_path: Path) -> None:
    with GridServer(tmp_path) as server:
        user = server.add_user("tester")
        server.start()
        assert user.run("pwd").returncode == 0  # makes the token
        done = subprocess.run(
            [sys.executable, "-X", "importtime", HEADLESS, "grid", "pwd"],
            env={**user.world.environment, **user.variables},
            capture_output=True,
            text=True,
            timeout=30 * TIME_SCALE,
            check=True,
        )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "headless.grid.session" in imported
    assert sorted(imported & NEVER) == []
