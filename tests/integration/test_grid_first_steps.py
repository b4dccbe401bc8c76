"""What somebody meets who is new to the grid's client: words too many, wrong variables, the lines to paste."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_support import GridServer, GridUser
from launch_support import Terminal
from support import HEADLESS, World

HOME = "/grid/user/t/tester/"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid."""
    with GridServer(tmp_path_factory.mktemp("grid")) as server:
        user = server.add_user("tester")
        server.start()
        assert user.run("mkdir", "data").returncode == 0
        yield user


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("pwd extra", "pwd: 'extra' is too much: it takes no arguments"),
        ("cd data data", "cd: 'data' is too much: it takes one argument"),
        ("home x", "home: 'x' is too much"),
        ("token-info -v", "token-info: '-v' is too much"),
        ("quota tester tester", "quota: 'tester' is too much"),
        ("rm 'unclosed", "' is not closed: \"'unclosed\""),
        ("exit 1x", "exit: '1x' is no code"),
        ("exit 256", "exit: '256' is no code"),
        ("submit 'Executable=\"a'", "a quote is not closed"),
    ],
)
def test_what_is_not_understood_is_refused_in_a_line(user: GridUser, line: str, complaint: str) -> None:
    done = user.run(line)
    assert (done.returncode, done.stdout) == (22, b"")
    assert done.stderr.decode().count("\n") == 1
    assert complaint in done.stderr.decode()
    assert "line 1: '" not in done.stderr.decode()  # there is one line only


def test_nothing_follows_an_exit_with_a_wrong_code(user: GridUser) -> None:
    done = user.run("exit -1; pwd")
    assert (done.returncode, done.stdout) == (22, b"")
    assert user.run("exit so long").stdout == b"so long\n"  # a message alone, as alien.py has it


def test_a_command_that_nobody_knows_fails_in_a_line(user: GridUser) -> None:
    done = user.run("nosuch x; pwd")
    assert (done.returncode, done.stdout.decode()) == (2, HOME + "\n")
    assert done.stderr == b"No such file or directory : Command [nosuch] not found!\n"


@pytest.mark.parametrize("words", [("pwd", "--json"), ("pwd", "-json"), ("pwd --json",), ("--json", "pwd")])
def test_json_may_stand_behind_the_command(user: GridUser, words: tuple[str, ...]) -> None:
    assert json.loads(user.run(*words).stdout)["results"] == [{"pwd": HOME, "message": HOME}]


def test_json_lines_may_stand_there_too_but_are_another_programs_own(user: GridUser) -> None:
    assert json.loads(user.run("pwd", "--jsonl").stdout)["pwd"] == HOME
    assert user.run("echo", "--json").stdout == user.run("echo", "--json", "-jsonl").stdout.replace(b" -jsonl", b"")


def test_output_that_is_lost_ends_it_with_its_errno(user: GridUser) -> None:
    environment = {**user.world.environment, **user.variables}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [HEADLESS, "grid", "pwd; mkdir late"], env=environment, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 28
    assert done.stderr == b"headless: the output could not be written: No space left on device\n"
    assert user.run("ls", "late").returncode == 2


def test_the_port_may_stand_behind_the_host(user: GridUser) -> None:
    place = {"ALIENPY_JCENTRAL": f"localhost:{user.server.port}", "ALIENPY_JCENTRAL_PORT": ""}
    assert user.run("pwd", environment=place).stdout.decode() == HOME + "\n"
    refused = user.run("pwd", environment={"ALIENPY_JCENTRAL": "localhost:1"})
    assert refused.returncode == 22
    assert b"give one port" in refused.stderr


def test_a_file_of_authorities_that_is_not_there_is_told(user: GridUser) -> None:
    folder = str(user.home / ".globus" / "certificates")
    done = user.run("pwd", environment={"X509_CERT_DIR": folder, "X509_CERT_FILE": "/nope"})
    assert (done.returncode, done.stdout.decode()) == (0, HOME + "\n")
    assert done.stderr == b"headless: X509_CERT_FILE is '/nope', which is no file: X509_CERT_DIR is used alone\n"
    assert user.run("pwd", environment={"X509_CERT_DIR": folder}).stderr == b""


def test_the_authorities_of_the_users_own_folder(user: GridUser) -> None:
    variables = {"X509_CERT_FILE": "", "X509_CERT_DIR": "/nowhere", "ALIENPY_USE_LOCAL_CAS": "1"}
    assert user.run("pwd", environment=variables).stdout.decode() == HOME + "\n"
    elsewhere = user.run("pwd", environment={**variables, "ALIENPY_USE_LOCAL_CAS": "/nowhere"})
    assert (elsewhere.returncode, b"ALIENPY_USE_LOCAL_CAS is '/nowhere'" in elsewhere.stderr) == (22, True)


