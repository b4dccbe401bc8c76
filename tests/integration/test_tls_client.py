"""The launcher's connection against real sockets: whatever is there, one clear line, in time, and nothing left open."""

import contextlib
import gc
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from websockets.frames import CloseCode

from authority import Authority
from headless.errors import ConnectionFailed, ParameterError, ProtocolError, Unavailable
from headless.transport import client
from headless.transport.address import Address, TcpAddress, UnixAddress
from headless.transport.client import Connection, connect
from headless.transport.tls import ClientTls, build_server_context
from plain_servers import (
    Handler,
    answers,
    plain_server,
    receive,
    reset,
    says,
    send_all,
    shake_hands,
    wait_for_end,
    with_tls,
)
from support import TIME_SCALE

SHORT_S = 0.3 * TIME_SCALE
LONG_S = 20 * TIME_SCALE
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n"
ALERT = b"\x15\x03\x01\x00\x02\x02\x28"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority, with a certificate for a server on loopback."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue_server()
    return authority


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    """The server's TLS."""
    return build_server_context(str(authority.folder / "localhost.pem"), str(authority.folder / "localhost.key"), None)


def open_files() -> set[tuple[str, str]]:
    """This process's descriptors, each with what it is open on (a socket's number in the system is its own)."""
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return {(path, os.readlink(path)) for path in paths if os.path.lexists(path)}  # that of the listing has gone


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No descriptor is open that was not before, and no socket was left to the garbage collector."""
    gc.collect()  # what the tests before have left is not this one's: it must not go, and be missed, meanwhile
    before = open_files()
    yield
    gc.collect()  # a socket that nobody has closed makes a ResourceWarning, and that fails the test
    assert open_files() <= before


def refusal(address: Address, *, tls: ClientTls | None = None, limit_s: float = LONG_S) -> str:
    """Connect in vain; return the error's one line, after a look at what all of them must be like."""
    with pytest.raises(ConnectionFailed) as caught:
        connect(address, tls, limit_s)
    text = str(caught.value)
    assert caught.value.exit_code == 1
    assert text.isprintable()
    assert str(address) in text
    return text


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("secured", [ClientTls(), None], ids=["tls", "plain"])
def test_nothing_listens(secured: ClientTls | None) -> None:
    text = refusal(TcpAddress("127.0.0.1", free_port()), tls=secured)
    assert "Connection refused: does a server listen there, and may this user reach it?" in text


@pytest.mark.parametrize("host", ["x" * 64 + ".example", ".example", "a..b"])
def test_a_host_that_cannot_be_one(host: str) -> None:
    assert "check the host's name" in refusal(TcpAddress(host, 7443))


def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*arguments: object, **options: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # Instead of a real resolver: without a network it takes its time, and its words differ.
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    text = refusal(TcpAddress("server.example", 7443))
    assert text == "cannot connect to server.example:7443: Name or service not known: check the host's name"


def test_a_unix_socket_that_is_not_there_is_no_socket_or_has_no_server(tmp_path: Path) -> None:
    file, stale, none = tmp_path / "file", tmp_path / "stale", tmp_path / "none"
    file.touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    for limit_s in (5.0, -1.0):  # who begins too late still finds what is wrong
        assert "No such file or directory: does a server" in refusal(UnixAddress(str(none)), limit_s=limit_s)
    assert "Connection refused: does a server" in refusal(UnixAddress(str(file)))
    assert "Connection refused: does a server" in refusal(UnixAddress(str(stale)))


@pytest.mark.parametrize(
    ("secured", "message"), [(ClientTls(), "no TLS answer in time"), (None, "no answer in time")], ids=["tls", "plain"]
)
def test_a_server_that_accepts_and_says_nothing(secured: ClientTls | None, message: str) -> None:
    with plain_server(wait_for_end) as address:
        assert f"{message}: is this a headless server?" in refusal(address, tls=secured, limit_s=SHORT_S)


def test_a_server_that_says_nothing_after_tls(tls: ssl.SSLContext) -> None:
    with plain_server(with_tls(tls, wait_for_end)) as address:
        assert "no answer in time" in refusal(address, tls=ClientTls(), limit_s=SHORT_S)


def test_a_server_that_answers_a_byte_now_and_then_for_ever() -> None:
    def handle(channel: socket.socket) -> None:
        channel.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
        while True:
            channel.sendall(b"X")
            time.sleep(0.01)

    with plain_server(handle) as address:
        assert "no answer in time: is this a headless server?" in refusal(address, limit_s=SHORT_S)


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port on 127.0.0.1 that drops every connection, as a firewall does: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
            waiting.append(caller)
        yield int(listener.getsockname()[1])
        for caller in waiting:
            caller.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops what does not fit into a listener's queue")
def test_a_host_that_drops_everything(black_hole: int) -> None:
    text = refusal(TcpAddress("127.0.0.1", black_hole), limit_s=SHORT_S)
    assert text.endswith("in time: check host, port and firewall")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops what does not fit into a listener's queue")
