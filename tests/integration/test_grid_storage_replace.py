"""A disk that is lost for good, and an empty one in its place: what other storages hold is made again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_support import GridServer, GridUser
from postgres import Postgres
from support import HEADLESS, TIME_SCALE, wait_for

pytestmark = pytest.mark.peer("xrootd")
FIRST, SECOND = "LOCAL::SITE::SE1", "LOCAL::SITE::SE2"
HOME = "/grid/user/t/tester"


@pytest.fixture
def user(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GridUser]:
    """An administrator of a grid with files on two storages; its catalogue is in PostgreSQL where a test says so."""
    options: list[str] = []
    if getattr(request, "param", "") == "postgresql":
        database: Postgres = request.getfixturevalue("postgres")
        options = ["--database", database.create_database("grid_replace")]
    with GridServer(tmp_path, *options).with_storages(2) as server:
        user = server.add_user("tester", "admin")
        server.start()
        for name, specs in (("both", "disk:2"), ("one", FIRST), ("a b", FIRST), ("two", SECOND)):
            (user.home / "local").write_bytes(os.urandom(500))
            done = user.run("cp", f"file:{user.home}/local", f"alien:{name}@{specs}")
            assert done.returncode == 0, done.stderr
        yield user
        assert "bug" not in server.log


def _replace(user: GridUser, place: str, *options: str) -> "subprocess.CompletedProcess[str]":
    server = user.server
    database = server.options[:2] if server.options[0] == "--database" else ()
    return subprocess.run(
        [HEADLESS, "grid", "storage", "--state", str(server.state), *database, "replace", *options, place],
        env={"HOME": str(server.folder), "PATH": "/usr/bin:/bin"}, cwd="/", capture_output=True, text=True, check=False,
        timeout=60 * TIME_SCALE,
    )  # fmt: skip


def _lose(user: GridUser) -> str:
    """Have an empty folder in the place of the first storage's, the server being stopped; what to replace."""
    user.server.stop()
    folder = user.server.storages / "SE1"
    folder.rename(folder.with_name("lost"))
    folder.mkdir()
    return f"{FIRST}={folder}"


@pytest.mark.parametrize("user", ["sqlite", "postgresql"], indirect=True)
def test_what_another_storage_holds_is_made_again_and_the_rest_is_listed(user: GridUser) -> None:
    place = _lose(user)
    lost = [f"{HOME}/a b", f"{HOME}/one"]
    for options in (("-n",), ()):
        done = _replace(user, place, *options)
        assert (done.returncode, done.stdout.splitlines()) == (4, lost), done.stderr
        assert "made again: 1\n" in done.stderr
        assert f"{FIRST}: files that no other storage holds, see the list: 2\n" in done.stderr
    user.server.start()
    wait_for(lambda: user.run("xrdstat", "-c", "both").stdout.count(b"online") == 2, "the replica", 30)
    assert len(user.run("listTransfer", "-u", "%").stdout.splitlines()) == 1
    assert user.run("cat", "two").returncode == 0
    read = user.run("cp", "alien:one", f"file:{user.home}/back")
    assert (read.returncode, b"it is in the catalogue, and missing on storage" in read.stderr) == (61, True)
    assert b"       2" in next(line for line in user.run("df").stdout.splitlines() if b"SE1" in line)
    # The next time an empty folder is a disk that is not mounted, again.
    place = _lose_again(user)
    with pytest.raises(AssertionError, match="the catalogue knows 1 files of it"):
        user.server.start()
    assert _replace(user, place).returncode == 4


def _lose_again(user: GridUser) -> str:
    shutil.rmtree(user.server.storages / "lost")
    return _lose(user)


def test_a_lost_file_is_stored_again_with_f(user: GridUser) -> None:
    lost = user.server.storages / "lost"
    assert user.run("cp", f"file:{user.home}/local", f"alien:again@{FIRST}").returncode == 0
    assert _replace(user, _lose(user)).returncode == 4
    user.server.start()
    before = user.run("whereis", "again").stdout
    assert user.run("cp", "-f", f"file:{user.home}/local", f"alien:again@{FIRST}").returncode == 0
    assert user.run("cat", "again").stdout == (user.home / "local").read_bytes()
    assert user.run("whereis", "again").stdout != before
    assert user.run("rm", "one").returncode == 0
    # What was saved of the old disk belongs at the same place of the new one.
    rest = user.run("pfn", "a b").stdout.decode().split()[0].rpartition("//")[2]
    saved = user.server.storages / "SE1" / "data" / rest
    saved.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(lost / "data" / rest, saved)
    assert user.run("cp", "alien:a b", f"file:{user.home}/saved").returncode == 0


def test_what_is_not_lost_is_not_given_up(user: GridUser, tmp_path: Path) -> None:
    folder = user.server.storages / "SE1"
    assert "runs: stop it first" in _replace(user, f"{FIRST}={folder}").stderr
    user.server.stop()
    for place, said in (
        (f"{FIRST}={folder}", "holds files: only an empty disk is taken"),
        (f"{FIRST}={folder}/nosuch", "mount the new disk first"),
        (f"LOCAL::SITE::SE3={tmp_path}", f"knows no storage LOCAL::SITE::SE3; it knows {FIRST}, {SECOND}"),
        (f"{FIRST}=root://localhost:1", "give NAME=FOLDER"),
        (FIRST, "give NAME=FOLDER"),
    ):
        done = _replace(user, place)
        assert (done.returncode, said in done.stderr, done.stdout) == (2, True, ""), done.stderr
    user.server.start()
    assert user.run("cat", "one").returncode == 0
    assert user.run("df").stdout.decode().splitlines()[1].split()[-1] == "0"
