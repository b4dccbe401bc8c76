"""The real alien.py over our server's catalogue: what it prints, and its exit codes."""

import re
from collections.abc import Iterator

import pytest

from grid_support import GridServer, GridUser

HOME = "/grid/user/t/tester/"
TIME = r"[A-Z][a-z]{2} \d\d \d\d:\d\d"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid."""
    with GridServer(tmp_path_factory.mktemp("grid")) as server:
        user = server.add_user("tester")
        server.start()
        yield user
        assert "bug" not in server.log


def run(user: GridUser, *words: str) -> tuple[int, list[str], str]:
    """Exit code, lines, and what is on standard error."""
    done = user.alien(*words)
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def test_who_and_where(user: GridUser) -> None:
    assert run(user, "pwd")[:2] == (0, [HOME])
    assert run(user, "whoami")[:2] == (0, ["tester"])
    assert run(user, "cd /grid/user; pwd")[:2] == (0, ["/grid/user/"])
    code, _, error = run(user, "cd", "nosuch")
    assert code == 2
    assert "No such file or directory" in error


def test_making_listing_moving_removing(user: GridUser) -> None:
    assert run(user, "mkdir", "-p", "a/b")[:2] == (0, [])
    assert run(user, "touch", "a/f")[:2] == (0, [])
    code, lines, _ = run(user, "ls", "-l", "a")
    assert code == 0
    assert re.fullmatch(rf"drwxr-xr-x     tester   tester            0 {TIME}    b/", lines[0])
    assert re.fullmatch(rf"-rw-r--r--     tester   tester            0 {TIME}    f", lines[1])
    code, lines, _ = run(user, "stat", "a/f")
    assert code == 0
    assert lines[:4] == [f"File: {HOME}a/f", "Type: f", "Owner: tester:tester", "Permissions: 644"]
    assert run(user, "mv", "a/f", "a/g")[:2] == (0, [])
    assert run(user, "find", "a", "*")[:2] == (0, [f"{HOME}a/g"])
    assert run(user, "rm", "a")[0] == 21
    assert run(user, "rm", "-r", "a")[:2] == (0, [])
    code, lines, error = run(user, "ls", "a")
    assert (code, lines) == (2, [])
    assert "No such file or directory" in error


def test_what_is_refused(user: GridUser) -> None:
    code, lines, error = run(user, "mkdir", "/grid/user/o")
    assert (code, lines) == (13, [])
    assert "Permission denied" in error


def test_a_chain(user: GridUser) -> None:
    assert run(user, "mkdir chain; cd chain; touch x y; ls")[:2] == (0, ["x", "y"])
    assert run(user, "rm -r chain; ls chain")[0] == 2


def test_a_file_of_commands(user: GridUser) -> None:
    (user.home / "commands").write_text("mkdir batch\ntouch batch/one\nls batch\nrm -r batch\n")
    assert run(user, "commands")[:2] == (0, ["one"])


def test_interactive(user: GridUser) -> None:
    """Its prompt knows the folder that the server says."""
    done = user.alien(stdin=b"mkdir deep\ncd deep\ntouch file\nls\npwd\nfind . f*\ncd ..\nrm -r deep\nls deep\nexit\n")
    shown = done.stdout.decode()
    assert done.returncode == 2  # of the last command
    assert "AliEn[tester]:" in shown
    assert f"{HOME}deep/" in shown
    assert f"{HOME}deep/file" in shown
    assert "No such file or directory" in shown + done.stderr.decode()
