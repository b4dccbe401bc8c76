"""The jobs of a running grid: started in turn, followed to their end; all that is known of them is in the database.

Nothing is kept in memory between two looks, so a server that was killed goes on where the last one was: what was
assigned and has not begun is begun (the engine's claim sees to it that nothing runs twice), what runs is followed, what
has ended is written down, and what is gone without a word is told to be lost.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import sys
from functools import partial

from sqlalchemy import Connection

from headless.engines.base import CannotStart, Engine, Phase, Status
from headless.engines.local import LocalEngine
from headless.errors import HeadlessError, Unavailable
from headless.execution.files import write_atomically
from headless.execution.machine import read_boot_id
from headless.grid.errnos import EIO
from headless.grid.job_states import RUNNING, GridJobState
from headless.grid.messages import GridError
from headless.grid.serve.catalogue import Catalogue
from headless.grid.serve.job_end import read_end, read_step
from headless.grid.serve.job_site import JobSite
from headless.grid.serve.job_table import JobRow, end_job, list_running, move_job, take_next
from headless.grid.serve.settings import GridSettings

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["Jobs"]

LOOK_S = 1.0  # a doorbell may be missed
MAX_OUTPUT = 1 << 20  # bytes of what the payload's own script says; the program's output are files
DESCRIPTORS = 1024
POWER_CUT = "the machine went down while it ran"

log = logging.getLogger("headless.grid.jobs")


class Jobs:
    """Starts and follows jobs."""

    def __init__(self, catalogue: Catalogue, site: JobSite, settings: GridSettings) -> None:
        """Args:
        catalogue: where the jobs are.
        site: makes what the engine gets of a job.
        settings: of the grid.
        """
        self._catalogue = catalogue
        self._site = site
        self._folder = os.path.join(settings.state, "jobs")
        self._plans = os.path.join(settings.state, "plans")
        self._places = settings.places
        self._boot_id = read_boot_id()
        self._wake = asyncio.Event()
        self._engine: Engine
        self._task: asyncio.Task[None]

    async def start(self) -> None:
        """Take up what an earlier server left, and begin."""
        is_for_others = self._site.os_user is not None
        for folder, mode in ((self._folder, 0o711 if is_for_others else 0o700), (self._plans, 0o700)):
            os.makedirs(folder, mode, exist_ok=True)
            os.chmod(folder, mode)
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
        self._engine = LocalEngine(self._folder, environment, max_output=MAX_OUTPUT, descriptors=DESCRIPTORS)
        self._engine.subscribe(lambda _: self._wake.set())
        await self._remove_left()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let go; running jobs go on."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._engine.close()

    def wake(self) -> None:
        """Look at once: there is something new."""
        self._wake.set()

    async def _remove_left(self) -> None:
        """Remove what ended jobs have left, where a server died before it could."""
        running = {row.run for row in await self._catalogue.read(list_running)}
        for name in os.listdir(self._folder):
            if name not in running and os.path.isdir(os.path.join(self._folder, name)):
                await self._engine.release(await self._engine.find(name))
        for name in os.listdir(self._plans):
            if name not in running:
                self._remove_plan(name)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_S)
            self._wake.clear()
            try:
                await self._look()
                await self._fill()
            except Unavailable as exc:
                log.error("jobs-look-failed reason=%r", str(exc))
            except Exception:
                log.exception("bug in a look at the jobs")

    async def _look(self) -> None:
        """Write down what has become of the running jobs."""
        rows = await self._catalogue.read(list_running)
        handles = [await self._engine.find(row.run) for row in rows]
        found = await self._engine.status(handles) if rows else {}
        for row, handle in zip(rows, handles, strict=True):
            try:
                await self._take_status(row, handle, found[handle])
            except GridError as exc:
                await self._end(row, GridJobState.ERROR_A, str(exc))
            except Unavailable:
                raise
            except Exception:
                log.exception("bug in a look at job %d", row.id)  # the others must not wait for it

    async def _take_status(self, row: JobRow, handle: str, status: Status) -> None:
        if status.phase is Phase.ABSENT and row.state == GridJobState.ASSIGNED:
            await self._take_absent(row)
        elif status.outcome is not None:
            end = read_end(status.outcome, await self._engine.result(handle))
            await self._move(row, end.last)
            await self._end(row, end.state, end.reason)
        elif status.phase in (Phase.GONE, Phase.ABSENT):
            await self._end(row, GridJobState.ZOMBIE, "its supervisor is gone and left no outcome")
        else:
            if row.cancel:
                await self._engine.cancel(handle, row.cancel)
            await self._move(row, read_step(status.progress))

    async def _take_absent(self, row: JobRow) -> None:
        """It was assigned, and nothing of it has begun, as far as the disk knows."""
        if row.cancel:
            await self._end(row, GridJobState.KILLED, row.cancel)
        elif row.boot_id != self._boot_id:
            await self._end(row, GridJobState.ZOMBIE, POWER_CUT)  # a power cut takes the newest files with it
        else:
            await self._submit(row)

    async def _fill(self) -> None:
        """Start jobs while there are places."""
        while True:
            run = secrets.token_hex(12)
            row = await self._catalogue.write(partial(self._take, run=run))
            if row is None:
                return
            log.info("job-assigned job=%d user=%s run=%s", row.id, row.owner, row.run)
            try:
                await self._submit(row)
            except GridError as exc:
                await self._end(row, GridJobState.ERROR_A, str(exc))

    def _take(self, connection: Connection, run: str) -> JobRow | None:
        return take_next(connection, self._places, run, self._boot_id)

    async def _submit(self, row: JobRow) -> None:
        """Hand an assigned job to the engine; where it cannot be reached, the next look does it.

        Raises:
            GridError: it cannot run, now or later.
        """
        try:
            plan = await self._site.build_plan(row)
            path = os.path.join(self._plans, row.run)
            await asyncio.to_thread(write_atomically, path, plan, durable=False, mode=0o400)
            await self._engine.submit(self._site.build_engine_job(row, path))
        except CannotStart as exc:
            raise GridError(EIO, str(exc)) from exc
        except (OSError, Unavailable) as exc:
            log.error("job-not-started-yet job=%d reason=%r", row.id, str(exc))

    async def _move(self, row: JobRow, state: GridJobState) -> None:
        """Write how far a job is, if that is news; it goes through all states on the way, however seldom one looks."""
        way = RUNNING[RUNNING.index(GridJobState(row.state)) + 1 : RUNNING.index(state) + 1]
        if way:
            await self._catalogue.write(
                lambda connection: [move_job(connection, row.id, RUNNING, step) for step in way]
            )

    async def _end(self, row: JobRow, state: GridJobState, reason: str) -> None:
        await self._catalogue.write(lambda connection: end_job(connection, row.id, row.run, state, reason))
        log.info("job-ended job=%d user=%s state=%s reason=%r", row.id, row.owner, state, reason)
        try:
            await self._engine.release(await self._engine.find(row.run))
        except HeadlessError as exc:
            log.error("job-not-released job=%d reason=%r", row.id, str(exc))
        self._remove_plan(row.run)
        self._wake.set()

    def _remove_plan(self, run: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self._plans, run))
