"""Folders of very many entries: moved, given away, and the server killed meanwhile; whole for whoever looks."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import sqlalchemy
from websockets.exceptions import ConnectionClosed

from grid_raw import RawSession, open_session
from grid_support import GridServer, GridUser
from postgres import Postgres

HOME = "/grid/user/t/tester"
MANY = 60_000  # entries, of which three statements move 20,000 each
FILL = f"""
    insert into grid_entries
        (parent, path, name, guid, kind, owner, "group", mode, size, md5, created_ms, modified_ms)
    with recursive numbers(n) as (select 0 union all select n + 1 from numbers where n < {MANY - 1}),
        names as (select substr(cast(10000000 + n as text), 2) as number from numbers)
    select '{HOME}/large', '{HOME}/large/f' || number, 'f' || number, '00000000-0000-0000-0000-00000' || number,
        'f', 'tester', 'tester', 420, 1, '', 1, 1 from names"""
FIRST, LAST = "f0000000", f"f{MANY - 1:07d}"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def user(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user with a large folder; the server's administrator is "boss"."""
    url, options = "", []
    if request.param == "postgresql":
        database: Postgres = request.getfixturevalue("postgres")
        url = database.create_database("grid_large")
        options = ["--database", url]
    with GridServer(tmp_path_factory.mktemp("grid"), *options) as server:
        user = server.add_user("tester")
        server.add_user("boss", "admin")
        server.start()
        with open_session(user) as session:
            session.rows("mkdir", "large")
        server.stop()
        place = (
            f"sqlite:///{server.state}/catalogue.db" if not url else url.replace("postgresql:", "postgresql+psycopg:")
        )
        engine = sqlalchemy.create_engine(place)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(FILL))
        engine.dispose()
        server.start()
        yield user
        assert "bug" not in server.log


def _find_place(session: RawSession) -> str:
    """The one of both folders that is there, with all that was in it."""
    (place,) = [name for name in ("large", "moved") if session.code("stat", name) == 0]
    assert session.lines("find", "-c", place, "*") == [str(MANY)]
    return place


def _begin(user: GridUser, *words: str) -> threading.Thread:
    """Have a command done in another session, which may lose its server."""

    def run() -> None:
        with suppress(ConnectionClosed), open_session(user) as session:
            session.rows(*words)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_readers_see_a_moved_folder_whole(user: GridUser) -> None:
    with open_session(user) as session:
        moving = _begin(user, "mv", "large", "moved")
        looks = 0
        while moving.is_alive():
            looks += 1
            if session.code("stat", f"moved/{FIRST}") == 0:
                assert session.code("stat", f"large/{LAST}") == 2
        assert looks > 3  # one before, one that begins with it, one after it: reading goes on beside it
        assert _find_place(session) == "moved"
        session.rows("mv", "moved", "large")


def test_a_kill_in_the_middle_of_a_move_leaves_the_folder_whole(user: GridUser) -> None:
    moving = _begin(user, "mv", "large", "moved")
    moving.join(0.2)
    user.server.kill()
    moving.join()
    user.server.start()
    with open_session(user) as session:
        if _find_place(session) == "moved":
            session.rows("mv", "moved", "large")


def test_all_that_is_in_a_folder_gets_a_mode_and_an_owner(user: GridUser) -> None:
    boss = GridUser(user.server, user.server.folder / "boss")
    with open_session(user) as session, open_session(boss) as admin:
        session.rows("chmod", "-R", "750", "large")
        for name in (FIRST, LAST):
            assert session.rows("stat", f"large/{name}")[0]["perm"] == "750"
        (before,) = session.rows("fquota", "list")
        assert before["nbFiles"] == str(MANY)
        admin.rows("chown", "-R", "boss", f"{HOME}/large")
        assert session.rows("stat", f"large/{LAST}")[0]["owner"] == "boss"
        assert [row["nbFiles"] for row in (*session.rows("fquota", "list"), *admin.rows("fquota", "list"))] == [
            "0",
            str(MANY),
        ]
