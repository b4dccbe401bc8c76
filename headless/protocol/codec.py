"""JSON-RPC 2.0 messages as text, both ways (https://www.jsonrpc.org/specification).

Batches are not part of ``headless.v1``. Whatever the peer sends, decoding returns a message or raises
:class:`~headless.errors.ProtocolError`, never anything else.
"""

import binascii
import json
import math
from dataclasses import dataclass
from typing import Any

from headless.errors import ProtocolError

__all__ = [
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "PARSE_ERROR",
    "ErrorResponse",
    "Message",
    "Notification",
    "Request",
    "Response",
    "decode_bytes",
    "decode_message",
    "encode_bytes",
    "encode_message",
]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

MAX_DEPTH = 32  # our deepest message has 4 levels; a job's result (``RESULT_DEPTH``) is put two levels below the top


@dataclass(frozen=True)
class Request:
    """A call that is answered by a :class:`Response` or an :class:`ErrorResponse` of the same id."""

    id: int
    method: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Notification:
    """A call that is not answered."""

    method: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Response:
    """The result of the request of this id."""

    id: int
    result: Any


@dataclass(frozen=True)
class ErrorResponse:
    """What became of a request that failed; ``id`` is ``None`` if it could not be read.

    ``exit_code`` is the code that the launcher should exit with, if the server says so (in ``error.data``).
    """

    id: int | None
    code: int
    message: str
    exit_code: int | None = None


Message = Request | Notification | Response | ErrorResponse


def encode_message(message: Message) -> str:
    """Build the text of a message, on one line of ASCII."""
    match message:
        case Request(id, method, params):
            body: dict[str, Any] = {"id": id, "method": method, "params": params}
        case Notification(method, params):
            body = {"method": method, "params": params}
        case Response(id, result):
            body = {"id": id, "result": result}
        case _:
            body = {"id": message.id, "error": _build_error(message)}
    return json.dumps({"jsonrpc": "2.0", **body}, separators=(",", ":"), allow_nan=False)


def decode_message(text: str) -> Message:
    """Read one message.

    Raises:
        ProtocolError: it is not JSON (-32700), too deep, or no JSON-RPC 2.0 message (-32600).
    """
    body = _parse_json(text)
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise ProtocolError("not a JSON-RPC 2.0 message", INVALID_REQUEST)
    if "method" in body:
        return _decode_call(body)
    return _decode_answer(body)


def encode_bytes(data: bytes) -> str:
    """Base 64 (RFC 4648, section 4) without line ends."""
    return binascii.b2a_base64(data, newline=False).decode()


def decode_bytes(text: str) -> bytes:
    """Read strict base 64.

    Raises:
        ProtocolError: it is not base 64.
    """
    try:
        if len(text) % 4:
            raise ValueError("wrong padding")  # the strict mode overlooks too much of it
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError) as exc:
        raise ProtocolError("not base 64", INVALID_PARAMS) from exc


def _build_error(message: ErrorResponse) -> dict[str, Any]:
    error: dict[str, Any] = {"code": message.code, "message": message.message}
    if message.exit_code is not None:
        error["data"] = {"exit_code": message.exit_code}
    return error


def _parse_json(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_parse_float)
        if "\\u" in text or not text.isascii():
            # A lone surrogate is valid JSON and a str that nothing can encode again.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as exc:
        raise ProtocolError("message too deep", PARSE_ERROR) from exc
    except ValueError as exc:
        raise ProtocolError("message is not JSON", PARSE_ERROR) from exc
    if _is_deeper(value, MAX_DEPTH):
        raise ProtocolError(f"message deeper than {MAX_DEPTH} levels", PARSE_ERROR)
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")  # as an infinity, it could not be encoded again
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    children = value.values() if isinstance(value, dict) else value
    return any(_is_deeper(child, levels - 1) for child in children)


def _decode_call(body: dict[str, Any]) -> Message:
    method, params = body["method"], body.get("params", {})
    if not isinstance(method, str) or not isinstance(params, dict):
        raise ProtocolError("a call needs a method's name and named parameters", INVALID_REQUEST)
    if "id" not in body:
        return Notification(method, params)
    return Request(_check_id(body["id"]), method, params)


def _decode_answer(body: dict[str, Any]) -> Message:
    identifier, error = body.get("id"), body.get("error")
    if "result" in body and "error" not in body:
        return Response(_check_id(identifier), body["result"])
    if "result" in body or not isinstance(error, dict) or not _is_integer(error.get("code")):
        raise ProtocolError("neither a call nor an answer", INVALID_REQUEST)
    message, data = error.get("message"), error.get("data")
    exit_code = data.get("exit_code") if isinstance(data, dict) else None
    return ErrorResponse(
        id=None if identifier is None else _check_id(identifier),
        code=error["code"],
        message=message if isinstance(message, str) else "",
        exit_code=exit_code if _is_integer(exit_code) else None,
    )


def _check_id(value: Any) -> int:
    if not _is_integer(value) or not 0 <= value < 1 << 53:
        raise ProtocolError("an id is a whole number from 0 to 2^53 - 1", INVALID_REQUEST)
    return int(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
