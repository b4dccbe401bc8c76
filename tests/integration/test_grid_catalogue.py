"""The catalogue of a grid: what each command answers, and does, over SQLite and PostgreSQL."""

from collections.abc import Iterator

import pytest

from grid_raw import RawSession, open_session
from grid_support import GridServer, GridUser
from postgres import Postgres

HOME = "/grid/user/t/tester/"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridServer]:
    """A running grid."""
    options: list[str] = []
    if request.param == "postgresql":
        database: Postgres = request.getfixturevalue("postgres")
        options = ["--database", database.create_database("grid_catalogue")]
    with GridServer(tmp_path_factory.mktemp("grid"), *options) as server:
        yield server.start()


@pytest.fixture(scope="module")
def user(server: GridServer) -> GridUser:
    """A user, made while the server runs."""
    return server.add_user("tester", "shared")


@pytest.fixture(scope="module")
def other(server: GridServer) -> GridUser:
    """Another one."""
    return server.add_user("other")


@pytest.fixture(scope="module")
def admin(server: GridServer) -> GridUser:
    """One who may do everything."""
    return server.add_user("chief", "admin")


@pytest.fixture
def session(user: GridUser, request: pytest.FixtureRequest) -> Iterator[RawSession]:
    """A session in a new folder."""
    with open_session(user) as session:
        session.rows("mkdir", request.node.originalname)
        session.rows("cd", request.node.originalname)
        yield session
        session.rows("cd")
        session.rows("rm", "-r", request.node.originalname)


def test_cd(session: RawSession) -> None:
    session.rows("mkdir", "-p", "a/b")
    assert session.ask("cd", "a/b")["metadata"]["currentdir"] == f"{HOME}test_cd/a/b/"
    assert session.ask("cd", "..")["metadata"]["currentdir"] == f"{HOME}test_cd/a/"
    assert session.ask("cd", "../../../../../../../..")["metadata"]["currentdir"] == "/"
    assert session.ask("cd", "~/test_cd")["metadata"]["currentdir"] == f"{HOME}test_cd/"
    session.rows("touch", "f")
    assert [session.code("cd", path) for path in ("nosuch", "f", "f/x")] == [2, 20, 20]
    assert session.lines("pwd") == [f"{HOME}test_cd/"]


def test_ls(session: RawSession) -> None:
    session.rows("mkdir", "b")
    session.rows("touch", "a", ".hidden", "c c", "é")
    assert session.lines("ls") == ["a", "b", "c c", "é"]
    assert session.lines("ls", "-a", "-F") == [".hidden", "a", "b/", "c c", "é"]
    assert session.lines("ls", "-aF") == [".hidden", "a", "b/", "c c", "é"]
    assert session.lines("ls", "-c", "b", "a") == [f"{HOME}test_ls/a"]
    assert session.rows("ls", "-nomsg", "-F") == [
        {"name": name, "path": f"{HOME}test_ls/{name}"} for name in ("a", "b/", "c c", "é")
    ]
    row = session.rows("ls", "-l", "a")[0]
    assert list(row) == ["permissions", "user", "group", "size", "ctime", "name", "path", "message"]
    assert row["message"].startswith("-rw-r--r--     tester   tester            0 ")
    assert row["message"].endswith("    a")
    assert [row["guid"] for row in session.rows("ls", "-b", "a")] == [session.rows("stat", "a")[0]["guid"]]
    assert session.code("ls", "nosuch") == 2
    reply = session.ask("ls", "-nokeys", "nosuch", "a")
    assert (reply["metadata"]["exitcode"], reply["results"]) == ("2", [{"message": "a"}])
    assert "nosuch" in reply["metadata"]["error"]


