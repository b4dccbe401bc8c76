"""The courier: takes notices from the outbox and delivers them, beside the jobs and without a hold on them.

Each is delivered at least once: it leaves the outbox after it was delivered, so one that a crash interrupts is
delivered again by the next server. After its last try it is dropped, and the log says so.
"""

import asyncio
import contextlib
import json
import logging
import random
import time
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, or_, select, update

from headless.errors import Unavailable
from headless.server.hooks.actions import Action
from headless.server.hooks.delivery import Delivery
from headless.server.hooks.outbox import parse_notice_action
from headless.server.hooks.undelivered import Undelivered
from headless.server.journal import Journal
from headless.server.schema import notices

__all__ = ["Courier"]

AT_A_TIME = 8
PAUSE_S = 2.0  # before the second try; four times as long before each further one
PAUSE_LIMIT_S = 600.0
POLL_S = 60.0  # how often the outbox is looked at without a reason
JOURNAL_PAUSE_S = 5.0  # after the journal could not be read or written
DRAIN_LIMIT_S = 10.0
OUTBOX_LIMIT = 10_000  # notices; the oldest are dropped

log = logging.getLogger("headless.hooks")


@dataclass(frozen=True)
class _Notice:
    """A row of the outbox."""

    key: int
    job_id: str
    name: str
    event: str
    action: str
    body: str
    attempts: int


@dataclass(frozen=True)
class _Look:
    """What the outbox holds for us: notices that are due, and in how many seconds the next one is (if any)."""

    due: list[_Notice]
    next_s: float | None


