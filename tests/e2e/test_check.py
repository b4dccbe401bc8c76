"""``--check``: what it shows, what it tries, what it never does; and its exit codes, which are the launch's."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import Server, World, open_world


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the users ``batch``, who may run code and some modules, and ``idle``, who may run nothing."""
    with open_world() as world:
        server = world.serve()
        server.add_user("batch", "--allow-code", "--allow-module", "tid*")
        server.add_user("idle")
        yield server


@pytest.fixture
def login(server: Server) -> list[str]:
    """The options to log in as ``batch``."""
    return ["-s", server.service, "-u", "batch", "-p", f"{server.world.home}/batch.secret"]


def read_settings(output: bytes) -> dict[str, tuple[str, str]]:
    """For each setting that was shown its value and where it comes from."""
    lines = re.findall(r"^(\S+) +(.*)  \((.*)\)$", output.decode(), re.MULTILINE)
    return {name: (value, origin) for name, value, origin in lines}


def test_it_shows_what_is_resolved_and_where_from_and_runs_nothing(server: Server, login: list[str]) -> None:
    folder = server.world.home / ".config" / "headless"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('timeout = 90\nmodule = "tidy"\n')
    mark = server.world.home / "it-ran"
    code = f"open({str(mark)!r}, 'w')"
    done = server.world.run(
        "--check", *login, "-c", code, "-o", f"{mark}.output", "--", "hunter2",
        environment={"HEADLESS_NAME": "nightly"},
    )  # fmt: skip
    (folder / "config.toml").unlink()
    assert (done.returncode, done.stderr) == (0, b"")
    assert read_settings(done.stdout) == {
        "service": (server.service, "option"),
        "auth-type": ("challenge", "default"),
        "user": ("batch", "option"),
        "secret": (f"{server.world.home}/batch.secret", "option"),
        "py-code": (f"{len(code)} characters", "option"),
        "name": ("nightly", "variable"),
        "output": (f"{mark}.output", "option"),
        "connect-for": ("30", "default"),
        "reconnect-for": ("600", "default"),
        "timeout": ("90", f"{folder}/config.toml"),
        "arguments": ("1", "option"),
    }
    assert done.stdout.endswith(b"\nlogged in, and the job would be allowed; nothing was run\n")
    assert b"hunter2" not in done.stdout
    assert b"open(" not in done.stdout
    assert not mark.exists()
    assert not Path(f"{mark}.output").exists()
    assert "action=accept" not in server.log


def test_it_shows_defaults_and_no_secret_at_any_verbosity(server: Server, login: list[str]) -> None:
    done = server.world.run("--check", "-vvv", *login, "-c", "pass")
    assert done.returncode == 0
    assert read_settings(done.stdout)["timeout"] == ("none: it would not wait", "default")
    secret = (server.world.home / "batch.secret").read_bytes().strip()
    assert secret not in done.stdout + done.stderr
    assert b'> job.check {"kind": "code", "module": ""}\n' in done.stderr
    assert not re.search(rb"[pv]=[A-Za-z0-9+/]{43}=", done.stderr)


def test_quiet_leaves_the_exit_code_only(server: Server, login: list[str]) -> None:
    done = server.world.run("--check", "-q", *login, "-m", "tidy")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = server.world.run("--check", "-q", *login, "-m", "tid")
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["-p", "/no/such/secret", "-c", "pass"], 2, "secret file /no/such/secret is missing: run this once at a"),
        (["-s", "127.0.0.1:1", "-c", "pass"], 1, "cannot connect to 127.0.0.1:1: Connection refused"),
        (["-m", "tidi"], 2, "unknown module 'tidi': did you mean tidy?"),
        (["-m", "certificate-expiry"], 5, "batch may not run module 'certificate-expiry'"),
        (["-f", __file__], 5, "batch may not run scripts"),
        (["-f", "/no/such/script"], 2, "--py-file /no/such/script cannot be read: No such file or directory"),
        (["-c", "pass", "-t", "5", "-o", "/no/such/output"], 2, "--output /no/such/output cannot be written"),
        (["-c", "pass", "-t", "0"], 2, "timeout '0': give -1"),
        (["-t", "5"], 2, "no job given"),
        (["-u", "idle", "-c", "pass"], 5, "login refused: "),
    ],
)
def test_what_would_go_wrong_is_told_with_the_launchs_code(
    server: Server, login: list[str], words: list[str], code: int, reason: str
) -> None:
    done = server.world.run("--check", *login, *words)
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, len(lines)) == (code, 1), done.stderr
    assert lines[0].startswith(f"headless: {reason}")
    assert b"would be allowed" not in done.stdout


def test_a_user_without_permissions_is_told_so(server: Server) -> None:
    login = ["-s", server.service, "-u", "idle", "-p", f"{server.world.home}/idle.secret"]
    assert server.world.run("--check", *login, "-c", "pass").returncode == 5


def test_the_embedded_server_is_checked_by_starting_it(world: World) -> None:
    done = world.run("--check", "-c", "pass")
    shown = read_settings(done.stdout)
    assert (done.returncode, done.stderr) == (0, b"")
    assert shown["service"] == ("an embedded server", "default")
    assert shown["auth-type"] == ("osuser", "default")
    assert "secret" not in shown
    assert world.run("server", "status").returncode == 0
