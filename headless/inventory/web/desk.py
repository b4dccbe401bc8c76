"""Where questions are asked: by whom, how many at a time, and of which store."""

import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import Request

from headless.errors import Unavailable
from headless.inventory.ask.answers import answer
from headless.inventory.ask.marks import Marks
from headless.inventory.ask.memory import Memory
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.view import View
from headless.inventory.collect.access import NOTHING, Access, Scope
from headless.inventory.collect.store import Store
from headless.inventory.web.seldom import Seldom
from headless.inventory.web.senders import explain_end, read_token

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["COOKIE", "Desk"]

COOKIE = "headless-inventory"
FRESH_S = 60
MOST_WAITING, MOST_OF_ONE = 32, 16
"""Questions that wait for their turn, of all and of one asker; who asks one more is told to come later."""

log = logging.getLogger("headless.inventory")
Result = TypeVar("Result")


class Desk:
    """Where the API and the pages ask.

    Attributes:
        access: tells who may see what.
    """

    def __init__(self, store: Store, access: Access, marks: Callable[[], Marks | None] | None = None) -> None:
        """Args:
        store: of which questions are asked.
        access: who may see what.
        marks: see :class:`headless.inventory.ask.view.View`.
        """
        self.marks = marks
        self._store = store
        self.access = access
        self._waiting: Counter[str] = Counter()
        self._time = 0
        self._memory, self._losses = Memory(), store.losses
        self._seldom = Seldom()

    @property
    def memory(self) -> Memory:
        """Begun anew when the database has come back as an older one: its rows are others."""
        if self._losses != self._store.losses:
            self._memory, self._losses = Memory(), self._store.losses
        return self._memory

    @property
    def is_idle(self) -> bool:
        """Whether nobody asks."""
        return not self._waiting.total()

    def explain_unmarked(self) -> str:
        """Why nothing is marked though there are advisories; empty if they are there, or none are named."""
        try:
            return "the advisories are being read" if self.marks is not None and self.marks() is None else ""
        except Unavailable as exc:
            return str(exc)

    def explain_outdated(self) -> str:
        """Why the advisories are older than their files; empty if they are not, or there are none."""
        try:
            marks = self.marks() if self.marks is not None else None
        except Unavailable:
            return ""
        return marks.outdated if marks else ""

    def pick_time(self) -> int:
        """The time as of which pages count what takes long: now or up to a minute ago, so that many are of one count.

        Returns:
            Seconds since the epoch.
        """
        now = int(time.time())
        if not self._time <= now < self._time + FRESH_S:
            self._time = now
        return self._time

    def identify(self, request: Request) -> Scope:
        """What the asker may see: by a token in the header or in the pages' cookie, or by a client certificate.

        Raises:
            Unavailable: who may see what cannot be read.
        """
        token = read_token(request.headers.get("authorization", "")) or request.cookies.get(COOKIE, "")
        subject = request.scope.get("state", {}).get("subject", "")
        if token:
            return self.find_token(token)
        return self._tell_end(self.access.find_subject(subject)) if subject else NOTHING

    def find_token(self, token: str) -> Scope:
        """What the holder of a token may see.

        Raises:
            Unavailable: as :meth:`identify`.
        """
        return self._tell_end(self.access.find_token(token)) if token else NOTHING

    def _tell_end(self, scope: Scope) -> Scope:
        if scope.ended and self._seldom.is_due(scope.ended):
            log.warning("may-not-ask name=%r reason=%r", scope.ended, explain_end(scope.ended_at))
        return scope

    async def ask(
        self, question: str, parameters: Mapping[str, Any], page: Page, scope: Scope, build: Callable[[Answer], Result]
    ) -> Result:
        """Ask; see :func:`headless.inventory.ask.answers.answer`.

        Args:
            question, parameters, page, scope: as there.
            build: makes of the answer what is sent, in the reader's thread.

        Raises:
            ParameterError: a parameter is wrong.
            Unavailable: the database is away, or too much is asked at a time, by all or by this one.
        """
        return await self.read(
            scope,
            lambda view: build(
                answer(
                    question,
                    parameters,
                    page,
                    connection=view.connection,
                    scope=scope,
                    memory=self.memory,
                    marks=self.marks,
                )
            ),
        )

    async def read(self, scope: Scope, function: Callable[[View], Result]) -> Result:
        """Run a function with what somebody sees now, in the reader's thread.

        Raises:
            Unavailable: as :meth:`ask`.
        """
        if self._waiting.total() >= MOST_WAITING or self._waiting[scope.name] >= MOST_OF_ONE:
            raise Unavailable("too many questions at a time")
        self._waiting[scope.name] += 1
        # What has begun in a thread cannot be stopped: it counts until it has ended, though the asker be gone.
        task = asyncio.ensure_future(self._read(scope, function))
        task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def _read(self, scope: Scope, function: Callable[[View], Result]) -> Result:
        try:
            return await self._store.read(
                lambda connection: function(View(connection, scope, self.memory, int(time.time()), marks=self.marks))
            )
        finally:
            self._waiting[scope.name] -= 1
            if not self._waiting[scope.name]:
                del self._waiting[scope.name]


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Hear what has failed though the asker be gone: it is no bug that nobody hears it."""
    if not task.cancelled():
        task.exception()
