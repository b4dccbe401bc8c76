"""The service manager's side: sockets handed over, what it is told, and the journal's prefixes."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from free_port import find_port
from support import HEADLESS, TIME_SCALE, World, wait_for


class Manager:
    """A real datagram socket in the place of systemd's own."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(15 * TIME_SCALE)

    def receive(self) -> dict[str, str]:
        """The next message, as its fields."""
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())


@pytest.fixture(params=["path", "abstract"])
def manager(world: World, request: pytest.FixtureRequest) -> Iterator[Manager]:
    path = f"{world.home}/notify"
    is_abstract = request.param == "abstract"
    manager = Manager(f"\0{path}" if is_abstract else path)
    world.variables["NOTIFY_SOCKET"] = f"@{path}" if is_abstract else path
    yield manager
    manager.socket.close()


def test_systemd_is_told_ready_reloading_and_stopping(world: World, manager: Manager) -> None:
    server = world.serve(tls=False)
    assert manager.receive() == {"READY": "1", "STATUS": f"listening on {server.unix}"}
    server.process.send_signal(signal.SIGHUP)
    reloading = manager.receive()
    assert reloading["RELOADING"] == "1"
    assert int(reloading["MONOTONIC_USEC"]) > 0  # sd_notify(3): Type=notify-reload needs it
    assert manager.receive()["READY"] == "1"
    assert server.stop() == 0
    stopping = manager.receive()
    assert stopping["STOPPING"] == "1"
    assert "STATUS" in stopping


def test_a_manager_that_does_not_listen_stops_nothing(world: World) -> None:
    world.variables["NOTIFY_SOCKET"] = f"{world.home}/gone"
    assert world.serve(tls=False).stop() == 0


def test_a_server_that_cannot_start_says_nothing_of_being_ready(world: World, manager: Manager) -> None:
    assert world.run("serve", "--state", str(world.home / "s"), "--listen", "192.0.2.1:1").returncode == 1
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.receive()


def test_the_journal_gets_priorities_and_no_times(world: World) -> None:
    log = world.home / "state0.log"
    log.touch()
    status = log.stat()
    world.variables["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
    server = world.serve(tls=False)
    world.run("-s", server.unix, "-u", "stranger", "-c", "pass")
    assert server.stop() == 0
    lines = server.log.splitlines()
    assert all(re.match(r"<[2-7]>action=", line) for line in lines), lines
    assert any(line.startswith("<4>action=refused") for line in lines)


def test_a_journal_of_the_parent_alone_gives_no_prefixes(world: World) -> None:
    world.variables["JOURNAL_STREAM"] = "1:2"  # inherited, but standard error goes elsewhere by now
    server = world.serve(tls=False)
    assert re.match(r"\d{4}-\d\d-\d\dT", server.log)


@pytest.mark.peer("systemd-socket-activate")
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_sockets_of_the_real_systemd_are_taken(world: World, kind: str) -> None:
    program = shutil.which("systemd-socket-activate")
    assert program
    address = f"{world.home}/a.sock" if kind == "unix" else f"127.0.0.1:{find_port()}"
    service = f"unix:{address}" if kind == "unix" else address
    state, log = world.home / "state", world.home / "log"
    assert world.run("user", "add", "batch", "--allow-code", "--secret-out", f"{world.home}/secret", "--state",
                     str(state), *(["--run-as", "root"] if os.geteuid() == 0 else [])).returncode == 0  # fmt: skip
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [program, "-l", address, HEADLESS, "serve", "--state", str(state)],
            env=world.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
        )  # fmt: skip
    try:
        wait_for(lambda: "Listening on" in log.read_text(), "systemd-socket-activate")
        login = [] if kind == "unix" else ["-u", "batch", "-p", f"{world.home}/secret"]
        # The first connection starts the server, and waits in the socket meanwhile.
        done = world.run("-s", service, *login, "-c", "print('hello')", "-t", "-1", "-o", "-")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b""), log.read_text()
        assert f"listening address={service}" in log.read_text()
    finally:
        process.terminate()
        assert process.wait(20 * TIME_SCALE) == 0, log.read_text()
    assert Path(address).exists() == (kind == "unix")  # the manager's own; it is not ours to remove


def test_a_handed_over_socket_does_not_reach_the_jobs(world: World) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{world.home}/a.sock")
        listener.listen()
        process, log = _hand_over(world, listener.fileno())
    try:
        wait_for(lambda: "listening address=" in log.read_text(), "the server")
        code = "import os\nfor fd in range(4, 256):\n try: print(fd, os.fstat(fd))\n except OSError: pass"
        done = world.run("-s", f"unix:{world.home}/a.sock", "-c", code, "-t", "-1", "-o", "-")
        assert (done.returncode, done.stdout) == (0, b"")
    finally:
        process.terminate()
        assert process.wait(20 * TIME_SCALE) == 0


@pytest.mark.parametrize("kind", ["datagram", "file"])
def test_a_descriptor_that_does_not_listen_is_refused(world: World, kind: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, open(os.devnull) as file:
        process, log = _hand_over(world, channel.fileno() if kind == "datagram" else file.fileno())
    assert process.wait(20 * TIME_SCALE) == 2
    assert "headless: LISTEN_FDS: descriptor 3" in log.read_text()


def test_descriptors_for_another_process_are_not_taken(world: World) -> None:
    world.variables |= {"LISTEN_FDS": "1", "LISTEN_PID": "1"}
    done = world.run("serve", "--state", f"{world.home}/state")
    assert done.returncode == 2 and b"nowhere to listen" in done.stderr


def _hand_over(world: World, descriptor: int) -> tuple["subprocess.Popen[bytes]", Path]:
    """Start a server with this descriptor as its third, as sd_listen_fds(3) says."""
    log = world.home / "log"
    line = f'exec 3<&{descriptor}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
    with log.open("wb") as errors:
        process = subprocess.Popen(
            ["/bin/bash", "-c", line, "bash", HEADLESS, "serve", "--state", f"{world.home}/state"],
            env=world.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
            pass_fds=(descriptor,),
        )  # fmt: skip
    return process, log
