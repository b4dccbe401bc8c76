"""``make inventory-demo`` does what it shows."""

import subprocess
import sys
from pathlib import Path

import pytest

from support import HEADLESS, TIME_SCALE

DEMO = Path(__file__).parents[2] / "contrib/demo/inventory.py"


@pytest.mark.peer("openssl")
def test_every_command_of_the_demo_ends_as_it_should() -> None:
    done = subprocess.run(
        [sys.executable, DEMO, HEADLESS], capture_output=True, text=True, check=False, timeout=90 * TIME_SCALE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 of 11 commands ended as they should." in done.stdout
    assert done.stdout.count("node2.example.org") >= 3
