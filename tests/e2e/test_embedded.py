"""The embedded server: started on demand, one for all launches of a user, and gone when nobody needs it."""

import fcntl
import os
import platform
import shutil
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, unix_serve
from websockets.typing import Subprotocol

from job_support import find_processes, list_open_paths, require_mounts, wait_dead
from support import HEADLESS, TIME_SCALE, World, wait_for

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder to another user")
OPTIONS = ("-t", "-1", "-o", "-", "-c", "import os; print(os.getppid() > 0)")


def _state(world: World) -> Path:
    return world.home / ".local" / "state" / "headless" / platform.node()


def _status(world: World, **variables: str) -> dict[str, str]:
    """What ``headless server status`` shows; empty if there is no server."""
    done = world.run("server", "status", environment=variables)
    if done.returncode:
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr == b"headless: no embedded server is running: a launch without --service starts one\n"
        return {}
    return dict(line.split(maxsplit=1) for line in done.stdout.decode().splitlines() if " " in line.strip())


def _servers(world: World) -> list[int]:
    """The process ids of all servers of this home."""
    return [pid for pid in find_processes(str(_state(world))) if b"serve" in _command(pid)]


def _command(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _launch(world: World, **variables: str) -> None:
    done = world.run(*OPTIONS, environment=variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"True\n", b""), done.stderr


def test_it_is_started_once_outlives_the_launcher_and_is_stopped_on_demand(world: World) -> None:
    assert _status(world) == {}
    _launch(world)
    status = _status(world)
    _launch(world)
    assert _servers(world) == [int(status["pid"])]
    assert _status(world)["pid"] == status["pid"]
    assert status["listen"] == f"unix:{_state(world)}/server.sock"
    assert (status["running"], status["state"]) == ("0", str(_state(world)))
    done = world.run("server", "stop")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    wait_dead(int(status["pid"]))
    assert _status(world) == {} and _servers(world) == []
    assert world.run("server", "stop").returncode == 1


def test_a_launch_right_after_the_stop_has_the_next_server(world: World) -> None:
    pids = set()
    for _ in range(3):
        _launch(world)
        pids.add(_status(world)["pid"])
        assert world.run("server", "stop").returncode == 0
    assert len(pids) == 3


def test_twenty_launches_in_the_same_instant_share_one_server(world: World) -> None:
    launchers = [world.start(*OPTIONS) for _ in range(20)]
    answers = [launcher.communicate(timeout=60 * TIME_SCALE) for launcher in launchers]
    assert answers == [(b"True\n", b"")] * 20
    assert _servers(world) == [int(_status(world)["pid"])]
    assert (_state(world) / "server.log").read_text().count("action=listening") == 1


def test_its_folders_and_sockets_are_its_users_alone(world: World) -> None:
    runtime = world.home / "run"
    runtime.mkdir(mode=0o700)
    (runtime / "headless").mkdir(mode=0o755)  # an old one, open by mistake
    _launch(world, XDG_RUNTIME_DIR=str(runtime))
    for folder in (runtime / "headless", _state(world)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "server.sock").stat().st_mode) == 0o600


@pytest.mark.parametrize("first", ["login", "cron"])
def test_launches_with_and_without_a_runtime_folder_come_to_the_same_server(world: World, first: str) -> None:
    runtime = world.home / "run"
    runtime.mkdir(mode=0o700)
    kinds: dict[str, dict[str, str]] = {"login": {"XDG_RUNTIME_DIR": str(runtime)}, "cron": {}}
    order = [first, *(kinds.keys() - {first})]
    for kind in order:
        _launch(world, **kinds[kind])
    assert len(_servers(world)) == 1
    shutil.rmtree(runtime)  # the last logout
    for kind in order:
        _launch(world, **kinds[kind])
    assert len({_status(world, **variables)["pid"] for variables in kinds.values()}) == 1
    assert len(_servers(world)) == 1


