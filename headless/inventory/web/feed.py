"""A feed: the door by which reports come.

The body is taken as it is, whatever its headers call it, synced to the spool and answered; it is opened later. So all
bodies are answered alike, and nobody learns from an answer what is in one.
"""

import asyncio
import logging
import time
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headless.errors import Unavailable
from headless.inventory.collect.access import Access
from headless.inventory.collect.feeds import Feed
from headless.inventory.collect.spool import Arrived, Spool
from headless.inventory.web.answers import build_answer, build_later
from headless.inventory.web.limits import Networks, Room, Share
from headless.inventory.web.seldom import Seldom
from headless.inventory.web.senders import Sender, explain_end, identify

__all__ = ["FeedEndpoint", "Intake"]

KEPT_HEADERS = ("content-type", "user-agent")
LONGEST_HEADER = 200

log = logging.getLogger("headless.inventory")


@dataclass(frozen=True, slots=True)
class Intake:
    """What all feeds share.

    Attributes:
        spool: where bodies go.
        access: whose tokens are taken.
        room: the memory for bodies.
        proxies: whose word on addresses is taken.
        max_report: bytes of a body.
        body_s: within which it must be there.
    """

    spool: Spool
    access: Access
    room: Room
    proxies: Networks
    max_report: int
    body_s: float


class FeedEndpoint:
    """An ASGI application that takes the reports of one feed."""

    def __init__(self, feed: Feed, intake: Intake) -> None:
        self._feed = feed
        self._intake = intake
        self._seldom = Seldom()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one."""
        request = Request(scope, receive)
        response: Response | None
        try:
            sender = identify(request, self._intake.access, self._intake.proxies)
        except Unavailable as exc:
            response = build_later(str(exc))
        else:
            response = self._check_sender(sender) or self._check_head(request)
        if response is None:
            try:
                with Share(self._intake.room) as share:
                    response = await self._take(request, sender, share)
            except ClientDisconnect:
                return  # it has not sent all, and does not hear us any more
        await response(scope, receive, send)

    def _check_sender(self, sender: Sender) -> Response | None:
        if self._feed.may_send(sender.address, sender.subject, sender.token):
            return None
        if self._feed.tokens and not sender.has_token:
            return _demand_token("a token is needed")
        self._log_refusal(sender)
        if sender.ended_at:
            return _demand_token(explain_end(sender.ended_at))
        return build_answer(403, "you may not send to this feed")

    def _log_refusal(self, sender: Sender) -> None:
        """Say who was refused: once a while, for whoever is refused may come as often as he likes."""
        if self._seldom.is_due((sender.address, sender.subject, token := sender.named_token)):
            reason = explain_end(sender.ended_at) or "named by none of its networks, subjects, tokens"
            log.warning(
                "may-not-send feed=%s address=%r certificate=%r token=%r reason=%r",
                self._feed.name, sender.address, sender.subject, token, reason,
            )  # fmt: skip

    def _check_head(self, request: Request) -> Response | None:
        headers = request.headers
        if request.method != "POST":
            return build_answer(405, "a report is sent with POST", allow="POST")
        if headers.get("content-encoding", "identity").lower() != "identity":
            return build_answer(415, "a report is sent as it is, not compressed")
        if "transfer-encoding" in headers:
            return None
        length = headers.get("content-length")
        if length is None:
            return build_answer(411, "the length of the report is not said")
        if int(length) > self._intake.max_report:  # h11 has made sure that it is a number
            return self._build_too_large()
        return None

    async def _take(self, request: Request, sender: Sender, share: Share) -> Response:
        body = bytearray()
        try:
            async with asyncio.timeout(self._intake.body_s):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > self._intake.max_report:
                        return self._build_too_large()
                    if not share.grow(len(chunk)):
                        return build_later("too many reports at once")
                    body += chunk
        except TimeoutError:
            return build_answer(408, "the report did not come in time", connection="close")
        if not body.strip():
            return build_answer(400, "the report is empty")
        try:
            await self._intake.spool.put(bytes(body), self._describe(request, sender))
        except Unavailable as exc:
            return build_later(str(exc))
        return build_answer(200, self._feed.answer)

    def _describe(self, request: Request, sender: Sender) -> Arrived:
        headers = {name: request.headers.get(name, "")[:LONGEST_HEADER] for name in KEPT_HEADERS}
        return Arrived(int(time.time()), self._feed.name, sender.address, sender.subject, sender.token, headers)

    def _build_too_large(self) -> Response:
        return build_answer(413, f"a report has at most {self._intake.max_report} bytes")


def _demand_token(reason: str) -> Response:
    return build_answer(401, reason, www_authenticate='Basic realm="headless inventory"')
