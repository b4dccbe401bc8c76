"""Bad input to the launcher: one clear line that says what mends it, the right code, nothing started."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless.launcher.source import MAX_SCRIPT
from launch_support import Answer, fake_server, run_shell
from support import Server, World, open_world


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the users ``batch``, who may run everything, and ``limited``, who may run one module."""
    with open_world() as world:
        server = world.serve("--max-script", "100000")
        server.add_user("batch", "--allow-code", "--allow-script", "--allow-module", "*")
        server.add_user("limited", "--allow-module", "tidy")
        yield server


@pytest.fixture
def login(server: Server) -> list[str]:
    """The options to log in as ``batch``."""
    return ["-s", server.service, "-u", "batch", "-p", f"{server.world.home}/batch.secret"]


def refuse(world: World, *arguments: str, code: int = 2) -> str:
    """Run a launch that must fail with one line and nothing else; return the line without the program's name."""
    done = world.run(*arguments)
    text = done.stderr.decode()
    assert (done.returncode, done.stdout) == (code, b""), text
    assert text.startswith("headless: ")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return text.removeprefix("headless: ").removesuffix("\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "no job given: use -m MODULE, -f FILE or -c CODE; see 'headless --help'"),
        (["-t", "-1"], "no job given: use one of -m MODULE, -f FILE and -c CODE"),
        (["--", "-c", "pass"], "no job given: use one of -m MODULE, -f FILE and -c CODE"),
        (["-c", "pass", "-m", "x"], "more than one job given: use one of -m MODULE, -f FILE and -c CODE"),
        (["-f", "x", "-m", "x"], "more than one job given: use one of -m MODULE, -f FILE and -c CODE"),
        (["-c", ""], "--py-code is empty: give it a value or leave it out"),
        (["-m", ""], "--module is empty: give it a value or leave it out"),
        (["-f", ""], "--py-file is empty: give it a value or leave it out"),
        (["-c", "pass", "-t", "5", "-o", ""], "--output is empty: give it a value or leave it out"),
        (["-c", "pass", "stray"], "unexpected argument 'stray': arguments for the job come after --"),
        (["-c", "pass", "a", "--", "b"], "unexpected argument 'a': arguments for the job come after --"),
        (["-m", "a b"], "--module 'a b': letters, digits and _.@+:- only, at most 128"),
        (["-c", "pass", "--name", "-x"], "--name '-x': letters, digits and _.@+:- only, at most 128"),
        (["-c", "pass", "--exit-code", "mine"], "--exit-code 'mine': the only choice is 'job'"),
        (["-c", "pass", "-o", "/x"], "--output and --result need --timeout: without it nobody waits for them"),
        (["-c", "pass", "-t", "5", "-o", "-", "--result", "-"], "--output and --result cannot both go to -"),
        (["-c", "pass", "-a", "password"], "--auth-type 'password': use osuser, challenge, x509"),
        (
            ["-c", "pass", "-s", "h:1", "-a", "osuser"],
            "--auth-type osuser works over a unix socket only: use challenge",
        ),
        (["-c", "pass", "-s", "h:1", "-a", "x509"], "--auth-type x509 needs --service HOST:PORT and --cert FILE"),
        (["-c", "pass", "--connect-for", "-1"], "--connect-for -1: give a number of seconds"),
        (["--py-cod", "pass"], "No such option '--py-cod'"),
        (["-c", "pass", "-t"], "Option '--timeout' requires an argument"),
        (["launch"], "unknown command 'launch': known are audit, completion, grid, inventory, jobs"),
        (["schedul"], "unknown command 'schedul': did you mean 'headless schedule'? A launch begins with an option"),
    ],
)
def test_wrong_options_are_told_in_one_line(server: Server, words: list[str], reason: str) -> None:
    assert refuse(server.world, *words).startswith(reason)


@pytest.mark.parametrize("text", ["0", "-2", "abc", "1e9", "nan", ""])
@pytest.mark.parametrize("spelling", ["-t", "--timeout="])
def test_a_wrong_timeout_is_told_in_one_line(server: Server, spelling: str, text: str) -> None:
    words = [f"{spelling}{text}"] if spelling.endswith("=") else [spelling, text]
    line = refuse(server.world, "-c", "pass", *words)
    assert line == f"timeout {text!r}: give -1 to wait as long as it takes, or seconds from 0.001 to 31536000"


