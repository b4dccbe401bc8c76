"""``/api/v1/QUESTION``: every question of ``questions.QUESTIONS``, answered as JSON."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from headless.errors import ParameterError, Unavailable
from headless.inventory.ask.page import Answer, build_key
from headless.inventory.ask.parameters import parse_parameters
from headless.inventory.questions import QUESTIONS, Question
from headless.inventory.web.desk import Desk
from headless.inventory.web.limits import Room, Share
from headless.inventory.web.openapi import build_openapi
from headless.inventory.web.senders import explain_end

__all__ = ["build_api_routes"]

PREFIX = "/api/v1"
BODY_LIMIT = 16 << 20
"""The longest reference, in bytes."""
BODIES_LIMIT = 4 * BODY_LIMIT
"""Of all references in memory."""
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def build_api_routes(desk: Desk) -> list[BaseRoute]:
    """The API's routes."""
    document = json.dumps(build_openapi(PREFIX), indent=1).encode()

    async def tell_openapi(request: Request) -> Response:
        return _build(200, document)

    routes: list[BaseRoute] = [Route(f"{PREFIX}/openapi.json", tell_openapi, methods=["GET"])]
    room = Room(BODIES_LIMIT)
    for question in QUESTIONS.values():
        method = "POST" if question.body else "GET"
        routes.append(Route(f"{PREFIX}/{question.name}", _build_endpoint(desk, question, room), methods=[method]))
    return routes


def build_answer(question: Question, answer: Answer) -> bytes:
    """An answer as JSON."""
    names = [column.name for column in question.columns]
    told: dict[str, Any] = {"rows": [dict(zip(names, row, strict=True)) for row in answer.rows]}
    told["next"] = build_key(answer.next) or None
    if answer.summary is not None:
        told["summary"] = answer.summary
    if answer.notes:
        told["notes"] = answer.notes
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _build_endpoint(desk: Desk, question: Question, room: Room) -> Callable[[Request], Awaitable[Response]]:
    async def ask(request: Request) -> Response:
        try:
            scope = desk.identify(request)
        except Unavailable as exc:
            return _refuse(503, str(exc), {"Retry-After": "10"})
        if not scope.name:
            headers = {"WWW-Authenticate": 'Bearer realm="headless inventory"'}
            reason = explain_end(scope.ended_at) or "a token or a client certificate that is known here is needed"
            return _refuse(401, reason, headers)
        if scope.reads is not None and not scope.reads:
            return _refuse(403, f"{scope.name!r} may see no site")
        try:
            parameters, page = parse_parameters(question, request.query_params.multi_items())
            with Share(room) as share:
                if question.body:
                    parameters["body"] = await _read_body(request, share)
                body = await desk.ask(
                    question.name, parameters, page, scope, lambda answer: build_answer(question, answer)
                )
        except ParameterError as exc:
            return _refuse(400, str(exc))
        except Unavailable as exc:
            return _refuse(503, str(exc), {"Retry-After": "10"})
        return _build(200, body)

    return ask


async def _read_body(request: Request, share: Share) -> bytes:
    parts = bytearray()
    async for part in request.stream():
        if len(parts) + len(part) > BODY_LIMIT:
            raise ParameterError(f"more than {BODY_LIMIT >> 20} MiB were sent along")
        if not share.grow(len(part)):
            raise Unavailable("too much is sent along at a time")
        parts += part
    return bytes(parts)


def _refuse(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    return _build(status, json.dumps({"error": reason}).encode(), headers)


def _build(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, {**HEADERS, **(headers or {})}, "application/json")
