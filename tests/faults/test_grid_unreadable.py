"""``cp`` of a folder with a file that may not be read: it is told, and the others arrive."""

import json
import os
from pathlib import Path

import pytest

from grid_storage import storage_of_test
from scripted_grid import HOME, ScriptedGrid

pytestmark = pytest.mark.peer("xrootd")
SHUT_TO_ROOT = "/sys/bus/cpu/drivers_probe"  # the kernel's own file, which nobody can read
EACCES = 13


def _shut(path: Path) -> None:
    """Make a file that this user may not read, be it root."""
    if os.geteuid() == 0:
        path.symlink_to(SHUT_TO_ROOT)
    else:
        path.touch(0o000)
    try:
        path.read_bytes()
    except PermissionError:
        return
    except FileNotFoundError:
        pass
    pytest.skip("nothing here is shut to this user")


def test_a_file_that_cannot_be_read_is_told_and_the_others_arrive(tmp_path: Path) -> None:
    folder, report = tmp_path / "in", tmp_path / "report"
    (folder / "sub").mkdir(parents=True)
    for name in ("a", "sub/b", "z"):
        (folder / name).write_text(name)
    _shut(folder / "sub" / "shut")
    words = ("cp", "--report", str(report), f"file:{folder}/", f"alien:{HOME}/up")
    with storage_of_test() as storage:
        grid = ScriptedGrid(tmp_path, [storage])
        try:
            done = grid.world.run("grid", *words, limit_s=60)
            assert (done.returncode, done.stdout) == (EACCES, b"")
            said = done.stderr.decode()
            assert f"{folder}/sub/shut -> {HOME}/up/sub/shut: " in said
            assert "Permission denied" in said
            assert said.endswith("1 of 4 files failed\n")
            assert grid.names() == ["up/a", "up/sub/b", "up/z"]
        finally:
            grid.close()
    rows = {os.path.basename(row["path"]): row for row in map(json.loads, report.read_text().splitlines())}
    assert {name: row["status"] for name, row in rows.items()} == dict.fromkeys("abz", "copied") | {"shut": "failed"}
    assert (rows["shut"]["code"], rows["shut"]["lfn"]) == (EACCES, f"{HOME}/up/sub/shut")
