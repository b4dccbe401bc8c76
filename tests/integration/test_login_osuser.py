"""The *osuser* login: the kernel says who is there, and what is claimed beyond that counts for nothing."""

import json
import os
import pwd
import subprocess
import sys

import pytest

from raw_session import as_nobody, raw_session
from support import HEADLESS, TIME_SCALE, Server, World

ME = pwd.getpwuid(os.geteuid()).pw_name
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the launcher is run as another OS user, nobody")


@pytest.fixture(scope="module")
def server(home: World) -> Server:
    server = home.serve()
    server.add_user("batch", "--allow-code")
    return server


def run_as_nobody(world: World, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a launch as another OS user, with the real setpriv."""
    folder = world.home / "nobody"
    if not folder.exists():
        folder.mkdir()
        os.chown(folder, 65534, 65534)
    return subprocess.run(
        as_nobody(HEADLESS, *arguments),
        env={**world.environment, "HOME": str(folder)}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
        timeout=30 * TIME_SCALE, check=False,
    )  # fmt: skip


def test_the_os_user_who_runs_the_server_may_do_everything(home: World, server: Server) -> None:
    with raw_session(server.unix) as session:
        assert session.result("login.osuser", user="")["user"] == ME
        for job in ({"kind": "code"}, {"kind": "script"}, {"kind": "module", "module": "tidy"}):
            assert session.result("job.check", **job) == {"allowed": True}
        assert session.result("server.status")["pid"] == server.process.pid
    done = home.run("-s", server.unix, "-u", ME, "-a", "osuser", "-c", "pass", "-t", "-1")
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_status_tells_where_it_really_listens(server: Server) -> None:
    with raw_session(server.unix) as session:
        session.result("login.osuser")
        assert session.result("server.status")["listen"] == [server.unix, server.service]


@pytest.mark.parametrize("name", sorted({"batch", "nobody", "stranger"} - {ME}))
def test_another_name_than_ones_own_is_refused(home: World, server: Server, name: str) -> None:
    done = home.run("-s", server.unix, "-u", name, "-c", "pass", "-t", "-1")
    assert done.returncode == 5
    assert b"login refused" in done.stderr


def test_over_tcp_nobodys_word_is_taken(home: World, server: Server) -> None:
    done = home.run("-s", server.service, "-a", "osuser", "-c", "pass")
    assert (done.returncode, b"unix socket" in done.stderr) == (2, True)
    with raw_session(server.service) as session:
        error = session.error("login.osuser", user=ME)
        assert error["data"] == {"exit_code": 5}
        assert "unix socket only" in error["message"]
        assert session.expect_close() == 1008


def test_challenge_works_over_the_unix_socket_too_and_makes_no_owner(home: World, server: Server) -> None:
    login = ["-s", server.unix, "-a", "challenge", "-u", "batch", "-p", str(home.home / "batch.secret")]
    assert home.run(*login, "-c", "pass", "-t", "-1").returncode == 0
    assert home.run(*login, "-m", "tidy", "-t", "-1").returncode == 5


@needs_root
@pytest.mark.peer("setpriv")
def test_another_os_user_may_only_what_it_was_granted_from_the_very_next_launch_on(home: World) -> None:
    server = home.serve(tls=False)
    code = ["-s", server.unix, "-c", "import os; print(os.getuid())", "-t", "-1", "-o", "-"]
    stranger = run_as_nobody(home, *code)
    assert (stranger.returncode, b"login refused" in stranger.stderr) == (5, True)
    server.user("add", "nobody", "--login", "osuser")
    done = run_as_nobody(home, *code)
    assert (done.returncode, b"headless user allow nobody --code" in done.stderr) == (5, True)
    server.user("allow", "nobody", "--code")
    done = run_as_nobody(home, *code)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"65534\n", b"")
    assert run_as_nobody(home, "-s", server.unix, "-m", "tidy", "-t", "-1").returncode == 5
    server.user("deny", "nobody", "--code")
    assert run_as_nobody(home, *code).returncode == 5
    server.user("allow", "nobody", "--code")
    server.user("disable", "nobody")
    assert b"login refused" in run_as_nobody(home, *code).stderr
    server.user("enable", "nobody")
    assert run_as_nobody(home, *code).returncode == 0
    server.user("remove", "nobody")
    assert run_as_nobody(home, *code).returncode == 5


@needs_root
@pytest.mark.peer("setpriv")
@pytest.mark.parametrize("claim", [ME, "batch", "other"])
def test_another_os_user_cannot_claim_the_owner_or_any_other_name(home: World, server: Server, claim: str) -> None:
    done = run_as_nobody(home, "-s", server.unix, "-u", claim, "-c", "pass", "-t", "-1")
    assert (done.returncode, b"login refused" in done.stderr) == (5, True)
    assert "uid=65534" in [line for line in server.log.splitlines() if "action=refused" in line][-1]


@needs_root
@pytest.mark.peer("setpriv")
def test_an_os_user_may_be_known_by_another_name(home: World) -> None:
    server = home.serve(tls=False)
    server.user("add", "printer", "--os-user", "nobody", "--allow-code")
    listed = json.loads(server.user("list", "--json").stdout)
    assert listed[0]["logins"] == ["osuser"]
    for more in ([], ["-u", "printer"], ["-u", "nobody"]):
        done = run_as_nobody(home, "-s", server.unix, *more, "-c", "pass", "-t", "-1")
        assert (done.returncode, done.stderr) == (0, b"")
    assert "login session=" in server.log and "user=printer auth=osuser from=unix uid=65534 owner=false" in server.log


@needs_root
@pytest.mark.peer("setpriv")
def test_only_the_owner_may_stop_the_server_and_see_its_status(home: World, server: Server) -> None:
    server.user("add", "nobody", "--login", "osuser")
    call = f"""
import sys; sys.path[:0] = {[path for path in sys.path if path]!r}
from headless.launcher.link import Link
from headless.launcher.talk import Talk
from headless.transport.client import connect
from headless.transport.address import parse_address
from headless.errors import Refused
link = Link(connect(parse_address({server.unix!r}), None, 10.0), Talk(0), 10.0)
link.call("login.osuser", {{}})
print(sorted(link.call("server.status", {{}})))
try: link.call("server.stop", {{}})
except Refused as exc: print(exc)
"""
    python = os.path.join(os.path.dirname(HEADLESS), "python")
    done = subprocess.run(
        as_nobody(python, "-c", call), capture_output=True, cwd="/", timeout=30 * TIME_SCALE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"'server'" in done.stdout and b"'pid'" not in done.stdout and b"'state'" not in done.stdout
    assert b"only the OS user who runs the server" in done.stdout
    assert server.process.poll() is None


def test_a_socket_of_mode_600_lets_only_its_owner_connect(home: World) -> None:
    server = home.serve("--socket-mode", "600", tls=False)
    path = server.unix.removeprefix("unix:")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert home.run("-s", server.unix, "-c", "pass", "-t", "-1").returncode == 0
    if os.geteuid() == 0:
        assert run_as_nobody(home, "-s", server.unix, "-c", "pass", "--connect-for", "1").returncode == 1
