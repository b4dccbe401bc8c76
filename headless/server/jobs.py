"""The life of all jobs: accepted, waiting, handed to the engine, followed to the end; whatever dies in between."""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from headless.engines.base import CannotStart, Engine, Phase, Status
from headless.errors import HeadlessError, ParameterError, Refused, Unavailable
from headless.job import Ending, JobState, Outcome, Overlap
from headless.protocol.messages import JobStart
from headless.server import ledger
from headless.server.admission import Admission
from headless.server.chronicle import Chronicle
from headless.server.line import Line
from headless.server.live import LiveJob
from headless.server.login import Account
from headless.server.queue import Queue
from headless.server.records import Clock, Record, read_clock
from headless.server.settings import ServerSettings
from headless.server.tasks import Tasks
from headless.server.uploads import Uploads

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["STREAMS", "TAIL", "Jobs"]

STREAMS = ("stdout", "stderr")
TAIL = 4096  # bytes of each output that go with the news of a failure
SWEEP_S = 1.0  # a doorbell may be missed; a killed supervisor rings none
RETRY_S = 1.0  # between two tries at a journal or an engine that is away
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
        engine.subscribe(self._handle_bell)

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
            if has_slot:
                self._line.leave(user)
            raise
        if not decision.is_new:
            if has_slot:
                self._line.leave(user)
            return await self._view(decision.record)
        job = LiveJob(decision.record)
        self._live[job.job_id] = job
        if decision.record.state is JobState.RUNNING:
            self._tasks.spawn(self._submit(job, decision.record))
        else:
            if has_slot:
                self._line.leave(user)
            self._wait_turn(job, decision.in_the_way, 0.0)
            self._dispatch()  # the place that it had taken may be somebody else's now
        return job

    async def _sync_input(self, record: Record) -> None:
        try:
            await self.uploads.sync(record.user, record.job_id)
        except OSError as exc:
            log.error("not-accepted job=%s user=%s reason=%r", record.job_id, record.user, str(exc))
            raise Unavailable(f"the server cannot accept jobs: {exc.strerror}") from exc

    def _wait_turn(self, job: LiveJob, in_the_way: Iterable[str], waited_s: float) -> None:
        """Put a waiting job where it waits: behind others of its name, or in the line for a place."""
        self._queue.join(job, [other for other in in_the_way if other in self._live], waited_s)
        self.chronicle.wait(job)
        if job.record.spec.overlap is Overlap.REPLACE:
            for other in [self._live[job_id] for job_id in job.blockers]:
                other.cancel = other.cancel or ledger.describe_replacement(job.record)
                self._tasks.spawn_guarded(other, self._enforce_cancel)

    def _dispatch(self) -> None:
        """Start whoever's turn it is."""
        while not self.is_draining and (job := self._queue.take()) is not None:
            self._tasks.spawn(self._begin(job))

    async def _begin(self, job: LiveJob) -> None:
        """Hand a job to the engine that has waited; the journal knows it before."""
        try:
            record = await self.chronicle.begin(job)
        except Unavailable:
            await asyncio.sleep(RETRY_S)
            self._queue.put_back(job)
            if job.cancel:
                await self._enforce_cancel(job)
            self._dispatch()
            return
        job.keep_waiting()
        job.record = record.without_source()
        await self._submit(job, record)

    async def _submit(self, job: LiveJob, record: Record) -> None:
        """Hand a job to the engine; the journal says already that it may have begun."""
        if job.cancel:
            self._end(job, Outcome(ending=Ending.CANCELLED, reason=job.cancel))
            return
        stdin = self.uploads.locate(record.user, job.job_id) if record.spec.stdin else None
        try:
            engine_job = self.admission.build_engine_job(record, stdin)
            job.handle = await self._insist(lambda: self.engine.submit(engine_job))
        except (CannotStart, Refused, ParameterError) as exc:
            self._end(job, Outcome(ending=Ending.NOT_STARTED, reason=str(exc)))
            return
        except Exception as exc:
            log.exception("bug job=%s", job.job_id)
            job.handle = await self.engine.find(job.job_id)
            if (await self._ask(job)).phase is Phase.ABSENT:
                self._end(job, Outcome(ending=Ending.NOT_STARTED, reason=f"a bug in the server: {exc!r}"))
                return
        job.state = JobState.RUNNING
        self.chronicle.start(job)
        job.wake()
        if job.cancel:
            await self._enforce_cancel(job)
        await self._refresh(job)

    async def _insist(self, function: Callable[[], Awaitable[str]]) -> str:
        """Try until the engine can be reached: what was accepted waits for it."""
        while True:
            try:
                return await function()
            except Unavailable as exc:
                log.error("engine-unavailable reason=%r", str(exc))
                await asyncio.sleep(RETRY_S)

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

    async def _view(self, record: Record) -> LiveJob:
        return self._live.get(record.job_id) or LiveJob(record, await self.engine.find(record.job_id))

    async def cancel(self, account: Account, job_id: str) -> LiveJob:
        """Ask for a job's end. One that has ended is left alone; the end of one that runs is seen later.

        Raises:
            ParameterError: unknown, or another user's.
            Unavailable: the wish could not be written down.
        """
        job = await self.find(account, job_id)
        if job.state.is_final:
            return job
        await self.chronicle.cancel(job, account.user.name)
        await self._enforce_cancel(job)
        return job

    async def _enforce_cancel(self, job: LiveJob) -> None:
        if job.state is JobState.WAITING:
            await self._end_waiting(job, outcome=Outcome(ending=Ending.CANCELLED, reason=job.cancel))
        elif job.state is JobState.RUNNING:
            try:
                await self.engine.cancel(job.handle, job.cancel)
            except Unavailable as exc:
                log.error("not-cancelled-yet job=%s reason=%r", job.job_id, str(exc))
                self._tasks.spawn(self._cancel_later(job))
        # In between, the submit that is under way looks at it.

    async def _cancel_later(self, job: LiveJob) -> None:
        await asyncio.sleep(RETRY_S)
        await self._enforce_cancel(job)

    def _expire(self, job: LiveJob) -> None:
        behind = f", behind job {min(job.blockers)}" if job.blockers else ""
        outcome = Outcome(ending=Ending.EXPIRED, reason=f"its turn did not come in time{behind}")
        self._tasks.spawn_guarded(job, partial(self._end_waiting, outcome=outcome))

    async def _end_waiting(self, job: LiveJob, outcome: Outcome) -> None:
        """End a job that has not begun; it is over only when the journal says so, lest the next server start it."""
        if not self._queue.withdraw(job):
            return
        ended_at = time.time()
        while not await self.chronicle.end(job, outcome, ended_at, {}):
            await asyncio.sleep(RETRY_S)
        job.end(outcome, ended_at)
        self._leave(job)

    def _end(self, job: LiveJob, outcome: Outcome) -> None:
        """Take the outcome of a job that was handed to the engine: its files say the same to the next server."""
        job.end(outcome, time.time())
        self._line.leave(job.record.user)
        self._tasks.spawn(self._record_end(job, outcome))

    async def _record_end(self, job: LiveJob, outcome: Outcome) -> None:
        tails = {} if job.state is JobState.ENDED or not job.handle else await self._read_tails(job.handle)
        while not await self.chronicle.end(job, outcome, job.record.ended_at or time.time(), tails):
            await asyncio.sleep(RETRY_S)
        self._leave(job)

    async def _read_tails(self, handle: str) -> dict[str, bytes]:
        return {stream: (await self.engine.output(handle, stream, -TAIL, TAIL)).data for stream in STREAMS}

    def _leave(self, job: LiveJob) -> None:
        """Nothing of a job is live any more: those behind it move up."""
        self._live.pop(job.job_id, None)
        if job.record.spec.stdin:
            self._tasks.spawn(asyncio.to_thread(self.uploads.remove, job.record.user, job.job_id))
        self._queue.release(job)
        self._dispatch()

    async def recover(self) -> None:
        """Take up what an earlier server left: what runs is followed, what waits, waits; what has ended is told."""
        clock = read_clock()
        jobs = [(record, LiveJob(record)) for record in await self.journal.read(ledger.load_live)]
        self._live |= {job.job_id: job for _, job in jobs}
        await self._recover_begun([pair for pair in jobs if pair[0].state is JobState.RUNNING], clock)
        before: dict[str, list[str]] = {}
        for record, job in jobs:
            others = before.setdefault(record.spec.name, [])
            if record.state is JobState.WAITING:
                is_alone = record.spec.overlap in (Overlap.ALLOW, Overlap.SKIP)
                self._wait_turn(job, () if is_alone else others, record.waited_s(clock))
                if job.cancel:
                    await self._tasks.guard(job, self._enforce_cancel)
            others.append(record.job_id)
        self._dispatch()

    async def _recover_begun(self, jobs: list[tuple[Record, LiveJob]], clock: Clock) -> None:
        """Find out what became of jobs that were handed to the engine, or were about to be."""
        for record, job in jobs:
            self._line.occupy(record.user)
            job.handle = await self.engine.find(job.job_id)
        found = await self.engine.status([job.handle for _, job in jobs])
        for record, job in jobs:
            status = found[job.handle]
            if status.phase is not Phase.ABSENT:
                job.state = JobState.RUNNING
                if job.cancel:
                    await self._tasks.guard(job, self._enforce_cancel)
                self._take_status(job, status)
            elif record.boot_id == clock.boot_id:
                # Nothing of it was begun, and nothing will be but by this: the claim sees to that.
                self._tasks.spawn(self._submit(job, record))
            else:
                # A power cut takes the newest files with it: whether it had begun, nobody knows.
                self._end(job, Outcome(ending=Ending.LOST, reason=POWER_CUT))

    async def settle(self) -> None:
        """Wait for what is being done, but not for jobs; to be called when no session is left."""
        await self._tasks.settle()

    async def sweep(self) -> None:
        """Look at all running jobs every second, until it is cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            jobs = {job.handle: job for job in self._live.values() if job.state is JobState.RUNNING}
            if not jobs:
                continue
            try:
                found = await self.engine.status(list(jobs))
            except Exception:
                log.exception("bug in the engine")
                continue
            for handle, status in found.items():
                self._take_status(jobs[handle], status)

    def _handle_bell(self, job_id: str) -> None:
        job = self._live.get(job_id)
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
        return (await self.engine.status([job.handle]))[job.handle]

    def _take_status(self, job: LiveJob, status: Status) -> None:
        """Act on what the engine says, and tell the watchers."""
        if job.state is not JobState.RUNNING:
            return  # another look was faster
        job.progress = status.progress or job.progress
        if status.outcome is not None:
            self._end(job, status.outcome)
        elif status.phase is Phase.GONE:
            self._end(job, Outcome(ending=Ending.LOST, reason="its supervisor is gone and left no outcome"))
        job.wake()
