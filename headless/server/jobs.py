"""What may run, what does, and who is told of it: admission, start, and the live view of every job."""

import asyncio
import dataclasses
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable

from headless.engines.base import CannotStart, Engine, EngineJob, OsUser, Phase, Status
from headless.errors import HeadlessError, ParameterError, Refused, Unavailable
from headless.job import Ending, JobKind, JobSpec, JobState, Outcome
from headless.protocol.codec import decode_bytes
from headless.protocol.messages import JobStart, JobUpload
from headless.server.journal import Journal, Record
from headless.server.login import Account
from headless.server.modules import Modules
from headless.server.settings import ServerSettings
from headless.server.surroundings import build_environment, find_closed_folder, find_os_user
from headless.server.uploads import Uploads

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Jobs", "LiveJob"]

SWEEP_S = 1.0  # a doorbell may be missed; a killed supervisor rings none
SETTLE_LIMIT_S = 10.0  # what has not been done by then, the next server does
LOST_AFTER_S = 5.0  # from the start on: until then its supervisor may not have claimed it yet

log = logging.getLogger("headless.jobs")


class LiveJob:
    """A job as the sessions see it.

    Attributes:
        record: as accepted; the source is let go of once the job is started.
        handle: the engine's; empty before the start.
        state: where it is.
        outcome: set with the final state.
        progress: what it last told, done and total.
        is_told: whether the log has its end.
        is_rung: whether a look at it is due already.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.handle = ""
        self.state = JobState.ACCEPTED
        self.outcome: Outcome | None = None
        self.progress: tuple[float, float] | None = None
        self.is_told = False
        self.is_rung = False
        self.started_at = time.monotonic()
        self.accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers: set[asyncio.Event] = set()

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.record.spec.job_id

    @property
    def ended_at(self) -> float:
        """Seconds since 1970 when it ended, as near as is known; decides nothing but how long it is kept."""
        return self.record.accepted_at + (self.outcome.duration_s if self.outcome else 0.0)

    def watch(self) -> asyncio.Event:
        """An event that is set whenever there is something new; :meth:`unwatch` it."""
        event = asyncio.Event()
        event.set()
        self._watchers.add(event)
        return event

    def unwatch(self, event: asyncio.Event) -> None:
        """End what :meth:`watch` began."""
        self._watchers.discard(event)

    def wake(self) -> None:
        """Tell all watchers."""
        for event in self._watchers:
            event.set()


class Jobs:
    """All jobs of a server."""

    def __init__(
        self, settings: ServerSettings, modules: Modules, journal: Journal, engine: Engine, uploads: Uploads
    ) -> None:
        self.engine = engine
        self.modules = modules
        self.is_draining = False
        self._settings = settings
        self._journal = journal
        self._uploads = uploads
        self._jobs: dict[str, LiveJob] = {}
        self._live: dict[str, LiveJob] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        engine.subscribe(self._handle_bell)

    @property
    def max_script(self) -> int:
        """Largest script or code, in bytes."""
        return self._settings.max_script

    @property
    def running(self) -> int:
        """How many jobs have not ended."""
        return len(self._live)

    def check(self, account: Account, kind: JobKind, module: str) -> str:
        """Whether the account may run such a job; return the module's path, empty for a script or code.

        Raises:
            Refused: it may not, or there is nobody to run it as.
            ParameterError: there is no such module.
        """
        user, is_owner = account.user, account.is_owner
        path = ""
        if kind is JobKind.MODULE:
            if not (is_owner or user.may_run_module(module)):
                raise Refused(
                    f"{user.name} may not run module {module!r}: headless user allow {user.name} --module {module}"
                )
            path = self.modules.find(module, lambda name: is_owner or user.may_run_module(name))
        elif not (is_owner or (user.scripts if kind is JobKind.SCRIPT else user.code)):
            what = "scripts" if kind is JobKind.SCRIPT else "code"
            raise Refused(f"{user.name} may not run {what} of its own: headless user allow {user.name} --{kind}")
        os_user = find_os_user(account, os.geteuid())
        if os_user is not None and os_user.uid and (closed := find_closed_folder(self._settings.state)):
            raise Refused(
                f"other OS users' jobs cannot reach their folders in {self._settings.state}: chmod o+x {closed}"
            )
        return path

    async def start(self, account: Account, message: JobStart, origin: str) -> LiveJob:
        """Accept a job, and start it. The job is on disk when this returns. A second call with its id does nothing.

        Args:
            account: who asks.
            message: what for.
            origin: from where, for the log.

        Raises:
            Unavailable: the server takes no more jobs, or could not write: nothing was started.
            Refused: as :meth:`check`.
            ParameterError: as :meth:`check`, or the source is too large.
        """
        known = self._jobs.get(message.job_id)
        if known is not None:
            if known.record.user != account.user.name:
                raise Refused(f"job {message.job_id} is another user's")
            await asyncio.shield(known.accepted)
            return known
        if self.is_draining:
            raise Unavailable("the server is stopping and takes no more jobs")
        kind = JobKind(message.kind)
        path = self.check(account, kind, message.module)
        spec = self._build_spec(message, kind)
        user = find_os_user(account, os.geteuid())
        job = LiveJob(Record(spec, account.user.name, user.name if user else "", time.time()))
        self._jobs[job.job_id] = self._live[job.job_id] = job
        try:
            stdin = await self._accept(job)
        except BaseException as exc:
            del self._jobs[job.job_id], self._live[job.job_id]
            job.accepted.set_exception(exc if isinstance(exc, HeadlessError) else Unavailable("the server has a bug"))
            job.accepted.exception()  # it is raised here; nobody else has to look at it
            raise
        job.accepted.set_result(None)
        log.info("accept job=%s name=%s kind=%s user=%s %s", job.job_id, spec.name, kind, account.user.name, origin)
        self._spawn(self._submit(job, self._build_engine_job(job.record, path, user, stdin)))
        return job

    def _build_engine_job(self, record: Record, path: str, user: OsUser | None, stdin: str | None) -> EngineJob:
        spec = record.spec
        identity = {
            "HEADLESS_JOB_ID": spec.job_id,
            "HEADLESS_JOB_NAME": spec.name,
            "HEADLESS_JOB_USER": record.user,
        }
        return EngineJob(
            job_id=spec.job_id,
            name=spec.name,
            script=path or None,
            source=spec.source,
            arguments=spec.arguments,
            environment=build_environment(user, os.geteuid(), self._settings.environment, identity),
            stdin=stdin,
            user=user,
            python=self._settings.python,
        )

    async def _accept(self, job: LiveJob) -> str | None:
        """Have a job on disk, its input first; return the input's path."""
        spec = job.record.spec
        try:
            stdin = await self._uploads.take(job.record.user, spec.job_id) if spec.stdin else None
            await asyncio.to_thread(self._journal.accept, job.record)
        except OSError as exc:
            if spec.stdin:
                self._uploads.remove(spec.job_id)
            log.error("not-accepted job=%s user=%s reason=%r", spec.job_id, job.record.user, str(exc))
            raise Unavailable(f"the server cannot accept jobs: {exc.strerror}") from exc
        return stdin

    def check_owner(self, account: Account) -> None:
        """Let nobody through but the OS user who runs the server, on its own unix socket.

        Raises:
            Refused: it is somebody else.
        """
        if not account.is_owner:
            raise Refused("only the OS user who runs the server may do this, over its unix socket")

    async def upload(self, account: Account, message: JobUpload, data: bytes) -> int:
        """Take a piece of a job's input; return how many bytes of it are there.

        Raises:
            ParameterError: too large, a gap before it, another user's job, or one that is started already.
            Refused: the account may run nothing that could read it.
            Unavailable: it could not be written: nothing was started.
        """
        user = account.user
        if not (account.is_owner or user.modules or user.scripts or user.code):
            raise Refused(f"{user.name} may run nothing: headless user allow {user.name} ...")
        if message.job_id in self._jobs:
            raise ParameterError(f"job {message.job_id} takes no more input")
        try:
            return await self._uploads.write(account.user.name, message.job_id, message.offset, data)
        except OSError as exc:
            raise Unavailable(f"the server cannot keep the input: {exc.strerror}") from exc

    def discard_uploads(self, account: Account, job_ids: set[str]) -> None:
        """Remove inputs of a session that has ended before it started their jobs."""
        self._uploads.discard(account.user.name, job_ids)

    def find(self, account: Account, job_id: str) -> LiveJob:
        """A job of this account.

        Raises:
            ParameterError: there is none of this id, or it is another user's.
        """
        job = self._jobs.get(job_id)
        if job is None or not (account.is_owner or job.record.user == account.user.name):
            raise ParameterError(f"unknown job {job_id}")
        return job

    async def recover(self) -> None:
        """Take up what an earlier server left: running jobs are followed again, old ones are forgotten."""
        horizon = time.time() - self._settings.keep_days * 86400
        for record in self._journal.load():
            job = LiveJob(_without_source(record))
            job.accepted.set_result(None)
            job.is_told = self._journal.is_told(job.job_id)
            job.started_at -= LOST_AFTER_S
            self._jobs[job.job_id] = self._live[job.job_id] = job
            job.handle = await self.engine.find(job.job_id)
            job.state = JobState.RUNNING
            await self._guard(job, self._refresh)
            if job.state.is_final and job.ended_at < horizon:
                await self._guard(job, self._forget)
        self._uploads.remove_all_but(self._live)

    async def settle(self) -> None:
        """Finish what has been begun for single jobs; at the server's end."""
        deadline = time.monotonic() + SETTLE_LIMIT_S
        while self._tasks and (left_s := deadline - time.monotonic()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s)

    async def sweep(self) -> None:
        """Look at all live jobs every second, and forget old ones every hour. Runs until it is cancelled."""
        next_cleaning = time.monotonic() + 3600
        while True:
            await asyncio.sleep(SWEEP_S)
            for job in list(self._live.values()):
                await self._guard(job, self._refresh)
            if time.monotonic() > next_cleaning:
                next_cleaning += 3600
                horizon = time.time() - self._settings.keep_days * 86400
                for job in [job for job in self._jobs.values() if job.state.is_final]:
                    if job.ended_at < horizon:
                        await self._guard(job, self._forget)

    async def _guard(self, job: LiveJob, function: Callable[[LiveJob], Awaitable[None]]) -> None:
        """What goes wrong with one job must not touch the others."""
        try:
            await function(job)
        except Exception:
            log.exception("bug job=%s", job.job_id)

    def _build_spec(self, message: JobStart, kind: JobKind) -> JobSpec:
        source = decode_bytes(message.source)
        if len(source) > self._settings.max_script:
            raise ParameterError(
                f"the {kind} has {len(source)} bytes, the server takes at most {self._settings.max_script} (max_script)"
            )
        return JobSpec(
            job_id=message.job_id,
            kind=kind,
            name=message.name or message.module or str(kind),
            module=message.module,
            source=source,
            arguments=message.arguments,
            stdin=message.stdin,
        )

    async def _submit(self, job: LiveJob, engine_job: EngineJob) -> None:
        try:
            job.handle = await self.engine.submit(engine_job)
        except CannotStart as exc:
            self._end(job, Outcome(ending=Ending.NOT_STARTED, reason=str(exc)))
            return
        except Exception:
            # Whether it runs, only its supervisor's files can tell: the sweep looks at them.
            log.exception("bug job=%s", job.job_id)
            job.handle = await self.engine.find(job.job_id)
        job.started_at = time.monotonic()
        job.state = JobState.RUNNING
        job.record = _without_source(job.record)
        log.info("start job=%s name=%s user=%s", job.job_id, job.record.spec.name, job.record.user)
        await self._refresh(job)

    def _handle_bell(self, job_id: str) -> None:
        job = self._live.get(job_id)
        if job is not None and job.state is JobState.RUNNING and not job.is_rung:
            job.is_rung = True  # a job that prints line by line rings more often than anybody could look
            self._spawn(self._guard(job, self._answer_bell))

    async def _answer_bell(self, job: LiveJob) -> None:
        job.is_rung = False
        await self._refresh(job)

    async def _refresh(self, job: LiveJob) -> None:
        """Ask the engine, and tell the watchers."""
        if job.state is not JobState.RUNNING:
            return
        status: Status = (await self.engine.status([job.handle]))[job.handle]
        if job.state is not JobState.RUNNING:
            return  # another refresh was faster
        job.progress = status.progress or job.progress
        if status.outcome is not None:
            self._end(job, status.outcome)
        elif status.phase is Phase.GONE and time.monotonic() - job.started_at > LOST_AFTER_S:
            self._end(job, Outcome(ending=Ending.LOST, reason="its supervisor is gone and left no outcome"))
        job.wake()

    def _end(self, job: LiveJob, outcome: Outcome) -> None:
        job.outcome, job.state = outcome, outcome.state
        self._live.pop(job.job_id, None)
        if not job.is_told:
            job.is_told = True
            code = "" if outcome.code is None else outcome.code
            log.info(
                "end job=%s name=%s user=%s state=%s ending=%s code=%s duration_s=%.3f reason=%r",
                job.job_id, job.record.spec.name, job.record.user, job.state, outcome.ending, code,
                outcome.duration_s, outcome.reason,
            )  # fmt: skip
            self._spawn(self._guard(job, self._tidy))
        job.wake()

    async def _tidy(self, job: LiveJob) -> None:
        """After the end: the input may go, and no later server tells of it again."""
        await asyncio.to_thread(self._uploads.remove, job.job_id)
        await asyncio.to_thread(self._journal.mark_told, job.job_id)

    async def _forget(self, job: LiveJob) -> None:
        await self.engine.release(job.handle)
        self._uploads.remove(job.job_id)
        self._journal.remove(job.job_id)
        del self._jobs[job.job_id]

    def _spawn(self, coroutine: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _without_source(record: Record) -> Record:
    """It is on disk; in memory, two weeks of scripts would only cost."""
    return dataclasses.replace(record, spec=dataclasses.replace(record.spec, source=b"", arguments=()))