def test_wildcards(session: RawSession) -> None:
    session.rows("mkdir", "-p", "d1/x", "d2/x")
    session.rows("touch", "a1", "a2", "b[1]", ".a3", "d1/x/f", "d2/x/g")
    assert session.lines("ls", "a*") == ["a1", "a2"]
    assert session.lines("ls", "??", "b[*") == ["a1", "a2", "x", "x", "b[1]"]
    assert session.lines("ls", ".a*") == [".a3"]
    assert session.lines("ls", "d*/x/*") == ["f", "g"]
    assert session.code("ls", "z*") == 2
    session.rows("rm", "a*")
    assert session.lines("ls", "-a") == [".a3", "b[1]", "d1", "d2"]


@pytest.mark.parametrize(
    "words",
    [
        ("du", "-n", "no*"),
        ("lfnexpiretime", "-a", "-d", "1", "no*"),
        ("toXml", "-x", "c.xml", "no*"),
        ("mv", "-f", "no*", "x"),
        ("rm", "-r", "no*"),
    ],
)
def test_wildcards_that_match_nothing_are_an_error_of_any_command(session: RawSession, words: tuple[str, ...]) -> None:
    reply = session.ask(*words)
    assert (reply["metadata"]["exitcode"], reply["results"]) == ("2", []), reply
    assert reply["metadata"]["error"].endswith("no*"), reply
    assert [session.code("rm", "-f", "no*"), session.code("toXml", "-i", "no*")] == [0, 0]


def test_stat(session: RawSession) -> None:
    session.rows("touch", "f")
    (row,) = session.rows("stat", "-nomsg", "f")
    assert set(row) == {"lfn", "type", "owner", "gowner", "perm", "ctime", "size", "md5", "guid", "mtime"}
    assert (row["lfn"], row["type"], row["perm"]) == (f"{HOME}test_stat/f", "f", "644")
    assert (row["size"], row["md5"]) == ("0", "d41d8cd98f00b204e9800998ecf8427e")
    (row,) = session.rows("stat", "-v", "-nomsg", ".")
    assert (row["type"], row["perm"], row["replicas"]) == ("d", "755", "{}")
    assert session.code("stat", "nosuch") == 2
    assert [session.rows("type", path)[0]["type"] for path in ("f", ".")] == ["file", "directory"]
    assert session.code("stat") == 22


def test_mkdir_and_rmdir(session: RawSession) -> None:
    assert session.code("mkdir", "a/b/c") == 2
    session.rows("mkdir", "-p", "a/b/c")
    session.rows("mkdir", "-p", "a/b/c")
    assert session.code("mkdir", "a") == 17
    session.rows("touch", "f")
    assert [session.code("mkdir", *words) for words in (["f/x"], ["-p", "f/x"], ["-p", "f"], [])] == [20, 20, 20, 22]
    assert [session.code("rmdir", path) for path in ("a", "f", "nosuch")] == [39, 20, 2]
    session.rows("rmdir", "-p", "a/b/c")
    assert session.lines("ls") == ["f"]


def test_touch(session: RawSession) -> None:
    session.rows("touch", "f")
    before = session.rows("stat", "f")[0]
    session.rows("touch", "f")
    after = session.rows("stat", "f")[0]
    assert (before["guid"], before["mtime"]) == (after["guid"], after["mtime"])
    assert int(after["ctime"]) >= int(before["ctime"])
    assert session.code("touch", "nosuch/f") == 2


def test_rm(session: RawSession) -> None:
    session.rows("mkdir", "-p", "a/b/c", "a!")
    session.rows("touch", "a/b/f", "a/b/c/g", "a!/f", "h")
    assert [session.code("rm", *words) for words in (["a"], ["nosuch"], ["-f", "nosuch"], ["-f", "no*"])] == [
        21, 2, 0, 0,
    ]  # fmt: skip
    reply = session.ask("rm", "nosuch", "h")
    assert reply["metadata"]["exitcode"] == "2"
    session.rows("rm", "-r", "a")
    assert session.lines("find", "-d", ".") == [f"{HOME}test_rm/a!/", f"{HOME}test_rm/a!/f"]
    assert session.code("rm", "-r", "/") in (13, 16)


