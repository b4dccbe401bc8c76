"""A small disk of a test's own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from job_support import require_mounts


@contextmanager
def mount_small(folder: Path, size: int, mode: str = "755") -> Iterator[None]:
    """Have a disk of so many bytes at a folder while the block runs; skip where that is not permitted."""
    require_mounts()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode={mode}", "headless-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
