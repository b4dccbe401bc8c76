"""A submit makes exactly one job, wherever the connection is cut."""

from collections.abc import Iterator

import pytest

from grid_support import GridServer, GridUser
from headless.grid.messages import GridError
from headless.grid.session import GridSession
from headless.grid.settings import read_client_settings
from headless.grid.submit import find_submitted, submit
from tcp_relay import tcp_relay

JDL = 'Executable = "/bin/true"; Arguments = "$1"; # nothing else'


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user who may have jobs, of a grid that starts none."""
    with GridServer(tmp_path_factory.mktemp("grid"), "--run-as", "root") as server:
        user, admin = server.add_user("tester", "jobs"), server.add_user("boss", "admin")
        server.start()
        assert admin.run("setCEstatus", "-status", "locked").returncode == 0
        yield user


def _open(user: GridUser, service: str) -> GridSession:
    port = service.rpartition(":")[2]
    variables = {**user.variables, "ALIENPY_JCENTRAL_PORT": port, "ALIENPY_CONNECT_INTERVAL": "0.1"}
    return GridSession(read_client_settings(variables, str(user.home), 0))


def _list(user: GridUser) -> list[str]:
    done = user.run("ps", "-A", "-id")
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split()


def _measure(user: GridUser) -> tuple[int, int]:
    """Bytes of a connection until it is open, and until a submit is answered; all but the same in each run."""
    with tcp_relay(f"127.0.0.1:{user.server.port}", [1 << 30]) as relay, _open(user, relay.service) as session:
        session.ask("pwd")
        opened = relay.passed
        submit(session, JDL, ["x"])
        return opened, relay.passed


def test_a_cut_at_any_place_makes_neither_none_nor_two(user: GridUser) -> None:
    opened, answered = _measure(user)
    assert answered > opened
    step = max(1, (answered - opened) // 12)
    cuts = 0
    for budget in range(opened, answered + step, step):
        before = _list(user)
        with tcp_relay(f"127.0.0.1:{user.server.port}", [budget]) as relay, _open(user, relay.service) as session:
            session.ask("pwd")
            job_id = submit(session, JDL, [str(budget)], pause_s=0.05).job_id
            cuts += relay.cuts
        assert set(_list(user)) - set(before) == {str(job_id)}
    assert cuts >= 8


def test_the_server_is_killed_before_it_can_answer(user: GridUser) -> None:
    before = _list(user)
    with _open(user, f":{user.server.port}") as session:
        session.ask("pwd")
        user.server.kill()
        with pytest.raises(GridError, match="nobody knows whether the job was taken"):
            submit(session, JDL, ["x"], pause_s=0.05)
        user.server.start()
        submit(session, JDL, ["x"], pause_s=0.05)
    assert len(_list(user)) == len(before) + 1


def test_a_tag_is_one_job_for_ever(user: GridUser) -> None:
    with _open(user, f":{user.server.port}") as session:
        first = submit(session, JDL, ["x"], tag="night of the 3rd")
        again = submit(session, 'Executable = "/bin/false";', tag="night of the 3rd")
        assert (first.is_new, again.is_new, again.job_id) == (True, False, first.job_id)
        assert find_submitted(session, "night of the 3rd") == first.job_id
        assert find_submitted(session, "night of the 4th") is None
        # Whoever does not look first is told of the same job by the server itself.
        rows = session.ask("submit", 'Executable = "/bin/true"; HeadlessSubmitId = "night of the 3rd";').rows
        assert rows[0]["jobId"] == str(first.job_id)


def test_a_refusal_is_no_doubt(user: GridUser) -> None:
    before = _list(user)
    with _open(user, f":{user.server.port}") as session, pytest.raises(GridError) as error:
        submit(session, 'Executable = "/no/such";')
    assert error.value.exit_code == 2
    assert _list(user) == before


def test_the_command_takes_a_file_of_this_machine(user: GridUser) -> None:
    path = user.home / "here.jdl"
    path.write_text(JDL)
    done = user.run("submit", f"file:{path}", "x")
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[1] == f"Your new job ID is {_list(user)[-1]}"