def test_a_dead_address_of_a_host_does_not_use_up_the_time_of_the_next(
    black_hole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plain_server(answers(NOT_FOUND)) as address:
        ports = [free_port(), black_hole, address.port]
        places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        # A name with three addresses is not to be had on every machine; the sockets are real.
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: places)
        assert "it answered 'HTTP/1.1 404" in refusal(address, limit_s=2 * TIME_SCALE)


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH_9.2p1\r\n", b"220 mail.example ESMTP\r\n", NOT_FOUND])
def test_a_port_that_speaks_no_tls(banner: bytes) -> None:
    with plain_server(says(banner)) as address:
        text = refusal(address, tls=ClientTls())
        assert "no TLS there (" in text
        assert "): is this the TLS port of a headless server?" in text


def test_a_port_that_refuses_our_tls() -> None:
    with plain_server(answers(ALERT)) as address:
        assert "no TLS there (" in refusal(address, tls=ClientTls())


@pytest.mark.parametrize("secured", [True, False], ids=["tls", "plain"])
def test_a_web_server(tls: ssl.SSLContext, secured: bool) -> None:
    handle = answers(NOT_FOUND)
    with plain_server(with_tls(tls, handle) if secured else handle) as address:
        text = refusal(address, tls=ClientTls() if secured else None)
    assert text.endswith(": this is not a headless server, check the address: it answered 'HTTP/1.1 404 Not Found'")


def test_a_tls_port_without_tls_on_our_side(tls: ssl.SSLContext) -> None:
    with plain_server(with_tls(tls, wait_for_end)) as address:
        refusal(address)


def close_at_once(channel: socket.socket) -> None:
    """Say nothing."""
    channel.recv(65536)


def reset_at_once(channel: socket.socket) -> None:
    """Say nothing, rudely."""
    reset(channel)
    channel.recv(10)


@pytest.mark.parametrize("handle", [close_at_once, reset_at_once, answers(b"\x16\x03\x03\x00\x7a\x02")])
def test_a_server_that_dies_during_the_tls_handshake(handle: Handler) -> None:
    with plain_server(handle) as address:
        assert "closed the connection during the TLS handshake: see its log" in refusal(address, tls=ClientTls())


@pytest.mark.parametrize("handle", [close_at_once, reset_at_once, answers(b"HTTP/1.1 101 Switching Proto")])
@pytest.mark.parametrize("secured", [True, False], ids=["tls", "plain"])
def test_a_server_that_dies_during_the_websocket_handshake(tls: ssl.SSLContext, handle: Handler, secured: bool) -> None:
    with plain_server(with_tls(tls, handle) if secured else handle) as address:
        text = refusal(address, tls=ClientTls() if secured else None)
        assert text.endswith("is this a headless server? its log may say why")


def test_another_protocol_version() -> None:
    answer = b"HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Protocol: headless.v2\r\n\r\n"
    with plain_server(answers(answer)) as address:
        text = refusal(address)
        assert "another protocol version, 'headless.v2', not 'headless.v1': install the same version" in text


def test_a_chain_that_is_not_trusted_and_a_name_that_is_another(authority: Authority, tls: ssl.SSLContext) -> None:
    other = Authority(authority.folder, "other")
    with plain_server(with_tls(tls, wait_for_end)) as address:
        text = refusal(address, tls=ClientTls(check_chain=True, ca_file=other.file))
        assert "the server's certificate is not trusted: unable to get local issuer certificate" in text
    context = build_server_context(*authority.issue("elsewhere.example"), None)
    with plain_server(with_tls(context, wait_for_end)) as address:
        assert "not trusted: " in refusal(address, tls=ClientTls(check_chain=True, ca_file=authority.file))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"check_chain": True, "ca_file": "/none/ca.pem"}, "/none/ca.pem cannot be read: No such file or directory"),
        ({"check_chain": True, "ca_file": "/dev/null"}, "/dev/null cannot be read: "),
        ({"certificate": "/none/c.pem"}, "certificate /none/c.pem with key /none/c.pem: No such file"),
        ({"certificate": "/dev/null", "key": "/dev/null"}, "give a PEM certificate and its unencrypted key"),
    ],
)
def test_tls_files_that_are_of_no_use(changes: dict[str, object], message: str) -> None:
    with plain_server(wait_for_end) as address:
        with pytest.raises(ParameterError) as caught:
            connect(address, ClientTls(**changes), LONG_S)  # type: ignore[arg-type]
        assert message in str(caught.value)


def test_a_key_with_a_passphrase_asks_nobody(authority: Authority) -> None:
    certificate, key = authority.issue("locked", passphrase=b"secret")
    with plain_server(wait_for_end) as address, pytest.raises(ParameterError, match="has a passphrase: give one"):
        connect(address, ClientTls(certificate=certificate, key=key), LONG_S)


