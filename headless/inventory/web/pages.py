"""The pages: read-only, made on the server, of the same answers as the API's."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from headless.errors import ParameterError, Unavailable
from headless.inventory.ask.census import find_selector
from headless.inventory.ask.history import find_newest
from headless.inventory.ask.marking import mark_host, mark_site, mark_versions
from headless.inventory.ask.names import find_names
from headless.inventory.ask.page import Answer, Page, build_key, parse_key
from headless.inventory.ask.versions_over_time import follow_versions
from headless.inventory.ask.view import View
from headless.inventory.collect.access import Scope
from headless.inventory.dates import LATEST, build_date
from headless.inventory.questions import QUESTIONS
from headless.inventory.reference import Reference
from headless.inventory.twins import number_twins
from headless.inventory.web.desk import COOKIE, Desk
from headless.inventory.web.glances import Glances
from headless.inventory.web.limits import Networks
from headless.inventory.web.plot import draw, tabulate
from headless.inventory.web.senders import explain_end

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["build_page_routes"]

FOLDER = os.path.join(os.path.dirname(__file__), "templates")
ROWS = 100
"""Rows of a page."""
HISTORY = 50
"""Rows of a host's history: each may tell of many packages."""
DAYS = 90
"""Of the plot."""
FOREIGN = "This was sent by a page of another site: nothing was done."
LATER_S = "10"  # after which what cannot be shown may be asked for again
LOGIN_LIMIT = 4096
LOGIN_S = 30 * 86400
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_Handler = Callable[[Request, Scope], Awaitable[Response]]


def build_page_routes(desk: Desk, references: Sequence[Reference], proxies: Networks) -> list[BaseRoute]:
    """The pages' routes.

    Args:
        desk: where they ask.
        references: what the sites are judged by.
        proxies: whose word on how they were asked is taken.
    """
    pages = _Pages(desk, references, proxies)
    return [
        Route("/", pages.guard(pages.show_sites), methods=["GET"]),
        Route("/site/{site:path}", pages.guard(pages.show_site), methods=["GET"]),
        Route("/host/{host:path}", pages.guard(pages.show_host), methods=["GET"]),
        Route("/package/{name:path}", pages.guard(pages.show_package), methods=["GET"]),
        Route("/search", pages.guard(pages.search), methods=["GET"]),
        Route("/login", pages.show_login, methods=["GET"]),
        Route("/login", pages.log_in, methods=["POST"]),
        Route("/logout", pages.log_out, methods=["POST"]),
        Route("/style.css", pages.give_style, methods=["GET"]),
    ]