class Courier:
    """Delivers notices until it is cancelled."""

    def __init__(self, journal: Journal, *, sendmail: str = "/usr/sbin/sendmail", pause_s: float = PAUSE_S) -> None:
        """Args:
        journal: that holds the outbox.
        sendmail: the program that takes mail.
        pause_s: about how long to wait before the second try, in seconds.
        """
        self._journal = journal
        self._delivery = Delivery(sendmail)
        self._pause_s = pause_s
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._results: dict[int, tuple[int, float] | None] = {}  # attempts and when due again; None: may go
        self._changed = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._complaint = ""
        self._next_limit = 0.0
        self.failed = 0  # notices that were dropped, for the metrics

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._is_idle.clear()
        self._changed.set()

    async def run(self) -> None:
        """Deliver what an earlier server has left, then what comes, until cancelled; what is under way then is killed,
        and stays in the outbox."""
        try:
            while True:
                self._changed.clear()
                wait_s = await self._step()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), wait_s)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            with contextlib.suppress(Unavailable):
                await self._write_results()
            await self._delivery.close()

    async def drain(self, limit_s: float = DRAIN_LIMIT_S) -> bool:
        """Wait until nothing is due and nothing under way, at most so long; return whether that is so.

        What waits for another try stays in the outbox, for the next server. :meth:`run` must be running.
        """
        self.wake()
        try:
            await asyncio.wait_for(self._is_idle.wait(), limit_s)
        except TimeoutError:
            return False
        return True

    async def _step(self) -> float:
        """Begin what is due; return after how many seconds to look again."""
        try:
            await self._write_results()
            await self._limit_outbox()
            busy, slots = {*self._tasks, *self._results}, AT_A_TIME - len(self._tasks)
            look = await self._journal.read(lambda connection: _look(connection, busy, slots))
        except Unavailable as exc:
            if str(exc) != self._complaint:
                log.error("hooks-waiting reason=%r", str(exc))
            self._complaint = str(exc)
            return JOURNAL_PAUSE_S
        self._complaint = ""
        for notice in look.due:
            self._tasks[notice.key] = asyncio.get_running_loop().create_task(self._deliver(notice))
        if not (self._tasks or self._changed.is_set()):
            self._is_idle.set()
        return POLL_S if look.next_s is None else min(POLL_S, look.next_s)

    async def _deliver(self, notice: _Notice) -> None:
        try:
            self._results[notice.key] = await self._try(notice)
        finally:
            del self._tasks[notice.key]
            self._changed.set()

    async def _try(self, notice: _Notice) -> tuple[int, float] | None:
        try:
            action, body = parse_notice_action(notice.action), json.loads(notice.body)
        except (ValueError, TypeError, KeyError):
            log.error(
                "hook-failed event=%s job=%s reason='the notice is of another version'", notice.event, notice.job_id
            )
            return None
        attempts = notice.attempts + 1
        try:
            await self._delivery.deliver(action, body)
        except Undelivered as exc:
            return self._fail(notice, action, attempts, str(exc), exc.is_final)
        except Exception as exc:
            log.exception("bug in a hook job=%s", notice.job_id)
            return self._fail(notice, action, attempts, type(exc).__name__, is_final=True)
        log.info("hook event=%s job=%s name=%s to=%r", notice.event, notice.job_id, notice.name, action.label)
        return None

    def _fail(
        self, notice: _Notice, action: Action, attempts: int, reason: str, is_final: bool
    ) -> tuple[int, float] | None:
        level, word = logging.ERROR, "hook-failed"
        if not is_final and attempts <= action.retries:
            level, word = logging.WARNING, "hook-retry"
        log.log(
            level,
            "%s event=%s job=%s name=%s to=%r attempt=%d reason=%r",
            word, notice.event, notice.job_id, notice.name, action.label, attempts, reason,
        )  # fmt: skip
        if level == logging.ERROR:
            self.failed += 1
            return None
        pause_s = min(PAUSE_LIMIT_S, self._pause_s * 4 ** (attempts - 1)) * random.uniform(0.5, 1.5)  # noqa: S311
        return attempts, time.time() + pause_s

    async def _write_results(self) -> None:
        """What could not be written is written the next time; until then nothing is delivered a second time."""
        results = dict(self._results)
        if results:
            await self._journal.write(lambda connection: _write_results(connection, results))
            for key in results:
                self._results.pop(key, None)

    async def _limit_outbox(self) -> None:
        if time.monotonic() < self._next_limit:
            return
        self._next_limit = time.monotonic() + POLL_S
        dropped = await self._journal.write(_limit_outbox)
        if dropped:
            self.failed += dropped
            log.error("hook-failed reason='the outbox holds at most %d notices' dropped=%d", OUTBOX_LIMIT, dropped)


def _look(connection: Connection, busy: set[int], slots: int) -> _Look:
    now = time.time()
    is_free = notices.c.id.not_in(busy)
    # A due time that no pause of ours explains was written before the clock was set back.
    is_due = or_(notices.c.due_at <= now, notices.c.due_at > now + 2 * PAUSE_LIMIT_S)
    order = (notices.c.due_at, notices.c.id)
    columns = (notices.c[name] for name in ("id", "job_id", "name", "event", "action", "body", "attempts"))
    due = connection.execute(select(*columns).where(is_free, is_due).order_by(*order).limit(slots)).all()
    later = connection.execute(select(func.min(notices.c.due_at)).where(is_free, ~is_due)).scalar_one()
    return _Look([_Notice(*row) for row in due], None if later is None else max(0.0, later - now))


def _write_results(connection: Connection, results: dict[int, tuple[int, float] | None]) -> None:
    for key, result in results.items():
        if result is None:
            connection.execute(delete(notices).where(notices.c.id == key))
        else:
            values = {"attempts": result[0], "due_at": result[1]}
            connection.execute(update(notices).where(notices.c.id == key).values(values))


def _limit_outbox(connection: Connection) -> int:
    keep = select(notices.c.id).order_by(notices.c.id.desc()).offset(OUTBOX_LIMIT).limit(1)
    oldest = connection.execute(keep).scalar_one_or_none()
    if oldest is None:
        return 0
    return connection.execute(delete(notices).where(notices.c.id <= oldest)).rowcount