@contextlib.contextmanager
def talk(handle: Handler, tls: ssl.SSLContext) -> Iterator[Connection]:
    """A connection to a server that shakes hands over TLS and goes on as ``handle`` does."""
    with plain_server(with_tls(tls, handle)) as address:
        connection = connect(address, ClientTls(), LONG_S)
        try:
            yield connection
        finally:
            connection.close()


def test_a_good_server(tls: ssl.SSLContext, authority: Authority) -> None:
    def handle(channel: socket.socket) -> None:
        protocol = shake_hands(channel)
        protocol.send_text(b"hello")
        send_all(channel, protocol)
        wait_for_end(channel)

    with talk(handle, tls) as connection:
        assert connection.receive(None) == "hello"
        pem = (authority.folder / "localhost.pem").read_text()
        assert connection.certificate == ssl.PEM_cert_to_DER_cert(pem)
        assert connection.receive(time.monotonic() + 0.01) is None
        assert connection.receive(time.monotonic() - 1) is None


def test_a_server_that_is_silent_afterwards(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(channel: socket.socket) -> None:
        send_all(channel, shake_hands(channel))
        wait_for_end(channel)

    monkeypatch.setattr(client, "SILENCE_LIMIT_S", SHORT_S)
    with talk(handle, tls) as connection, pytest.raises(ConnectionFailed, match="the server was silent for"):
        connection.receive(None)


def test_pings_keep_a_connection_alive_that_has_nothing_to_say(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, gate = [0.0], threading.Event()

    def handle(channel: socket.socket) -> None:
        protocol = shake_hands(channel)
        send_all(channel, protocol)
        assert gate.wait(LONG_S)
        for _ in range(8):
            now[0] += client.SILENCE_LIMIT_S * 0.7
            protocol.send_ping(b"")
            send_all(channel, protocol)
            while not protocol.events_received():  # the pong
                protocol.receive_data(receive(channel))
        protocol.send_text(b"at last")
        send_all(channel, protocol)
        wait_for_end(channel)

    with talk(handle, tls) as connection:
        # The server moves the clock: most of a minute passes between two bytes, and nobody waits for it.
        monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=lambda: now[0]))
        gate.set()
        assert connection.receive(None) == "at last"


def test_a_server_that_closes_the_session_at_once_is_heard(tls: ssl.SSLContext) -> None:
    def handle(channel: socket.socket) -> None:
        protocol = shake_hands(channel)
        protocol.send_close(CloseCode.TRY_AGAIN_LATER, "too many connections")
        send_all(channel, protocol)
        wait_for_end(channel)

    with talk(handle, tls) as connection:
        with pytest.raises(Unavailable, match="the server closed the session: too many connections"):
            connection.send("{}")
        with pytest.raises(ConnectionFailed, match="the server closed the session: too many connections"):
            connection.receive(None)


def test_the_last_message_of_a_server_that_goes_rudely_is_heard(tls: ssl.SSLContext) -> None:
    def handle(channel: socket.socket) -> None:
        protocol = shake_hands(channel)
        protocol.send_text(b"the job has ended")
        protocol.send_close(CloseCode.GOING_AWAY, "bye")
        send_all(channel, protocol)
        reset(channel)

    with talk(handle, tls) as connection:
        assert connection.receive(None) == "the job has ended"
        with pytest.raises(ConnectionFailed, match="bye"):
            connection.receive(None)


@pytest.mark.parametrize("rude", [True, False])
def test_a_server_that_goes_without_a_word(tls: ssl.SSLContext, rude: bool) -> None:
    def handle(channel: socket.socket) -> None:
        send_all(channel, shake_hands(channel))
        if rude:
            reset(channel)

    expected = r"^(the server closed the connection|connection lost: .*)$"
    with talk(handle, tls) as connection, pytest.raises(ConnectionFailed, match=expected):
        connection.receive(None)


def test_a_server_that_sends_nonsense_after_the_handshake(tls: ssl.SSLContext) -> None:
    def handle(channel: socket.socket) -> None:
        send_all(channel, shake_hands(channel))
        channel.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        wait_for_end(channel)

    with talk(handle, tls) as connection, pytest.raises(ProtocolError, match="websocket"):
        connection.receive(None)


def test_a_server_that_takes_nothing_stops_neither_a_send_nor_a_close_for_ever(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(channel: socket.socket) -> None:
        send_all(channel, shake_hands(channel))
        assert gate.wait(LONG_S)

    gate = threading.Event()
    monkeypatch.setattr(client, "SILENCE_LIMIT_S", SHORT_S)
    monkeypatch.setattr(client, "GOODBYE_LIMIT_S", SHORT_S)
    with talk(handle, tls) as connection:
        with pytest.raises(ConnectionFailed, match="connection lost: "):
            connection.send("x" * (64 << 20))
        connection.close()
        connection.close()
        gate.set()
