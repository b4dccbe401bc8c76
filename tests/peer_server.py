"""What the real servers that tests start have in common."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["check_peer", "make_peer_folder"]


def check_peer(program: str | None, name: str) -> None:
    """Skip the test where the program is missing; in CI, where nothing may be missing, let it fail."""
    if program is None:
        import pytest  # which the benchmarks' servers do without

        message = f"the real {name} is not installed"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(message)
        pytest.skip(message)


@contextmanager
def make_peer_folder(prefix: str, user: str) -> Iterator[Path]:
    """A folder for as long as the block runs, which belongs to the server's own user where we are root."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
