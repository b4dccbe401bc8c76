"""What a signal does to a server: TERM drains, a second one leaves at once, HUP reads users and modules again."""

import re
import signal
import subprocess
from pathlib import Path

from raw_session import raw_session
from support import TIME_SCALE, Server, World, wait_for


class Gate:
    """A job that runs until the test says so, and leaves a mark at its end."""

    def __init__(self, world: World) -> None:
        self._open, self.mark = world.home / "open", world.home / "mark"
        self.code = (
            "import os, time\n"
            f"while not os.path.exists({str(self._open)!r}): time.sleep(0.01)\n"
            f"open({str(self.mark)!r}, 'a').write('ended ')\n"
        )

    def open(self) -> None:
        """Let it end."""
        self._open.touch()


def launch(world: World, server: Server, gate: Gate) -> "subprocess.Popen[bytes]":
    """Start a launcher that waits for a job at the gate; return once the job runs."""
    launcher = world.start("-s", server.unix, "-c", gate.code, "-t", "-1")
    server.wait_log("action=start job=")
    return launcher


def end(launcher: "subprocess.Popen[bytes]") -> tuple[int, bytes]:
    _, errors = launcher.communicate(timeout=30 * TIME_SCALE)
    return launcher.returncode, errors


def test_term_drains_no_new_jobs_and_the_running_ones_end_with_their_launchers_told(world: World) -> None:
    server, gate = world.serve(tls=False), Gate(world)
    with raw_session(server.unix) as session:
        session.result("login.osuser")
        launcher = launch(world, server, gate)
        server.process.send_signal(signal.SIGTERM)
        server.wait_log("action=draining running=1")
        # Whoever is logged in already is told; whoever comes finds nobody.
        error = session.start_code("pass")["error"]
        assert error["data"] == {"exit_code": 1}
        assert error["message"] == "the server is stopping and takes no more jobs"
        late = world.run("-s", server.unix, "-c", "pass", "-t", "-1", "--connect-for", "1")
        assert late.returncode == 1
        assert len(late.stderr.splitlines()) == 1
        assert server.process.poll() is None and launcher.poll() is None
        gate.open()
        assert end(launcher) == (0, b"")
        assert session.expect_close() == 1001
    assert server.process.wait(20 * TIME_SCALE) == 0
    assert not Path(server.unix.removeprefix("unix:")).exists()
    assert server.log.splitlines()[-1].endswith("action=stopped")


def test_a_second_term_leaves_at_once_and_the_jobs_go_on(world: World) -> None:
    server, gate = world.serve(tls=False), Gate(world)
    launcher = launch(world, server, gate)
    server.process.send_signal(signal.SIGTERM)
    server.wait_log("action=draining running=1")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20 * TIME_SCALE) == 0
    server.wait_log("WARNING action=leaving running=1")
    assert not gate.mark.exists()
    gate.open()
    wait_for(gate.mark.exists, "the job's end without a server")
    # The next server tells of it, once.
    again = world.serve(state=server.state, tls=False)
    again.wait_log(r"end job=\w{26} name=\S+ user=\S+ state=ended")
    assert end(launcher) == (0, b"")
    assert again.stop() == 0
    assert world.serve(state=server.state, tls=False).stop() == 0
    assert len(re.findall("action=end", server.log)) == 1
    assert gate.mark.read_text() == "ended "


def test_a_server_without_jobs_stops_at_once_with_0(world: World) -> None:
    server = world.serve(tls=False)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20 * TIME_SCALE) == 0
    assert "action=draining running=0" in server.log


def test_a_killed_server_is_followed_by_one_that_finds_its_jobs(world: World) -> None:
    server, gate = world.serve(tls=False), Gate(world)
    launcher = launch(world, server, gate)
    server.process.kill()
    server.process.wait()
    again = world.serve(state=server.state, tls=False)
    assert "action=end" not in again.log
    gate.open()
    again.wait_log(r"end job=\w{26} name=\S+ user=\S+ state=ended")
    assert end(launcher) == (0, b"")


def test_hup_reads_users_and_modules_and_sessions_stay(world: World) -> None:
    modules = world.home / "modules"
    modules.mkdir()
    server = world.serve("--modules", str(modules), "--no-shipped-modules", tls=False)
    (modules / "one.py").write_text("pass\n")
    server.add_user("batch")
    with raw_session(server.unix) as session:
        session.result("login.osuser")
        server.process.send_signal(signal.SIGHUP)
        server.wait_log("INFO action=reload users=1 modules=1")
        assert session.result("server.status")["sessions"] == 1


def test_a_damaged_users_file_changes_nothing_for_those_who_may_log_in(world: World) -> None:
    server = world.serve()
    login = server.add_user("batch", "--allow-code")
    assert world.run(*login, "-c", "pass", "-t", "-1").returncode == 0
    users = server.state / "users.json"
    good = users.read_bytes()
    users.write_bytes(good[:-20])
    server.process.send_signal(signal.SIGHUP)
    server.wait_log(r"ERROR action=reload-failed reason=.*users.json is damaged.*the users from before still hold")
    for _ in range(2):
        done = world.run(*login, "-c", "pass", "-t", "-1")
        assert (done.returncode, done.stderr) == (0, b"")
    assert len(re.findall("action=users-unreadable", server.log)) == 1
    refused = world.run("user", "list", "--state", str(server.state))
    assert refused.returncode == 2 and b"is damaged" in refused.stderr
    users.write_bytes(good)
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("INFO action=reload users=1")
    # A server does not start with it: there are no users from before.
    users.write_bytes(good[:-20])
    assert server.stop() == 0
    again = world.run("serve", "--state", str(server.state), "--listen", f"unix:{world.home}/x.sock")
    assert again.returncode == 2 and b"is damaged" in again.stderr


def test_hup_while_the_users_file_is_unreadable_ends_nothing(world: World) -> None:
    server = world.serve(tls=False)
    (server.state / "users.json").mkdir()
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("ERROR action=reload-failed")
    assert world.run("-s", server.unix, "-c", "pass", "-t", "-1").returncode == 0
