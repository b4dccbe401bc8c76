"""The grid's server: its limits, what hostile clients send, and its end."""

import json
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from grid_raw import LIMIT_S, RawSession, open_session
from grid_support import GridServer, GridUser
from support import HEADLESS, TIME_SCALE, wait_for

LIMIT = 130 * 1024
REFUSED = (ssl.SSLError, ConnectionError, InvalidHandshake, ConnectionClosed, EOFError)  # as the race goes


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid."""
    with GridServer(tmp_path_factory.mktemp("grid")) as server:
        user = server.add_user("tester", "shared")
        server.start()
        yield user
        assert "bug" not in server.log


@pytest.fixture
def session(user: GridUser) -> Iterator[RawSession]:
    """A session."""
    with open_session(user) as session:
        yield session


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GridServer]:
    """A grid of the test's own, not started."""
    with GridServer(tmp_path) as server:
        yield server


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", "7", '"pwd"', "{}", '{"command": 7}', '{"command": "pwd", "options": "x"}',
    '{"command": "pwd", "options": [["x"]]}', "[" * 60_000, '{"command": "pwd", "options": [{}]}',
])  # fmt: skip
def test_what_is_no_request(session: RawSession, text: str) -> None:
    metadata = session.send(text)["metadata"]
    assert (metadata["exitcode"], metadata["error"]) == ("22", "Invalid argument : Incoming JSON is not ok")
    assert session.code("pwd") == 0


@pytest.mark.parametrize("text", ['{"command": "\\ud800"}', '{"command": "whois", "options": ["\\udcff"]}'])
def test_half_a_character_is_refused_and_the_session_goes_on(session: RawSession, text: str) -> None:
    assert session.send(text)["metadata"]["exitcode"] == "22"
    assert session.code("pwd") == 0


def test_a_size_of_too_many_digits_is_none(session: RawSession) -> None:
    assert session.code("commit", "x", "9" * 5000) == 22


def test_empty_files_count_too(server: GridServer) -> None:
    server.options += ("--max-files", "2")
    user = server.add_user("tester")
    server.start()
    with open_session(user) as session:
        assert [session.code("touch", name) for name in "abc"] == [0, 0, 122]
        assert session.code("touch", "a") == 0


