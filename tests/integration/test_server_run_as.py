"""A server that runs as root: each job is its own user's, and reaches neither another's job nor the server's state."""

import grp
import os
import pwd
import subprocess
import sys

import pytest

from raw_session import as_nobody, new_job_id, raw_session
from support import HEADLESS, TIME_SCALE, Server, World, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: jobs run as other OS users")
NOBODY = 65534


@pytest.fixture(scope="module")
def server(home: World) -> Server:
    server = home.serve()
    server.add_user("batch", "--allow-code", "--allow-script", "--allow-module", "*", "--run-as", "nobody")
    server.add_user("boss", "--allow-code", "--run-as", "root")
    return server


def run(home: World, server: Server, user: str, code: str) -> "subprocess.CompletedProcess[bytes]":
    secret = str(home.home / f"{user}.secret")
    return home.run("-s", server.service, "-u", user, "-p", secret, "-c", code, "-t", "-1", "-o", "-")


@needs_root
def test_a_job_runs_as_its_users_os_user_with_its_groups_and_home(home: World, server: Server) -> None:
    entry = pwd.getpwuid(NOBODY)
    code = "import os; print(os.getresuid(), os.getresgid(), sorted(os.getgroups()), *map(os.getenv, ('HOME', 'USER')))"
    done = run(home, server, "batch", code)
    groups = sorted(os.getgrouplist(entry.pw_name, entry.pw_gid))
    ids, gids = (NOBODY,) * 3, (entry.pw_gid,) * 3
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{ids} {gids} {groups} {entry.pw_dir} {entry.pw_name}\n"


@needs_root
def test_groups_are_those_of_the_user_and_none_of_roots(home: World, server: Server) -> None:
    """nobody has but one group nearly everywhere: so a user that has more, of those that each system has."""
    name = next((entry.pw_name for entry in pwd.getpwall() if entry.pw_uid and _extra_groups(entry.pw_name)), "")
    if not name:
        pytest.skip("no OS user of this machine has a second group")
    server.add_user("grouped", "--allow-code", "--run-as", name)
    done = run(home, server, "grouped", "import os; print(sorted(os.getgroups()))")
    assert done.stdout.decode() == f"{sorted(os.getgrouplist(name, pwd.getpwnam(name).pw_gid))}\n"


def _extra_groups(name: str) -> list[str]:
    return [group.gr_name for group in grp.getgrall() if name in group.gr_mem]


@needs_root
def test_a_job_reads_neither_the_state_nor_another_users_job(home: World, server: Server) -> None:
    gate, job_id = home.home / "gate", new_job_id()
    code = f"import os, time\nopen('private', 'w').write('x')\nwhile not os.path.exists({str(gate)!r}): time.sleep(.01)"
    with raw_session(server.service) as session:
        assert "result" in session.log_in("boss", (home.home / "boss.secret").read_bytes().strip())
        assert "result" in session.start_code(code, job_id)
    folder = server.state / "jobs" / job_id
    wait_for(lambda: (folder / "work" / "private").exists(), "the other job's file")
    secrets = [server.state / name for name in ("users.json", "mock.key", "server.key", "lock", "journal", "uploads")]
    others = [
        folder / "plan.json",
        folder / "stdout",
        folder / "work",
        folder / "work" / "private",
        folder / "script.py",
    ]
    probe = "\n".join(
        [
            "import os",
            f"for path in {[str(path) for path in (*secrets, *others)]!r}:",
            "    for attempt in (lambda: open(path).read(1), lambda: os.listdir(path), lambda: open(path, 'a')):",
            "        try: attempt()",
            "        except OSError: continue",
            "        print('reached', path)",
            f"for path in {[str(server.state), str(server.state / 'jobs'), str(server.state / 'journal')]!r}:",
            "    try: open(os.path.join(path, 'planted'), 'w'); print('wrote', path)",
            "    except OSError: pass",
            "print('tried')",
        ]
    )
    done = run(home, server, "batch", probe)
    gate.touch()
    assert (done.returncode, done.stdout) == (0, b"tried\n"), done.stderr


