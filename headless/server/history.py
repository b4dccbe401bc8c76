"""Looking back: which jobs there were, what became of them; once more, and no more."""

import sys
import time
from dataclasses import replace
from functools import partial
from typing import Any

from headless.engines.base import Engine
from headless.errors import ParameterError, Refused
from headless.job import JobState
from headless.protocol.codec import encode_bytes
from headless.protocol.messages import JobList, JobPrune, JobRerun, JobStart
from headless.server import ledger
from headless.server.jobs import Jobs
from headless.server.journal import Journal
from headless.server.live import LiveJob
from headless.server.login import Account
from headless.server.records import Record
from headless.server.tails import STREAMS, read_tails

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["History", "encode_tails", "forget_old"]

PRUNED = 200  # jobs in one answer: it is waited for
MAX_LISTED = 500  # jobs in one answer


class History:
    """A server's jobs as one of its sessions may see them."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def list(self, account: Account, query: JobList) -> dict[str, Any]:
        """Describe the jobs that fit, the last accepted first.

        Raises:
            ParameterError: ``before`` is no job.
        """
        query = replace(query, limit=min(query.limit or 1, MAX_LISTED))
        wanted = partial(ledger.list_jobs, reader=_read_rights(account), query=query, now=time.time())
        records, has_more = await self._jobs.journal.read(wanted)
        described = [_describe(record, self._jobs.find_live(record.job_id)) for record in records]
        if query.state in (JobState.ACCEPTED, JobState.RUNNING):  # the journal calls both running
            described = [body for body in described if body["state"] == query.state]
        return {"jobs": described, "more": has_more}

    async def show(self, account: Account, job_id: str) -> dict[str, Any]:
        """Describe one job in full.

        Raises:
            ParameterError: unknown, or another user's.
        """
        job = await self._jobs.find(account, job_id)
        record = await self._jobs.journal.read(partial(ledger.find, job_id=job_id)) or job.record
        body = _describe(record, job)
        body |= {
            "source_sha256": record.source_sha256,
            "arguments": list(record.spec.arguments),
            "stdin": record.spec.stdin,
            "inputs": list(record.spec.inputs),
            "outputs": list(record.spec.outputs),
            "waits_for": self._jobs.find_ahead(job),
            "progress": job.progress,
            "has_result": False,
            "output": dict.fromkeys(STREAMS, 0),
        }
        if job.handle:
            body["output"] = await _read_ends(self._jobs.engine, job.handle)
            body["has_result"] = (await self._jobs.engine.result(job.handle))[0]
            if job.state.is_final and job.state is not JobState.ENDED:
                body["tail"] = await encode_tails(self._jobs.engine, job.handle)
        return body

    async def rerun(self, account: Account, message: JobRerun, origin: str) -> LiveJob:
        """Start what a job was once more; as any start, it is checked anew.

        Raises:
            ParameterError: unknown, another user's, or its input is gone.
            HeadlessError: as :meth:`Jobs.start`.
        """
        await self._jobs.find(account, message.job_id)
        find = partial(ledger.find, job_id=message.job_id, with_source=True)
        record = await self._jobs.journal.read(find)
        if record is None:
            raise ParameterError(f"unknown job {message.job_id}")
        spec = record.spec
        if record.user != account.user.name:  # it would run as whoever asks, with what that one may do
            raise Refused(f"job {message.job_id} is {record.user}'s, who alone may run it again")
        if spec.stdin:
            raise ParameterError(f"job {message.job_id} was given an input, which is not kept: launch it again")
        start = JobStart(
            job_id=message.new_id,
            kind=spec.kind,
            name=spec.name,
            module=spec.module,
            source=encode_bytes(spec.source),
            arguments=tuple(spec.arguments),
            overlap=spec.overlap,
            wait_for=spec.wait_for_s,
            max_runtime=spec.max_runtime_s,
            grace=spec.grace_s,
            inputs=tuple(spec.inputs),
            outputs=tuple(spec.outputs),
        )
        job = await self._jobs.start(account, start, origin)
        self._jobs.chronicle.rerun(message.job_id, message.new_id, account.user.name)
        return job

    async def prune(self, account: Account, message: JobPrune) -> int:
        """Forget some ended jobs of this account, or of all for the owner; return how many: 0 if none is left."""
        user = "" if account.is_owner else account.user.name
        before = time.time() - message.older
        wanted = partial(
            ledger.list_ended, before=before, keep=message.keep, name=message.name, user=user, limit=PRUNED
        )
        job_ids = await self._jobs.journal.read(wanted)
        if job_ids:
            self._jobs.chronicle.prune(len(job_ids), account.user.name)
            await forget(self._jobs.engine, self._jobs.journal, job_ids)
        return len(job_ids)


async def forget_old(engine: Engine, journal: Journal, keep_days: float, keep_jobs: int) -> None:
    """Forget the jobs that are older, or more, than are to be kept.

    Raises:
        Unavailable: the journal is away.
    """
    before = time.time() - keep_days * 86400
    for wanted in (partial(ledger.list_ended, before=before), partial(ledger.list_surplus, keep=keep_jobs)):
        while job_ids := await journal.read(wanted):
            await forget(engine, journal, job_ids)


async def forget(engine: Engine, journal: Journal, job_ids: list[str]) -> None:
    """Forget ended jobs: first their files, then that they were."""
    for job_id in job_ids:
        await engine.release(await engine.find(job_id))
    await journal.write(partial(ledger.forget, job_ids=job_ids))


async def encode_tails(engine: Engine, handle: str) -> dict[str, str]:
    """The last bytes of both outputs of a job, in base 64."""
    return {stream: encode_bytes(data) for stream, data in (await read_tails(engine, handle)).items()}


async def _read_ends(engine: Engine, handle: str) -> dict[str, int]:
    """The offsets at which both outputs of a job end by now."""
    pieces = {stream: await engine.output(handle, stream, -1, 1) for stream in STREAMS}
    return {stream: piece.offset + len(piece.data) for stream, piece in pieces.items()}


def _read_rights(account: Account) -> ledger.Reader:
    return ledger.Reader(account.user.name, account.is_owner)


def _describe(record: Record, live: LiveJob | None) -> dict[str, Any]:
    spec, outcome = record.spec, record.outcome
    state, ended_at = record.state, record.ended_at
    if live is not None:  # its end may not be in the journal yet
        state, outcome, ended_at = live.state, live.outcome, live.record.ended_at
    return {
        "job_id": spec.job_id,
        "name": spec.name,
        "kind": spec.kind,
        "module": spec.module,
        "user": record.user,
        "run_as": record.run_as,
        "origin": record.origin,
        "overlap": spec.overlap,
        "state": state,
        "accepted_at": record.accepted_at,
        "started_at": record.started_at,
        "ended_at": ended_at,
        "duration_s": outcome.duration_s if outcome else None,
        "ending": outcome.ending if outcome else "",
        "code": outcome.code if outcome else None,
        "reason": outcome.reason if outcome else "",
        "written": outcome.written if outcome else {},
        "dropped": outcome.dropped if outcome else {},
    }
