"""The grid's shell at a real pseudo-terminal."""

import os
from collections.abc import Iterator

import pytest

from grid_support import GridServer, GridUser
from launch_support import Terminal
from support import World

HOME = "/grid/user/t/tester/"
END, UP = "\x04", "\x1b[A"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid with a few files."""
    with GridServer(tmp_path_factory.mktemp("grid")) as server:
        user = server.add_user("tester")
        server.start()
        assert user.run("mkdir directory; touch 'directory/only one' directory/other").returncode == 0
        yield user


def shell(user: GridUser, **variables: str) -> Terminal:
    place = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "ALIENPY_NO_CWD_RESTORE": "1"}
    terminal = Terminal(World(user.home, {**place, **user.variables, **variables}), "grid", columns=200)
    terminal.expect("AliEn[tester]:")
    return terminal


def test_a_prompt_commands_and_the_end(user: GridUser) -> None:
    terminal = shell(user)
    terminal.expect(f"{HOME} >")
    terminal.type("ls directory\r")
    terminal.expect("only one\nother\n")
    terminal.expect(f"{HOME} >")
    terminal.type("cd directory\r")
    terminal.expect(f"AliEn[tester]:{HOME}directory/ >")
    terminal.type("ls nosuch\r")
    terminal.expect("No such file")
    terminal.expect(">")
    terminal.type(END)
    assert terminal.finish() == 2  # of the last command


def test_control_c_clears_the_line_and_exit_has_its_code(user: GridUser) -> None:
    terminal = shell(user)
    terminal.type("rm -r director\x03")
    terminal.expect("AliEn[tester]:")
    terminal.type("exit 5\r")
    assert terminal.finish() == 5
    assert user.run("ls").stdout == b"directory/\n"


def test_a_quote_that_is_open_asks_for_more(user: GridUser) -> None:
    terminal = shell(user)
    terminal.type("!echo 'a\r")
    terminal.expect("'a")
    terminal.expect("\x1b[0m>")  # the line that goes on
    terminal.type("b'\r")
    terminal.expect("a\nb\n")
    terminal.expect(f"{HOME} >")
    terminal.type(END)
    assert terminal.finish() == 0


def test_commands_and_lfns_are_completed(user: GridUser) -> None:
    terminal = shell(user)
    terminal.type("whoa\t")
    terminal.expect("mi")
    terminal.type("\r")
    terminal.expect("tester\n")
    terminal.expect(f"{HOME} >")
    terminal.type("ls dire\t")
    terminal.expect("ctory/")
    terminal.type("onl\t")
    terminal.expect("y\\ one")
    terminal.type("\r")
    terminal.expect("only one\n")
    terminal.expect(f"{HOME} >")
    terminal.type(END)
    terminal.finish()


def test_the_history_is_kept_for_nobody_else(user: GridUser) -> None:
    first = shell(user)
    first.type("!echo from the $((1+1))nd line\r")
    first.expect("from the 2nd line")
    first.type("exit\r")
    assert first.finish() == 0
    assert os.stat(user.home / ".headless_grid_history").st_mode & 0o077 == 0
    second = shell(user)
    second.type("!echo read by now\r")  # the file is read in the background
    second.expect("read by now\n")
    second.expect(f"{HOME} >")
    second.type(UP + UP + UP + "\r")
    second.expect("from the 2nd line\n")
    second.expect(f"{HOME} >")
    second.type(END)
    assert second.finish() == 0


def test_the_directory_is_kept_as_alien_py_keeps_it(user: GridUser) -> None:
    first = shell(user)
    first.type("cd directory\r")
    first.expect(f"{HOME}directory/ >")
    first.type(END)
    first.finish()
    kept = (user.home / ".alienpy_session").read_text()
    assert kept == f"CWD = {HOME}directory/\nCWDPREV = {HOME.rstrip('/')}\n"
    second = Terminal(
        World(user.home, {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **user.variables}), "grid", columns=200
    )
    second.expect(f"AliEn[tester]:{HOME}directory/ >")
    second.type("cd -\r")
    second.expect(f"AliEn[tester]:{HOME} >")
    second.type(END)
    assert second.finish() == 0


def test_the_prompt_shows_what_is_asked_for(user: GridUser) -> None:
    terminal = shell(user, ALIENPY_PROMPT_CWD="1")
    terminal.expect("local:/ >")
    terminal.type("prompt pwd date\r")
    terminal.expect("T")  # between date and time
    terminal.expect(f" AliEn[tester]:{HOME} >")
    terminal.type(END)
    assert terminal.finish() == 0


def test_what_was_typed_is_not_kept_where_that_is_not_wanted(user: GridUser) -> None:
    file = user.home / ".headless_grid_history"
    file.unlink(missing_ok=True)
    terminal = shell(user, ALIENPY_NO_HISTORY="1")
    terminal.type("pwd\r")
    terminal.expect(HOME + "\n")
    terminal.type("exit\r")
    assert terminal.finish() == 0
    assert not file.exists()