@pytest.mark.parametrize(
    ("service", "code", "reason"),
    [
        ("", 2, "service '' has no port: give HOST:PORT"),
        ("host", 2, "service 'host' has no port: give HOST:PORT"),
        ("host:", 2, "service 'host:' has a bad port: give a number from 1 to 65535"),
        ("host:0", 2, "service 'host:0' has a bad port"),
        ("host:70000", 2, "service 'host:70000' has a bad port"),
        ("host:https", 2, "service 'host:https' has a bad port"),
        ("unix:relative", 2, "service 'unix:relative' is not an absolute path: give unix:/path"),
        ("unix:/no/such/socket", 1, "cannot connect to unix:/no/such/socket: No such file or directory"),
        ("no-such-host.invalid:7443", 1, "cannot connect to no-such-host.invalid:7443: "),
    ],
)
def test_a_wrong_service_is_told_in_one_line(
    server: Server, login: list[str], service: str, code: int, reason: str
) -> None:
    line = refuse(server.world, *login, "-s", service, "-c", "pass", "--connect-for", "1", code=code)
    assert line.startswith(reason)


def test_nothing_listening_is_a_connection_error(server: Server, login: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    line = refuse(server.world, *login, "-s", f"127.0.0.1:{port}", "-c", "pass", "--connect-for", "1", code=1)
    assert line.startswith(f"cannot connect to 127.0.0.1:{port}: Connection refused")


def test_text_that_is_not_utf_8_is_told_in_one_line(server: Server) -> None:
    # Words of a command line are bytes; a crontab may well be in Latin 1.
    for words in (r"-c $(printf '\351')", r"-c pass -- $(printf '\351')", r"-c pass -u $(printf '\351')"):
        done = run_shell(server.world, f'exec "$H" {words}')
        assert (done.returncode, done.stderr[:19]) == (2, b"headless: '\\udce9' "), done.stderr
        assert b"is not UTF-8" in done.stderr


def test_a_script_of_no_use_is_told_in_one_line(server: Server, login: list[str], tmp_path: Path) -> None:
    (tmp_path / "latin-1.py").write_bytes(b"x = '\xe9'\n")
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(MAX_SCRIPT + 1)
    reasons = {
        "missing": "cannot be read: No such file or directory",
        ".": "cannot be read: Is a directory",
        "fifo": "is no regular file: save the script to one",  # and opening it does not wait for a writer
        "huge": f"has more than {MAX_SCRIPT} bytes: make it a module of the server",
        "latin-1.py": "is not UTF-8 (byte 0xe9 in line 1): save it as UTF-8, or declare its encoding in the first line",
    }
    for name, reason in reasons.items():
        path = f"{tmp_path}/{name}"
        assert refuse(server.world, *login, "-f", path).startswith(f"--py-file {path} {reason}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_script_that_cannot_be_read_is_told_in_one_line(server: Server, login: list[str], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.touch(mode=0)
    assert refuse(server.world, *login, "-f", str(script)) == f"--py-file {script} cannot be read: Permission denied"


def test_a_script_above_the_servers_limit_is_refused_with_the_limit(
    server: Server, login: list[str], tmp_path: Path
) -> None:
    script = tmp_path / "large.py"
    script.write_bytes(b"#" * 100_001)
    line = refuse(server.world, *login, "-f", str(script), "-t", "-1")
    assert line.startswith("the script has 100001 bytes, the server takes at most 100000 (max_script)")


def test_a_script_above_a_limit_that_is_told_at_login_is_not_even_sent(world: World, tmp_path: Path) -> None:
    script, path = tmp_path / "large.py", f"{world.home}/fake.sock"
    script.write_bytes(b"#" * 10_000_000)  # as one message it would end the session, with an unknown outcome
    with fake_server(path, {"login.osuser": {"user": "me", "max_script": 1000}}) as called:
        line = refuse(world, "-s", f"unix:{path}", "-f", str(script))
    assert line.startswith("the script has 10000000 bytes, the server takes at most 1000 (max_script)")
    assert called == ["login.osuser"]


def test_a_script_in_a_declared_encoding_runs(server: Server, login: list[str], tmp_path: Path) -> None:
    script = tmp_path / "latin-1.py"
    script.write_bytes(b"# -*- coding: latin-1 -*-\nprint('\xe9' == chr(0xe9))\n")
    done = server.world.run(*login, "-f", str(script), "-t", "-1", "-o", "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"True\n", b"")


@pytest.mark.parametrize(
    ("source", "reason", "shown"),
    [
        (b"def f(:\n", "failed: SyntaxError: invalid syntax", "    def f(:\n          ^\n"),
        (b"print(1)\0\n", "Error: source code", "cannot contain null bytes\n"),
        (b"x = 1\nx.y\n", "failed: AttributeError: ", ", line 2, in <module>\n"),
    ],
)
def test_a_script_with_an_error_in_it_fails_with_its_traceback(
    server: Server, login: list[str], tmp_path: Path, source: bytes, reason: str, shown: str
) -> None:
    script = tmp_path / "wrong.py"
    script.write_bytes(source)
    done = server.world.run(*login, "-f", str(script), "-t", "-1")
    first, _, rest = done.stderr.decode().partition("\n")
    assert (done.returncode, done.stdout) == (4, b"")
    assert reason in first
    assert shown in rest


def test_an_unknown_module_is_refused_with_the_nearest_names(server: Server, login: list[str]) -> None:
    line = refuse(server.world, *login, "-m", "certificate-expirey", "-t", "-1")
    assert line == "unknown module 'certificate-expirey': did you mean certificate-expiry?"


@pytest.mark.parametrize("words", [["-c", "pass"], ["-m", "certificate-expiry"], ["-f", __file__]])
def test_what_is_not_permitted_is_refused(server: Server, words: list[str]) -> None:
    login = ["-s", server.service, "-u", "limited", "-p", f"{server.world.home}/limited.secret"]
    assert "limited" in refuse(server.world, *login, *words, code=5)


def test_a_secret_of_another_user_is_refused_with_a_hint(server: Server) -> None:
    secret = f"{server.world.home}/limited.secret"
    line = refuse(server.world, "-s", server.service, "-u", "batch", "-p", secret, "-c", "pass", code=5)
    assert line.startswith("login refused: unknown user, wrong secret, or user disabled: ")
    assert f"{secret} was not made for user batch on this server, or the user is unknown or disabled there" in line


def test_a_secret_file_of_no_use_is_told_before_anything_is_connected(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    shutil.copy(f"{server.world.home}/batch.secret", secret)
    secret.chmod(0o644)
    # Port 1 has no listener: a connection would be told as such, with code 1.
    line = refuse(server.world, "-s", "127.0.0.1:1", "-u", "batch", "-p", str(secret), "-c", "pass")
    assert line == f"secret file {secret} is open to others (mode 0644): chmod 400 {secret}"


def test_nothing_is_left_behind_by_what_was_refused(server: Server, login: list[str]) -> None:
    before = sorted(path.name for path in (server.state / "jobs").iterdir())
    refuse(server.world, *login, "-m", "no-such", "-t", "-1", "-o", f"{server.world.home}/never")
    refuse(server.world, *login, "-c", "pass", "-t", "0")
    assert sorted(path.name for path in (server.state / "jobs").iterdir()) == before
    assert not (server.world.home / "never").exists()
    assert not (server.world.home / ".local").exists()


def test_an_answer_of_invalid_parameters_is_a_parameter_error(world: World) -> None:
    path = f"{world.home}/fake.sock"
    refusal = {"error": {"code": -32602, "message": "job.start: more than 1000 arguments", "data": {"exit_code": 1}}}
    with fake_server(path, {"login.osuser": {"user": "me"}, "job.start": refusal}):
        assert refuse(world, "-s", f"unix:{path}", "-c", "pass") == "job.start: more than 1000 arguments"


def test_a_servers_error_cannot_write_to_the_terminal(world: World) -> None:
    path = f"{world.home}/fake.sock"
    refusal = {"error": {"code": -32001, "message": "a\x1b]0;b\x07\nheadless: c", "data": {"exit_code": 5}}}
    with fake_server(path, {"login.osuser": refusal}):
        assert refuse(world, "-s", f"unix:{path}", "-c", "pass", code=5) == "a\ufffd]0;b\ufffd headless: c"


def test_a_slow_standard_input_does_not_cost_the_connection(world: World) -> None:
    path = f"{world.home}/fake.sock"
    answers: dict[str, Answer] = {"login.osuser": {"user": "me"}, "job.upload": {"size": 0}, "job.start": {}}
    # A server of less patience than ours: it closes a session that leaves its pings unanswered for 2 s.
    with fake_server(path, answers, ping_interval=0.2, ping_timeout=2) as called:
        done = run_shell(world, f'(sleep 3; echo late) | exec "$H" -s unix:{path} --stdin -c pass')
    assert (done.returncode, done.stderr) == (0, b"")
    assert called == ["login.osuser", "job.upload", "job.start"]
