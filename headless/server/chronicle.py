"""What is written down and told at every turn of a job's life: journal, log, audit log, notices."""

import logging
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection

from headless.errors import Skipped, Unavailable
from headless.job import JobState, Outcome
from headless.server import ledger
from headless.server.audit import AuditAction, AuditLog
from headless.server.hooks.actions import Hooks
from headless.server.hooks.events import Event, EventKind, build_end_event
from headless.server.hooks.outbox import record_end, record_skip, record_start
from headless.server.journal import Journal
from headless.server.live import LiveJob
from headless.server.records import Record, read_clock

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Chronicle"]

log = logging.getLogger("headless.jobs")


class Chronicle:
    """One method a turn. What is in the journal when it returns, is so for good; the rest follows from that."""

    def __init__(
        self,
        journal: Journal,
        audit: AuditLog,
        find_hooks: Callable[[Record], Hooks],
        on_notice: Callable[[], object],
    ) -> None:
        """Args:
        journal: of the server.
        audit: of the server.
        find_hooks: what is to be told of a job, and to whom.
        on_notice: called when there may be something to tell.
        """
        self.journal = journal
        self._audit = audit
        self._find_hooks = find_hooks
        self._on_notice = on_notice

    async def accept(self, record: Record, *, has_slot: bool, sees_all: bool) -> ledger.Decision:
        """Decide on a start and write it down (``ledger.accept``).

        Raises:
            HeadlessError: it is not accepted, or could not be written.
        """
        spec, hooks = record.spec, self._find_hooks(record)
        who = {"name": spec.name, "user": record.user, "origin": record.origin}

        def write(connection: Connection) -> ledger.Decision:
            decision = ledger.accept(connection, record, has_slot=has_slot, sees_all=sees_all)
            if decision.is_new and decision.record.state is JobState.RUNNING:
                record_start(connection, _build_event(EventKind.START, decision.record), hooks)
            return decision

        try:
            decision = await self.journal.write(write)
        except Skipped as exc:
            self._audit.record(AuditAction.SKIPPED, job=spec.job_id, **who, reason=str(exc))
            event = _build_event(EventKind.SKIP, record, reason=str(exc))
            await self.journal.write(partial(record_skip, event=event, hooks=hooks))
            self._on_notice()
            raise
        self._on_notice()
        if decision.is_new:
            self._audit.record(
                AuditAction.START, job=spec.job_id, **who, kind=spec.kind, run_as=record.run_as,
                sha256=record.source_sha256,
            )  # fmt: skip
            log.info(
                "accept job=%s name=%s kind=%s user=%s from=%s",
                spec.job_id, spec.name, spec.kind, record.user, record.origin,
            )  # fmt: skip
        return decision

    def wait(self, job: LiveJob, ahead: int) -> None:
        """A job that was accepted waits, behind so many others of its name."""
        log.info("wait job=%s name=%s user=%s ahead=%d", job.job_id, job.record.spec.name, job.record.user, ahead)

    async def begin(self, job: LiveJob) -> Record:
        """Write down that a waiting job is handed to the engine; its record with its source.

        Raises:
            Unavailable: it could not be written.
        """
        hooks = self._find_hooks(job.record)

        def write(connection: Connection) -> Record:
            record = ledger.begin(connection, job.job_id, read_clock())
            record_start(connection, _build_event(EventKind.START, record), hooks)
            return record

        record = await self.journal.write(write)
        self._on_notice()
        return record

    def start(self, job: LiveJob) -> None:
        """The engine has taken a job."""
        log.info("start job=%s name=%s user=%s", job.job_id, job.record.spec.name, job.record.user)

    async def cancel(self, job: LiveJob, by: str) -> None:
        """Write down that somebody wants a job to end.

        Raises:
            Unavailable: it could not be written.
        """
        reason = f"cancelled by {by}"
        await self.journal.write(partial(ledger.ask_cancel, job_ids=[job.job_id], reason=reason))
        job.cancel = job.cancel or reason
        self._audit.record(AuditAction.CANCEL, job=job.job_id, by=by)
        log.info("cancel job=%s by=%s", job.job_id, by)

    def rerun(self, job_id: str, new_id: str, by: str) -> None:
        """Somebody has a job run once more; its start is told by itself."""
        self._audit.record(AuditAction.RERUN, job=new_id, of=job_id, by=by)

    def prune(self, count: int, by: str) -> None:
        """Somebody has had ended jobs forgotten."""
        self._audit.record(AuditAction.PRUNE, count=count, by=by)
        log.info("prune count=%d by=%s", count, by)

    async def end(self, job: LiveJob, outcome: Outcome, ended_at: float, tails: Mapping[str, bytes]) -> bool:
        """Write down a job's end; False if that cannot be done now.

        Args:
            job: whose end it is.
            outcome: how.
            ended_at: seconds since 1970.
            tails: the last bytes of its outputs, by stream, for those who are told of a failure.
        """
        hooks = self._find_hooks(job.record)
        event = _build_end(job.record, outcome, ended_at, tails)

        def write(connection: Connection) -> bool:
            is_first = ledger.end(connection, job.job_id, outcome, ended_at)
            if is_first:
                record_end(connection, event, hooks)
            return is_first

        try:
            is_first = await self.journal.write(write)
        except Unavailable:
            return False
        self._on_notice()
        if is_first:
            self._audit.record(
                AuditAction.END, job=job.job_id, name=job.record.spec.name, user=job.record.user, state=outcome.state,
                ending=outcome.ending, code=outcome.code,
            )  # fmt: skip
            code = "" if outcome.code is None else outcome.code
            log.info(
                "end job=%s name=%s user=%s state=%s ending=%s code=%s duration_s=%.3f reason=%r",
                job.job_id, job.record.spec.name, job.record.user, outcome.state, outcome.ending, code,
                outcome.duration_s, outcome.reason,
            )  # fmt: skip
        return True


def _build_event(kind: EventKind, record: Record, **facts: Any) -> Event:
    return Event(kind=kind, **_name(record), started_at=record.started_at, **facts)


def _build_end(record: Record, outcome: Outcome, ended_at: float, tails: Mapping[str, bytes]) -> Event:
    return build_end_event(outcome, **_name(record), started_at=record.started_at, ended_at=ended_at, **tails)


def _name(record: Record) -> dict[str, Any]:
    return {
        "job_id": record.job_id,
        "name": record.spec.name,
        "user": record.user,
        "accepted_at": record.accepted_at,
    }
