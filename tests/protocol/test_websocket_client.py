"""The websocket client against the ``websockets`` library's own server side, in both directions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import CloseCode, Opcode

from fuzzing import FUZZ, read_vectors
from headless.errors import ProtocolError, Refused
from headless.protocol.session import SUBPROTOCOL
from headless.protocol.websocket import ClientConnection, Opening
from websocket_pair import KEY, MASK, OPENING, Pair, make_client

VECTORS = read_vectors("websocket.json")
SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20]
PIECES = [0, 1, 1021]


def text_of(size: int) -> str:
    """A text of so many bytes, with characters of two bytes where there is room."""
    return "ü" * (size // 2) + "x" * (size % 2)


def is_quick(size: int, piece: int) -> bool:
    """A mebibyte byte by byte takes seconds and shows no more than 64 KiB do."""
    return piece != 1 or size <= 65536


CASES = [(size, piece) for size in SIZES for piece in PIECES if is_quick(size, piece)]


@pytest.mark.parametrize("piece", PIECES)
def test_the_opening_handshake_is_what_the_library_wants(piece: int) -> None:
    pair = Pair(piece).open()
    assert pair.request is not None
    assert pair.response is not None
    assert pair.request.path == "/"
    assert pair.request.headers["Host"] == "127.0.0.1:7443"
    assert "Origin" not in pair.request.headers
    assert "Sec-WebSocket-Extensions" not in pair.request.headers
    assert pair.response.status_code == 101
    assert pair.server.subprotocol == SUBPROTOCOL


def test_the_handshake_gives_the_answer_of_the_rfc() -> None:
    key = bytes.fromhex("7468652073616d706c65206e6f6e6365")
    client = ClientConnection("server.example.com", Opening("any server", "chat"), key, 100, lambda: MASK)
    handshake = VECTORS["handshake"]
    assert f"Sec-WebSocket-Key: {handshake['key']}\r\n".encode() in client.data_to_send()
    client.receive_data(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: chat\r\n\r\n" % handshake["accept"].encode()
    )
    assert client.is_open


def test_another_server_is_asked_with_its_path_and_its_headers() -> None:
    opening = Opening("a grid server", None, "/websocket/json", {"User-Agent": "ours"})
    request = ClientConnection("host", opening, KEY, 100, lambda: MASK).data_to_send()
    assert request.startswith(b"GET /websocket/json HTTP/1.1\r\nHost: host\r\n")
    assert request.endswith(b"User-Agent: ours\r\n\r\n")
    assert b"Protocol" not in request


def test_a_login_that_is_not_taken_is_refused() -> None:
    client = make_client()
    with pytest.raises(Refused, match=r"the server does not take this login, it answered 'HTTP/1\.1 401 Unauthorized'"):
        client.receive_data(b"HTTP/1.1 401 Unauthorized\r\n\r\n")


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=lambda vector: vector["what"])
def test_a_frame_is_that_of_the_rfc(vector: dict[str, str]) -> None:
    client = Pair().open().client
    if "sent" in vector:
        assert vector["mask"] == MASK.hex()
        client.send_text(vector["sent"])
        assert client.data_to_send().hex() == vector["frame"]
        return
    client.receive_data(bytes.fromhex(vector["frame"]))
    assert client.next_message() == vector.get("received")
    assert client.data_to_send().hex() == vector.get("answer", "")


@pytest.mark.parametrize(("size", "piece"), CASES)
def test_a_message_of_any_size_arrives_at_the_server(size: int, piece: int) -> None:
    pair, text = Pair(piece).open(), text_of(size)
    pair.client.send_text(text)
    pair.client.send_text("next")
    pair.exchange()
    assert pair.texts() == [text, "next"]


@pytest.mark.parametrize(("size", "piece"), CASES)
def test_a_message_of_any_size_arrives_at_the_client(size: int, piece: int) -> None:
    pair, text = Pair(piece).open(), text_of(size)
    pair.server.send_text(text.encode())
    pair.server.send_text(b"next")
    pair.exchange()
    assert pair.messages == [text, "next"]


@pytest.mark.parametrize("piece", PIECES)
def test_fragments_become_one_message_with_pings_between_them(piece: int) -> None:
    pair, data = Pair(piece).open(), text_of(300).encode()
    pair.server.send_text(data[:1], fin=False)  # in the middle of a character
    pair.server.send_ping(b"p" * 125)
    pair.server.send_continuation(b"", fin=False)
    pair.server.send_continuation(data[1:], fin=False)
    pair.server.send_pong(b"unasked")
    pair.server.send_continuation(b"", fin=True)
    pair.server.send_text(b"whole")
    pair.exchange()
    assert pair.messages == [data.decode(), "whole"]
    assert [(frame.opcode, bytes(frame.data)) for frame in pair.frames] == [(Opcode.PONG, b"p" * 125)]


@pytest.mark.parametrize("piece", PIECES)
def test_messages_that_come_with_the_handshake_are_not_lost(piece: int) -> None:
    pair = Pair(piece)
    pair.server.receive_data(pair.client.data_to_send())
    pair._take_events()
    pair.server.send_text(b"early")
    pair.exchange()
    assert pair.messages == ["early"]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (CloseCode.POLICY_VIOLATION, "no login in time", "no login in time"),
        (CloseCode.GOING_AWAY, "", "no reason given"),
        (CloseCode.GOING_AWAY, "bye\n\x1b[2Jheadless: all is well", "bye\ufffd\ufffd[2Jheadless: all is well"),
        (None, "", "no reason given"),
    ],
)
def test_the_servers_close_is_answered_and_its_reason_is_kept_on_one_line(
    piece: int, code: CloseCode | None, reason: str, expected: str
) -> None:
    pair = Pair(piece).open()
    pair.server.send_text(b"last")
    pair.server.send_close(code, reason)
    pair.exchange()
    assert (pair.client.is_open, pair.client.is_closed, pair.client.close_reason) == (False, True, expected)
    assert pair.messages == ["last"]
    assert pair.server.close_rcvd is not None
    assert pair.server.close_rcvd.code == (code or CloseCode.NO_STATUS_RCVD)


def test_a_close_that_comes_with_the_handshake_is_seen() -> None:
    pair = Pair()
    pair.server.receive_data(pair.client.data_to_send())
    pair._take_events()
    pair.server.send_close(CloseCode.TRY_AGAIN_LATER, "too many")
    pair.exchange()
    assert (pair.client.is_open, pair.client.is_closed, pair.client.close_reason) == (False, True, "too many")


@pytest.mark.parametrize("piece", PIECES)
def test_our_close_is_answered_by_the_library(piece: int) -> None:
    pair = Pair(piece).open()
    pair.client.send_close()
    pair.client.send_close()  # the second says nothing
    pair.exchange()
    assert pair.server.close_rcvd is not None
    assert pair.server.close_rcvd.code == CloseCode.NORMAL_CLOSURE
    assert [frame.opcode for frame in pair.frames] == [Opcode.CLOSE]
    assert pair.client.is_closed


def test_after_the_close_nothing_is_taken_or_kept() -> None:
    client = Pair().open().client
    client.send_close()
    sent = client.data_to_send()
    client.receive_data(b"\x81\x01x" + b"\xff" * 100_000)
    assert client.next_message() is None
    assert client.data_to_send() == b""
    assert sent
    assert not client._input


def test_every_frame_has_a_mask_of_its_own() -> None:
    masks = iter([bytes((number,)) * 4 for number in range(1, 5)])
    client = ClientConnection("host", OPENING, bytes(16), 100, lambda: next(masks))
    client._output.clear()
    client.is_open = True
    client.send_text("\x01\x01")
    client.receive_data(b"\x89\x02\x02\x02")
    client.receive_data(b"\x88\x02\x03\xe8")
    assert client.data_to_send() == (
        b"\x81\x82\x01\x01\x01\x01\0\0" + b"\x8a\x82\x02\x02\x02\x02\0\0" + b"\x88\x82\x03\x03\x03\x03\0\xeb"
    )


def test_another_subprotocol_of_the_real_server_is_told() -> None:
    pair = Pair(subprotocols=("headless.v2",))
    with pytest.raises(ProtocolError, match="400 Bad Request"):
        pair.exchange()
    assert not pair.client.is_open


@given(st.lists(st.text(max_size=300), max_size=5), st.integers(0, 40))
@FUZZ
def test_any_texts_arrive_in_both_directions_however_they_are_cut(texts: list[str], piece: int) -> None:
    pair = Pair(piece).open()
    for text in texts:
        pair.client.send_text(text)
        pair.server.send_text(text.encode())
    pair.exchange()
    assert pair.texts() == pair.messages == texts


def test_a_client_offers_nothing_before_it_is_asked() -> None:
    client = make_client()
    assert client.data_to_send().endswith(b"\r\n\r\n")
    assert client.data_to_send() == b""
    assert client.next_message() is None


@pytest.mark.parametrize("piece", PIECES)
def test_a_ping_is_answered_and_counted(piece: int) -> None:
    pair = Pair(piece).open()
    before = pair.client.pong_count
    pair.client.send_ping()
    pair.exchange()
    assert pair.client.pong_count == before + 1