def test_a_request_too_large_is_answered(session: RawSession) -> None:
    for name in ("x" * LIMIT, "é" * (LIMIT // 2)):
        metadata = session.send(json.dumps({"command": "ls", "options": [name]}, ensure_ascii=False))["metadata"]
        assert metadata["exitcode"] == "22"
        assert metadata["error"].endswith("Message too big, limit is at 133120")
    assert session.code("pwd") == 0


def test_a_huge_frame_ends_the_session_alone(user: GridUser, session: RawSession) -> None:
    with open_session(user) as other, pytest.raises(ConnectionClosed) as raised:
        other.send("x" * (4 << 20))
    assert raised.value.rcvd is None or raised.value.rcvd.code == 1009
    assert session.code("pwd") == 0


def test_a_binary_frame_ends_the_session_alone(user: GridUser, session: RawSession) -> None:
    with open_session(user) as other, pytest.raises(ConnectionClosed) as raised:
        other.connection.send(b'{"command": "pwd"}')
        other.connection.recv(LIMIT_S)
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1003
    assert session.code("pwd") == 0


NAMES = ["a' or '1'='1", "x'); drop table grid_entries; --", "%", "_", "*", "é ☃ 日本", "-rf", "a\\b", "$(id)", "a;b|c"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_names(session: RawSession, name: str) -> None:
    """Made, listed, found, moved and removed, and nothing else with them."""
    session.rows("mkdir", "-p", "names/keep")
    session.rows("touch", "--", f"names/{name}")
    assert session.lines("ls", "names") == sorted([name, "keep"], key=str.encode)
    assert session.rows("stat", f"names/{name}")[0]["lfn"].endswith(f"/{name}")
    session.rows("mv", "--", f"names/{name}", f"names/{name}2")
    assert session.code("stat", f"names/{name}") == 2
    session.rows("rm", "--", f"names/{name}2")
    assert session.lines("ls", "names") == ["keep"]


@pytest.mark.parametrize(("name", "code"), [
    ("a\0b", 22), ("a\nb", 22), ("\ud800", 22), ("", 22), ("x" * 4096, 36), ("x/" * 2048, 36),
])  # fmt: skip
def test_names_that_are_none(session: RawSession, name: str, code: int) -> None:
    for command in ("ls", "stat", "mkdir", "touch", "rm", "cd", "find", "type", "md5sum", "du"):
        assert session.code(command, name) == code, command
    assert session.code("mv", name, "x") == code


def test_nothing_is_above_the_root(session: RawSession) -> None:
    assert session.code("ls", "/../../../etc/passwd") == 2
    assert session.rows("stat", "../../../../../../..")[0]["lfn"] == "/"


def test_ten_thousand_options(session: RawSession) -> None:
    assert session.code("ls", *["-l"] * 10_000) == 0
    assert session.code("stat", *["nosuch"] * 10_000) == 2
    assert session.code("rm", "-f", *["x"] * 1000) == 0


def test_help(session: RawSession) -> None:
    for (name,) in (row.values() for row in session.rows("commandlist", "-nomsg")):
        for option in ("-h", "--help", "-help"):
            (row,) = session.rows(name, option)
            assert row["message"].startswith(name), name


def test_options_of_any_command(session: RawSession) -> None:
    session.rows("mkdir", "-p", "any/-h")
    assert session.lines("ls", "-pwd=any", "-debug=3", "-silent") == ["-h"]
    assert session.code("stat", "-nomsg", "--", "-h") == 0
    assert session.code("pwd", "-pwd=nosuch") == 2
    assert session.rows("pwd", "-nomsg", "-pwd=~") == [{"pwd": "/grid/user/t/tester/"}]


def test_what_is_not_here_says_so(session: RawSession) -> None:
    assert session.error("nosuch").endswith("Command [nosuch] not found!")
    assert session.code("cp", "a", "b") == 22
    assert session.code("grep", "a", "b") == 95


def test_small_commands(session: RawSession) -> None:
    assert session.lines("echo", "a", "b") == ["a b"]
    assert session.rows("version")[0]["tag"].startswith("headless ")
    assert session.rows("uptime")[0]["active users"] == "1"
    assert session.rows("uuid", "c9a646d3-9c61-11d7-8a7f-0242ac120002")[0]["mac"] == "02:42:ac:12:00:02"
    assert session.code("uuid", "x") == 22
    assert session.code("ping") == 0
    session.rows("timing", "on")
    assert float(session.ask("pwd")["metadata"]["timing_ms"]) >= 0
    session.rows("timing", "off")
    assert "timing_ms" not in session.ask("pwd")["metadata"]


def test_roles(user: GridUser) -> None:
    with open_session(user) as session:
        session.rows("user", "shared")
        assert session.rows("whoami")[0]["role"] == "shared"
        session.rows("touch", "in-a-role")
        assert session.rows("stat", "in-a-role")[0]["gowner"] == "shared"
        assert session.code("user", "admin") == 1
        assert session.rows("user")[0]["homedir"] == "/grid/user/t/tester/"
        assert session.rows("whoami")[0]["role"] == "tester"
        assert session.rows("groups")[0]["groups"] == "tester shared"
        assert [row["groupmembers"] for row in session.rows("groupmembers", "shared")] == ["tester"]
        assert session.code("whois", "nobody-here") == 22


def test_an_administrator_becomes_another_user_and_is_no_administrator_then(server: GridServer) -> None:
    chief = server.add_user("chief", "admin")
    server.add_user("anna")
    server.start()
    with open_session(chief) as session:
        assert session.ask("user", "anna")["metadata"]["currentdir"] == "/grid/user/a/anna/"
        session.rows("touch", "hers")
        assert session.rows("stat", "hers")[0]["owner"] == "anna"
        assert session.code("mkdir", "/x") == 13
        session.rows("user")
        session.rows("mkdir", "/x")
        assert session.code("user", "nobody-here") == 22


def test_a_session_ends_without_commands(server: GridServer) -> None:
    server.options = ("--idle", "0.5")
    user = server.add_user("tester")
    server.start()
    with open_session(user) as session, pytest.raises(ConnectionClosed) as raised:
        session.rows("pwd")
        session.connection.ping()  # which is no command
        session.connection.recv(LIMIT_S)
    assert raised.value.rcvd is not None
    assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1013, "Session timed out")


def test_a_session_ends_in_time_whatever_it_does(server: GridServer) -> None:
    server.options = ("--session-time", "0.5", "--delay", "1")
    user = server.add_user("tester")
    server.start()
    with open_session(user) as session, pytest.raises(ConnectionClosed) as raised:
        while True:
            session.rows("pwd")
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1013


def test_too_many_sessions(server: GridServer) -> None:
    server.options = ("--max-sessions", "1")
    user = server.add_user("tester")
    server.start()
    with open_session(user) as session:
        session.rows("pwd")
        with pytest.raises(InvalidStatus) as raised, open_session(user):
            pass
        assert raised.value.response.status_code == 503
        assert session.code("pwd") == 0

    def is_let_in() -> bool:
        try:
            with open_session(user) as session:
                return session.code("pwd") == 0
        except InvalidStatus:
            return False

    wait_for(is_let_in, "the first session has ended")


def _fail_to_serve(server: GridServer, *words: str) -> str:
    """What is said where a second server, or the first, does not start."""
    done = subprocess.run(
        [HEADLESS, "grid", "serve", "--state", str(server.state), *words],
        env={"HOME": "/"}, capture_output=True, text=True, check=False, timeout=60 * TIME_SCALE,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    return done.stderr


def test_one_state_has_one_server(server: GridServer) -> None:
    server.start()
    assert "in use by another server" in _fail_to_serve(server, "--listen", "127.0.0.1:0")


@pytest.mark.parametrize("name", ["jobs", "register", "pki/host.pem", "pki/host.key", "pki/envelope.key", "lock"])
def test_a_state_folder_of_no_use_is_one_line(server: GridServer, name: str) -> None:
    is_file = "." not in name and name != "lock"
    place = server.state / name
    if name == "pki/host.pem":
        (server.state / "pki" / "host.key").touch()
        place.write_text("no certificate")
    elif is_file:
        shutil.rmtree(place, ignore_errors=True)
        place.touch()
    else:
        place.mkdir()
    assert str(place) in _fail_to_serve(server, "--listen", "127.0.0.1:0")


def test_a_state_folder_that_cannot_be_made_is_one_line() -> None:
    done = subprocess.run(
        [HEADLESS, "grid", "serve", "--state", "/proc/nowhere/at/all", "--listen", "127.0.0.1:0"],
        env={"HOME": "/"}, capture_output=True, text=True, check=False, timeout=60 * TIME_SCALE,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "headless: state folder /proc/nowhere/at/all is of no use: /proc/nowhere: " + (
        "No such file or directory\n"
    )


def test_a_grid_listens_at_no_unix_socket(server: GridServer) -> None:
    assert "give HOST:PORT" in _fail_to_serve(server, "--listen", f"unix:{server.state}/socket")


@pytest.mark.parametrize("size", [0, 31])
def test_a_key_that_was_cut_short_is_not_used(server: GridServer, size: int) -> None:
    (server.state / "pki" / "envelope.key").write_bytes(bytes(size))
    assert f"envelope.key has {size} bytes, not 32" in _fail_to_serve(server, "--listen", "127.0.0.1:0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end(server: GridServer, number: int) -> None:
    """Sessions are told, and what was answered is there after the next start."""
    user = server.add_user("tester")
    server.start()
    assert server.process is not None
    with open_session(user) as session, open_session(user) as silent:
        session.rows("touch", "kept")
        silent.connection.send('{"command": "find", "options": ["/", "*"]}')
        os.kill(server.process.pid, number)
        assert server.process.wait(30 * TIME_SCALE) == 0, server.log
        with pytest.raises(ConnectionClosed) as raised:
            session.rows("pwd")
        assert raised.value.rcvd is not None
        assert raised.value.rcvd.code == 1001
    assert "bug" not in server.log
    server.start()
    with open_session(user) as session:
        assert session.lines("ls") == ["kept"]


def test_a_power_cut_loses_nothing_that_was_answered(server: GridServer) -> None:
    user = server.add_user("tester")
    server.start()
    with open_session(user) as session:
        session.rows("mkdir", "-p", "a/b")
        session.rows("mv", "a/b", "c")
        server.kill()
    server.start()
    with open_session(user) as session:
        assert session.lines("ls") == ["a", "c"]


def test_a_stranger_of_another_authority_is_refused(user: GridUser, server: GridServer) -> None:
    stranger = server.add_user("tester")
    stranger.server = user.server
    with pytest.raises(REFUSED), open_session(stranger) as session:
        session.rows("pwd")


def test_who_is_in_no_catalogue_is_refused(user: GridUser) -> None:
    """A certificate of our own authority, of a host."""
    nobody = GridUser(user.server, user.home / "nobody")
    folder = nobody.home / ".globus"
    words = [HEADLESS, "grid", "pki", "--state", str(user.server.state), "host", "--out", str(folder)]
    subprocess.run(words, env={"HOME": "/"}, check=True, timeout=60 * TIME_SCALE)
    for kind in ("cert", "key"):
        (folder / f"host{kind}.pem").rename(folder / f"user{kind}.pem")
    with pytest.raises(InvalidStatus) as raised, open_session(nobody):
        pass
    assert raised.value.response.status_code == 401
