"""``make grid-demo`` does what it shows."""

import subprocess
import sys
from pathlib import Path

import pytest

from support import HEADLESS, TIME_SCALE

DEMO = Path(__file__).parents[2] / "contrib/demo/grid.py"


@pytest.mark.peer("xrootd")
def test_every_command_of_the_demo_ends_as_it_should_and_the_files_come_back_the_same() -> None:
    done = subprocess.run(
        [sys.executable, DEMO, HEADLESS], capture_output=True, text=True, check=False, timeout=90 * TIME_SCALE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 of 8 commands ended as they should; 12 of 12 files came back the same." in done.stdout
