"""Copying where something fails: a scripted grid over real storages, ``cp``, and what it leaves."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from grid_storage import Storage
from scripted_grid import ScriptedGrid

__all__ = ["assert_failure", "cp", "list_left", "make_file", "run_storages"]


@contextlib.contextmanager
def run_storages(*names: str) -> Iterator[list[Storage]]:
    """Storages of these names, which run while the block does."""
    folder = Path(tempfile.mkdtemp(prefix="headless-faults-", dir="/tmp"))
    folder.chmod(0o755)
    made = [Storage(folder, name) for name in names]
    try:
        yield [storage.start() for storage in made]
    finally:
        for storage in made:
            storage.stop()
        shutil.rmtree(folder)


def cp(
    grid: ScriptedGrid, *words: str, environment: Mapping[str, str] | None = None, limit_s: float = 60
) -> "subprocess.CompletedProcess[bytes]":
    """Run ``headless grid cp``."""
    more = {**grid.world.variables, **(environment or {})}
    return grid.world.run("grid", "cp", *words, environment=more, limit_s=limit_s)


def assert_failure(grid: ScriptedGrid, code: int, said: str, *words: str) -> None:
    """Run it, and see it fail in one line that says why."""
    done = cp(grid, *words)
    assert (done.returncode, done.stdout) == (code, b""), done.stderr
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def make_file(folder: Path, name: str, data: bytes = b"content") -> str:
    """A file of this machine, as ``cp`` is told of it."""
    path = folder / name
    path.write_bytes(data)
    return f"file:{path}"


def list_left(folder: Path) -> list[str]:
    """The temporary files that are there."""
    return [name for name in os.listdir(folder) if "headless-part" in name]
