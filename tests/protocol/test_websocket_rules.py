"""What the websocket client refuses: handshakes and frames against the rules, whole and byte by byte; and fuzz."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.utils import accept_key

from fuzzing import FUZZ
from headless.errors import ConnectionFailed, ProtocolError, Unavailable
from headless.protocol.session import SUBPROTOCOL
from headless.protocol.websocket import MAX_HEADERS, ClientConnection
from websocket_pair import KEY, cut, make_client

PIECES = [0, 1, 7]
ACCEPT = accept_key(base64.b64encode(KEY).decode())  # by the library
ANSWER = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": ACCEPT,
    "Sec-WebSocket-Protocol": SUBPROTOCOL,
}


def answer(status: str = "HTTP/1.1 101 Switching Protocols", **changes: str | None) -> bytes:
    """A server's good answer to our handshake, with headers changed or left out."""
    headers = {**ANSWER, **{name.replace("_", "-"): value for name, value in changes.items()}}
    lines = [status, *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode()


def feed(client: ClientConnection, data: bytes, piece: int = 0) -> None:
    """Have the client receive data in pieces."""
    for part in cut(data, piece):
        client.receive_data(part)


def open_client(max_size: int = 1000) -> ClientConnection:
    """A client after its opening handshake."""
    client = make_client(max_size)
    client.data_to_send()
    client.receive_data(answer())
    assert client.is_open
    return client


def frame(first: int, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """A server's frame in the shortest form; ``length`` lies about the payload's."""
    size = len(payload) if length is None else length
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Upgrade": "WebSocket", "Connection": "keep-alive, Upgrade"},
        {"Server": "nginx", "Date": "Thu, 01 Jan 1970 00:00:00 GMT", "X-Empty": ""},
    ],
)
def test_a_good_answer_opens_the_connection(piece: int, changes: dict[str, str]) -> None:
    client = make_client()
    feed(client, answer(**changes), piece)
    assert client.is_open


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\n\r\n<html>", "check the address: it answered 'HTTP/1.1 404"),
        (b"HTTP/1.0 200 OK\r\n\r\n", "it answered 'HTTP/1.0 200 OK'"),
        (b"HTTP/1.1 102 Processing\r\n\r\n", "it answered 'HTTP/1.1 102 Processing'"),
        (b"HTTP/1.0 101 Switching\r\nSec-WebSocket-Protocol: headless.v1\r\n\r\n", "it answered 'HTTP/1.0 101"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "the server is not ready, it answered 'HTTP/1.1 502 Bad G"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "the server is not ready, it answered 'HTTP/1.1 503 Servi"),
        (answer("HTTP/1.1 400 Bad Request", Sec_WebSocket_Protocol="headless.v2"), "version, 'headless.v2', not 'h"),
        (answer("HTTP/1.1 403 Forbidden"), "it answered 'HTTP/1.1 403 Forbidden'"),
        (b"HTTP/1.1 \x1b[2J\xff\r\n\r\n", r"it answered 'HTTP/1.1 \x1b[2Jÿ'"),
        (b"HTTP/1.1 400 " + b"x" * 2000 + b"\r\n\r\n", "it answered 'HTTP/1.1 400 xxx"),
        (b"HTTP/2 101 Switching Protocols\r\n\r\n", "no HTTP answer"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "no HTTP answer"),
        (b"220 mail.example.com ESMTP\r\n\r\n", "no HTTP answer"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "no HTTP answer"),
        (b"\0" * 100, "no HTTP answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: y\r\n" * 10_000, "its HTTP header has no end"),
        (b"HTTP/1.1 101 " + b"x" * MAX_HEADERS + b"\r\n\r\n", "its HTTP header has no end"),
        (answer(Upgrade=None), "wrong Upgrade or Connection"),
        (answer(Upgrade="h2c"), "wrong Upgrade or Connection"),
        (answer(Connection="close"), "wrong Upgrade or Connection"),
        (answer(Sec_WebSocket_Accept=None), "wrong Sec-WebSocket-Accept"),
        (answer(Sec_WebSocket_Accept="s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "wrong Sec-WebSocket-Accept"),
        (answer(Sec_WebSocket_Accept="ÿ"), "wrong Sec-WebSocket-Accept"),
        (answer(Sec_WebSocket_Protocol=None), "another protocol version, '', not 'headless.v1': install the same"),
        (answer(Sec_WebSocket_Protocol="headless.v2"), "version, 'headless.v2', not 'headless.v1': install the same"),
        (answer(Sec_WebSocket_Protocol="v\nx" + "y" * 99), r"version, 'v\nxyyyy"),
        (answer(Sec_WebSocket_Extensions="permessage-deflate"), "extension that was not offered"),
        (b"HTTP/1.1 101 ok\r\nno colon\r\n\r\n", "another protocol version, ''"),
    ],
)
def test_a_bad_handshake_is_refused_in_one_line_that_says_what_is_there(piece: int, data: bytes, message: str) -> None:
    client = make_client()
    with pytest.raises(ConnectionFailed) as caught:
        feed(client, data, piece)
    assert isinstance(caught.value, Unavailable if "not ready" in message else ProtocolError)  # what to try again
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250
    assert not client.is_open


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("data", [b"", b"H", b"HTTP/1.1", answer()[:-1], answer()[:-4]])
def test_half_a_handshake_is_waited_for(piece: int, data: bytes) -> None:
    client = make_client()
    feed(client, data, piece)
    assert (client.is_open, client.is_closed) == (False, False)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x81\x80\1\2\3\4", "mask"),
        (frame(0xC1, b"x"), "reserved bits"),
        (frame(0xA1, b"x"), "reserved bits"),
        (frame(0x91, b"x"), "reserved bits"),
        (frame(0x82, b"x"), "opcode 2"),
        *((frame(0x80 | opcode, b"x"), f"opcode {opcode}") for opcode in (3, 7, 11, 15)),
        (frame(0x80, b"x"), "fragments out of order"),
        (frame(0x00, b"x"), "fragments out of order"),
        (frame(0x01, b"x") + frame(0x81, b"y"), "fragments out of order"),
        (frame(0x01, b"x") + frame(0x01, b"y"), "fragments out of order"),
        (frame(0x01, b"x") + frame(0x80, b"y") + frame(0x80, b"z"), "fragments out of order"),
        (frame(0x89, b"x" * 126), "control frame in fragments or too long"),
        (frame(0x8A, b"x" * 126), "control frame in fragments or too long"),
        (frame(0x88, b"\x03\xe8" + b"x" * 124), "control frame in fragments or too long"),
        (frame(0x09, b"x"), "control frame in fragments or too long"),
        (frame(0x08), "control frame in fragments or too long"),
        (frame(0x88, b"\x03"), "half a code"),
        (frame(0x81, b"x" * 1001), "message larger than 1000 bytes"),
        (frame(0x81, length=1001), "message larger than 1000 bytes"),
        (frame(0x81, length=(1 << 64) - 1), "message larger than 1000 bytes"),
        (frame(0x01, b"x" * 600) + frame(0x80, length=401), "message larger than 1000 bytes"),
        (frame(0x01, b"x") * 1 + frame(0x00, b"x" * 500) * 2, "message larger than 1000 bytes"),
        (frame(0x81, b"\xff"), "not UTF-8"),
        (frame(0x81, b"\xed\xa0\x80"), "not UTF-8"),
        (frame(0x81, b"\xc3"), "not UTF-8"),
        (frame(0x01, b"\xc3") + frame(0x80, b"x"), "not UTF-8"),
    ],
)
def test_a_frame_against_the_rules_is_refused(piece: int, data: bytes, message: str) -> None:
    client = open_client()
    with pytest.raises(ProtocolError, match=message):
        feed(client, data, piece)


