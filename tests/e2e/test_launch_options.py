"""Every option of the launcher, in each of its spellings, through the installed command and a real server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless.cli.main import COMMANDS
from launch_support import wait_code
from support import Server, open_world

SHOW_ARGUMENTS = "import sys; print(sys.argv[1:])"
FAIL = "import sys; print('some output'); print('why', file=sys.stderr); sys.exit(7)"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with a module ``hello`` and the user ``batch``, who may run everything."""
    with open_world() as world:
        modules = world.home / "modules"
        modules.mkdir()
        (modules / "hello.py").write_text("import sys; print('hello', *sys.argv[1:])\n")
        server = world.serve("--modules", str(modules))
        server.add_user("batch", "--allow-code", "--allow-script", "--allow-module", "*")
        (world.home / "script.py").write_text("print('a script')\n")
        yield server


@pytest.fixture
def secret(server: Server) -> str:
    """The secret file of ``batch``."""
    return f"{server.world.home}/batch.secret"


@pytest.fixture
def login(server: Server, secret: str) -> list[str]:
    """The options to log in over TLS."""
    return ["-s", server.service, "-u", "batch", "-p", secret]


@pytest.mark.parametrize(
    "spelling",
    [
        "-s {s} -u batch -a challenge -p {p} -c pass -t -1",
        "-s{s} -ubatch -achallenge -p{p} -cpass -t-1",
        "--service {s} --user batch --auth-type challenge --secret {p} --py-code pass --timeout -1",
        "--service={s} --user=batch --auth-type=challenge --secret={p} --py-code=pass --timeout=-1",
        "--service={s} --user=batch --auth_type=challenge --secret={p} --py_code=pass --timeout=-1",
        "--service {s} --user batch --auth_type challenge --secret {p} --py_file {f} --timeout 60",
        "-s {s} -u batch -p {p} --py-file {f} -t 60.5",
        "-s {s} -u batch -p {p} -f{f} -t60",
        "-s {s} -u batch -p {p} -m hello -t 60",
        "-s {s} -u batch -p {p} --module=hello -q --timeout=60 --connect-for 5 --connect_for=5",
        "-s {u} -a osuser -c pass -t 60",
        "-s {u} -c pass",
    ],
)
def test_a_job_that_ends_well_is_silent_in_every_spelling(server: Server, secret: str, spelling: str) -> None:
    values = {"s": server.service, "u": server.unix, "p": secret, "f": f"{server.world.home}/script.py"}
    done = server.world.run(*(word.format(**values) for word in spelling.split()))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_without_a_timeout_the_launch_returns_once_the_job_is_accepted(
    server: Server, login: list[str], tmp_path: Path
) -> None:
    mark = tmp_path / "end"
    done = server.world.run(*login, "-v", "-c", wait_code(mark))
    assert done.returncode == 0
    job = re.search(r"job (\w{26}) accepted", done.stderr.decode())
    assert job
    assert re.search(rf"action=accept job={job[1]} .*user=batch", server.log)
    assert f"action=end job={job[1]} " not in server.log
    mark.touch()
    server.wait_log(rf"action=end job={job[1]} ")


def test_a_time_out_leaves_the_job_running(server: Server, login: list[str], tmp_path: Path) -> None:
    mark, after = tmp_path / "end", tmp_path / "after"
    code = f"{wait_code(mark)}\nopen({str(after)!r}, 'w').close()"
    # Also where the job's own status is wanted: it has none yet.
    done = server.world.run(*login, "-c", code, "-t", "0.2", "--exit-code", "job")
    assert (done.returncode, done.stdout) == (3, b"")
    found = re.fullmatch(r"headless: job (\w{26}) is still running after 0.2 s, and goes on\n", done.stderr.decode())
    assert found
    mark.touch()
    server.wait_log(rf"action=end job={found[1]} ")
    assert after.exists()


@pytest.mark.parametrize("words", [[], ["a", "b c"], ["-v", "--timeout", "5"], ["", "--", "ä", "-c", "*"]])
def test_what_stands_after_two_dashes_is_the_jobs(server: Server, login: list[str], words: list[str]) -> None:
    done = server.world.run(*login, "-t", "-1", "-o", "-", "-c", SHOW_ARGUMENTS, "--", *words)
    assert (done.returncode, done.stdout.decode()) == (0, f"{words}\n")


def test_two_dashes_may_follow_any_job(server: Server, login: list[str]) -> None:
    done = server.world.run(*login, "-t", "-1", "-o", "-", "-m", "hello", "--", "world")
    assert (done.returncode, done.stdout) == (0, b"hello world\n")


def test_output_and_result_go_where_they_are_told(server: Server, login: list[str], tmp_path: Path) -> None:
    output, result = tmp_path / "output", tmp_path / "result"
    output.write_text("of last night, and longer than the new one")
    code = "from headless import job; print('new'); job.result({'a': [1, None]})"
    done = server.world.run(*login, "-t", "-1", "-c", code, "-o", str(output), "--result", str(result))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert output.read_text() == "new\n"
    assert json.loads(result.read_text()) == {"a": [1, None]}