def test_an_authority_of_the_same_name_is_another_one(user: GridUser, tmp_path: Path) -> None:
    """Its certificate is not taken (129); a server of it is not spoken to (107)."""
    from headless.grid.serve.pki import Authority, name_user

    authority = Authority.open(str(user.server.state / "pki"))
    other = Authority.make(str(tmp_path / "pki"))
    assert authority.certificate.subject != other.certificate.subject  # no two are alike by themselves
    twin = Authority(authority.certificate, other._key, str(tmp_path))
    import datetime

    pair = twin.issue(name_user("tester"), datetime.timedelta(days=1), [])
    paths = [tmp_path / "cert.pem", tmp_path / "key.pem"]
    for path, data in zip(paths, pair, strict=True):
        path.write_bytes(data)
        path.chmod(0o400)
    nowhere = {"JALIEN_TOKEN_CERT": "/nowhere/c", "JALIEN_TOKEN_KEY": "/nowhere/k"}
    own = {"X509_USER_CERT": str(paths[0]), "X509_USER_KEY": str(paths[1]), **nowhere}
    refused = user.run("pwd", environment=own)
    assert (refused.returncode, refused.stderr.count(b"\n")) == (129, 1)
    assert b"does not take the client certificate" in refused.stderr
    file = str(tmp_path / "pki" / "ca.pem")
    untrusted = user.run("pwd", environment={"X509_CERT_FILE": file})
    assert untrusted.returncode == 107
    assert f"(authorities: {file})" in untrusted.stderr.decode()


@pytest.mark.parametrize("name", ["edit", "vi", "nano"])
def test_an_editor_that_needs_a_terminal_is_not_started_without_one(user: GridUser, name: str) -> None:
    for editor in ("", "/usr/bin/vim -n"):
        done = user.run(name, "data/a", environment={"EDITOR": editor})
        assert (done.returncode, done.stdout) == (22, b"")
        assert b"needs a terminal" in done.stderr
    assert b"no shell understands" in user.run("edit", "a", environment={"EDITOR": "'"}).stderr


def test_the_lines_to_paste_are_shown_at_a_terminal_and_lead_to_a_grid_that_answers(tmp_path: Path) -> None:
    world, state = World(tmp_path, {"TMPDIR": str(tmp_path)}), str(tmp_path / "state")
    first = Terminal(world, "grid", "pki", "--state", state, "init", columns=300)
    assert first.finish() == 0
    command = first.text.splitlines()[-1]
    assert command == f"headless grid pki --state {state} user NAME --out ~/.globus"
    second = Terminal(world, *command.replace("NAME", "anna").replace("~", str(tmp_path)).split()[1:], columns=300)
    assert second.finish() == 0
    third = Terminal(world, "grid", "serve", "--state", state, "--listen", "127.0.0.1:0", columns=300)
    third.expect("ALIENPY_JCENTRAL_PORT=")
    third.expect("\n")
    exports = [line.removeprefix("export ") for line in (second.text + third.text).splitlines() if "export " in line]
    variables = dict(pair.split("=") for line in exports for pair in line.split())
    assert variables["ALIENPY_JCENTRAL"] == "localhost"
    done = World(tmp_path, {"TMPDIR": str(tmp_path)}).run("grid", "pwd", environment=variables)
    assert done.stdout == b"/grid/user/a/anna/\n", done.stderr
    os.kill(third._process.pid, signal.SIGTERM)
    assert third.finish() == 0


def test_links_named_as_alien_pys_programs(user: GridUser, tmp_path: Path) -> None:
    for name in ("alien_ls", "alien-token-info", "alien.py"):
        (tmp_path / name).symlink_to(HEADLESS)

    def run(*words: str) -> bytes:
        environment = {**user.world.environment, **user.variables}
        return subprocess.run(
            [tmp_path / words[0], *words[1:]], env=environment, capture_output=True, check=True
        ).stdout

    assert run("alien_ls", "-F") == b"data/\n"
    assert run("alien.py", "pwd").decode() == HOME + "\n"
    assert run("alien-token-info").startswith(b"DN >>> ")


def test_help_is_there_without_a_server(user: GridUser) -> None:
    done = user.run("help", environment={"ALIENPY_JCENTRAL_PORT": "1", "ALIENPY_CONNECT_TRIES": "1"})
    assert (done.returncode, done.stderr.count(b"\n")) == (0, 1)
    assert {"lfn2uri", "whereis", "token-init"} <= set(done.stdout.decode().split())