@pytest.mark.parametrize("piece", PIECES)
def test_the_largest_message_is_taken_whole_and_in_fragments_and_a_ping_has_room_beside_it(piece: int) -> None:
    client = open_client(1000)
    parts = [frame(0x01, b"a" * 999), frame(0x89, b"p" * 125), frame(0x80, b"b"), frame(0x81, b"c" * 1000)]
    feed(client, b"".join(parts), piece)
    assert client.next_message() == "a" * 999 + "b"
    assert client.next_message() == "c" * 1000
    assert len(client.data_to_send()) == 2 + 4 + 125


@pytest.mark.parametrize("head", [b"\x81", b"\x81\x05", b"\x81\x05hell", b"\x81\x7e\x01", b"\x81\x7f\0\0\0\0\0\0\0"])
def test_half_a_frame_is_waited_for(head: bytes) -> None:
    client = open_client()
    client.receive_data(head)
    assert client.next_message() is None
    assert client.is_open


def test_a_length_in_more_bytes_than_needed_is_understood() -> None:
    client = open_client()
    client.receive_data(b"\x81\x7e\x00\x01x" + b"\x81\x7f" + (2).to_bytes(8, "big") + b"yz")
    assert [client.next_message(), client.next_message()] == ["x", "yz"]


def outcome(client: ClientConnection, data: bytes, piece: int) -> tuple[list[str], str, str]:
    """Messages, error and close reason that come of data; anything but a ProtocolError is not caught."""
    error, messages = "", []
    try:
        feed(client, data, piece)
    except ProtocolError as exc:
        error = str(exc)
        assert error.isprintable()
    while (message := client.next_message()) is not None:
        messages.append(message)
    return messages, error, client.close_reason


FRAMES = st.builds(
    lambda first, payload, lie: frame(first, payload, length=lie),
    st.integers(0, 255) | st.sampled_from([0x81, 0x01, 0x80, 0x00, 0x88, 0x89, 0x8A]),
    st.binary(max_size=140) | st.text(max_size=20).map(str.encode),
    st.none() | st.none() | st.none() | st.integers(0, 1 << 20),
)


@given(st.lists(FRAMES, max_size=6).map(b"".join) | st.binary(max_size=200), st.integers(1, 20))
@example(b"\x88\x00\xff\xff", 1)
@FUZZ
def test_any_bytes_after_the_handshake_are_messages_or_a_protocol_error_however_cut(data: bytes, piece: int) -> None:
    assert outcome(open_client(), data, 0) == outcome(open_client(), data, piece)


SPOILT = st.builds(
    lambda place, piece: answer()[:place] + piece + answer()[place + len(piece) :],
    st.integers(0, 160),
    st.binary(max_size=3),
)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=60).map(lambda tail: b"HTTP/1.1 101" + tail + b"\r\n\r\n"),
        SPOILT,
    ),
    st.integers(1, 20),
)
@FUZZ
def test_any_bytes_for_a_handshake_open_it_or_are_a_protocol_error_however_cut(data: bytes, piece: int) -> None:
    assert outcome(make_client(), data, 0) == outcome(make_client(), data, piece)
