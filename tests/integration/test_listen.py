"""The server's side of the sockets: what is listened on, what is left alone, and whom a connection comes from."""

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from headless.errors import ConnectionFailed, HeadlessError, ParameterError, ProtocolError
from headless.protocol.session import SUBPROTOCOL
from headless.transport.address import TcpAddress, UnixAddress
from headless.transport.client import HEADLESS, connect
from headless.transport.server import Channel, Listener, adopt_socket, listen, open_socket, wait_closed
from support import TIME_SCALE

LIMIT_S = 20 * TIME_SCALE
OURS = [Subprotocol(SUBPROTOCOL)]


async def echo(channel: Channel) -> None:
    """Say who is there, then repeat what comes."""
    await channel.send(f"{channel.source} {channel.uid} {channel.is_tls}")
    try:
        while True:
            await channel.send(await channel.receive())
    except ConnectionFailed:
        return


def run_with_server(path: Path, use: Callable[[], Awaitable[None]]) -> None:
    """Listen on a unix socket while ``use`` runs."""

    async def run() -> None:
        listener = Listener(open_socket(UnixAddress(str(path)), 0o600), "test", None)
        server = await listen(listener, echo, LIMIT_S, LIMIT_S)
        try:
            await asyncio.wait_for(use(), LIMIT_S)
        finally:
            server.close()
            await wait_closed(server)

    asyncio.run(run())


def test_a_launcher_and_a_server_talk_and_the_kernel_says_who_is_there(tmp_path: Path) -> None:
    def launch() -> None:
        connection = connect(UnixAddress(str(tmp_path / "s")), None, LIMIT_S)
        try:
            assert connection.certificate is None
            assert connection.receive(None) == f"unix uid={os.getuid()} {os.getuid()} False"
            for text in ("", "x" * 16384, "ü"):
                connection.send(text)
                assert connection.receive(None) == text
            connection.send("x" * 16385)
            with pytest.raises(ConnectionFailed, match="closed the session"):
                connection.receive(None)
        finally:
            connection.close()

    run_with_server(tmp_path / "s", lambda: asyncio.to_thread(launch))


def test_a_launcher_of_another_version_is_told_so(tmp_path: Path) -> None:
    def launch() -> None:
        with pytest.raises(ProtocolError, match=r"another protocol version, 'headless\.v1', not 'headless\.v0'"):
            connect(
                UnixAddress(str(tmp_path / "s")), None, LIMIT_S, opening=replace(HEADLESS, subprotocol="headless.v0")
            )

    run_with_server(tmp_path / "s", lambda: asyncio.to_thread(launch))


def test_a_browser_is_refused(tmp_path: Path) -> None:
    async def use() -> None:
        with pytest.raises(InvalidStatus) as caught:
            await unix_connect(str(tmp_path / "s"), origin=Origin("https://evil.example"), subprotocols=OURS)
        assert caught.value.response.status_code == 403

    run_with_server(tmp_path / "s", use)


def test_a_binary_message_ends_the_connection(tmp_path: Path) -> None:
    async def use() -> None:
        async with unix_connect(str(tmp_path / "s"), subprotocols=OURS) as connection:
            await connection.recv()
            await connection.send(b"\x00")
            with pytest.raises(ConnectionClosed) as caught:
                await connection.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1003, "text messages only")

    run_with_server(tmp_path / "s", use)


def test_a_unix_socket_is_made_with_its_mode(tmp_path: Path) -> None:
    with open_socket(UnixAddress(str(tmp_path / "s")), 0o640):
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o640


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "s"))
    open_socket(address, 0o600).close()
    with open_socket(address, 0o600) as live:
        before = (tmp_path / "s").stat().st_ino
        with pytest.raises(ConnectionFailed, match="another server does"):
            open_socket(address, 0o600)
        assert (tmp_path / "s").stat().st_ino == before
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(address.path)
            live.accept()[0].close()


def test_a_server_too_busy_to_accept_is_not_taken_for_a_dead_one(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(path)
        busy.listen(0)
        callers = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        try:
            for caller in callers:
                caller.setblocking(False)
                caller.connect_ex(path)
            with pytest.raises(ConnectionFailed, match="another server does"):
                open_socket(UnixAddress(path), 0o600)
            assert os.path.exists(path)
        finally:
            for caller in callers:
                caller.close()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ParameterError, match="is there and no socket: remove it or choose another path"):
        open_socket(UnixAddress(str(tmp_path / "file")), 0o600)
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        (UnixAddress("/none/s"), ParameterError, "its folder is missing: make it first"),
        (TcpAddress("x" * 64, 7443), ParameterError, "no such host: give an address of this machine"),
        (TcpAddress("192.0.2.1", 7443), ConnectionFailed, "Cannot assign requested address"),
    ],
)
def test_what_cannot_be_listened_on_is_refused_in_words(
    address: TcpAddress | UnixAddress, error: type[HeadlessError], message: str
) -> None:
    with pytest.raises(error) as caught:
        open_socket(address, 0o600)
    assert type(caught.value) is error
    assert message in str(caught.value)
    assert str(address) in str(caught.value)


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = TcpAddress("127.0.0.1", other.getsockname()[1])
        with pytest.raises(ConnectionFailed, match="Address already in use"):
            open_socket(address, 0o600)


def test_a_socket_that_systemd_has_opened_is_taken_as_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
        with adopt_socket(os.dup(opened.fileno())) as adopted:
            assert adopted.getsockname() == ("127.0.0.1", port)


def test_the_kernel_looks_after_peers_that_are_silent() -> None:
    """An accepted connection has keep-alive: a peer that is gone without a word is noticed after two minutes."""
    with open_socket(TcpAddress("127.0.0.1", 0), 0o600) as listener, socket.create_connection(listener.getsockname()):
        channel, _ = listener.accept()
        with channel:
            assert channel.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            idle_s, interval_s, count = (channel.getsockopt(socket.IPPROTO_TCP, name) for name in names)
    assert idle_s + interval_s * count == 120
