"""The local engine: each job under a supervisor of its own on this machine, in a folder of its own.

The folder is the handle. It holds the supervisor's files (``execution/supervisor.py``) and, until the job is over, its
working folder.
"""

import asyncio
import json
import math
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from headless.engines.base import CannotStart, EngineJob, Health, Phase, Piece, Status
from headless.errors import Unavailable
from headless.execution.files import remove_tree, write_atomically
from headless.execution.supervisor import EXIT, PLAN, PROGRESS, RESERVE, RESULT, is_claimed
from headless.execution.warm import WarmStart
from headless.job import REPORT_FD, Ending, Outcome

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

__all__ = ["LocalEngine"]

SCRIPT = "script.py"
WORK = "work"
RESERVE_SIZE = 16 * 1024  # bytes
BELLS = 64  # rings that are answered before the event loop does something else
STREAMS = ("stdout", "stderr")


class LocalEngine:
    """Implements :class:`~headless.engines.base.Engine`. Use it within a running event loop."""

    def __init__(
        self, folder: str, environment: Mapping[str, str], *, max_output: int, grace_s: float, descriptors: int
    ) -> None:
        """Args:
        folder: absolute; the jobs' folders are made in it. It must exist.
        environment: of the warm interpreter (not of the jobs).
        max_output: bytes that are kept of each output.
        grace_s: seconds between TERM and KILL for what a job leaves behind.
        descriptors: how many descriptors a job may open at a time.
        """
        self._folder = folder
        self._max_output = max_output
        self._grace_s = grace_s
        self._descriptors = descriptors
        self._warm = WarmStart(environment)
        # One thread: the warm start is asked in turn, and the event loop waits for no process and no disk.
        self._starter = ThreadPoolExecutor(1, "start")
        self._doorbell_path = os.path.join(folder, "doorbell")
        self._doorbell = self._open_doorbell()
        self._changed: Callable[[str], None] = lambda job_id: None
        asyncio.get_running_loop().add_reader(self._doorbell, self._answer_doorbell)

    async def check(self) -> Health:
        """See :meth:`Engine.check`."""
        try:
            await self._in_starter(self._warm.open)
        except OSError as exc:
            raise Unavailable(f"no process can be started: {exc.strerror or exc}") from exc
        return Health(f"local, warm, in {self._folder}")

    async def submit(self, job: EngineJob) -> str:
        """See :meth:`Engine.submit`."""
        handle = await self.find(job.job_id)
        try:
            await self._in_starter(self._start, handle, job)
        except OSError as exc:
            raise CannotStart(f"the job could not be started: {exc.strerror or exc}") from exc
        return handle

    async def find(self, job_id: str) -> str:
        """See :meth:`Engine.find`."""
        return os.path.join(self._folder, job_id)

    async def cancel(self, handle: str, reason: str) -> None:
        """See :meth:`Engine.cancel`."""
        raise NotImplementedError

    async def status(self, handles: Sequence[str]) -> dict[str, Status]:
        """See :meth:`Engine.status`."""
        return {handle: _read_status(handle) for handle in handles}

    async def output(self, handle: str, stream: str, offset: int, size: int) -> Piece:
        """See :meth:`Engine.output`."""
        return await asyncio.to_thread(_read_output, os.path.join(handle, stream), offset, size)

    async def result(self, handle: str) -> tuple[bool, Any]:
        """See :meth:`Engine.result`."""
        try:
            with open(os.path.join(handle, RESULT), "rb") as file:
                return True, json.load(file)
        except FileNotFoundError:
            return False, None

    async def release(self, handle: str) -> None:
        """See :meth:`Engine.release`."""
        await asyncio.to_thread(remove_tree, handle)

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """See :meth:`Engine.subscribe`."""
        self._changed = changed

    async def close(self) -> None:
        """See :meth:`Engine.close`. Running jobs go on."""
        asyncio.get_running_loop().remove_reader(self._doorbell)
        self._doorbell.close()
        await self._in_starter(self._warm.close)
        self._starter.shutdown()

    async def _in_starter(self, function: Callable[..., Any], *arguments: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._starter, function, *arguments)

    def _start(self, handle: str, job: EngineJob) -> None:
        # Other users' jobs must be able to reach their working folder: the way is open, the files on it are not.
        os.mkdir(handle, 0o711 if job.user else 0o700)
        try:
            self._write_plan(handle, job)
            self._warm.start(handle)
        except OSError:
            if is_claimed(handle):
                return  # only the answer was lost: its supervisor is at work
            remove_tree(handle)
            raise

    def _write_plan(self, handle: str, job: EngineJob) -> None:
        work = os.path.join(handle, WORK)
        os.mkdir(work, 0o700)
        script = job.script
        if script is None:
            script = os.path.join(handle, SCRIPT)
            write_atomically(script, job.source, durable=False, mode=0o400)
        if job.user is not None:
            os.chown(work, job.user.uid, job.user.gid)
            if job.script is None:
                os.chown(script, job.user.uid, job.user.gid)
        plan = {
            "job_id": job.job_id,
            "name": job.name,
            "script": script,
            "import_folder": os.path.dirname(script) if job.script else "",
            "arguments": list(job.arguments),
            "environment": {**job.environment, REPORT_FD: "3"},
            "python": job.python,
            "work": work,
            "stdin": job.stdin or os.devnull,
            "user": job.user and {"uid": job.user.uid, "gid": job.user.gid, "groups": job.user.groups},
            "spool_limit": self._max_output,
            "grace_s": self._grace_s,
            "descriptors": self._descriptors,
            "doorbell": os.path.join("..", "doorbell"),  # relative: a socket's path has at most 107 bytes
        }
        write_atomically(os.path.join(handle, PLAN), json.dumps(plan).encode(), durable=False)
        _take_room(os.path.join(handle, RESERVE))

    def _open_doorbell(self) -> socket.socket:
        doorbell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        doorbell.setblocking(False)
        if os.path.lexists(self._doorbell_path):
            os.unlink(self._doorbell_path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # By way of the descriptor, for the same 107 bytes.
            path = f"/proc/self/fd/{folder}/doorbell" if sys.platform == "linux" else self._doorbell_path
            doorbell.bind(path)
        finally:
            os.close(folder)
        os.chmod(self._doorbell_path, 0o600)
        return doorbell

    def _answer_doorbell(self) -> None:
        for _ in range(BELLS):
            try:
                job_id = self._doorbell.recv(64).decode("ascii", "replace")
            except BlockingIOError:
                return
            self._changed(job_id)


def _read_status(handle: str) -> Status:
    # The claim is asked first: a supervisor writes the exit record before it lets go of it.
    claimed = is_claimed(handle)
    try:
        with open(os.path.join(handle, EXIT), "rb") as file:
            record = json.load(file)
    except FileNotFoundError:
        if not claimed:
            return Status(phase=Phase.GONE if os.path.exists(os.path.join(handle, "claim")) else Phase.ABSENT)
        return Status(phase=Phase.RUNNING, progress=_read_progress(handle))
    except ValueError:
        record = {}
    return Status(phase=Phase.ENDED, outcome=_parse_outcome(record), progress=_read_progress(handle))


def _parse_outcome(record: dict[str, Any]) -> Outcome:
    """The supervisor writes it whole or not at all; what else may stand there comes of a damaged disk."""
    try:
        record["ending"] = Ending(record["ending"])
        return Outcome(**record)
    except (KeyError, ValueError, TypeError):
        return Outcome(ending=Ending.LOST, reason="the record of its outcome is damaged")


def _take_room(path: str) -> None:
    """Take the room that the outcome will need, while there is some: the job's own output may fill the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, RESERVE_SIZE)
    finally:
        os.close(descriptor)


def _read_progress(handle: str) -> tuple[float, float] | None:
    """What the job last told; the job writes it, so anything may stand there."""
    try:
        with open(os.path.join(handle, PROGRESS), "rb") as file:
            done, total = json.load(file)
        progress = float(done), float(total)
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    return progress if all(map(math.isfinite, progress)) else None


def _read_output(path: str, offset: int, size: int) -> Piece:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Piece(max(offset, 0), b"")
    try:
        if offset < 0:
            offset = max(0, os.fstat(descriptor).st_size + offset)
        return Piece(offset, os.pread(descriptor, size, offset))
    finally:
        os.close(descriptor)
