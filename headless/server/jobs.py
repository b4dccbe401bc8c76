"""The life of all jobs: accepted, waiting, handed to the engine, followed to the end; whatever dies in between."""

import asyncio
import logging
import sys
import time
from functools import partial

from headless.engines.base import Engine
from headless.errors import HeadlessError, ParameterError, Refused, Unavailable
from headless.job import Ending, JobState, Outcome
from headless.protocol.messages import JobStart
from headless.server import ledger
from headless.server.admission import Admission
from headless.server.chronicle import Chronicle
from headless.server.line import Line
from headless.server.live import LiveJob
from headless.server.login import Account
from headless.server.queue import Queue
from headless.server.records import Record, read_clock
from headless.server.runs import RETRY_S, Runs
from headless.server.settings import ServerSettings
from headless.server.tasks import Tasks
from headless.server.uploads import Uploads

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Jobs"]

MAX_AHEAD = 100  # ids of those in the way that are told
POWER_CUT = "the machine went down while it ran"

log = logging.getLogger("headless.jobs")


class Jobs:
    """All jobs of a server that have not ended, and the way to those that have."""

    def __init__(
        self,
        settings: ServerSettings,
        admission: Admission,
        chronicle: Chronicle,
        engine: Engine,
        uploads: Uploads,
    ) -> None:
        self.engine = engine
        self.journal = chronicle.journal
        self.chronicle = chronicle
        self.is_draining = False
        self.admission = admission
        self._max_waiting = settings.max_waiting
        self.uploads = uploads
        self._line = Line(settings.max_running, admission.find_max_running)
        self._queue = Queue(self._line, self._expire)
        self._live: dict[str, LiveJob] = {}
        self._accepting: dict[str, asyncio.Task[LiveJob]] = {}
        self._tasks = Tasks()
        self._runs = Runs(admission, chronicle, engine, uploads, self._tasks, self._free_place, self._leave)

    @property
    def running(self) -> int:
        """How many jobs have begun and not ended."""
        return self._line.running

    @property
    def waiting(self) -> int:
        """How many jobs wait for another run of their name, or for their turn."""
        return len(self._queue)

    async def start(self, account: Account, message: JobStart, origin: str) -> LiveJob:
        """Accept a job; it starts when its turn comes. Once this returns the job is on disk.

        A second call with its id, also after its end and by another server, changes nothing and finds the same job.

        Args:
            account: who asks.
            message: what for.
            origin: from where, for the history.

        Raises:
            Unavailable: the server takes no more jobs, or could not write: nothing was started.
            Skipped: another run of its name is in the way.
            Refused: it is not allowed, or it is another user's id or job.
            ParameterError: there is no such module, or the source is too large.
        """
        task = self._accepting.get(message.job_id)
        if task is None:
            # A task of its own: the session may go before the answer has come, the job must not get lost then.
            task = asyncio.get_running_loop().create_task(self._accept_once(account, message, origin))
            self._accepting[message.job_id] = task
        job = await asyncio.shield(task)
        if job.record.user != account.user.name:
            raise Refused(f"job {message.job_id} is another user's")
        return job

    async def _accept_once(self, account: Account, message: JobStart, origin: str) -> LiveJob:
        try:
            return self._live.get(message.job_id) or await self._accept(account, message, origin)
        except HeadlessError:
            # What is refused now may have been accepted before, and only the answer was lost.
            before = await self.journal.read(partial(ledger.find, job_id=message.job_id))
            if before is None:
                raise
            return await self._view(before)
        finally:
            del self._accepting[message.job_id]

    async def _accept(self, account: Account, message: JobStart, origin: str) -> LiveJob:
        if self.is_draining:
            raise Unavailable("the server is stopping and takes no more jobs")
        if len(self._queue) >= self._max_waiting:
            raise Unavailable(f"the server is full: {self._max_waiting} jobs are waiting (max_waiting)")
        record = await self.admission.admit(account, message, origin)
        user = record.user
        if record.spec.stdin:
            await self._sync_input(record)
        has_slot = self._line.reserve(user)
        try:
            decision = await self.chronicle.accept(record, has_slot=has_slot, sees_all=account.is_owner)
        except BaseException:
            self._give_back(user, has_slot)
            raise
        if not decision.is_new:
            self._give_back(user, has_slot)
            return await self._view(decision.record)
        job = self._enter(decision.record)
        if decision.record.state is JobState.RUNNING:
            self._tasks.spawn_guarded(job, partial(self._runs.submit, record=decision.record))
        else:
            self._wait_turn(job, 0.0)
            self._give_back(user, has_slot)
        for other in filter(None, map(self._live.get, decision.in_the_way)):
            other.cancel = other.cancel or ledger.describe_replacement(job.record)
            self._tasks.spawn_guarded(other, self._enforce_cancel)
        return job

    def _enter(self, record: Record) -> LiveJob:
        job = self._live[record.job_id] = LiveJob(record)
        self._queue.enter(job)
        return job

    def _give_back(self, user: str, has_slot: bool) -> None:
        """A place that was taken and is not needed may be what somebody waits for."""
        if has_slot:
            self._line.leave(user)
        self._dispatch()

    async def _sync_input(self, record: Record) -> None:
        try:
            await self.uploads.sync(record.user, record.job_id)
        except OSError as exc:
            log.error("not-accepted job=%s user=%s reason=%r", record.job_id, record.user, str(exc))
            raise Unavailable(f"the server cannot accept jobs: {exc.strerror}") from exc

    def _wait_turn(self, job: LiveJob, waited_s: float) -> None:
        """Put a waiting job where it waits: behind others of its name, or in the line for a place."""
        self._queue.join(job, waited_s)
        self.chronicle.wait(job, len(self._queue.find_ahead(job)))

    def _dispatch(self) -> None:
        """Start whoever's turn it is."""
        while not self.is_draining and (job := self._queue.take()) is not None:
            self._tasks.spawn_guarded(job, self._begin)

    async def _begin(self, job: LiveJob) -> None:
        """Hand a job to the engine that has waited; the journal knows it before."""
        try:
            record = await self.chronicle.begin(job)
        except Exception as exc:
            if not isinstance(exc, Unavailable):
                log.exception("bug job=%s", job.job_id)
            await asyncio.sleep(RETRY_S)
            self._queue.put_back(job)
            if job.cancel:
                await self._enforce_cancel(job)
            self._dispatch()
            return
        job.record = record.without_source()
        await self._runs.submit(job, record)

    def __contains__(self, job_id: object) -> bool:
        """Whether a job of this id lives, or is just being accepted."""
        return job_id in self._live or job_id in self._accepting

    async def find(self, account: Account, job_id: str) -> LiveJob:
        """A job of this account, live or ended.

        Raises:
            ParameterError: there is none of this id, or it is another user's.
        """
        if (task := self._accepting.get(job_id)) is not None:
            await asyncio.wait([task])
        job = self._live.get(job_id)
        if job is None:
            record = await self.journal.read(partial(ledger.find, job_id=job_id))
            job = None if record is None else await self._view(record)
        if job is None or not (account.is_owner or job.record.user == account.user.name):
            raise ParameterError(f"unknown job {job_id}")
        return job

    def find_live(self, job_id: str) -> LiveJob | None:
        """A job that has not ended, whosever it is."""
        return self._live.get(job_id)

    def find_ahead(self, job: LiveJob) -> list[str]:
        """Ids of the first runs of its name that a waiting job has to wait for."""
        ahead = self._queue.find_ahead(job) if job.state is JobState.WAITING else []
        return [other.job_id for other in ahead[:MAX_AHEAD]]

    async def _view(self, record: Record) -> LiveJob:
        """A job that the journal knows; one that should live and does not is taken up."""
        job = self._live.get(record.job_id)
        if job is None and not record.state.is_final:
            # Its acceptance was written, though the journal could not say so; or it has ended while we looked.
            found = await self.journal.read(partial(ledger.find, job_id=record.job_id, with_source=True))
            job = self._live.get(record.job_id)
            if job is None and found is not None and not found.state.is_final:
                job = self._enter(found)
                await self._take_up([(found, job)])
            record = found or record
        return job or LiveJob(record, await self.engine.find(record.job_id))

    async def cancel(self, account: Account, job_id: str) -> JobState:
        """Ask for a job's end. One that has ended is left alone; the end of one that runs is seen later.

        Returns:
            The state that it was in before: a final one says that it was over already.

        Raises:
            ParameterError: unknown, or another user's.
            Unavailable: the wish could not be written down.
        """
        job = await self.find(account, job_id)
        state = job.state
        if not state.is_final:
            await self.chronicle.cancel(job, account.user.name)
            await self._enforce_cancel(job)
        return state

    async def _enforce_cancel(self, job: LiveJob) -> None:
        if job.state is JobState.WAITING:
            await self._end_waiting(job, outcome=Outcome(ending=Ending.CANCELLED, reason=job.cancel))
        else:
            await self._runs.cancel(job)

    def _expire(self, job: LiveJob) -> None:
        ahead = self.find_ahead(job)
        behind = f", behind job {ahead[0]}" if ahead else ""
        outcome = Outcome(ending=Ending.EXPIRED, reason=f"its turn did not come in time{behind}")
        self._tasks.spawn_guarded(job, partial(self._end_waiting, outcome=outcome))

    async def _end_waiting(self, job: LiveJob, outcome: Outcome) -> None:
        """End a job that has not begun; it is over only when the journal says so, lest the next server start it."""
        if not self._queue.withdraw(job):
            return
        ended_at = time.time()
        await self._runs.write_end(job, outcome, ended_at, {})
        job.end(outcome, ended_at)
        self._leave(job)

    def _free_place(self, job: LiveJob) -> None:
        self._line.leave(job.record.user)

    def _leave(self, job: LiveJob) -> None:
        """Nothing of a job is live any more: those behind it move up."""
        self._live.pop(job.job_id, None)
        if job.record.spec.stdin:
            self._tasks.spawn(asyncio.to_thread(self.uploads.remove, job.record.user, job.job_id))
        self._queue.release(job)
        self._dispatch()

    async def recover(self) -> None:
        """Take up what an earlier server left: what runs is followed, what waits, waits; what has ended is told."""
        records = await self.journal.read(ledger.load_live)
        await self._take_up([(record, self._enter(record)) for record in records])

    async def _take_up(self, jobs: list[tuple[Record, LiveJob]]) -> None:
        """Go on with jobs that the journal has as live, and that have entered."""
        clock = read_clock()
        begun = [(record, job) for record, job in jobs if record.state is JobState.RUNNING]
        for record, job in begun:
            self._line.occupy(record.user)
            job.handle = await self.engine.find(job.job_id)
        found = await self.engine.status([job.handle for _, job in begun])
        for record, job in begun:
            await self._tasks.guard(
                job, partial(self._runs.take_up, record=record, status=found[job.handle], clock=clock)
            )
        for record, job in jobs:
            if record.state is JobState.WAITING:
                self._wait_turn(job, record.waited_s(clock))
                if job.cancel:
                    await self._tasks.guard(job, self._enforce_cancel)
        self._dispatch()

    async def sweep(self) -> None:
        """Look at all running jobs every second, until it is cancelled."""
        await self._runs.sweep()

    async def settle(self) -> None:
        """Wait for what is being done, but not for jobs; to be called when no session is left."""
        await self._tasks.settle()
