"""Files that the catalogue knows and storage has lost: told apart from names that are not there."""

import json
from collections.abc import Iterator

import pytest

from grid_support import GridServer, GridUser

pytestmark = pytest.mark.peer("xrootd")
FIRST, SECOND = "LOCAL::SITE::SE1", "LOCAL::SITE::SE2"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a grid with two storages, who has a file."""
    with GridServer(tmp_path_factory.mktemp("grid")).with_storages(2) as server:
        user = server.add_user("tester")
        server.start()
        (user.home / "local").write_bytes(b"content")
        yield user


def _put(user: GridUser, lfn: str, *lost: str) -> None:
    """A file with two replicas, of which some are lost."""
    done = user.run("cp", f"file:{user.home}/local", f"alien:{lfn}@disk:2")
    assert done.returncode == 0, done.stderr
    place = user.run("pfn", lfn).stdout.decode().split()[0].rpartition("//")[2]
    for name in lost:
        (user.server.storages / name.rpartition(":")[2] / "data" / place).unlink()


def test_a_file_that_is_lost_is_no_mistyped_name(user: GridUser) -> None:
    _put(user, "lost", FIRST, SECOND)
    target, report = f"file:{user.home}/back", user.home / "report"
    done = user.run("cp", "--report", str(report), "alien:lost", target)
    assert done.returncode == 61, done.stderr
    assert b"it is in the catalogue, and missing on storage" in done.stderr
    assert FIRST in done.stderr.decode()
    assert SECOND in done.stderr.decode()
    (row,) = map(json.loads, report.read_text().splitlines())
    assert (row["status"], row["code"]) == ("failed", 61)
    assert "in the catalogue, and missing" in row["error"]
    assert user.run("cp", "alien:lots", target).returncode == 2
    assert not (user.home / "back").exists()


@pytest.mark.parametrize("words", [("cat", "lost-too"), ("cp", "alien:lost-too", "alien:copy")], ids=" ".join)
def test_whatever_reads_it_says_so(user: GridUser, words: tuple[str, ...]) -> None:
    if user.run("stat", "lost-too").returncode:
        _put(user, "lost-too", FIRST, SECOND)
    done = user.run(*words)
    assert done.returncode == 61, done.stderr
    assert b"it is in the catalogue, and missing on storage" in done.stderr
    assert user.run("stat", "copy").returncode == 2


def test_alien_py_tells_them_apart_too(user: GridUser) -> None:
    """Its own code for the lost one is that of any failure: no script can rely on 2 there."""
    _put(user, "lost-for-both", FIRST, SECOND)
    assert user.alien("cp", "alien:lost-for-both", f"file:{user.home}/alien").returncode == 1
    assert user.alien("cp", "alien:nosuch", f"file:{user.home}/alien").returncode == 2


@pytest.mark.parametrize("lost", [FIRST, SECOND])
@pytest.mark.parametrize("target", ["file", "alien"])
def test_one_that_is_left_is_enough(user: GridUser, lost: str, target: str) -> None:
    name = f"half-{lost[-1]}-{target}"
    _put(user, name, lost)
    place = f"{user.home}/{name}" if target == "file" else f"{name}-copy"
    done = user.run("cp", "-norecovery", f"alien:{name}@{SECOND if lost == FIRST else FIRST}", f"{target}:{place}")
    assert (done.returncode, done.stderr) == (0, b"")
    done = user.run("cp", f"alien:{name}", f"{target}:{place}-2")
    assert (done.returncode, done.stderr) == (0, b"")
