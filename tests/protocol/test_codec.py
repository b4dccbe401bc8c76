"""The codec: good messages both ways, bad ones refused with the right code, and nothing else whatever comes."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import FUZZ, JSON, OBJECTS, read_vectors
from headless.errors import ProtocolError
from headless.protocol import codec
from headless.protocol.codec import (
    INVALID_PARAMS,
    MAX_DEPTH,
    PARSE_ERROR,
    ErrorResponse,
    Message,
    Notification,
    Request,
    Response,
    decode_bytes,
    decode_message,
    encode_bytes,
    encode_message,
)

GOOD = read_vectors("messages.json")["good"]
BAD = read_vectors("messages.json")["bad"]
IDS = st.integers(min_value=0, max_value=(1 << 53) - 1)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Request, IDS, st.text(), OBJECTS),
    st.builds(Notification, st.text(), OBJECTS),
    st.builds(Response, IDS, JSON),
    st.builds(ErrorResponse, st.none() | IDS, st.integers(), st.text(), st.none() | st.integers()),
)


def build_message(vector: dict[str, Any]) -> Message:
    """The message that a vector describes."""
    cls = getattr(codec, vector["type"])
    return cls(**{field.name: vector[field.name] for field in dataclasses.fields(cls)})  # type: ignore[no-any-return]


def nested(levels: int) -> str:
    """A message of so many levels."""
    inside = levels - 2
    return '{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":' + "[" * inside + "]" * inside + "}}"


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["text"][:60])
def test_a_good_message_is_read_and_written_as_in_the_vectors(vector: dict[str, Any]) -> None:
    assert decode_message(vector["text"]) == build_message(vector)
    assert encode_message(build_message(vector)) == vector["text"]


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["what"])
def test_a_bad_message_is_refused_with_its_code(vector: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_message(vector["text"])
    assert caught.value.code == vector["code"]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000,
        '{"jsonrpc":"2.0","id":1,"result":' + "9" * 5000 + "}",
        '{"jsonrpc":"2.0","id":' + "9" * 5000 + ',"result":1}',
        '{"jsonrpc":"2.0","id":1,"result":"\ud800"}',
        "\udcff",
    ],
    ids=["brackets", "closed brackets", "braces", "huge number", "huge id", "raw surrogate", "a byte of no text"],
)
def test_what_would_break_the_parser_is_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_message(text)
    assert caught.value.code == PARSE_ERROR


def test_the_deepest_message_is_taken_and_one_level_more_is_not() -> None:
    assert isinstance(decode_message(nested(MAX_DEPTH)), Request)
    with pytest.raises(ProtocolError, match="deeper than 32"):
        decode_message(nested(MAX_DEPTH + 1))


def test_spaces_order_and_unknown_members_do_not_matter() -> None:
    text = ' {"params" : {} , "more": 1, "method":"x",\n"id":3,"jsonrpc":"2.0"} '
    assert decode_message(text) == Request(3, "x", {})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 1}, ErrorResponse(1, 1, "")),
        ({"code": 1, "message": 7, "data": "x"}, ErrorResponse(1, 1, "")),
        ({"code": 1, "message": "m", "data": {"exit_code": True}}, ErrorResponse(1, 1, "m")),
        ({"code": 1, "message": "m", "data": {"exit_code": "5"}}, ErrorResponse(1, 1, "m")),
        ({"code": 1, "message": "m", "data": {"exit_code": 5, "more": 1}}, ErrorResponse(1, 1, "m", 5)),
    ],
)
def test_an_error_with_strange_details_is_still_an_error(error: dict[str, Any], expected: ErrorResponse) -> None:
    assert decode_message(json.dumps({"jsonrpc": "2.0", "id": 1, "error": error})) == expected


def test_a_text_beyond_ascii_travels_both_raw_and_escaped() -> None:
    expected = Notification("job.output", {"data": "Grüße \U0001f600"})
    assert decode_message(encode_message(expected)) == expected
    raw = '{"jsonrpc":"2.0","method":"job.output","params":{"data":"Grüße \U0001f600"}}'
    assert decode_message(raw) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_json_is_never_sent(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_message(Response(1, value))


@given(MESSAGES)
@FUZZ
def test_every_message_comes_back_as_it_was_on_one_line_of_ascii(message: Message) -> None:
    text = encode_message(message)
    assert text.isascii()
    assert "\n" not in text
    assert decode_message(text) == message


@given(
    st.text(st.characters(codec=None))
    | JSON.map(json.dumps)
    | st.builds(lambda body: json.dumps({"jsonrpc": "2.0", **body}), OBJECTS)
    | st.dictionaries(
        st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error"]), JSON | st.just("2.0")
    ).map(json.dumps)
)
@FUZZ
def test_any_text_is_a_message_or_a_protocol_error(text: str) -> None:
    try:
        message = decode_message(text)
    except ProtocolError:
        return
    assert decode_message(encode_message(message)) == message


@given(st.sampled_from(GOOD), st.integers(0, 400), st.integers(0, 3), st.text(max_size=4))
@FUZZ
def test_a_good_message_with_a_piece_replaced_is_a_message_or_a_protocol_error(
    vector: dict[str, Any], place: int, length: int, piece: str
) -> None:
    text = vector["text"]
    try:
        decode_message(text[:place] + piece + text[place + length :])
    except ProtocolError as exc:
        assert exc.exit_code == 1


@given(st.binary())
@FUZZ
def test_bytes_survive_base_64(data: bytes) -> None:
    assert decode_bytes(encode_bytes(data)) == data


@pytest.mark.parametrize(
    "text", ["A", "AA", "AAA", "A===", "AAAA=", "AA==AA==", "AAAA\n", " AAAA", "AA-_", "ÄÄÄÄ", "="]
)
def test_what_is_not_strict_base_64_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_bytes(text)
    assert caught.value.code == INVALID_PARAMS


@given(st.text())
@FUZZ
def test_any_text_is_base_64_or_a_protocol_error(text: str) -> None:
    try:
        decode_bytes(text)
    except ProtocolError as exc:
        assert exc.code == INVALID_PARAMS