def test_mv(session: RawSession) -> None:
    session.rows("mkdir", "-p", "d/e", "d!")
    session.rows("touch", "f", "g", "d/e/h", "d!/i")
    guids = {name: session.rows("stat", name)[0]["guid"] for name in ("f", "g")}
    session.rows("mv", "f", "g")
    assert session.rows("stat", "g")[0]["guid"] == guids["f"]
    assert session.rows("stat", "g_backup")[0]["guid"] == guids["g"]
    session.rows("touch", "f")
    assert session.code("mv", "f", "g") == 17  # the earlier backup stays
    session.rows("mv", "f", "g", "d")
    session.rows("mv", "d", "moved")
    assert session.lines("find", "-d", ".") == [
        f"{HOME}test_mv/{path}"
        for path in ("d!/", "d!/i", "g_backup", "moved/", "moved/e/", "moved/e/h", "moved/f", "moved/g")
    ]
    assert session.lines("ls", "moved") == ["e", "f", "g"]
    codes = [session.code("mv", *words) for words in (
        ["moved", "moved/e/x"], ["nosuch", "x"], ["moved", "g_backup"], ["g_backup", "no/x"], ["x"],
    )]  # fmt: skip
    assert codes == [22, 2, 20, 2, 22]


def test_others_are_kept_out(session: RawSession, user: GridUser, other: GridUser, admin: GridUser) -> None:
    here = f"{HOME}test_others_are_kept_out"
    session.rows("mkdir", "closed", "open")
    session.rows("touch", "closed/f", "open/f")
    session.rows("chmod", "700", "closed")
    with open_session(other) as stranger:
        assert stranger.lines("ls", f"{here}/open") == ["f"]
        assert stranger.lines("find", here) == [f"{here}/open/f"]
        for words in (["ls", f"{here}/closed"], ["stat", f"{here}/closed/f"], ["touch", f"{here}/open/f"],
                      ["mkdir", f"{here}/x"], ["mkdir", "-p", f"{here}/x/y"], ["rm", f"{here}/open/f"],
                      ["rm", "-rf", here], ["mv", f"{here}/open/f", "stolen"], ["cd", f"{here}/closed"],
                      ["find", f"{here}/closed"], ["rmdir", f"{here}/closed"]):  # fmt: skip
            assert stranger.code(*words) == 13, words
        for words in (["chmod", "777", f"{here}/open"], ["chown", "other", f"{here}/open"]):
            assert stranger.code(*words) == 1, words
    assert session.lines("find", ".") == [f"{here}/closed/f", f"{here}/open/f"]
    with open_session(admin) as chief:
        assert chief.lines("ls", f"{here}/closed") == ["f"]


def test_a_tree_with_anothers_folder_stays_whole(session: RawSession, other: GridUser) -> None:
    here = f"{HOME}test_a_tree_with_anothers_folder_stays_whole"
    session.rows("mkdir", "-p", "a/common")
    session.rows("touch", "a/mine")
    session.rows("chmod", "777", "a/common")
    with open_session(other) as stranger:
        stranger.rows("mkdir", f"{here}/a/common/theirs")
        assert session.code("rm", "-r", "a") == 13
        assert session.lines("find", ".") == [f"{here}/a/mine"]
        stranger.rows("rmdir", f"{here}/a/common/theirs")


def test_modes_and_owners(session: RawSession, admin: GridUser) -> None:
    session.rows("mkdir", "-p", "d/e")
    session.rows("touch", "d/f", "d/e/g")
    session.rows("chmod", "-R", "750", "d")
    assert [row["perm"] for row in session.rows("find", "-w", "-d", ".")] == ["750"] * 4
    assert [session.code("chmod", *words) for words in (["888", "d"], ["x", "d"], ["700", "nosuch"])] == [22, 22, 2]
    session.rows("chown", "tester:shared", "d")
    assert session.rows("stat", "d")[0]["gowner"] == "shared"
    assert session.code("chown", "other", "d") == 1
    with open_session(admin) as chief:
        chief.rows("chown", "-R", "chief:chief", f"{HOME}test_modes_and_owners/d/e")
        assert [row["owner"] for row in session.rows("find", "-d", "-w", ".")] == ["tester", "chief", "tester"]
        assert chief.code("chown", "nobody-here", f"{HOME}test_modes_and_owners/d") == 22
        chief.rows("chown", "-R", "tester", f"{HOME}test_modes_and_owners/d")


