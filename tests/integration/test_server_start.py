"""A server's start: settings from a file and from options, its certificate, and every reason not to start."""

import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from authority import Authority
from headless.server.settings import ServerSettings
from raw_session import as_nobody
from support import HEADLESS, TIME_SCALE, World, wait_for


def serve(world: World, *options: str) -> "subprocess.CompletedProcess[bytes]":
    """Start a server that is to end by itself."""
    return world.run("serve", *options, limit_s=15)


def refusal(world: World, *options: str) -> tuple[int, str]:
    """Its exit code and the one line that it ends with."""
    done = serve(world, *options)
    assert done.stdout == b""
    return done.returncode, done.stderr.decode().splitlines()[-1]


def test_every_setting_is_an_option_too(world: World) -> None:
    text = world.run("serve", "--help").stdout.decode()
    for item in fields(ServerSettings):
        assert f"--{item.name.replace('_', '-')}" in text


def test_a_file_is_all_that_is_needed_and_its_paths_are_relative_to_it(world: World) -> None:
    folder = world.home / "etc"
    (folder / "modules").mkdir(parents=True)
    (folder / "modules" / "hello.py").write_text("import os\nprint(os.environ['GREETING'])\n")
    (folder / "server.toml").write_text(
        f"listen = ['unix:{world.home}/s.sock']\nstate = 'state'\nmodules = ['modules']\n"
        "environment = {GREETING = 'hi'}\n"
    )
    log = (world.home / "log").open("wb")
    with log, RunningServer(world, log.fileno(), "--config", str(folder / "server.toml")):
        done = world.run("-s", f"unix:{world.home}/s.sock", "-m", "hello", "-t", "-1", "-o", "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hi\n", b"")
    assert (folder / "state" / "journal.db").is_file()


def test_an_option_wins_over_the_file(world: World) -> None:
    config = world.home / "server.toml"
    config.write_text("max_script = 10\nenvironment = {A = 'file'}\nshipped_modules = true\n")
    server = world.serve("--config", str(config), "--max-script", "100", "--environment", "A=option", tls=False)
    code = "import os; print(os.environ['A'])"
    done = world.run("-s", server.unix, "-c", code, "-t", "-1", "-o", "-")
    assert (done.returncode, done.stdout) == (0, b"option\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("liste = ['x']", "unknown setting 'liste': did you mean 'listen'?"),
        ("modules = ['gone']", "/gone is no folder"),
        ("python = 'gone'", "/gone is no program"),
        ("[", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(world: World, text: str, message: str) -> None:
    config = world.home / "server.toml"
    config.write_text(f"state = '{world.home}/state'\nlisten = ['unix:{world.home}/s.sock']\n{text}\n")
    code, line = refusal(world, "--config", str(config))
    assert (code, message in line) == (2, True), line
    assert not (world.home / "state").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--listen", "127.0.0.1:x"], 2, "has a bad port"),
        (["--listen", "no-such-host.invalid:7443"], 2, "cannot listen on no-such-host.invalid:7443"),
        (["--listen", "192.0.2.1:7443"], 1, "cannot listen on 192.0.2.1:7443"),
        (["--listen", "unix:/no/such/folder/s.sock"], 2, "folder"),
        ([], 2, "nowhere to listen: give --listen"),
        (["--listen", "127.0.0.1:0", "--certificate", "/gone.pem"], 2, "go together"),
        (["--listen", "127.0.0.1:0", "--certificate", "/gone.pem", "--key", "/gone.key"], 2, "/gone.pem"),
        (["--listen", "127.0.0.1:0", "--client-ca", "/gone.pem"], 2, "/gone.pem cannot be read"),
        (["--listen", "127.0.0.1:0", "--environment", "A"], 2, "give NAME=VALUE"),
        (["--listen", "127.0.0.1:0", "--log-file", "/no/such/folder/log"], 2, "cannot be written"),
        (["--config", "/gone.toml"], 2, "--config /gone.toml cannot be read"),
    ],
)
def test_a_start_that_cannot_be_says_why_and_leaves_nothing_behind(
    world: World, options: list[str], code: int, message: str
) -> None:
    first = ["--listen", f"unix:{world.home}/first.sock"] if "--listen" in options else []
    status, line = refusal(world, "--state", str(world.home / "state"), *first, *options)
    assert (status, message in line) == (code, True), line
    assert not (world.home / "first.sock").exists()


