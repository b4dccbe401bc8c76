"""What a server does beside its sessions: tasks that are remembered until they are done, and bugs that stay put."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from headless.server.live import LiveJob

__all__ = ["Tasks"]

SETTLE_LIMIT_S = 10.0  # what has not been done by then, the next server does

log = logging.getLogger("headless.jobs")


class Tasks:
    """Tasks of one server, within a running event loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, coroutine: "asyncio._CoroutineLike[None]") -> None:
        """Have something done soon; the loop itself would not hold on to it."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def spawn_guarded(self, job: LiveJob, function: Callable[[LiveJob], Awaitable[None]]) -> None:
        """Have something done soon with a job, as :meth:`guard`."""
        self.spawn(self.guard(job, function))

    async def guard(self, job: LiveJob, function: Callable[[LiveJob], Awaitable[None]]) -> None:
        """Do something with a job; what goes wrong with it must not touch the others."""
        try:
            await function(job)
        except Exception:
            log.exception("bug job=%s", job.job_id)

    async def settle(self) -> None:
        """Wait until all is done, but not for ever."""
        deadline = time.monotonic() + SETTLE_LIMIT_S
        while self._tasks and (left_s := deadline - time.monotonic()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s)
