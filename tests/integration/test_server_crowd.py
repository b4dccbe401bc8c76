"""A thousand connections that do not log in: everybody else is served meanwhile, and afterwards all is as before."""

import contextlib
import os
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raw_session import plain_tls, raw_session
from support import TIME_SCALE, Server, World, wait_for

CROWD = 1000
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: headless.v1\r\n\r\n"
)


@pytest.fixture(autouse=True)
def _descriptors() -> Iterator[None]:
    """This process must have room for the crowd."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CROWD + 200:
        pytest.skip(f"needs {CROWD + 200} open files, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CROWD + 200), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def count_descriptors(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def tcp_only(server: Server) -> socket.socket:
    host, _, port = server.service.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30 * TIME_SCALE)


CONTEXT = plain_tls()


def tls_only(server: Server) -> ssl.SSLSocket:
    return CONTEXT.wrap_socket(tcp_only(server))


def websocket_only(server: Server) -> socket.socket:
    channel = tls_only(server)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    channel.sendall(HANDSHAKE)
    assert channel.recv(1000).startswith(b"HTTP/1.1 101 ")
    return channel


@pytest.mark.parametrize("how_far", [tcp_only, tls_only, websocket_only])
def test_a_thousand_that_do_not_log_in_keep_nobody_out_and_leave_nothing(
    world: World, how_far: Callable[[Server], socket.socket]
) -> None:
    server = world.serve("--login-timeout", "60")  # none of them goes by itself before the launch
    login = server.add_user("batch", "--allow-code")
    assert world.run(*login, "-c", "pass", "-t", "-1").returncode == 0
    before = count_descriptors(server)
    with contextlib.ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(how_far(server))
        wait_for(lambda: count_descriptors(server) >= before + CROWD - 1, "the server to have them all")
        for options in (login, ["-s", server.unix]):
            done = world.run(*options, "-c", "pass", "-t", "-1")
            assert (done.returncode, done.stderr) == (0, b"")
    wait_for(lambda: count_descriptors(server) <= before, "the descriptors back")
    with raw_session(server.unix) as session:
        session.result("login.osuser")
        wait_for(lambda: session.result("server.status")["sessions"] == 1, "the sessions to end")
    assert "Traceback" not in server.log
    assert server.log.count("action=refused") == 0  # port scanners fill no log


def read_queue_limit() -> int:
    try:
        return int(Path("/proc/sys/net/core/somaxconn").read_text())
    except OSError:
        return 128


@pytest.mark.skipif(read_queue_limit() < CROWD, reason=f"needs net.core.somaxconn of {CROWD} or more")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_thousand_in_the_same_instant_wait_in_the_queue_and_none_is_turned_away(world: World, kind: str) -> None:
    """The server stands still while they come: so all of them are in the kernel's queue at a time."""
    server = world.serve()
    host, _, port = server.service.rpartition(":")
    place: Any = (host, int(port)) if kind == "tcp" else server.unix.removeprefix("unix:")
    server.process.send_signal(signal.SIGSTOP)
    try:
        with contextlib.ExitStack() as crowd:
            for _ in range(CROWD):
                channel = crowd.enter_context(socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX))
                channel.settimeout(0.5)  # a full queue drops the first packet; the next one comes after a second
                channel.connect(place)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert world.run("-s", server.unix, "-c", "pass", "-t", "-1").returncode == 0


def test_of_too_many_that_have_not_logged_in_the_oldest_goes(world: World) -> None:
    server = world.serve("--max-logins", "5", "--login-timeout", "60")
    login = server.add_user("batch", "--allow-code")
    with contextlib.ExitStack() as crowd:
        strangers = [crowd.enter_context(websocket_only(server)) for _ in range(8)]
        done = world.run(*login, "-c", "pass", "-t", "-1")
        assert (done.returncode, done.stderr) == (0, b"")
        # The launch was the ninth: eight and one make nine, four of which had to go, the oldest first.
        for channel in strangers[:4]:
            channel.settimeout(15 * TIME_SCALE)
            with contextlib.suppress(ssl.SSLError, ConnectionResetError):
                assert channel.recv(100) == b""
        for channel in strangers[4:]:
            channel.settimeout(0.05)
            with pytest.raises(TimeoutError):
                channel.recv(100)


def test_sessions_that_are_logged_in_are_never_the_ones_to_go(world: World) -> None:
    server = world.serve("--max-logins", "2", "--login-timeout", "60")
    with raw_session(server.unix) as session, contextlib.ExitStack() as crowd:
        session.result("login.osuser")
        for _ in range(6):
            crowd.enter_context(websocket_only(server))
        wait_for(lambda: session.result("server.status")["sessions"] == 3, "the strangers above two to go")
