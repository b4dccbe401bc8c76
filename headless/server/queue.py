"""What waits: behind other runs of its name, for a place to run in, and no longer than it was told to."""

import asyncio
from collections.abc import Callable, Iterable

from headless.job import JobState
from headless.server.line import Line
from headless.server.live import LiveJob

__all__ = ["Queue"]


class Queue:
    """The waiting jobs of a server, and the places of the running ones."""

    def __init__(self, line: Line, on_expiry: Callable[[LiveJob], None]) -> None:
        """Args:
        line: gives out the places.
        on_expiry: called with a job whose turn has not come in its time.
        """
        self.line = line
        self._on_expiry = on_expiry
        self._waiting: dict[str, LiveJob] = {}
        self._behind: dict[str, set[str]] = {}  # by the id of the job in the way

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, job: LiveJob, blockers: Iterable[str], waited_s: float) -> None:
        """Have a job wait.

        Args:
            job: in the state ``WAITING``.
            blockers: ids of live jobs that must be gone before it may run.
            waited_s: seconds that it has waited already, under an earlier server.
        """
        spec = job.record.spec
        self._waiting[job.job_id] = job
        job.blockers = set(blockers)
        for blocker in job.blockers:
            self._behind.setdefault(blocker, set()).add(job.job_id)
        limits = [limit for limit in (spec.wait_for_s, spec.start_within_s) if limit >= 0]
        if limits:
            left_s = max(0.0, min(limits) - waited_s)
            job.expiry = asyncio.get_running_loop().call_later(left_s, self._expire, job)
        self._enqueue_free(job)

    def take(self) -> LiveJob | None:
        """The job whose turn it is, its place taken; it is ``ACCEPTED`` from now on. ``None`` if there is none."""
        job_id = self.line.take()
        if job_id is None:
            return None
        job = self._waiting.pop(job_id)
        job.state = JobState.ACCEPTED
        return job

    def put_back(self, job: LiveJob) -> None:
        """Undo :meth:`take`."""
        self.line.leave(job.record.user)
        job.state = JobState.WAITING
        self._waiting[job.job_id] = job
        self._enqueue_free(job)

    def withdraw(self, job: LiveJob) -> bool:
        """Take a job out that will not run; False if it does not wait any more."""
        if self._waiting.pop(job.job_id, None) is None:
            return False
        self.line.remove(job.record.seq, job.record.user, job.job_id)
        return True

    def release(self, job: LiveJob) -> None:
        """A job is gone: those behind it move up."""
        for job_id in self._behind.pop(job.job_id, ()):
            other = self._waiting.get(job_id)
            if other is not None:
                other.blockers.discard(job.job_id)
                self._enqueue_free(other)

    def _enqueue_free(self, job: LiveJob) -> None:
        if not job.blockers:
            self.line.enqueue(job.record.seq, job.record.user, job.job_id)

    def _expire(self, job: LiveJob) -> None:
        if job.state is JobState.WAITING:
            self._on_expiry(job)
