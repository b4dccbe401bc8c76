"""Jobs that were handed to the engine, or are about to be: submitted, followed, ended, and their end written down."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

from headless.engines.base import CannotStart, Engine, Phase, Status
from headless.errors import ParameterError, Refused, Unavailable
from headless.job import Ending, JobState, Outcome
from headless.server.admission import Admission
from headless.server.chronicle import Chronicle
from headless.server.live import LiveJob
from headless.server.records import Clock, Record
from headless.server.tails import read_tails
from headless.server.tasks import Tasks
from headless.server.uploads import Uploads

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["RETRY_S", "Runs"]

SWEEP_S = 1.0  # a doorbell may be missed; a killed supervisor rings none
RETRY_S = 1.0  # between two tries at a journal or an engine that is away
LONGEST_RETRY_S = 60.0  # where it is a bug that fails them
UNKNOWN_LIMIT_S = 600.0  # for which an engine may have no word of a job
POWER_CUT = "the machine went down while it ran"

log = logging.getLogger("headless.jobs")


class Runs:
    """The jobs of a server that its journal calls running."""

    def __init__(
        self,
        admission: Admission,
        chronicle: Chronicle,
        engine: Engine,
        uploads: Uploads,
        tasks: Tasks,
        on_end: Callable[[LiveJob], None],
        on_gone: Callable[[LiveJob], None],
    ) -> None:
        """Args:
        admission: makes what the engine gets of what was accepted.
        chronicle: is told of every turn.
        engine: that runs the jobs.
        uploads: their inputs.
        tasks: to be done beside.
        on_end: called when a job is over: its place is free.
        on_gone: called when that is in the journal: for others it is gone.
        """
        self._admission = admission
        self._chronicle = chronicle
        self._engine = engine
        self._uploads = uploads
        self._tasks = tasks
        self._on_end = on_end
        self._on_gone = on_gone
        self._runs: dict[str, LiveJob] = {}
        engine.subscribe(self._handle_bell)

    async def submit(self, job: LiveJob, record: Record) -> None:
        """Hand a job to the engine; the journal says already that it may have begun."""
        stdin = self._uploads.locate(record.user, job.job_id) if record.spec.stdin else None
        try:
            engine_job = self._admission.build_engine_job(record, stdin)
            while not job.cancel:
                try:
                    job.handle = await self._engine.submit(engine_job)
                    break
                except Unavailable as exc:  # what was accepted waits for the engine
                    log.error("engine-unavailable job=%s reason=%r", job.job_id, str(exc))
                    await asyncio.sleep(RETRY_S)
        except (CannotStart, Refused, ParameterError) as exc:
            self._end(job, Outcome(ending=Ending.NOT_STARTED, reason=str(exc)))
            return
        except Exception as exc:
            log.exception("bug job=%s", job.job_id)
            reason = f"a bug in the server: {type(exc).__name__}"
            await self._settle_submit(job, Outcome(ending=Ending.NOT_STARTED, reason=reason))
            return
        if job.handle:
            await self._follow(job)
        else:
            await self._settle_submit(job, Outcome(ending=Ending.CANCELLED, reason=job.cancel))

    async def _settle_submit(self, job: LiveJob, outcome: Outcome) -> None:
        """A submit has come to nothing, as far as is known: take this outcome if nothing of the job has begun."""
        job.handle = await self._engine.find(job.job_id)
        if (await self._ask(job)).phase is Phase.ABSENT:
            self._end(job, outcome)
        else:
            await self._follow(job)

    async def _follow(self, job: LiveJob) -> None:
        """The engine has taken a job."""
        job.state = JobState.RUNNING
        self._runs[job.job_id] = job
        self._chronicle.start(job)
        job.wake()
        if job.cancel:
            await self.cancel(job)
        await self._refresh(job)

    async def take_up(self, job: LiveJob, record: Record, status: Status, clock: Clock) -> None:
        """Find out what became of a job that was handed to the engine, or was about to be."""
        if status.phase is not Phase.ABSENT:
            job.state = JobState.RUNNING
            self._runs[job.job_id] = job
            if job.cancel:
                await self.cancel(job)
            self._take_status(job, status)
        elif record.boot_id == clock.boot_id:
            # Nothing of it was begun, and nothing will be but by this: the claim sees to that.
            job.handle = ""
            self._tasks.spawn_guarded(job, partial(self.submit, record=record))
        else:
            # A power cut takes the newest files with it: whether it had begun, nobody knows.
            self._end(job, Outcome(ending=Ending.LOST, reason=POWER_CUT))

    async def sweep(self) -> None:
        """Look at all running jobs every second, until it is cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            jobs = {job.handle: job for job in self._runs.values() if job.state is JobState.RUNNING}
            try:
                for handle, status in (await self._engine.status(list(jobs))).items():
                    self._take_status(jobs[handle], status)
            except Exception:
                log.exception("bug in a look at the running jobs")

    async def cancel(self, job: LiveJob) -> None:
        """Ask the engine for a job's end, until it has heard of it; a submit under way looks at the wish itself."""
        if job.state is not JobState.RUNNING:
            return
        try:
            await self._engine.cancel(job.handle, job.cancel)
        except Unavailable as exc:
            log.error("not-cancelled-yet job=%s reason=%r", job.job_id, str(exc))
            self._tasks.spawn_guarded(job, self._cancel_later)

    async def _cancel_later(self, job: LiveJob) -> None:
        await asyncio.sleep(RETRY_S)
        await self.cancel(job)

    def _handle_bell(self, job_id: str) -> None:
        job = self._runs.get(job_id)
        if job is not None and job.state is JobState.RUNNING and not job.is_rung:
            job.is_rung = True  # a job that prints line by line rings more often than anybody could look
            self._tasks.spawn_guarded(job, self._answer_bell)

    async def _answer_bell(self, job: LiveJob) -> None:
        job.is_rung = False
        await self._refresh(job)

    async def _refresh(self, job: LiveJob) -> None:
        if job.state is JobState.RUNNING:
            self._take_status(job, await self._ask(job))

    async def _ask(self, job: LiveJob) -> Status:
        return (await self._engine.status([job.handle]))[job.handle]

    def _take_status(self, job: LiveJob, status: Status) -> None:
        """Act on what the engine says, and tell the watchers."""
        if job.state is not JobState.RUNNING:
            return  # another look was faster
        job.progress = status.progress or job.progress
        if status.outcome is not None:
            self._end(job, status.outcome)
        elif status.phase in (Phase.GONE, Phase.ABSENT):  # it had begun: what is absent now was removed
            self._end(job, Outcome(ending=Ending.LOST, reason="its supervisor is gone and left no outcome"))
        elif status.phase is Phase.UNKNOWN:
            self._wait_for_word(job)
        else:
            job.unknown_since = None
        job.wake()

    def _wait_for_word(self, job: LiveJob) -> None:
        """The engine cannot say where a job is: that is no end, but not for ever."""
        if job.unknown_since is None:
            job.unknown_since = time.monotonic()
            log.error("unknown job=%s reason='its engine cannot say where it is'", job.job_id)
        elif time.monotonic() - job.unknown_since > UNKNOWN_LIMIT_S:
            self._end(
                job,
                Outcome(ending=Ending.LOST, reason=f"its engine could not say where it is for {UNKNOWN_LIMIT_S:g} s"),
            )

    def _end(self, job: LiveJob, outcome: Outcome) -> None:
        """Take the outcome of a job that was handed to the engine: its files say the same to the next server."""
        job.end(outcome, time.time())
        self._runs.pop(job.job_id, None)
        self._on_end(job)
        self._tasks.spawn_guarded(job, partial(self._record_end, outcome=outcome))

    async def _record_end(self, job: LiveJob, outcome: Outcome) -> None:
        tails = {}
        if job.state is not JobState.ENDED and job.handle:
            try:
                tails = await read_tails(self._engine, job.handle)
            except Exception:
                log.exception("bug job=%s", job.job_id)  # its end is told without them
        await self.write_end(job, outcome, job.record.ended_at or time.time(), tails)
        self._on_gone(job)

    async def write_end(self, job: LiveJob, outcome: Outcome, ended_at: float, tails: Mapping[str, bytes]) -> None:
        """Have a job's end in the journal, however long that takes: until then it is not gone for others."""
        pause_s = RETRY_S
        while True:
            try:
                if await self._chronicle.end(job, outcome, ended_at, tails):
                    return
            except Exception:
                log.exception("bug job=%s", job.job_id)
                pause_s = min(2 * pause_s, LONGEST_RETRY_S)
            await asyncio.sleep(pause_s)
