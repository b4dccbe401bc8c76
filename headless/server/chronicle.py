"""What is written down and told at every turn of a job's life: journal, log, audit log, notices."""

import logging
import sys
from functools import partial

from headless.errors import Skipped, Unavailable
from headless.job import Outcome
from headless.server import ledger
from headless.server.audit import AuditAction, AuditLog
from headless.server.journal import Journal
from headless.server.live import LiveJob
from headless.server.records import Record, read_clock

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Chronicle"]

log = logging.getLogger("headless.jobs")


class Chronicle:
    """One method a turn. What is in the journal when it returns, is so for good; the rest follows from that."""

    def __init__(self, journal: Journal, audit: AuditLog) -> None:
        self.journal = journal
        self._audit = audit

    async def accept(self, record: Record, *, has_slot: bool, sees_all: bool) -> ledger.Decision:
        """Decide on a start and write it down (``ledger.accept``).

        Raises:
            HeadlessError: it is not accepted, or could not be written.
        """
        write = partial(ledger.accept, record=record, has_slot=has_slot, sees_all=sees_all)
        spec = record.spec
        who = {"name": spec.name, "user": record.user, "origin": record.origin}
        try:
            decision = await self.journal.write(write)
        except Skipped as exc:
            self._audit.record(AuditAction.SKIPPED, job=spec.job_id, **who, reason=str(exc))
            raise
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

    def wait(self, job: LiveJob) -> None:
        """A job that was accepted waits."""
        behind = ",".join(sorted(job.blockers))
        log.info("wait job=%s name=%s user=%s behind=%s", job.job_id, job.record.spec.name, job.record.user, behind)

    async def begin(self, job: LiveJob) -> Record:
        """Write down that a waiting job is handed to the engine; its record with its source.

        Raises:
            Unavailable: it could not be written.
        """
        return await self.journal.write(partial(ledger.begin, job_id=job.job_id, clock=read_clock()))

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

    async def end(self, job: LiveJob, outcome: Outcome, ended_at: float) -> bool:
        """Write down a job's end; False if that cannot be done now."""
        write = partial(ledger.end, job_id=job.job_id, outcome=outcome, ended_at=ended_at)
        try:
            is_first = await self.journal.write(write)
        except Unavailable:
            return False
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
