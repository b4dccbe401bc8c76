"""The collector's face as one ASGI application: feeds, the API, the pages."""

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headless.inventory.collect.access import Access
from headless.inventory.collect.collector import Collector
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.collect.spool import Spool
from headless.inventory.reference_file import read_reference
from headless.inventory.web.answers import build_answer, tell_away
from headless.inventory.web.api import build_api_routes
from headless.inventory.web.desk import Desk
from headless.inventory.web.feed import FeedEndpoint, Intake
from headless.inventory.web.health import Health
from headless.inventory.web.limits import Networks, Room
from headless.inventory.web.pages import build_page_routes
from headless.inventory.web.settings import WebSettings

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["build_app", "build_feeds_app"]

HEALTH = "/health"


def build_app(collector: Collector, web: WebSettings, desk: Desk, health: Health, turned_away: Counter[str]) -> ASGIApp:
    """Put the application together.

    Args:
        collector: that runs.
        web: settings of its face.
        desk: where is asked.
        health: of the collector.
        turned_away: where requests that are answered with 503 are counted, by what they were.
    """
    feeds = _build_feeds(collector.settings, collector.spool, web, desk.access)
    references = [read_reference(path) for path in web.references]
    pages = build_page_routes(desk, references, Networks(web.proxies))
    return _build([*feeds, _route_health(health), *build_api_routes(desk), *pages], turned_away)


def build_feeds_app(
    settings: CollectorSettings, spool: Spool, web: WebSettings, health: Health, turned_away: Counter[str]
) -> ASGIApp:
    """The feeds and the health alone; all else is told to come later."""
    feeds = _build_feeds(settings, spool, web, Access(settings.access))
    return _build([*feeds, _route_health(health), Mount("/", tell_away)], turned_away)


def _route_health(health: Health) -> Route:
    return Route(HEALTH, health.answer, methods=["GET"])


def _build(routes: Sequence[BaseRoute], turned_away: Counter[str]) -> ASGIApp:
    app = Starlette(routes=routes, exception_handlers={404: _answer_not_found, 500: _answer_bug})
    app.router.redirect_slashes = False  # the existing clients follow, and leave the report behind
    return _Strict(app, turned_away)


def _build_feeds(settings: CollectorSettings, spool: Spool, web: WebSettings, access: Access) -> list[BaseRoute]:
    intake = Intake(
        spool=spool,
        access=access,
        room=Room(web.max_in_flight),
        proxies=Networks(web.proxies),
        max_report=settings.max_report,
        body_s=web.body_s,
    )
    routes: list[BaseRoute] = []
    for feed in settings.feeds.values():
        if feed.path:
            endpoint = FeedEndpoint(feed, intake)
            routes += [Route(path, endpoint) for path in {feed.path, feed.path.rstrip("/") or "/"}]
    return routes


class _Strict:
    """Refuses requests whose length has two meanings, or whose version is none that is spoken here.

    Takes a whole URL for a path, as a proxy's client sends it. Counts what is told to come later.
    """

    def __init__(self, app: ASGIApp, turned_away: Counter[str]) -> None:
        self._app = app
        self._turned_away = turned_away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["http_version"] not in ("1.0", "1.1"):
            answer = build_answer(505, "versions 1.0 and 1.1 of HTTP are spoken here", connection="close")
            await answer(scope, receive, send)
            return
        names = [name for name, _ in scope["headers"]]
        if b"transfer-encoding" in names and b"content-length" in names:  # RFC 9112, 6.1
            answer = build_answer(400, "both a length and chunks", connection="close")
            await answer(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith(("http://", "https://")):
            scope = {**scope, "path": "/" + path.partition("//")[2].partition("/")[2]}

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 503 and scope["path"] != HEALTH:
                is_feed = isinstance(scope.get("endpoint"), FeedEndpoint)  # the router has put it there
                self._turned_away["reports" if is_feed else "questions"] += 1
            await send(message)

        with suppress(ClientDisconnect):  # it has not sent all, and does not hear us any more: no bug of ours
            await self._app(scope, receive, count)


async def _answer_not_found(request: Request, error: Exception) -> Response:
    return build_answer(404, "there is nothing here")


async def _answer_bug(request: Request, error: Exception) -> Response:
    return build_answer(500, "a bug in headless: the log has more")
