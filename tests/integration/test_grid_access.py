"""Leave to read and write, and what becomes of it: the real xrootd refuses what the grid has not given."""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grid_files import Local, book, commit, forge, put, run_xrdcp, run_xrdfs, show
from grid_support import GridServer, GridUser
from grid_talk import Talk
from support import TIME_SCALE, wait_for

pytestmark = [pytest.mark.peer("xrootd"), pytest.mark.peer("xrdcp")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridServer]:
    """A grid with two storages."""
    with GridServer(tmp_path_factory.mktemp("grid")).with_storages(2) as server:
        yield server


@pytest.fixture(scope="module")
def user(server: GridServer) -> GridUser:
    """Its user; also the first to make the server run."""
    user = server.add_user("tester")
    server.start()
    return user


@pytest.fixture(scope="module")
def other(server: GridServer, user: GridUser) -> GridUser:
    """Another one."""
    return server.add_user("other")


@pytest.fixture(scope="module")
def talk(user: GridUser) -> Iterator[Talk]:
    """The user's session."""
    with Talk(user) as talk:
        yield talk


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """A file that no other test has."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(5000))
    return Local(path)


def test_the_real_alien_py_copies_both_ways(user: GridUser, tmp_path: Path) -> None:
    source, target = user.home / "up.bin", tmp_path / "down.bin"
    source.write_bytes(os.urandom(300_000))
    up = user.alien("cp", f"file:{source}", "alien:sub/folder/copied.bin")
    assert (up.returncode, up.stdout.count(b"STATUS OK")) == (0, 2), up
    down = user.alien("cp", "alien:sub/folder/copied.bin", f"file:{target}")
    assert down.returncode == 0, down
    assert target.read_bytes() == source.read_bytes()
    where = user.alien("whereis", "sub/folder/copied.bin").stdout
    assert b"LOCAL::SITE::SE1" in where
    assert b"LOCAL::SITE::SE2" in where


def test_a_file_is_where_it_was_wished(talk: Talk, local: Local) -> None:
    (row,) = put(talk, "wished", local, "LOCAL::SITE::SE2")
    assert (row["se"], row["nSEs"], row["tags"]) == ("LOCAL::SITE::SE2", "1", "disk")
    (read,) = talk.ask("access", "read", "wished")
    assert (read["guid"], read["md5"], read["size"]) == (row["guid"], local.md5, str(local.size))
    target = local.path.with_name("back")
    assert run_xrdcp(show(read), str(target)).returncode == 0
    assert target.read_bytes() == local.path.read_bytes()
    assert [row["seName"] for row in talk.ask("whereis", "wished")] == ["LOCAL::SITE::SE2"]


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ("disk:2,!LOCAL::SITE::SE1", ["LOCAL::SITE::SE2"]),
        ("local::site::se1", ["LOCAL::SITE::SE1"]),
        ("", ["LOCAL::SITE::SE1", "LOCAL::SITE::SE2"]),
        ("disk:9", ["LOCAL::SITE::SE1", "LOCAL::SITE::SE2"]),
    ],
)
def test_wishes(talk: Talk, wish: str, names: list[str]) -> None:
    assert sorted(row["se"] for row in talk.ask("access", "write", "nowhere", wish)) == names


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("read", "nosuch"), 2),
        (("read", "."), 21),
        (("eat", "nosuch"), 22),
        (("write",), 22),
        (("-m", "xyz", "write", "a"), 22),
        (("write", "a", "disk:x"), 22),
        (("write", "a", "tape:1"), 77),
        (("write", "a", "ALICE::NO::SE"), 77),
        (("-f", "write", "a", "disk:3"), 77),
        (("write", "/grid/user/a"), 13),
        (("write", "/"), 21),
    ],
)
def test_what_access_refuses(talk: Talk, words: tuple[str, ...], code: int) -> None:
    said = talk.run("access", *words)
    assert (said.code, said.rows) == (code, [])


def test_the_storage_takes_an_envelope_for_its_own_file_only(talk: Talk, local: Local) -> None:
    first, second = book(talk, "one", local), book(talk, "two", local)
    assert run_xrdcp(str(local.path), show(first[0], second[0]["envelope"])).returncode != 0
    assert run_xrdcp(str(local.path), show(first[0], forge(first[0]["envelope"]))).returncode != 0
    assert run_xrdcp(str(local.path), first[0]["url"]).returncode != 0
    assert run_xrdcp(str(local.path), show(first[0])).returncode == 0


def test_the_storage_writes_nothing_for_a_reader_and_nothing_twice(talk: Talk, local: Local) -> None:
    (written,) = put(talk, "fixed", local)
    (read,) = talk.ask("access", "read", "fixed")
    other = local.path.with_name("other")
    other.write_bytes(b"x" * local.size)
    assert run_xrdcp("-f", str(other), show(read)).returncode != 0
    for words in (["-f"], ["-f", "--posc"], ["--posc"], []):
        assert run_xrdcp(*words, str(other), show(written)).returncode != 0, words
    for action in (("rm",), ("chmod", "rw-rw-rw-"), ("truncate", "1"), ("mv", "/00/elsewhere")):
        assert run_xrdfs(written, *action).returncode != 0, action
    assert run_xrdcp(show(read), str(local.path.with_name("back"))).returncode == 0
    assert local.path.with_name("back").read_bytes() == local.path.read_bytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": "4999"}, "the size is 4999"),
        ({"md5": "0" * 32}, "the MD5 sum is"),
        ({"lfn": "/grid/user/t/tester/elsewhere"}, "the LFN is"),
        ({"se": "LOCAL::SITE::SE9"}, "the storage is"),
        ({"guid": "8f6500aa-0000-0000-0000-000000000000"}, "the GUID is"),
        ({"pfn": "root://127.0.0.1:1//00/00000/x"}, "the PFN is"),
        ({"perm": "999"}, "permissions"),
        ({"envelope": "bm8gZW52ZWxvcGU"}, "no access envelope"),
    ],
)
def test_what_was_not_booked_is_not_entered(talk: Talk, local: Local, change: dict[str, str], reason: str) -> None:
    (row,) = book(talk, "booked", local)
    assert run_xrdcp(str(local.path), show(row)).returncode == 0
    said = commit(talk, row, "booked", local, **change)
    assert (said.code, said.rows[0]["lfn"]) == (53, "0")
    assert "Nothing was registered" in said.error
    assert reason in said.error
    assert talk.run("stat", "booked").code == 2


def test_a_folder_in_a_files_place_is_not_entered(server: GridServer, talk: Talk, local: Local) -> None:
    (row,) = book(talk, "folder", local)
    path = row["url"].rpartition("//")[2]
    assert run_xrdcp("-p", str(local.path), show(row | {"url": row["url"] + "/below"})).returncode == 0
    stored = server.storages / row["se"].rpartition("::")[2] / "data" / path
    assert stored.is_dir()
    said = commit(talk, row, "folder", local)
    assert (said.code, said.rows[0]["lfn"]) == (53, "0")
    assert f"has no file /{path}" in said.error
    assert stored.stat().st_mode & 0o777 == 0o755


def test_a_file_that_is_still_being_written_is_not_entered(talk: Talk, local: Local) -> None:
    client: Any = importlib.import_module("XRootD.client")
    flags: Any = importlib.import_module("XRootD.client.flags").OpenFlags
    (row,) = book(talk, "open", local)
    file = client.File()
    assert file.open(show(row), flags.NEW | flags.MAKEPATH)[0].ok
    assert file.write(local.path.read_bytes(), 0)[0].ok
    assert file.sync()[0].ok
    said = commit(talk, row, "open", local)
    assert (said.code, said.rows[0]["lfn"]) == (53, "0")
    assert "still open to be written" in said.error
    assert file.close()[0].ok
    assert commit(talk, row, "open", local).code == 0


def test_an_envelope_that_is_tampered_with_enters_nothing(talk: Talk, local: Local) -> None:
    (row,) = book(talk, "tampered", local)
    assert run_xrdcp(str(local.path), show(row)).returncode == 0
    said = commit(talk, row, "tampered", local, envelope=forge(row["envelope"]))
    assert said.code == 53
    assert "was not made by this grid" in said.error
    (read,) = talk.ask("access", "read", put_another(talk, local))
    assert "is not for UPLOAD" in commit(talk, row, "tampered", local, envelope=read["envelope"]).error


def put_another(talk: Talk, local: Local) -> str:
    """A file of the same content under another name."""
    put(talk, "another", local)
    return "another"


def test_another_users_envelope_enters_nothing(talk: Talk, other: GridUser, local: Local) -> None:
    (row,) = book(talk, "mine", local)
    assert run_xrdcp(str(local.path), show(row)).returncode == 0
    with Talk(other) as thief:
        said = commit(thief, row, "/grid/user/t/tester/mine", local)
    assert said.code == 53
    assert "another user's" in said.error


def test_a_commit_of_nothing_enters_nothing(talk: Talk, local: Local) -> None:
    (row,) = book(talk, "absent", local)
    said = commit(talk, row, "absent", local)
    assert said.code == 53
    assert "has no file" in said.error
    (local.path.with_name("short")).write_bytes(b"short")
    assert run_xrdcp(str(local.path.with_name("short")), show(row)).returncode == 0
    assert "has 5 bytes, not 5000" in commit(talk, row, "absent", local).error
    assert commit(talk, row, "absent", local, size="0").code == 22


def test_a_commit_that_is_sent_again_changes_nothing(talk: Talk, local: Local) -> None:
    (row,) = put(talk, "again", local)
    before = talk.ask("stat", "again")
    assert commit(talk, row, "again", local).code == 0
    assert talk.ask("stat", "again") == before
    talk.ask("rm", "again")
    said = commit(talk, row, "again", local)
    assert said.code == 53
    assert "removed since" in said.error
    assert talk.run("stat", "again").code == 2


def test_nothing_is_overwritten(talk: Talk, local: Local, tmp_path: Path) -> None:
    (tmp_path / "second").write_bytes(b"second")
    second = Local(tmp_path / "second")
    (late,) = book(talk, "taken", second)
    put(talk, "taken", local)
    assert run_xrdcp(str(second.path), show(late)).returncode == 0
    said = commit(talk, late, "taken", second)
    assert said.code == 53
    assert "another file has taken this name" in said.error
    assert talk.ask("stat", "taken")[0]["md5"] == local.md5
    assert talk.run("access", "-s", "6", "-m", second.md5, "write", "taken").code == 17


def test_a_second_replica_of_the_same_file(talk: Talk, local: Local) -> None:
    (first,) = put(talk, "twice", local, "LOCAL::SITE::SE1")
    (second,) = put(talk, "twice", local)
    assert second["se"] == "LOCAL::SITE::SE2"
    assert second["guid"] == first["guid"]
    assert len(talk.ask("whereis", "twice")) == 2
    assert talk.run("access", "-s", str(local.size), "-m", local.md5, "write", "twice").code == 77


def test_a_member_that_is_stored_by_itself_needs_its_archive_no_more(talk: Talk, local: Local, tmp_path: Path) -> None:
    put(talk, "whole.zip", local)
    inner = Local(tmp_path / "inner")
    inner.path.write_bytes(os.urandom(100))
    talk.ask("registerMember", "whole.zip", "inner", str(inner.size), inner.md5, "inner")
    assert talk.ask("access", "read", "inner")[0]["url"].endswith("#inner")
    put(talk, "inner", inner)
    talk.ask("rm", "whole.zip")
    (row,) = talk.ask("access", "read", "inner")
    assert run_xrdcp(show(row), str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == inner.path.read_bytes()


def test_a_file_that_is_moved_between_its_commits_stays_one(talk: Talk, local: Local) -> None:
    first, second = book(talk, "here", local, "disk:2")
    for row in (first, second):
        assert run_xrdcp(str(local.path), show(row)).returncode == 0
    assert commit(talk, first, "here", local).code == 0
    talk.ask("mv", "here", "there")
    assert commit(talk, second, "here", local).code == 0
    assert talk.run("stat", "here").code == 2
    assert len(talk.ask("whereis", "there")) == 2


def test_further_replicas_have_a_limit(talk: Talk, local: Local) -> None:
    put(talk, "popular", local, "LOCAL::SITE::SE1")
    asked = ("access", "-s", str(local.size), "-m", local.md5, "write", "popular", "LOCAL::SITE::SE2")
    codes = {talk.run(*asked).code for _ in range(1000)}
    assert codes == {0}
    said = talk.run(*asked)
    assert (said.code, "further replicas" in said.error) == (122, True)


def test_what_a_job_left_uncommitted_is_registered(talk: Talk, local: Local) -> None:
    said = ("-s", str(local.size), "-m", local.md5, "-j", "4711", "write")
    (written,) = talk.ask("access", *said, "job/output", "disk:1")
    assert run_xrdcp(str(local.path), show(written)).returncode == 0
    talk.ask("access", *said, "job/never", "disk:1")
    done = talk.run("registerOutput", "4711")
    assert (done.code, [row["lfn"] for row in done.rows]) == (53, ["0", "1"])
    assert talk.ask("stat", "job/output")[0]["md5"] == local.md5
    assert talk.run("stat", "job/never").code == 2
    assert talk.run("registerOutput", "4712").code == 61


def test_parents_are_made_by_commit(talk: Talk, local: Local) -> None:
    put(talk, "new/folders/below", local)
    assert talk.ask("stat", "new/folders/below")[0]["size"] == str(local.size)


def test_others_read_only_what_they_may(talk: Talk, other: GridUser, local: Local) -> None:
    put(talk, "shared", local)
    (row,) = put(talk, "private", local, mode="600")
    path = "/grid/user/t/tester/"
    with Talk(other) as reader:
        assert reader.run("access", "read", path + "shared").code == 0
        assert reader.run("access", "read", path + "private").code == 13
        assert reader.run("whereis", path + "private").code == 13
        assert reader.run("whereis", "-g", row["guid"]).code == 13
        assert reader.run("access", "write", "/grid/user/t/tester/theirs").code == 13


def test_a_read_only_storage_enters_nothing(server: GridServer, talk: Talk, local: Local) -> None:
    if os.geteuid() != 0:
        pytest.skip("another user's folder is what makes it read-only here")
    data = server.storages / "SE1" / "data"
    before = data.stat()
    (row,) = book(talk, "unwritable", local, "LOCAL::SITE::SE1")
    for folder in [data, *data.rglob("*")]:
        if folder.is_dir():
            os.chown(folder, 0, 0)
    try:
        assert run_xrdcp(str(local.path), show(row)).returncode != 0
        assert commit(talk, row, "unwritable", local).code == 53
    finally:
        for folder in [data, *data.rglob("*")]:
            os.chown(folder, before.st_uid, before.st_gid)
    assert run_xrdcp(str(local.path), show(row)).returncode == 0
    assert commit(talk, row, "unwritable", local).code == 0


def test_expired_envelopes_are_refused_and_abandoned_uploads_removed(tmp_path: Path, local: Local) -> None:
    with GridServer(tmp_path, "--envelope-lifetime", f"{2 * TIME_SCALE:g}").with_storages(1) as server:
        user = server.add_user("tester")
        server.start()
        with Talk(user) as talk:
            put(talk, "kept", local)
            put(talk, "removed", local)
            talk.ask("rm", "removed")
            (row,) = book(talk, "late", local)
            assert run_xrdcp(str(local.path), show(row)).returncode == 0
            (more,) = book(talk, "folder", local)
            for name in ("a", "b/c"):
                assert run_xrdcp("-p", str(local.path), show(more | {"url": f"{more['url']}/{name}"})).returncode == 0
            data = server.storages / "SE1" / "data"
            kept = talk.ask("access", "read", "kept")[0]["guid"]
            # With such a lifetime the sweeper looks as often, and gives uploads as much more.
            wait_for(lambda: {path.name for path in data.glob("*/*/*")} == {kept}, "what is abandoned to go", 60)
            said = commit(talk, row, "late", local)
            assert said.code == 53
            assert "has expired" in said.error
            assert run_xrdcp(str(local.path), show(row)).returncode != 0
            assert talk.ask("stat", "kept")
