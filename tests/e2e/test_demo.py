"""``make demo`` does what it shows."""

import subprocess
import sys
from pathlib import Path

from support import HEADLESS, TIME_SCALE

DEMO = Path(__file__).parents[2] / "contrib/demo/demo.py"


def test_every_launch_of_the_demo_ends_as_it_should() -> None:
    done = subprocess.run(
        [sys.executable, DEMO, HEADLESS], capture_output=True, text=True, check=False, timeout=60 * TIME_SCALE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 of 7 launches ended as they should." in done.stdout
    assert done.stdout.count("exit code 0") == 4
    assert [f"exit code {code}" in done.stdout for code in (2, 3, 4)] == [True] * 3