@needs_root
def test_a_job_cannot_signal_its_supervisor(home: World, server: Server) -> None:
    code = "import os, signal\ntry: os.kill(os.getppid(), signal.SIGKILL)\nexcept PermissionError: print('no')"
    done = run(home, server, "batch", code)
    assert (done.returncode, done.stdout) == (0, b"no\n")


@needs_root
def test_whatever_the_umask_of_the_server_is_jobs_reach_their_folders(world: World) -> None:
    before = os.umask(0o077)
    try:
        server = world.serve()
        server.add_user("batch", "--allow-code", "--run-as", "nobody")
    finally:
        os.umask(before)
    done = run(world, server, "batch", "import os; open('x', 'w'); print(os.listdir())")
    assert (done.returncode, done.stdout) == (0, b"['x']\n"), done.stderr


@needs_root
@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("nosuchuser", "headless user allow nosuchuser --run-as OS-USER"),
        ("root", "headless user allow root --run-as root"),
    ],
)
def test_a_user_who_is_mapped_to_nobody_is_refused_with_the_fix(
    home: World, server: Server, name: str, fix: str
) -> None:
    server.user("add", name, "--allow-code", "--secret-out", str(home.home / f"{name}.secret"))
    done = run(home, server, name, "pass")
    assert (done.returncode, fix in done.stderr.decode()) == (5, True), done.stderr
    assert len(done.stderr.splitlines()) == 1
    server.user("allow", name, "--run-as", "nobody")
    assert run(home, server, name, "pass").returncode == 0


def others_have_python() -> bool:
    """Whether another OS user can start this interpreter: one below /root it cannot."""
    if os.geteuid() != 0:
        return False
    try:
        return subprocess.run([sys.executable, "-I", "-c", ""], user=NOBODY, check=False).returncode == 0
    except OSError:
        return False


def start_as(world: World, uid: int) -> "subprocess.Popen[bytes]":
    """Start a server as another OS user, in a home of its own, with the real setpriv."""
    folder = world.home / "theirs"
    folder.mkdir()
    os.chown(folder, uid, NOBODY)
    command = as_nobody(HEADLESS, "serve", "--listen", f"unix:{folder}/s.sock", "--state", f"{folder}/state")
    command[1] = f"--reuid={uid}"
    process = subprocess.Popen(
        command, env={**world.environment, "HOME": str(folder)}, cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if b"action=listening" in line:
            return process
    raise AssertionError("the server did not start")


def user_command(world: World, uid: int, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    command = as_nobody(HEADLESS, "user", *arguments, "--state", f"{world.home}/theirs/state")
    command[1] = f"--reuid={uid}"
    return subprocess.run(
        command, env=world.environment, cwd="/", capture_output=True, timeout=30 * TIME_SCALE, check=False
    )


@pytest.mark.skipif(not others_have_python(), reason="needs root, and an interpreter that other OS users can start")
@pytest.mark.peer("setpriv")
@pytest.mark.parametrize("uid", [NOBODY, 54321])  # the second one has no name, as in a container
def test_a_server_that_is_not_root_runs_jobs_as_itself_only(world: World, uid: int) -> None:
    process = start_as(world, uid)
    try:
        service = f"unix:{world.home}/theirs/s.sock"
        # To that server root is a stranger like any other.
        launch = ["-s", service, "-c", "import os; print(os.getuid())", "-t", "-1", "-o", "-"]
        assert world.run(*launch).returncode == 5
        done = user_command(world, uid, "add", "root", "--login", "osuser", "--allow-code", "--run-as", "root")
        assert done.returncode == 0, done.stderr
        done = world.run(*launch)
        assert (done.returncode, b"only a server that runs as root" in done.stderr) == (5, True), done.stderr
        assert user_command(world, uid, "allow", "root", "--run-as", "").returncode == 0
        done = world.run(*launch)
        assert (done.returncode, done.stdout) == (0, f"{uid}\n".encode()), done.stderr
        refused = world.run("user", "list", "--state", f"{world.home}/theirs/state")
        assert (refused.returncode, b"belongs to user" in refused.stderr) == (2, True)
    finally:
        process.terminate()
        process.communicate(timeout=20 * TIME_SCALE)
    assert process.returncode == 0