def test_a_port_that_is_in_use_is_exit_1(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, line = refusal(world, "--state", str(world.home / "state"), "--listen", address)
    assert code == 1
    assert f"cannot listen on {address}: Address already in use" in line


def test_a_unix_socket_of_a_running_server_is_left_to_it_and_a_dead_ones_is_replaced(world: World) -> None:
    server = world.serve(tls=False)
    code, line = refusal(world, "--state", str(world.home / "other"), "--listen", server.unix)
    assert (code, "another server does" in line) == (1, True), line
    assert world.run("-s", server.unix, "-c", "pass", "-t", "-1").returncode == 0
    server.process.kill()
    server.process.wait()
    assert os.path.exists(server.unix.removeprefix("unix:"))
    again = world.serve(state=server.state, tls=False)
    assert world.run("-s", again.unix, "-c", "pass", "-t", "-1").returncode == 0


def test_something_else_in_the_sockets_place_is_never_removed(world: World) -> None:
    (world.home / "file").write_text("precious")
    code, line = refusal(world, "--state", str(world.home / "s"), "--listen", f"unix:{world.home}/file")
    assert (code, "is there and no socket" in line) == (2, True)
    assert (world.home / "file").read_text() == "precious"


def test_a_state_folder_belongs_to_one_server(world: World) -> None:
    server = world.serve(tls=False)
    code, line = refusal(world, "--state", str(server.state), "--listen", f"unix:{world.home}/other.sock")
    assert (code, line) == (2, f"headless: state folder {server.state} is in use by another server")


def test_a_state_folder_that_others_can_write_is_refused_with_what_mends_it(world: World) -> None:
    state = world.home / "state"
    state.mkdir()
    state.chmod(0o777)
    code, line = refusal(world, "--state", str(state), "--listen", f"unix:{world.home}/s.sock")
    assert (code, f"chmod go-w {state}" in line) == (2, True)
    assert list(state.iterdir()) == []


def test_a_state_folder_that_is_a_file_is_refused(world: World) -> None:
    (world.home / "state").write_text("")
    code, line = refusal(world, "--state", str(world.home / "state"), "--listen", f"unix:{world.home}/s.sock")
    assert (code, "File exists" in line) == (2, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a folder of another user is made")
def test_a_state_folder_of_another_user_is_refused_before_anything_is_written(world: World) -> None:
    state = world.home / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    code, line = refusal(world, "--state", str(state), "--listen", f"unix:{world.home}/s.sock")
    assert (code, "belongs to user 65534" in line) == (2, True)
    assert list(state.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the server is started as another user")
@pytest.mark.peer("setpriv")
@pytest.mark.parametrize("place", ["state", "state/deeper"])
def test_a_folder_that_cannot_be_written_is_refused(world: World, place: str) -> None:
    (world.home / "state").mkdir(mode=0o755)
    done = subprocess.run(
        as_nobody(HEADLESS, "serve", "--state", str(world.home / place), "--listen", f"unix:{world.home}/s.sock"),
        env=world.environment, cwd="/", capture_output=True, timeout=15 * TIME_SCALE, check=False,
    )  # fmt: skip
    assert (done.returncode, str(world.home).encode() in done.stderr) == (2, True), done.stderr


def test_the_certificate_is_made_once_and_its_key_is_nobody_elses(world: World) -> None:
    state, pattern = world.home / "state", r"certificate file=(\S+) sha256=(\S+)"
    server = world.serve(state=state)
    assert server.stop() == 0
    again = world.serve(state=state)
    found = re.findall(pattern, again.log)
    assert len(found) == 2 and found[0] == found[1]
    assert found[0][0] == str(state / "server.pem")
    assert stat.S_IMODE((state / "server.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((state / "server.pem").stat().st_mode) == 0o644
    shown = ssl.PEM_cert_to_DER_cert((state / "server.pem").read_text())
    assert shown == ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(_place(again.service)))


def test_the_made_certificate_can_be_checked_by_its_own_file(world: World) -> None:
    server = world.serve()
    login = server.add_user("batch", "--allow-code")
    port = server.service.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        where = ["-s", f"{host}:{port}", *login[2:]]
        done = world.run(*where, "--ca-file", str(server.state / "server.pem"), "-c", "pass", "-t", "-1")
        assert (done.returncode, done.stderr) == (0, b"")


def test_the_sites_own_certificate_is_shown_and_checked(world: World) -> None:
    authority = Authority(world.home)
    certificate, key = authority.issue_server()
    server = world.serve("--certificate", certificate, "--key", key)
    login = server.add_user("batch", "--allow-code")
    for more in ([], ["--ca-file", authority.file]):
        done = world.run(*login, *more, "-c", "pass", "-t", "-1")
        assert (done.returncode, done.stderr) == (0, b"")
    other = Authority(world.home, "other")
    done = world.run(*login, "--ca-file", other.file, "-c", "pass", "-t", "-1")
    assert (done.returncode, b"the server's certificate is not trusted" in done.stderr) == (1, True)
    assert not (server.state / "server.pem").exists()


@pytest.mark.parametrize("kind", ["passphrase", "mismatch", "swapped", "no certificate"])
def test_a_pair_that_is_none_is_refused_in_one_line(world: World, kind: str) -> None:
    authority = Authority(world.home)
    certificate, key = authority.issue("a", passphrase=b"x" if kind == "passphrase" else None)
    if kind == "mismatch":
        key = authority.issue("b")[1]
    elif kind == "swapped":
        certificate, key = key, certificate
    elif kind == "no certificate":
        Path(certificate).write_text("nothing")
    pair = ["--certificate", certificate, "--key", key]
    code, line = refusal(world, "--state", str(world.home / "state"), "--listen", "127.0.0.1:0", *pair)
    assert code == 2
    assert ("passphrase" in line) == (kind == "passphrase")
    assert "password:" not in line


def test_a_launch_leaves_one_line_each_for_login_acceptance_start_and_end(world: World) -> None:
    server = world.serve()
    login = server.add_user("batch", "--allow-code")
    assert world.run(*login, "-c", "raise SystemExit(3)", "-t", "-1", "--name", "night").returncode == 4
    server.wait_log("action=end job=")
    lines = [line for line in server.log.splitlines() if "user=batch" in line]
    job = re.search(r"job=(\w{26})", lines[1])
    session = re.search(r"session=(\w{8})", lines[0])
    assert job and session
    expected = [
        rf"login session={session[1]} user=batch auth=challenge from=127\.0\.0\.1 owner=false",
        rf"accept job={job[1]} name=night kind=code user=batch from=127\.0\.0\.1",
        rf"start job={job[1]} name=night user=batch",
        rf"end job={job[1]} name=night user=batch state=failed ending=status code=3 duration_s=\d+\.\d{{3}} reason=.*",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z INFO action={pattern}", line), line


def test_an_end_is_told_once_whatever_restarts(world: World) -> None:
    state = world.home / "state"
    server = world.serve(state=state, tls=False)
    assert world.run("-s", server.unix, "-c", "pass", "-t", "-1").returncode == 0
    assert server.stop() == 0
    for _ in range(2):
        assert world.serve(state=state, tls=False).stop() == 0
    assert len(re.findall("action=end job=", server.log)) == 1


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"{}" * 5000, "file is not a database: restore it from a backup"),
        (b"SQLite format 3\0" + bytes(5000), "restore it from a backup"),
    ],
)
def test_a_journal_that_is_none_is_told_and_kept(world: World, content: bytes, line: str) -> None:
    state = world.home / "state"
    state.mkdir(mode=0o700)
    (state / "journal.db").write_bytes(content)
    code, said = refusal(world, "--state", str(state), "--listen", f"unix:{world.home}/s.sock")
    assert code == 2
    assert line in said
    assert (state / "journal.db").read_bytes() == content


def _place(service: str) -> tuple[str, int]:
    host, _, port = service.rpartition(":")
    return host, int(port)


class RunningServer:
    """A server that World.serve() cannot start: all its settings are in a file."""

    def __init__(self, world: World, log: int, *options: str) -> None:
        self._world, self._log, self._options = world, log, options

    def __enter__(self) -> None:
        program = shutil.which(HEADLESS)
        assert program
        self._process = subprocess.Popen(
            [program, "serve", *self._options],
            env=self._world.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        log = self._world.home / "log"
        wait_for(lambda: "listening address=" in log.read_text() or self._process.poll() is not None, "the server")
        assert self._process.poll() is None, log.read_text()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        assert self._process.wait(20 * TIME_SCALE) == 0
