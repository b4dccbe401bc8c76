"""What users see of storages, and how replicas come and go; quotas."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grid_files import Local, book, commit, put, run_xrdcp, show
from grid_support import GridServer, GridUser
from grid_talk import Talk
from support import TIME_SCALE

pytestmark = [pytest.mark.peer("xrootd"), pytest.mark.peer("xrdcp")]
FIRST, SECOND = "LOCAL::SITE::SE1", "LOCAL::SITE::SE2"


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory, catalogue: list[str]) -> Iterator[dict[str, GridUser]]:
    """Users of a grid with two storages; boss is an administrator."""
    with GridServer(tmp_path_factory.mktemp("grid"), *catalogue).with_storages(2) as server:
        users = {"tester": server.add_user("tester"), "boss": server.add_user("boss", "admin")}
        users["poor"] = server.add_user("poor")
        server.start()
        yield users


@pytest.fixture(scope="module")
def talk(users: dict[str, GridUser]) -> Iterator[Talk]:
    """The user's session."""
    with Talk(users["tester"]) as talk:
        yield talk


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """A file that no other test has."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(5000))
    return Local(path)


def _wait_for(talk: Talk, lfn: str, count: int) -> list[dict[str, str]]:
    limit = time.monotonic() + 60 * TIME_SCALE
    while len(rows := talk.ask("whereis", lfn)) != count:
        assert time.monotonic() < limit, talk.ask("listTransfer")
        time.sleep(0.1)
    return rows


def test_storages_are_listed_with_their_room(talk: Talk, local: Local) -> None:
    put(talk, "listed", local, FIRST)
    first, second = talk.ask("listSEs")
    assert (first["seName"], first["seNumber"], first["qos"]) == (FIRST, "1", "disk")
    assert second["endpointUrl"].startswith("root://127.0.0.1:")
    assert int(first["totalSpace"]) > int(first["freeSpace"]) > 0
    assert int(first["usedSpace"]) >= local.size
    assert int(first["fileCount"]) >= 1
    assert [row["seName"] for row in talk.ask("listSEs", "-s", SECOND)] == [SECOND]
    assert talk.ask("listSEs", "-qos", "tape") == []


def test_storages_are_tried(talk: Talk, users: dict[str, GridUser]) -> None:
    assert [row["status"] for row in talk.ask("testSE", "-a")] == ["ok", "ok"]
    assert talk.run("testSE", "NO::SUCH::SE").code == 2
    assert b"write, read, remove: ok" in users["tester"].alien("testSE", FIRST).stdout


def test_xrdstat_tells_what_the_storage_has(talk: Talk, users: dict[str, GridUser], local: Local) -> None:
    put(talk, "good", local, FIRST)
    (row,) = talk.ask("xrdstat", "-c", "good")
    assert row["status"] == "online"
    assert local.md5 in row["statResponse"]
    (guid,) = [row["guid"] for row in talk.ask("access", "read", "good")]
    (stored,) = (users["tester"].server.storages / "SE1" / "data").rglob(guid)
    content = bytearray(stored.read_bytes())
    content[0] ^= 1
    stored.chmod(0o644)
    stored.write_bytes(content)
    said = talk.run("xrdstat", "-c", "good")
    assert (said.code, said.rows[0]["status"]) == (121, "error")
    stored.write_bytes(b"")
    assert "has 0 bytes" in talk.run("xrdstat", "good").error
    stored.unlink()
    assert "no such file" in talk.run("xrdstat", "good").error


def test_a_mirror_is_made_and_deleted(talk: Talk, users: dict[str, GridUser], local: Local) -> None:
    put(talk, "mirrored", local, FIRST)
    done = users["tester"].alien("mirror", "mirrored", SECOND)
    assert re.match(rb"LOCAL::SITE::SE2: queued transfer ID \d+", done.stdout), done
    _wait_for(talk, "mirrored", 2)
    assert talk.ask("listTransfer")[0]["status"] == "DONE"
    assert all(row["status"] == "online" for row in talk.ask("xrdstat", "-c", "mirrored"))
    assert talk.run("mirror", "mirrored", SECOND).code == 77
    talk.ask("deleteMirror", "mirrored", FIRST)
    (left,) = talk.ask("whereis", "mirrored")
    assert left["seName"] == SECOND
    assert talk.run("deleteMirror", "mirrored", SECOND).code == 1
    target = local.path.with_name("back")
    assert run_xrdcp(show(talk.ask("access", "read", "mirrored")[0]), str(target)).returncode == 0
    assert target.read_bytes() == local.path.read_bytes()


def test_a_storage_that_is_away_is_passed_over(talk: Talk, users: dict[str, GridUser], local: Local) -> None:
    put(talk, "both", local, "disk:2")
    (one,) = put(talk, "one", local, FIRST)
    (late,) = book(talk, "late", local, FIRST)
    assert run_xrdcp(str(local.path), show(late)).returncode == 0
    with _keep_away(users["tester"].server):
        limit = time.monotonic() + 60 * TIME_SCALE
        while (none := talk.run("access", "read", "one")).code == 0:  # the grid may have seen it just before
            assert time.monotonic() < limit
            time.sleep(0.1)
        assert (none.code, none.rows) == (77, [])
        assert "no storage answers" in none.error
        assert [row["se"] for row in talk.ask("access", "read", "both")] == [SECOND]
        assert [row["se"] for row in talk.ask("access", "write", "new", "disk:2")] == [SECOND]
        assert talk.run("access", "write", "new", FIRST).code == 77
        assert talk.ask("listSEs")[0]["freeSpace"] == "0"
        assert talk.run("testSE", FIRST).code == 121
        assert commit(talk, one, "one", local).code == 0  # sent again: what was answered is still true
        assert commit(talk, late, "late", local).code == 53
        offline = talk.run("xrdstat", "one")
        assert (offline.code, offline.rows[0]["status"]) == (121, "offline")
    limit = time.monotonic() + 60 * TIME_SCALE
    while talk.run("access", "read", "one").code:
        assert time.monotonic() < limit
        time.sleep(0.1)
    assert commit(talk, late, "late", local).code == 0


@contextmanager
def _keep_away(server: GridServer) -> Iterator[None]:
    """End the first storage, and have it lack what it needs to start again."""
    folder = server.storages / "SE1"
    (folder / "admin").chmod(0)
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
    (folder / "data").rename(folder / "hidden")  # the grid looks into a folder of its own by itself
    try:
        yield
    finally:
        (folder / "hidden").rename(folder / "data")
        (folder / "admin").chmod(0o700)


def test_near_storages_come_first(talk: Talk) -> None:
    talk.ask("setSite", "elsewhere")
    assert [row["distance"] for row in talk.ask("listSEDistance")] == ["1.0", "1.0"]
    talk.ask("setSite", "site")
    assert [row["distance"] for row in talk.ask("listSEDistance", "write")] == ["0.0", "0.0"]


def test_collections_are_stored_as_files(talk: Talk, users: dict[str, GridUser], local: Local) -> None:
    put(talk, "set/one.root", local, FIRST)
    put(talk, "set/two.root", local, FIRST)
    talk.ask("find", "-x", "found.xml", "set", "*.root")
    talk.ask("toXml", "-x", "chosen.xml", "set/two.root")
    for name, count in (("found.xml", 2), ("chosen.xml", 1)):
        assert len(talk.ask("whereis", name)) == 2
        done = users["tester"].alien("cat", name)
        assert (done.returncode, done.stdout.count(b"<event name=")) == (0, count), done
        assert b'turl="alien:///grid/user/t/tester/set/two.root"' in done.stdout
    assert talk.run("find", "-x", "found.xml", "set", "*").code == 17
    refused = talk.run("toXml", "-a", "-x", "found.xml", "set/two.root")
    assert (refused.code, "make a new collection of all files" in refused.error) == (95, True)
    assert talk.run("find", "-x", "/theirs.xml", "set", "*").code == 13


def test_a_collections_files_are_listed(talk: Talk, users: dict[str, GridUser], local: Local) -> None:
    for name in ("one", "two &<"):
        put(talk, f"gathered/{name}", local, FIRST)
    talk.ask("find", "-x", "listed.xml", "gathered", "*")
    plain, second = talk.ask("listFilesFromCollection", "listed.xml")
    guid = talk.ask("lfn2guid", "gathered/one")[0]["guid"]
    lfn = "/grid/user/t/tester/gathered/one"
    assert plain == {"guid": guid, "lfn": lfn}
    assert second["lfn"].endswith("/two &<")
    files = talk.ask("listFilesFromCollection", "-z", "listed.xml")
    assert [(row["size"], row["md5"]) for row in files] == [(str(local.size), local.md5)] * 2
    for run in (users["tester"].run, users["tester"].alien):
        first, _, total = run("listFilesFromCollection", "-t", "listed.xml").stdout.decode().splitlines()
        assert (first, total) == (f"{guid} (from the file {lfn})", f"2 files of {2 * local.size} bytes")
    said = talk.run("listFilesFromCollection", "gathered/one")
    assert (said.code, "is no XML collection: " in said.error) == (22, True)
    assert talk.run("listFilesFromCollection", "gathered").code == 21
    with Talk(users["poor"]) as other:
        assert other.run("listFilesFromCollection", "/grid/user/t/tester/nothing.xml").code == 2


def test_what_is_for_administrators(talk: Talk, users: dict[str, GridUser], local: Local) -> None:
    put(talk, "checked", local, FIRST)
    assert talk.run("randomPFNs").code == 1
    assert talk.run("fquota", "set", "tester", "maxNbFiles", "5").code == 1
    assert talk.run("fquota", "list", "boss").code == 1
    assert talk.run("resyncLDAP").code == 95
    with Talk(users["boss"]) as boss:
        assert boss.ask("randomPFNs", "-n", "1")[0]["pfn"].startswith("root://")
        assert {row["username"] for row in boss.ask("fquota", "list", "%")} == {"boss", "poor", "tester"}


@pytest.mark.postgresql_too
def test_quotas_hold_for_access_and_for_commit(users: dict[str, GridUser], local: Local) -> None:
    with Talk(users["poor"]) as talk, Talk(users["boss"]) as boss:
        _check_quotas(users["poor"], talk, boss, local)


def _check_quotas(user: GridUser, talk: Talk, boss: Talk, local: Local) -> None:
    (row,) = talk.ask("fquota", "list")
    assert set(row) == {"username", "totalSize", "maxTotalSize", "nbFiles", "maxNbFiles"}
    files, size = int(row["nbFiles"]), int(row["totalSize"])
    (unsized,) = talk.ask("access", "write", "unsized", "disk:1")
    assert run_xrdcp(str(local.path), show(unsized)).returncode == 0
    boss.ask("fquota", "set", "poor", "maxTotalSize", str(size + local.size - 1))
    said = talk.run("access", "-s", str(local.size), "-m", local.md5, "write", "big", "disk:1")
    assert (said.code, said.rows) == (122, [])
    late = commit(talk, unsized, "unsized", local)
    assert late.code == 53
    assert "are allowed" in late.error
    assert b"Disk quota exceeded" in user.alien("access", "-s", "99999", "write", "big").stderr
    boss.ask("fquota", "set", "poor", "maxTotalSize", "1G")
    assert commit(talk, unsized, "unsized", local).code == 0
    boss.ask("fquota", "set", "poor", "maxNbFiles", str(files + 2))
    book(talk, "last", local)  # counts, though it is not there
    assert talk.run("access", "write", "more", "disk:1").code == 122
    boss.ask("fquota", "set", "poor", "maxNbFiles", "1000")
    talk.ask("rm", "unsized")
    (row,) = talk.ask("fquota", "list")
    assert (int(row["nbFiles"]), int(row["totalSize"])) == (files, size)