class _Pages:
    def __init__(self, desk: Desk, references: Sequence[Reference], proxies: Networks) -> None:
        self._desk = desk
        self._proxies = proxies
        self._references = references
        self._glances = Glances(desk, references)
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
        )
        self._templates.filters |= {"date": build_date, "path": lambda text: quote(str(text), safe="")}
        for name in self._templates.list_templates(["html"]):
            self._templates.get_template(name)  # a first answer need not wait for it
        with open(os.path.join(FOLDER, "style.css"), "rb") as file:
            self._style = file.read()

    def guard(self, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
        """For those only who may see something; what goes wrong is a page too."""

        async def handle(request: Request) -> Response:
            who = ""
            try:
                scope = self._desk.identify(request)
                who = scope.name
                if not who:
                    return RedirectResponse("/login", 303, HEADERS)
                if scope.reads is not None and not scope.reads:
                    return self._tell(403, f"{who!r} may see no site.", who)
                return await handler(request, scope)
            except ParameterError as exc:
                return self._tell(404, str(exc), who)
            except Unavailable as exc:
                return self._tell(503, f"Try again later: {exc}.", who)

        return handle

    async def show_sites(self, request: Request, scope: Scope) -> Response:
        """The start page: all sites."""
        overview = await self._glances.get(scope)
        after = request.query_params.get("after")
        sites = [glance for glance in overview.sites if after is None or glance.site > after] if overview else []
        totals = {
            name: sum(getattr(glance, name) for glance in overview.sites) if overview else 0
            for name in ("hosts", "silent", "judged", "short", "vulnerable", "unknown")
        }
        following = f"?after={quote(sites[ROWS - 1].site)}" if len(sites) > ROWS else ""
        return self._render(
            "sites.html", who=scope.name, overview=overview, sites=sites[:ROWS], totals=totals, next=following,
            references=[reference.name for reference in self._references], unmarked=self._desk.explain_unmarked(),
        )  # fmt: skip

    async def show_site(self, request: Request, scope: Scope) -> Response:
        """A site: its groups of equal hosts, and its hosts."""
        site = request.path_params["site"]
        chosen = request.query_params.get("set", "")
        given = {"site": site, **({"set": int(chosen)} if chosen.isdecimal() and len(chosen) < 16 else {})}
        drift = await self._ask("drift", {"site": site}, scope, Page(25))
        hosts = await self._ask("hosts", given, scope, self._find_page(request))
        found = await self._desk.read(scope, lambda view: mark_site(view, site))
        return self._render(
            "site.html", who=scope.name, site=site, drift=drift, hosts=hosts, chosen=chosen,
            names=[row["host"] for row in number_twins(hosts.rows)],
            marks=found, unmarked=self._explain_unmarked(found),
            next=self._build_next(request, hosts),
        )  # fmt: skip

    async def show_host(self, request: Request, scope: Scope) -> Response:
        """A host: its history, and what is installed."""
        text = request.path_params["host"]
        history, earlier, retired = await self._find_history(text, request.query_params.get("before", ""), scope)
        given = {"host": text, **({"at": retired - 1} if retired else {})}
        installed = await self._ask("show", given, scope, self._find_page(request))
        found = await self._desk.read(scope, lambda view: mark_host(_go_back(view, given), text))
        return self._render(
            "host.html", who=scope.name, host=text, history=history, earlier=earlier, installed=installed,
            retired=retired,
            marks=found, unmarked=self._explain_unmarked(found),
            next=self._build_next(request, installed),
        )  # fmt: skip

    async def show_package(self, request: Request, scope: Scope) -> Response:
        """A package: its versions over time, and by site."""
        name = request.path_params["name"]
        at = self._desk.pick_time()
        page = self._find_page(request)
        go_back = partial(replace, at=at, is_continued=True)
        census, course, found = await asyncio.gather(
            self._ask("census", {"package": name}, scope, page if page.after else page._replace(after=(at,))),
            self._desk.read(scope, lambda view: follow_versions(go_back(view), find_selector(name), DAYS)),
            self._desk.read(scope, lambda view: mark_versions(go_back(view), name)),
        )
        plot = Markup(draw(course)) if course.versions else ""  # noqa: S704  # it escapes
        numbers = tabulate(course)
        return self._render(
            "package.html", who=scope.name, name=name, census=census, plot=plot, numbers=numbers, days=DAYS, counted=at,
            marks=found, unmarked=self._explain_unmarked(found),
            next=self._build_next(request, census),
        )  # fmt: skip

    async def search(self, request: Request, scope: Scope) -> Response:
        """Sites, hosts and packages by the beginning of their names."""
        text = request.query_params.get("q", "").replace("\0", "").strip()[:200]
        found = await self._desk.read(scope, lambda view: find_names(view, text))
        return self._render("search.html", who=scope.name, text=text, found=found)

    async def show_login(self, request: Request) -> Response:
        """The form for a token."""
        return self._render("login.html", who="", wrong="")

    async def log_in(self, request: Request) -> Response:
        """Put a token that is known into a cookie."""
        if _is_foreign(request):
            return self._tell(403, FOREIGN)
        form = dict(parse_qsl((await self._read_form(request)).decode("ascii", "replace")))
        token = form.get("token", "").strip()
        try:
            scope = self._desk.find_token(token)
        except Unavailable as exc:
            return self._tell(503, f"Try again later: {exc}.")
        if not scope.name:
            wrong = f"{explain_end(scope.ended_at) or 'this token is not known here'}."
            return self._render("login.html", 403, who="", wrong=wrong[0].upper() + wrong[1:])
        answer = RedirectResponse("/", 303, HEADERS)
        secure = self._is_https(request)
        answer.set_cookie(COOKIE, token, max_age=LOGIN_S, httponly=True, samesite="strict", secure=secure)
        return answer

    async def log_out(self, request: Request) -> Response:
        """Take the cookie back."""
        if _is_foreign(request):
            return self._tell(403, FOREIGN)
        answer = RedirectResponse("/login", 303, HEADERS)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    async def give_style(self, request: Request) -> Response:
        """The style sheet."""
        headers = {**HEADERS, "Cache-Control": "max-age=3600"}
        return Response(self._style, headers=headers, media_type="text/css")

    def _is_https(self, request: Request) -> bool:
        told = request.headers.get("x-forwarded-proto", "").strip().lower()
        is_proxy = (request.client.host if request.client else "") in self._proxies
        return request.url.scheme == "https" or (is_proxy and told == "https")

    async def _find_history(self, host: str, before: str, scope: Scope) -> tuple[list[dict[str, Any]], int, int]:
        """The newest rows of a host's history, the newest first; before when are more; since when it is retired."""
        until = int(before) if before.isdecimal() and len(before) < 13 else LATEST
        found, earlier = await self._desk.read(scope, lambda view: find_newest(view, host, until, HISTORY))
        names = [column.name for column in QUESTIONS["history"].columns]
        return (
            [dict(zip(names, row, strict=True)) for row in reversed(found.rows)],
            earlier,
            (found.summary or {})["retired"] or 0,
        )

    async def _ask(self, question: str, given: Mapping[str, Any], scope: Scope, page: Page) -> "_Rows":
        names = [column.name for column in QUESTIONS[question].columns]

        def build(answer: Answer) -> _Rows:
            rows = [dict(zip(names, row, strict=True)) for row in answer.rows]
            return _Rows(rows, build_key(answer.next), answer.summary or {})

        return await self._desk.ask(question, given, page, scope, build)

    @staticmethod
    async def _read_form(request: Request) -> bytes:
        parts = b""
        async for part in request.stream():
            parts += part
            if len(parts) > LOGIN_LIMIT:
                return b""
        return parts

    def _explain_unmarked(self, found: object) -> str:
        return self._desk.explain_unmarked() if found is None else ""

    @staticmethod
    def _find_page(request: Request) -> Page:
        return Page(ROWS, parse_key(request.query_params.get("after", "")))

    @staticmethod
    def _build_next(request: Request, rows: "_Rows") -> str:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
        return "?" + urlencode([*kept, ("after", rows.next)]) if rows.next else ""

    def _tell(self, status: int, text: str, who: str = "") -> Response:
        answer = self._render("message.html", status, who=who, text=text)
        if status == 503:
            answer.headers["Retry-After"] = LATER_S
        return answer

    def _render(self, template: str, status: int = 200, **values: Any) -> Response:
        outdated = self._desk.explain_outdated() if values["who"] else ""
        text = self._templates.get_template(template).render(outdated=outdated, **values)
        return Response(text.encode("utf-8", "replace"), status, HEADERS, "text/html")


def _is_foreign(request: Request) -> bool:
    """Whether a page of another site had the browser send it: all browsers say so where it matters, over HTTPS."""
    return request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def _go_back(view: View, given: Mapping[str, Any]) -> View:
    """What was seen at the time that is given, if one is."""
    return replace(view, at=given["at"]) if "at" in given else view


class _Rows(NamedTuple):
    """Rows as objects, the key of the next page, and the summary."""

    rows: list[dict[str, Any]]
    next: str
    summary: Mapping[str, Any]