def test_it_knows_nothing_of_the_launch_that_happened_to_start_it(world: World) -> None:
    _launch(world, HEADLESS_NAME="first", NOTIFY_SOCKET="/run/systemd/notify", SECRET="x", LC_ALL="C")
    environment = Path(f"/proc/{_status(world)['pid']}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    assert sorted(item.split(b"=")[0] for item in environment) == [b"HOME", b"LANG", b"PATH"]
    assert f"HOME={world.home}".encode() in environment


def test_a_stopping_server_tells_what_it_waits_for(world: World) -> None:
    go = world.home / "go"
    code = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)"
    assert world.run("-c", code).returncode == 0
    pid = int(_status(world)["pid"])
    done = world.run("server", "stop", "--no-wait")
    assert (done.returncode, done.stdout) == (
        0,
        b"stopping; 1 running job may end first, for up to 20 s, and go on after that\n",
    )
    assert _servers(world) == [pid]
    go.touch()
    wait_dead(pid)


def test_stop_returns_when_the_server_has_ended_and_its_jobs_before_it(world: World) -> None:
    end = world.home / "end"
    code = f"import time; time.sleep(0.5); open({str(end)!r}, 'w').close()"
    assert world.run("-c", code).returncode == 0
    assert world.run("server", "stop").returncode == 0
    assert end.exists()
    wait_for(lambda: _servers(world) == [], "the last steps of the server's process")


