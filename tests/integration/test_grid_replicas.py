"""Replicas that are not what they should be, or half made: found, told, mended."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grid_files import Local, book, commit, put, run_xrdcp, show
from grid_support import GridServer, GridUser
from grid_talk import Talk
from postgres import Postgres
from support import TIME_SCALE, wait_for

pytestmark = [pytest.mark.peer("xrootd"), pytest.mark.peer("xrdcp")]
FIRST, SECOND = "LOCAL::SITE::SE1", "LOCAL::SITE::SE2"
LIFETIME_S = 3 * min(TIME_SCALE, 2)  # of envelopes: what is stored must be so in time, and the sweeper comes as often
LARGE = 48 << 20  # bytes; takes long enough to be ended in the middle


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def user(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a grid that sweeps and verifies every few seconds."""
    options = ["--envelope-lifetime", f"{LIFETIME_S:g}"]
    if request.param == "postgresql":
        database: Postgres = request.getfixturevalue("postgres")
        options += ["--database", database.create_database("grid_replicas")]
    with GridServer(tmp_path_factory.mktemp("grid"), *options).with_storages(2) as server:
        user = server.add_user("tester")
        server.start()
        yield user
        assert "bug" not in server.log


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """A file that no other test has."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(5000))
    return Local(path)


@pytest.fixture
def other(tmp_path: Path) -> Local:
    """Another one of that size."""
    path = tmp_path / "other"
    path.write_bytes(os.urandom(5000))
    return Local(path)


def _list_files(server: GridServer, name: str) -> list[str]:
    return [path.name for path in (server.storages / name / "data").rglob("*") if path.is_file()]


def _is_whole(talk: Talk, lfn: str, count: int) -> Callable[[], bool]:
    def look() -> bool:
        said = talk.run("xrdstat", "-c", lfn)
        return said.code == 0 and [row["status"] for row in said.rows] == ["online"] * count

    return look


def test_a_wrong_content_is_told_and_no_byte_of_it_is_removed(user: GridUser, local: Local, other: Local) -> None:
    with Talk(user) as talk:
        (row,) = book(talk, "wrong", local)
        assert run_xrdcp(str(other.path), show(row)).returncode == 0
        assert commit(talk, row, "wrong", local).code == 0
        wait_for(lambda: "lfn='/grid/user/t/tester/wrong' fault=content" in user.server.log, "the verifier's word", 30)
        assert len(talk.ask("whereis", "wrong")) == 1
        wait_for(lambda: "1" in {row["broken"] for row in talk.ask("df")[1:]}, "df to tell it")
        target = other.path.with_name("back")
        assert run_xrdcp(show(talk.ask("access", "read", "wrong")[0]), str(target)).returncode == 0
        assert target.read_bytes() == other.path.read_bytes()
        assert [row["fault"] for row in talk.ask("whereis", "wrong")] == ["content"]
    again = user.run("cp", "-f", f"file:{local.path}", "wrong")
    assert (again.returncode, again.stderr) == (0, b"")
    assert user.run("cp", "-f", "wrong", f"file:{target}").returncode == 0
    assert target.read_bytes() == local.path.read_bytes()


def test_a_wrong_replica_is_made_anew_from_a_good_one(user: GridUser, local: Local, other: Local) -> None:
    with Talk(user) as talk:
        rows = book(talk, "half", local, "disk:2")
        for row, file in zip(rows, (other, local), strict=True):
            assert run_xrdcp(str(file.path), show(row)).returncode == 0
            assert commit(talk, row, "half", local).code == 0
        wait_for(_is_whole(talk, "half", 2), "two good replicas", 40)
        assert f"replica-replaced storage={rows[0]['se']}" in user.server.log


def test_a_missing_replica_is_told_and_kept(user: GridUser, local: Local) -> None:
    with Talk(user) as talk:
        row, _ = put(talk, "away", local, "disk:2")
        (stored,) = (user.server.storages / "SE1" / "data").rglob(row["guid"])
        stored.unlink()
        wait_for(lambda: "lfn='/grid/user/t/tester/away' fault=missing" in user.server.log, "the verifier's word", 30)
        assert len(talk.ask("whereis", "away")) == 2
        said = talk.run("deleteMirror", "away", SECOND)
        assert (said.code, "not broken" in said.error) == (1, True)
        talk.ask("deleteMirror", "away", FIRST)
        assert len(talk.ask("whereis", "away")) == 1


@pytest.mark.parametrize("end", [GridServer.kill, GridServer.stop], ids=["killed", "stopped"])
def test_an_end_in_the_middle_of_a_mirror_leaves_nothing_behind(
    user: GridUser, tmp_path: Path, end: Callable[[GridServer], None], request: pytest.FixtureRequest
) -> None:
    server, lfn = user.server, f"large-{request.node.callspec.id}"
    large = Local(tmp_path / "large")
    with large.path.open("wb") as file:
        file.truncate(LARGE)
    with Talk(user) as talk:
        put(talk, lfn, large, FIRST)
        before = _list_files(server, "SE2")
        talk.ask("mirror", lfn, SECOND)
        while not (begun := set(_list_files(server, "SE2")) - set(before)):
            time.sleep(0.002)
    end(server)
    server.start()
    with Talk(user) as talk:
        wait_for(_is_whole(talk, lfn, 2), "the mirror", 60)
        (kept,) = [row["pfn"].rpartition("/")[2] for row in talk.ask("whereis", lfn) if row["seName"] == SECOND]
        assert kept not in begun
        wait_for(lambda: not begun & set(_list_files(server, "SE2")), "the sweeper", 30)
        assert talk.ask("listTransfer")[0]["status"] == "DONE"