def test_a_dot_may_be_part_of_an_owners_name(session: RawSession, server: GridServer, admin: GridUser) -> None:
    server.add_user("a.b")
    session.rows("touch", "f")
    path = f"{HOME}test_a_dot_may_be_part_of_an_owners_name/f"
    with open_session(admin) as chief:
        for words, found in (("tester.shared", "tester shared"), ("a.b", "a.b shared"), ("a.b:a.b", "a.b a.b")):
            chief.rows("chown", words, path)
            row = chief.rows("stat", path)[0]
            assert f"{row['owner']} {row['gowner']}" == found
        assert [chief.code("chown", words, path) for words in ("a.c", "a.b.b", "tester.x")] == [22, 22, 22]
        chief.rows("chown", "tester:tester", path)


def test_what_no_database_can_hold_is_refused(session: RawSession, admin: GridUser) -> None:
    assert [session.code(*words) for words in (("whois", "a\0b"), ("groups", "a\0"), ("ps", "-s", "\0"))] == [22] * 3
    with open_session(admin) as chief:
        assert chief.lines("jquota", "set", "other", "maxParallelJobs", "9" * 18) == [
            "maxParallelJobs of other is 2147483647"
        ]
        assert chief.lines("jquota", "set", "other", "maxTotalCpuCost", "9" * 18) == [
            f"maxTotalCpuCost of other is {'9' * 18}"
        ]
        assert chief.error("jquota", "set", "other", "maxParallelJobs", "x").endswith("'x' is no number")


def test_guids(session: RawSession) -> None:
    session.rows("touch", "f")
    (row,) = session.rows("lfn2guid", "f")
    assert (row["lfn"], row["type"]) == (f"{HOME}test_guids/f", "f")
    assert session.rows("guid2lfn", row["guid"])[0]["lfn"] == f"{HOME}test_guids/f"
    assert session.rows("guid2lfn", row["guid"].upper())[0]["lfn"] == f"{HOME}test_guids/f"
    assert "d41d8cd98f00b204e9800998ecf8427e" in "\n".join(session.lines("guidinfo", row["guid"]))
    assert session.lines("md5sum", "f") == ["d41d8cd98f00b204e9800998ecf8427e\tf"]
    codes = [session.code(*words) for words in (
        ["guid2lfn", "no-guid"], ["guid2lfn", "00000000-0000-4000-8000-000000000000"], ["lfn2guid", "nosuch"],
    )]  # fmt: skip
    assert codes == [22, 2, 2]


def test_du(session: RawSession) -> None:
    session.rows("mkdir", "-p", "d/e")
    session.rows("touch", "d/f", "d/e/g")
    (row,) = session.rows("du", "d")
    assert (row["files"], row["folders"], row["size"]) == ("2", "1", "0")


def test_expiry(session: RawSession) -> None:
    session.rows("touch", "f")
    session.rows("lfnexpiretime", "-a", "-d", "2", "f")
    (row,) = session.rows("stat", "f")
    assert int(row["expiretime"]) - int(row["mtime"]) > 86_400_000
    session.rows("lfnexpiretime", "-r", "f")
    assert "expiretime" not in session.rows("stat", "f")[0]


def test_an_xml_collection(session: RawSession) -> None:
    session.rows("touch", "a", 'b"<&')
    text = "\n".join(session.lines("toXml", "a", 'b"<&'))
    assert text.count("<event ") == 2
    assert f'turl="alien://{HOME}test_an_xml_collection/a"' in text
    assert "&lt;&amp;" in text