def test_standard_input_reaches_the_job_only_if_handed_over(server: Server, login: list[str]) -> None:
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    data = bytes(range(256)) * 10_000
    options = [*login, "-t", "-1", "-o", "-", "-c", code]
    assert server.world.run(*options, "--stdin", stdin=data).stdout == data
    assert server.world.run(*options, "--stdin", stdin=b"").stdout == b""
    assert server.world.run(*options, stdin=data).stdout == b""


def test_a_name_is_in_the_servers_log(server: Server, login: list[str]) -> None:
    assert server.world.run(*login, "-c", "pass", "--name", "month-end", "-t", "-1").returncode == 0
    assert "name=month-end" in server.log


def test_a_failure_is_told_in_one_line_and_the_last_lines_of_output(server: Server, login: list[str]) -> None:
    done = server.world.run(*login, "-c", FAIL, "-t", "-1")
    assert (done.returncode, done.stdout) == (4, b"")
    assert re.fullmatch(
        r"headless: job \w{26} failed: exit status 7\n"
        r"--- the end of its stdout:\nsome output\n--- the end of its stderr:\nwhy\n",
        done.stderr.decode(),
    )


@pytest.mark.parametrize("words", [["-q"], ["--quiet"], ["-qv"], ["-vq"], ["-q", "-vvv"], ["-qq"]])
def test_an_explicit_quiet_says_nothing_at_all(server: Server, login: list[str], words: list[str]) -> None:
    done = server.world.run(*login, *words, "-t", "-1", "-c", FAIL)
    assert (done.returncode, done.stdout, done.stderr) == (4, b"", b"")


@pytest.mark.parametrize(
    "words",
    [
        ["-q"],
        ["-q", "-c", "pass", "-m", "x"],
        ["-q", "--nonsense"],
        ["-qz"],
        ["-q", "-c", "pass", "stray"],
        ["-c", "pass", "-q", "-s", "127.0.0.1:1", "--connect-for", "0.5"],
        ["-c", "pass", "-p", "/no/such", "-a", "challenge", "-q"],
        ["-c", "pass", "-t", "never", "-vq"],
        ["-q", "-t"],
    ],
)
def test_quiet_is_quiet_about_every_error(server: Server, words: list[str]) -> None:
    done = server.world.run(*words)
    assert done.returncode in (1, 2)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize(
    ("verbosity", "kinds"), [("-v", {"headless:"}), ("-vv", {"headless:", ">"}), ("-vvv", {"headless:", ">", "<"})]
)
def test_each_verbose_adds_what_the_table_says_and_no_secret(
    server: Server, login: list[str], secret: str, verbosity: str, kinds: set[str]
) -> None:
    done = server.world.run(*login, verbosity, "-c", "pass", "-t", "-1")
    text = done.stderr.decode()
    assert (done.returncode, done.stdout) == (0, b"")
    assert {line.split()[0] for line in text.splitlines()} == kinds
    for what in (r"logged in as batch \(challenge\)", r"job \w{26} accepted", r"job \w{26} ended well after [\d.]+ s"):
        assert re.search(f"^headless: {what}$", text, re.MULTILINE)
    assert ('> login.proof {"client_final": "***"}' in text) == (">" in kinds)
    assert ('< result {"server_final": "***", ' in text) == ("<" in kinds)
    assert Path(secret).read_text().strip() not in text
    # In the form of SCRAM, a proof is p=... and the server's signature v=..., both of 44 characters.
    assert not re.search(r"[pv]=[A-Za-z0-9+/]{43}=", text)


@pytest.mark.parametrize(("code", "status"), [("pass", 0), ("raise SystemExit(7)", 7), ("1/0", 1)])
def test_the_jobs_own_status_is_passed_through_if_wanted(
    server: Server, login: list[str], code: str, status: int
) -> None:
    assert server.world.run(*login, "--exit-code", "job", "-t", "-1", "-c", code).returncode == status


def test_a_jobs_signal_is_passed_through_as_a_shell_tells_it(server: Server, login: list[str]) -> None:
    code = "import os; os.kill(os.getpid(), 9)"
    done = server.world.run(*login, "--exit_code=job", "-t", "-1", "-c", code)
    assert done.returncode == 137
    assert b"failed: killed by signal 9 (SIGKILL)" in done.stderr


def test_the_help_fits_the_page_and_names_every_option_and_command(server: Server) -> None:
    done = server.world.run("--help", environment={"COLUMNS": "200"})
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert max(map(len, text.splitlines())) <= 120
    for command in COMMANDS:
        assert re.search(rf"^ +{command} {{2,}}\w", text, re.MULTILINE)
    for option in ("service", "timeout", "user", "auth-type", "secret", "module", "py-file", "py-code", "quiet"):
        assert f"--{option}" in text
    assert server.world.run("-h").stdout == server.world.run("--help").stdout


def test_the_version_is_told(server: Server) -> None:
    assert re.fullmatch(rb"headless \d+\.\d+\.\d+\n", server.world.run("--version").stdout)
