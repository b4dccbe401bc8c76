"""The answers of a feed: a line of plain text each. What is not stored for good is never answered with 2xx or 3xx."""

import random

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

__all__ = ["build_answer", "build_later", "tell_away", "tell_end", "tell_later"]

LATER_S = (30, 90)  # drawn from it, so that those who are told to come later do not come together


def build_answer(status: int, text: str, **headers: str) -> Response:
    """An answer of one line."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PlainTextResponse(f"{text}\n", status, named)


def build_later(reason: str) -> Response:
    """503, and when to come again."""
    return build_answer(503, f"try again later: {reason}", retry_after=str(random.randint(*LATER_S)))  # noqa: S311


async def tell_later(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request that is one too many, before its body is read."""
    await build_later("too many connections")(scope, receive, send)


async def tell_away(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a question while there is nothing to ask."""
    await _tell("the database is away", scope, receive, send)


async def tell_end(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request that could not be answered before the end of the collector."""
    await _tell("the collector stops", scope, receive, send)


async def _tell(reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    answer = build_later(reason)
    if scope["path"].startswith("/api/"):
        answer = JSONResponse({"error": reason}, 503, {"Retry-After": answer.headers["retry-after"]})
    await answer(scope, receive, send)
