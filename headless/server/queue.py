"""What waits: behind other runs of its name, for a place to run in, and no longer than it was told to."""

import asyncio
from collections.abc import Callable
from itertools import takewhile

from headless.job import JobState, Overlap
from headless.server.line import Line
from headless.server.live import LiveJob

__all__ = ["Queue"]


class Queue:
    """The live jobs of a server by name, those of them that wait, and the places of those that run.

    A job that waits for others of its name is free to run when it is the first of them that lives: so nothing has to
    be kept of who waits for whom, however many wait.
    """

    def __init__(self, line: Line, on_expiry: Callable[[LiveJob], None]) -> None:
        """Args:
        line: gives out the places.
        on_expiry: called with a job whose turn has not come in its time.
        """
        self.line = line
        self._on_expiry = on_expiry
        self._waiting: dict[str, LiveJob] = {}
        self._names: dict[str, dict[str, LiveJob]] = {}  # by name, then by id, in the order of acceptance

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, job: LiveJob) -> None:
        """A job lives from now on; jobs enter in the order of their acceptance."""
        self._names.setdefault(job.record.spec.name, {})[job.job_id] = job

    def find_ahead(self, job: LiveJob) -> list[LiveJob]:
        """The live runs of its name that a job has to wait for, oldest first; none if it does not wait for any."""
        if job.record.spec.overlap not in (Overlap.WAIT, Overlap.REPLACE):
            return []
        runs = self._names.get(job.record.spec.name, {}).values()
        return list(takewhile(lambda other: other is not job, runs))

    def join(self, job: LiveJob, waited_s: float) -> None:
        """Have a job wait that has entered.

        Args:
            job: in the state ``WAITING``.
            waited_s: seconds that it has waited already, under an earlier server.
        """
        spec = job.record.spec
        limits = [limit for limit in (spec.wait_for_s, spec.start_within_s) if limit >= 0]
        if limits:
            job.deadline = asyncio.get_running_loop().time() + min(limits) - waited_s
        self._wait(job)

    def take(self) -> LiveJob | None:
        """The job whose turn it is, its place taken; it is ``ACCEPTED`` from now on. ``None`` if there is none."""
        job_id = self.line.take()
        if job_id is None:
            return None
        job = self._waiting.pop(job_id)
        job.state = JobState.ACCEPTED
        job.keep_waiting()
        return job

    def put_back(self, job: LiveJob) -> None:
        """Undo :meth:`take`."""
        self.line.leave(job.record.user)
        job.state = JobState.WAITING
        self._wait(job)

    def withdraw(self, job: LiveJob) -> bool:
        """Take a job out that will not run; False if it does not wait any more."""
        if self._waiting.pop(job.job_id, None) is None:
            return False
        self.line.remove(job.record.seq, job.record.user, job.job_id)
        return True

    def release(self, job: LiveJob) -> None:
        """A job is gone: the next of its name may be free now."""
        name = job.record.spec.name
        runs = self._names.get(name, {})
        was_first = next(iter(runs), "") == job.job_id
        runs.pop(job.job_id, None)
        if not runs:
            self._names.pop(name, None)
        elif was_first:
            first = next(iter(runs.values()))
            # Others are in the line already, or need none.
            if first.job_id in self._waiting and first.record.spec.overlap in (Overlap.WAIT, Overlap.REPLACE):
                self._enqueue(first)

    def _wait(self, job: LiveJob) -> None:
        self._waiting[job.job_id] = job
        if job.deadline is not None:
            job.expiry = asyncio.get_running_loop().call_at(job.deadline, self._expire, job)
        if not self._has_ahead(job):
            self._enqueue(job)

    def _has_ahead(self, job: LiveJob) -> bool:
        if job.record.spec.overlap not in (Overlap.WAIT, Overlap.REPLACE):
            return False
        return next(iter(self._names[job.record.spec.name])) != job.job_id

    def _enqueue(self, job: LiveJob) -> None:
        if job.deadline is not None and job.deadline <= asyncio.get_running_loop().time():
            return  # its end is due at any moment: it must not begin before
        self.line.enqueue(job.record.seq, job.record.user, job.job_id)

    def _expire(self, job: LiveJob) -> None:
        if job.state is JobState.WAITING:
            self._on_expiry(job)
