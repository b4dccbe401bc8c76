"""Our session with a real grid: lost connections, what is sent again and what is not, many sessions at once."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from grid_support import GridServer, GridUser
from headless.grid.messages import GridError
from headless.grid.session import GridSession
from headless.grid.settings import ClientSettings, read_client_settings
from tcp_relay import TcpRelay, tcp_relay

HOME = "/grid/user/t/tester/"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid."""
    with GridServer(tmp_path_factory.mktemp("grid")) as server:
        user = server.add_user("tester", "other")
        server.start()
        yield user


def settings_of(user: GridUser, relay: TcpRelay | None = None) -> ClientSettings:
    settings = read_client_settings(user.variables, str(user.home), os.getuid())
    if relay is None:
        return settings
    return replace(settings, servers=(("localhost", int(relay.service.rpartition(":")[2])),), ip_version=4)


@pytest.fixture
def relay(user: GridUser) -> Iterator[TcpRelay]:
    """A network between us and the server, that can fail."""
    with tcp_relay(f"127.0.0.1:{user.server.port}") as relay:
        yield relay


@pytest.fixture
def session(user: GridUser, relay: TcpRelay) -> Iterator[GridSession]:
    """A session over that network, in a new folder."""
    with GridSession(settings_of(user, relay)) as session:
        name = f"t{os.urandom(4).hex()}"
        session.ask("mkdir", name)
        session.ask("cd", name)
        yield session


def names(session: GridSession, folder: str = ".") -> set[str]:
    return {row["name"] for row in session.ask("ls", folder).rows}


def test_a_command_after_a_lost_connection_is_done_where_the_session_was(session: GridSession, relay: TcpRelay) -> None:
    name = f"f{os.urandom(4).hex()}"
    session.ask("touch", name)
    session.ask("touch", HOME + name)
    relay.cut()
    session.ask("rm", name)  # nothing was on its way: it is sent, but not before the directory is that of before
    assert name not in names(session)
    assert name in names(session, HOME)


def test_the_role_comes_back_too(session: GridSession, relay: TcpRelay) -> None:
    session.ask("user", "other")
    directory = session.directory
    relay.cut()
    reply = session.ask("pwd")
    assert (reply.user, reply.directory) == ("other", directory)


def test_where_the_directory_is_gone_nothing_is_done(user: GridUser, session: GridSession, relay: TcpRelay) -> None:
    with GridSession(settings_of(user)) as other:
        other.ask("rm", "-r", session.directory)
        other.ask("touch", f"{HOME}kept")
        relay.cut()
        with pytest.raises(GridError, match="connected anew, but 'cd /grid/") as failure:
            session.run("rm", "kept")
        assert failure.value.exit_code == 2
        assert "kept" in names(other, HOME)
        session.ask("cd", HOME)  # the way out
        session.ask("rm", "kept")


@pytest.mark.parametrize("spare", range(10, 500, 70))
def test_an_answer_that_is_lost_is_asked_for_again_if_that_is_safe(
    session: GridSession, relay: TcpRelay, spare: int
) -> None:
    """The relay counts bytes: the cut comes at a different place of the dialogue each time."""
    session.ask("touch", "f" * 200)
    relay.limit(spare)
    assert names(session) == {"f" * 200}
    assert relay.cuts == 1


def test_what_is_not_safe_is_sent_once_and_the_doubt_is_told(user: GridUser) -> None:
    outcomes = set()
    for spare in range(10, 700, 60):
        with tcp_relay(f"127.0.0.1:{user.server.port}") as relay, GridSession(settings_of(user, relay)) as session:
            session.ask("pwd")
            relay.limit(spare)
            try:
                session.ask("mkdir", f"m{spare}")
                outcomes.add("done")
            except GridError as exc:
                assert exc.exit_code == 107
                assert "it may have been done, or not" in str(exc)
                outcomes.add("doubt")
    assert outcomes == {"done", "doubt"}


def test_a_server_that_says_nothing_is_left(user: GridUser, relay: TcpRelay) -> None:
    quick = replace(settings_of(user, relay), timeout_s=0.2, tries=1)
    with GridSession(quick) as session:
        session.ask("pwd")
        relay.stall()
        with pytest.raises(GridError, match="silent") as failure:
            session.run("touch", "x")
        assert failure.value.exit_code == 107
        relay.resume()
        assert session.ask("pwd").directory == HOME


def test_a_command_has_a_time_limit_though_the_server_lives(user: GridUser, relay: TcpRelay) -> None:
    with GridSession(replace(settings_of(user, relay), command_limit_s=0.2)) as session:
        relay.stall()
        with pytest.raises(
            GridError, match=r"touch: no answer within 0\.2 s; it may have been done, or not"
        ) as failure:
            session.run("touch", "late")
        assert failure.value.exit_code == 110
        relay.resume()
        reply = session.ask("pwd")  # not the answer to the command before
        assert reply.rows[0]["pwd"] == HOME


def test_sessions_of_many_threads_are_all_where_the_first_is(session: GridSession) -> None:
    def work(number: int) -> str:
        with session.clone() as mine:
            mine.ask("touch", f"f{number}")
            return mine.directory

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, range(8))) == {session.directory}
    assert names(session) == {f"f{number}" for number in range(8)}


def test_an_idle_session_is_kept_and_a_dead_one_is_left_alone(session: GridSession, relay: TcpRelay) -> None:
    session.keep_alive(3600)
    session.keep_alive(0)
    assert session.ping() >= 0
    directory = session.directory
    relay.cut()
    session.keep_alive(3600)
    assert session.ask("pwd").directory == directory


def test_a_server_that_comes_back_is_waited_for_but_a_wrong_one_is_not(user: GridUser) -> None:
    with tcp_relay(f"127.0.0.1:{user.server.port}") as relay:
        relay.refuse()
        with pytest.raises(GridError, match="cannot connect to") as failure:
            GridSession(replace(settings_of(user, relay), try_pause_s=0.01))
        assert failure.value.exit_code == 107
    first, second = settings_of(user, relay).servers[0], settings_of(user).servers[0]
    with GridSession(replace(settings_of(user), servers=(first, second), try_pause_s=0.01)) as session:
        assert session.peer == f"{second[0]}:{second[1]}"
