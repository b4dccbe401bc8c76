"""find over a grid's catalogue: patterns, options, pages; and that it is streamed."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import Connection

from grid_raw import RawSession, open_session
from grid_support import GridServer, GridUser
from headless.grid.serve.schema import entries
from postgres import Postgres

HOME = "/grid/user/t/tester/"
MANY = 12_345


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def user(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid with a small tree, and a folder with many files."""
    url, options = "", []
    if request.param == "postgresql":
        database: Postgres = request.getfixturevalue("postgres")
        url = database.create_database("grid_find")
        options = ["--database", url]
    with GridServer(tmp_path_factory.mktemp("grid"), *options) as server:
        user = server.add_user("tester")
        server.start()
        with open_session(user) as session:
            session.rows("mkdir", "-p", "t/a", "t/b", "t/a!", "many", "t/db")
            session.rows("touch", "t/a/x.root", "t/a/X.ROOT", "t/a/.hidden.root", "t/b/a_b.txt", "t/b/a1b.txt",
                         "t/a!/y.root", "t/[z].txt", "t/db/Run0_9_v1_s0.root", "t/db/Run0_9_v10_s0.root",
                         "t/db/Run0_9_v2_s1.root")  # fmt: skip
        server.stop()
        _add_many(server, url)
        server.start()
        yield user


def _add_many(server: GridServer, url: str) -> None:
    """Beside the server, whose commands would take minutes for it."""
    place = f"sqlite:///{server.state}/catalogue.db" if not url else url.replace("postgresql:", "postgresql+psycopg:")
    engine = sqlalchemy.create_engine(place)
    with engine.begin() as connection:
        _insert_files(connection, HOME + "many", MANY)
    engine.dispose()


def _insert_files(connection: Connection, folder: str, count: int) -> None:
    row = {"parent": folder, "kind": "f", "owner": "tester", "group": "tester", "mode": 0o644, "size": 1,
           "md5": "", "created_ms": 1, "modified_ms": 1}  # fmt: skip
    names = [f"f{number:07d}" for number in range(count)]
    rows = [{**row, "path": f"{folder}/{name}", "name": name, "guid": str(uuid.uuid4())} for name in names]
    connection.execute(entries.insert(), rows)


@pytest.fixture(scope="module")
def session(user: GridUser) -> Iterator[RawSession]:
    """A session."""
    with open_session(user) as session:
        yield session


def find(session: RawSession, *options: str) -> list[str]:
    """What is found, as seen from the folder t."""
    return [row["lfn"].removeprefix(HOME + "t/") for row in session.rows("find", *options)]


@pytest.mark.parametrize(("pattern", "found"), [
    ("*.root", ["a!/y.root", "a/x.root", "db/Run0_9_v10_s0.root", "db/Run0_9_v1_s0.root", "db/Run0_9_v2_s1.root"]),
    ("a/*.root", ["a/x.root"]),
    ("%.ROOT", ["a/X.ROOT"]),
    ("a_b", ["b/a_b.txt"]),
    ("a?b", ["b/a1b.txt", "b/a_b.txt"]),
    ("[z]", ["[z].txt"]),
    ("t/a", []),
    ("'; drop table grid_entries; --", []),
    ("\\", []),
])  # fmt: skip
def test_patterns(session: RawSession, pattern: str, found: list[str]) -> None:
    assert find(session, "t", pattern) == found


def test_options(session: RawSession) -> None:
    assert ".hidden.root" in "".join(find(session, "-a", "t", "a/*"))
    assert find(session, "-d", "t", "a")[:3] == ["a/", "a!/", "a!/y.root"]
    assert session.lines("find", "-c", "t", "*.root") == ["5"]
    assert find(session, "-r", "t", r"/[xy]\.root$") == ["a!/y.root", "a/x.root"]
    assert find(session, "-e", "db", "t", "*.root") == ["a!/y.root", "a/x.root"]
    assert find(session, "-y", "t", "*.root") == ["a!/y.root", "a/x.root", "db/Run0_9_v10_s0.root"]
    assert find(session, "-j", "7", "t", "*") == []
    (row,) = session.rows("find", "-w", "t", "a/x.root")
    assert set(row) == {"lfn", "perm", "owner", "gowner", "size", "ctime", "guid", "message"}
    (row,) = session.rows("find", "-f", "-a", "-s", "t", "a/x.root")
    assert {"name", "type", "md5", "guidtime", "expiretime", "jobid", "aclId", "broken", "dir"} < set(row)
    assert "\n".join(session.lines("find", "-x", "-", "t", "a/x.root")).count("<event ") == 1


def test_errors(session: RawSession) -> None:
    codes = [session.code("find", *words) for words in (
        ["nosuch", "*"], ["t/a/x.root", "*"], [], ["-r", "t", "("], ["-l", "x", "t", "*"], ["-Z", "t"],
        ["t", "*", "more"], ["-S", "CERN", "t", "*"],
    )]  # fmt: skip
    assert codes == [2, 20, 22, 22, 22, 22, 22, 95]


def test_a_regular_expression_takes_no_time(session: RawSession) -> None:
    """One that would keep a backtracking library busy until the end of the world."""
    assert find(session, "-r", "many", "(0|0)*(0|0)*(0|0)*(0|0)*(0|0)*y$") == []


def test_pages(user: GridUser) -> None:
    """All of them once, whether the session remembers the last page or not."""
    with open_session(user) as session:
        everything = [row["lfn"] for row in session.rows("find", "many", "*")]
        assert len(everything) == MANY
        assert everything == sorted(everything)
        paged: list[str] = []
        while page := session.rows("find", "-l", "1000", "-o", str(len(paged)), "many", "*"):
            paged += [row["lfn"] for row in page]
        assert paged == everything
        assert [row["lfn"] for row in session.rows("find", "-l", "3", "-o", "11", "many", "*")] == everything[11:14]
        assert session.rows("find", "-l", "0", "many", "*") == []
    with open_session(user) as session:
        found = session.rows("find", "-l", "2", "-o", "12000", "many", "*")
        assert [row["lfn"] for row in found] == everything[12000:12002]


def test_the_first_rows_do_not_wait_for_the_last(user: GridUser) -> None:
    """They come in a fragment of their own, long before the reply is whole."""
    with open_session(user) as session:
        session.connection.send('{"command": "find", "options": ["many", "*"]}')
        pieces = session.connection.recv_streaming()
        first = next(pieces)
        assert isinstance(first, str)
        assert first.startswith('{"results":[{"lfn":')
        assert "metadata" not in first
        assert len(first) < 64 * 1024
        assert sum(len(piece) for piece in pieces) > len(first)


def test_a_long_answer_holds_up_nobody(user: GridUser) -> None:
    """A session that does not read its rows, and another that works meanwhile."""
    with open_session(user) as slow, open_session(user) as quick:
        slow.connection.send('{"command": "find", "options": ["-f", "/", "*"]}')
        for _ in range(50):
            assert quick.code("pwd") == 0
        assert quick.code("touch", "t/quick") == 0
        assert quick.code("rm", "t/quick") == 0


def test_a_folder_with_many_goes_as_a_whole(user: GridUser, tmp_path: Path) -> None:
    with open_session(user) as session:
        session.rows("mv", "many", "moved")
        assert session.lines("find", "-c", "moved", "*") == [str(MANY)]
        assert len(session.lines("ls", "moved")) == MANY
        session.rows("rm", "-r", "moved")
        assert session.code("ls", "moved") == 2
        assert session.lines("find", "-c", "/", "f0000*") == ["0"]
