"""A session with the grid's server, from our client and from the real alien.py."""

from collections.abc import Iterator

import pytest

from grid_support import GridServer, GridUser


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid."""
    with GridServer(tmp_path_factory.mktemp("grid")) as server:
        user = server.add_user("tester")
        server.start()
        yield user


def test_both_clients_see_the_same_home(user: GridUser) -> None:
    ours, theirs = user.run("pwd"), user.alien("pwd")
    assert (ours.returncode, ours.stdout, ours.stderr) == (0, b"/grid/user/t/tester/\n", b"")
    assert theirs.returncode == 0
    assert theirs.stdout.startswith(ours.stdout)


def test_an_unknown_command(user: GridUser) -> None:
    done = user.run("nosuch")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Command [nosuch] not found!" in done.stderr
