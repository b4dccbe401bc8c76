"""A job as the sessions see it, from its acceptance until its end is in the journal."""

import asyncio
from dataclasses import replace

from headless.job import JobState, Outcome
from headless.server.records import Record

__all__ = ["LiveJob"]


class LiveJob:
    """A job, where it is, and who is to be told when there is something new of it.

    Attributes:
        record: as accepted, without the source.
        handle: the engine's; empty as long as it may not have begun.
        state: where it is; what the journal calls running is ``ACCEPTED`` here until the engine has taken it.
        outcome: set with the final state.
        progress: what it last told, done and total.
        deadline: until when it may wait, on the event loop's clock; ``None`` for as long as it takes.
        unknown_since: when its engine first could not say where it is, on the monotonic clock; ``None`` if it can.
        cancel: who wants it to end, and why; empty for nobody.
        is_rung: whether a look at it is due already.
        expiry: ends it if its turn does not come in time.
    """

    def __init__(self, record: Record, handle: str = "") -> None:
        self.record = record.without_source()
        self.handle = handle
        self.state: JobState = JobState.ACCEPTED if record.state is JobState.RUNNING else record.state
        self.outcome = record.outcome
        self.progress: tuple[float, float] | None = None
        self.deadline: float | None = None
        self.unknown_since: float | None = None
        self.cancel = record.cancel
        self.is_rung = False
        self.expiry: asyncio.TimerHandle | None = None
        self._version = 0
        self._news = asyncio.Event()  # one for all who follow it: a launcher may wait for days

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.record.job_id

    def end(self, outcome: Outcome, ended_at: float) -> None:
        """Take the final state, and tell the watchers."""
        self.outcome, self.state = outcome, outcome.state
        self.record = replace(self.record, state=self.state, outcome=outcome, ended_at=ended_at)
        self.keep_waiting()
        self.wake()

    def keep_waiting(self) -> None:
        """No more time limit on the waiting."""
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None

    async def wait_news(self, seen: int) -> int:
        """Wait until there is something new.

        Args:
            seen: what the last call has returned; -1 at first, which returns at once.
        """
        while self._version == seen:
            await self._news.wait()
        return self._version

    def wake(self) -> None:
        """Tell all who wait for news."""
        self._version += 1
        news, self._news = self._news, asyncio.Event()
        news.set()