def test_it_ends_when_it_has_been_idle_and_takes_its_sockets_with_it(world: World) -> None:
    """The five minutes of the embedded server are an option of ``headless serve``; all else is the same."""
    _state(world).mkdir(parents=True, mode=0o700)
    server = subprocess.Popen(
        [HEADLESS, "serve", "--listen", f"unix:{_state(world)}/server.sock", "--state", str(_state(world)),
         "--idle-exit", "3", "--log-file", str(world.home / "log")],
        env=world.environment, cwd="/", stdin=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for((_state(world) / "server.sock").exists, "the server")
    _launch(world)
    assert server.wait(20 * TIME_SCALE) == 0
    log = (world.home / "log").read_text()
    assert "action=idle" in log and "action=stopped" in log
    assert log.index("action=end ") < log.index("action=idle")
    assert not (_state(world) / "server.sock").exists()
    assert _servers(world) == []


def test_a_launch_while_the_one_before_still_holds_the_state_folder_waits_for_it(world: World) -> None:
    """A server that ends listens no more, but is not gone yet: here the test holds what it would hold."""
    _state(world).mkdir(parents=True, mode=0o700)
    with (_state(world) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        launcher = world.start(*OPTIONS)
        place = str(_state(world) / "lock")
        wait_for(lambda: place in list_open_paths(launcher.pid), "the launcher that asks for it")
        assert launcher.poll() is None
    assert launcher.communicate(timeout=30 * TIME_SCALE) == (b"True\n", b"")
    assert launcher.returncode == 0


def test_a_launch_whose_server_hangs_up_at_once_has_the_next_one(world: World) -> None:
    _state(world).mkdir(parents=True, mode=0o700)
    path = _state(world) / "server.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        launcher = world.start(*OPTIONS)
        connection, _ = listener.accept()
        path.unlink()
    connection.close()
    assert launcher.communicate(timeout=30 * TIME_SCALE) == (b"True\n", b"")


def test_a_launch_whose_server_hangs_up_at_the_login_has_the_next_one(world: World) -> None:
    _state(world).mkdir(parents=True, mode=0o700)
    path = _state(world) / "server.sock"

    def hang_up(connection: ServerConnection) -> None:
        try:
            connection.recv()
            path.unlink()
            connection.close(1001, "the server is stopping")
        except ConnectionClosed:
            return

    with unix_serve(hang_up, str(path), subprotocols=[Subprotocol("headless.v1")]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            answer = world.start(*OPTIONS).communicate(timeout=30 * TIME_SCALE)
        finally:
            server.shutdown()
            thread.join(30 * TIME_SCALE)
    assert answer == (b"True\n", b"")


@pytest.mark.parametrize("folder", ["state", "runtime"])
def test_a_socket_that_nobody_listens_on_any_more_is_replaced(world: World, folder: str) -> None:
    runtime = world.home / "run"
    place = _state(world) if folder == "state" else runtime / "headless"
    place.mkdir(parents=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(place / "server.sock"))
    _launch(world, XDG_RUNTIME_DIR=str(runtime))
    _launch(world)
    assert len(_servers(world)) == 1


def test_a_server_that_cannot_start_is_told_with_the_place_of_its_log(world: World) -> None:
    _state(world).mkdir(parents=True, mode=0o700)
    (_state(world) / "jobs").write_text("no folder")
    done = world.run(*OPTIONS, "--connect-for", "1")
    log = _state(world) / "server.log"
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"headless: the embedded server did not start: see {log}\n"
    # The launcher may have given up before the server has told why.
    wait_for(lambda: log.exists() and "is of no use" in log.read_text(), "the reason")
    wait_for(lambda: _servers(world) == [], "the end of the last one that was tried")


def test_a_state_folder_whose_name_is_too_long_for_a_socket_is_told(world: World) -> None:
    long = world.home / ("x" * 100)
    done = world.run(*OPTIONS, environment={"XDG_STATE_HOME": str(long)})
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"is too long for a unix socket: set XDG_STATE_HOME to a folder with a shorter name" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert not long.exists()
    assert world.run("server", "status", environment={"XDG_STATE_HOME": str(long)}).returncode == 2


@AS_ROOT
def test_another_users_state_folder_is_refused_with_the_way_out(world: World) -> None:
    _state(world).mkdir(parents=True, mode=0o700)
    os.chown(_state(world), 65534, 65534)
    done = world.run(*OPTIONS)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        f"headless: {_state(world)} belongs to another user: set XDG_STATE_HOME to a folder of yours\n"
    )
    os.chown(_state(world), 0, 0)


@AS_ROOT
def test_another_users_runtime_folder_is_passed_over(world: World) -> None:
    """``su`` and ``sudo`` may leave it in the environment, and there may be a server in it."""
    runtime = world.home / "run"
    (runtime / "headless").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(runtime / "headless" / "server.sock"))
        stranger.listen()
        for path in (runtime, runtime / "headless", runtime / "headless" / "server.sock"):
            os.chown(path, 65534, 65534)
        _launch(world, XDG_RUNTIME_DIR=str(runtime))
        assert _status(world, XDG_RUNTIME_DIR=str(runtime))["listen"] == f"unix:{_state(world)}/server.sock"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount the name of a control group over the real one")
@pytest.mark.peer("unshare", "mount")
@pytest.mark.parametrize(
    ("group", "options", "status"),
    [
        ("0::/system.slice/nightly.service", (), 2),
        ("0::/system.slice/nightly.service", ("-t", "-1"), 0),
        ("0::/user.slice/user-0.slice/session-1.scope", (), 0),
    ],
)
def test_inside_a_systemd_service_a_start_without_waiting_is_refused(
    world: World, group: str, options: tuple[str, ...], status: int
) -> None:
    """There is no systemd here: its variable is set, and the file that tells the control group is another one."""
    require_mounts()
    (world.home / "cgroup").write_text(group + "\n")
    script = 'mount --bind "$1" /proc/$$/cgroup && shift && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(world.home / "cgroup"), HEADLESS, *options, "-c", "pass"],
        env={**world.environment, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "INVOCATION_ID": "0" * 32},
        stdin=subprocess.DEVNULL, capture_output=True, timeout=30 * TIME_SCALE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (status, b"")
    if status:
        assert b"add --timeout -1 to wait for the job, or give --service" in done.stderr
        assert not _state(world).exists()


def test_a_job_may_open_as_many_files_as_whoever_started_the_server_and_no_more(world: World) -> None:
    launch = f"ulimit -Sn 256; exec {HEADLESS} -t -1 -o - -c 'import resource; print(resource.getrlimit(7)[0])'"
    done = subprocess.run(
        ["/bin/sh", "-c", launch], env=world.environment, cwd="/", capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"256\n", b"")
