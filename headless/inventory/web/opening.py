"""A collector whose database may be away when it starts: reports are taken meanwhile, and questions refused."""

import asyncio
import logging
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headless.database.backends import build_engine, check_url, is_passing
from headless.database.database import LOCK_PATIENCE_S
from headless.database.lock import LOCK_WAIT_S
from headless.errors import Held, ParameterError
from headless.inventory.collect.access import Access
from headless.inventory.collect.collector import Collector, explain_loss, make_state, open_collector
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.collect.spool import Spool
from headless.inventory.collect.store import Store
from headless.inventory.web.advice import Advice
from headless.inventory.web.answers import tell_end
from headless.inventory.web.app import build_app, build_feeds_app
from headless.inventory.web.desk import Desk
from headless.inventory.web.health import Health
from headless.inventory.web.metrics import TURNED_AWAY
from headless.inventory.web.settings import WebSettings
from headless.inventory.web.warming import warm

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["Opening"]

PAUSE_S = 2.0

log = logging.getLogger("headless.inventory")


class Opening:
    """The collector's application: its feeds alone, until all of it is open.

    Attributes:
        health: of what is open.
        turned_away: how many requests were answered with 503, by what they were.
    """

    def __init__(self, settings: CollectorSettings, web: WebSettings, stack: AsyncExitStack, advice: Advice) -> None:
        """Args:
        settings: of the collector.
        web: of its face.
        stack: closes what is opened.
        advice: its advisories.
        """
        self._advice = advice
        self._settings = settings
        self._web = web
        self._stack = stack
        self._app: ASGIApp
        self.health: Health
        self.turned_away = Counter(dict.fromkeys(TURNED_AWAY, 0))
        self._desk: Desk
        self._collector: Collector | None = None
        self._is_told = False
        self._held_since: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; one that is cancelled, as at the end of all, is told so if nothing was said to it yet."""
        has_begun = False

        async def note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, note)
        except asyncio.CancelledError:
            if has_begun:
                raise
            await tell_end(scope, receive, send)

    async def begin(self) -> None:
        """Open all of it, or, if only the database is away, the spool.

        Raises:
            HeadlessError: something else is of no use.
        """
        make_state(self._settings)
        _warn_of_tokens(self._settings)
        if not await self._try_open(LOCK_PATIENCE_S):
            spool = Spool(self._settings.spool, self._settings.max_spool)
            self._stack.push_async_callback(spool.close)
            self.health = Health(spool)
            self._app = build_feeds_app(self._settings, spool, self._web, self.health, self.turned_away)

    async def run(self) -> None:
        """Work until cancelled; open the rest first, as soon as that can be.

        Raises:
            HeadlessError: the database is there, and of no use, or another collector's.
        """
        while self._collector is None:
            await asyncio.sleep(PAUSE_S)
            # In a thread: a host that does not answer would hold up the feeds.
            if await asyncio.to_thread(_can_reach, self._settings.database):
                await self._try_open(0)
            else:
                self._held_since = None
        warming = asyncio.create_task(warm(self._desk))
        try:
            await self._collector.worker.run()
        finally:
            warming.cancel()

    async def _try_open(self, wait_s: float) -> bool:
        try:
            collector = await self._stack.enter_async_context(open_collector(self._settings, wait_s))
        except Held as exc:
            self._wait_for_lock(exc)
            return False
        except ParameterError as exc:
            if not self._settings.database or not is_passing(exc.__cause__):
                raise
            if not self._is_told:
                log.error("waiting reason=%r", str(exc))
            self._is_told = True
            return False
        if self._is_told or self._held_since is not None:
            log.info("going-on")
        if reason := await explain_loss(collector):
            log.error("inventory-empty reason=%r", reason)
        marks = self._advice.find_marks if self._advice else None
        self._desk = Desk(collector.store, Access(self._settings.access), marks)
        self.health = Health(collector.spool, collector)
        self._app = build_app(collector, self._web, self._desk, self.health, self.turned_away)
        self._collector = collector
        return True

    def _wait_for_lock(self, exc: Held) -> None:
        """Go on without the database: the one that has it may have lost its host, which nobody has told its session.

        Raises:
            ParameterError: that has been so for too long.
        """
        now = time.monotonic()
        if self._held_since is None:
            self._held_since = now
            log.warning("inventory-locked limit_s=%d reason=%r", LOCK_WAIT_S, str(exc))
        if now > self._held_since + LOCK_WAIT_S:
            raise ParameterError(f"{exc}: what has come meanwhile is kept in {self._settings.spool}") from exc


def _warn_of_tokens(settings: CollectorSettings) -> None:
    """Tell of tokens that feeds name and nobody has, or who has may not send; they count as soon as they are added."""
    try:
        senders = {grant.name for grant in Access(settings.access).list_grants() if grant.scope.may_send}
    except ParameterError:
        return  # it is told when it is needed
    for feed in settings.feeds.values():
        for name in feed.tokens:
            if name not in senders:
                reason = f"no token of this name may send: headless inventory token add {name} --role sender"
                log.warning("token-unknown feed=%s token=%r reason=%r", feed.name, name, reason)


def _can_reach(url: str) -> bool:
    engine = build_engine(check_url(url, "database", Store.schema.backends))
    try:
        engine.connect().close()
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()
    return True
