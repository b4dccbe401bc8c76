"""The local engine: each job under a supervisor of its own on this machine, in a folder of its own.

The folder is the handle. It holds the supervisor's files (``execution/supervisor.py``) and, until the job is over, its
working folder.
"""

import asyncio
import contextlib
import dataclasses
import errno
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
from headless.execution.cgroup import CGROUP_PREFIX, find_base
from headless.execution.claim import Claim, read_claim
from headless.execution.control import request_cancel
from headless.execution.files import remove_tree, write_atomically
from headless.execution.processes import JOB_ID
from headless.execution.record import EXIT, RESERVE
from headless.execution.spool import read_spool
from headless.execution.supervisor import PLAN, PROGRESS, RESULT
from headless.execution.sweep import sweep_jobs
from headless.execution.warm import NoAnswer, WarmStart
from headless.job import REPORT_FD, Ending, Outcome

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

__all__ = ["DOORBELL", "LocalEngine"]

SCRIPT = "script.py"
WORK = "work"
DOORBELL = "doorbell"  # stays in the folder when the engine has gone
RESERVE_SIZE = 16 * 1024  # bytes
BELLS = 64  # rings that are answered before the event loop does something else
STARTERS = 4  # threads that start jobs: one writes files while another waits for an answer
SWEEP_PATIENCE_S = 1.0  # of a status for the sweep of a lost job; until it is done the job counts as running
TRANSIENT = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EIO, errno.EROFS}
)
"""What may be better the next time."""


class LocalEngine:
    """Implements :class:`~headless.engines.base.Engine`. Use it within a running event loop."""

    def __init__(
        self,
        folder: str,
        environment: Mapping[str, str],
        *,
        max_output: int,
        descriptors: int,
        cgroups: str = "auto",
        was_emptied: bool = False,
    ) -> None:
        """Args:
        folder: absolute; the jobs' folders are made in it. It must exist.
        environment: of the warm interpreter (not of the jobs).
        max_output: bytes that are kept of each output.
        descriptors: how many descriptors a job may open at a time, if its own limits do not say.
        cgroups: whether each job gets a control group of its own: ``on``, ``off``, or ``auto`` in a service only.
        was_emptied: somebody has removed what an earlier engine had in the folder: its jobs are gone, not absent.
        """
        self._folder = folder
        self._max_output = max_output
        self._descriptors = descriptors
        self._cgroup_base = "" if cgroups == "off" else find_base(of_unit=cgroups == "auto")
        self._warm = WarmStart(environment)
        self._starter = ThreadPoolExecutor(STARTERS, "start")  # the event loop waits for no process and no disk
        self._starting: dict[str, asyncio.Lock] = {}
        self._sweeps: dict[str, asyncio.Task[bool]] = {}
        self._was_emptied = was_emptied
        self._has_begun: dict[str, bool] = {}  # of the jobs that were submitted here and have not ended
        self._doorbell_path = os.path.join(folder, DOORBELL)
        self._doorbell = self._open_doorbell()
        self._changed: Callable[[str], None] = lambda job_id: None
        asyncio.get_running_loop().add_reader(self._doorbell, self._answer_doorbell)

    async def check(self) -> Health:
        """See :meth:`Engine.check`."""
        try:
            await self._in_starter(self._warm.open)
        except OSError as exc:
            raise Unavailable(f"no process can be started: {exc.strerror or exc}") from exc
        how = f"control groups in {self._cgroup_base}" if self._cgroup_base else "no control groups"
        return Health(f"local, warm, {how}, in {self._folder}")

    async def submit(self, job: EngineJob) -> str:
        """See :meth:`Engine.submit`."""
        handle = await self.find(job.job_id)
        async with self._starting.setdefault(handle, asyncio.Lock()):
            try:
                self._has_begun.setdefault(handle, False)
                self._renew_folder()
                await self._in_starter(self._start, handle, job)
                self._has_begun[handle] = True
            finally:
                self._starting.pop(handle, None)  # whoever waits for it has it already
        return handle

    async def find(self, job_id: str) -> str:
        """See :meth:`Engine.find`."""
        return os.path.join(self._folder, job_id)

    async def cancel(self, handle: str, reason: str) -> None:
        """See :meth:`Engine.cancel`.

        Raises:
            Unavailable: the request could not be written.
        """
        starting = self._starting.get(handle)
        if starting is not None:
            async with starting:  # else its folder might not be there yet
                pass
        try:
            await asyncio.to_thread(_cancel, handle, reason)
        except OSError as exc:
            raise Unavailable(f"the job could not be cancelled: {exc.strerror or exc}") from exc

    async def status(self, handles: Sequence[str]) -> dict[str, Status]:
        """See :meth:`Engine.status`. What a lost job has left running is ended before it is told to be gone."""
        found = {handle: self._look(handle) for handle in handles}
        gone = [handle for handle, status in found.items() if status.phase is Phase.GONE]
        for handle in await self._sweep(gone) if gone else ():
            found[handle] = dataclasses.replace(found[handle], phase=Phase.RUNNING)
        return found

    def _look(self, handle: str) -> Status:
        """A job's status by its files; where somebody has removed those, what is known without them."""
        status = _read_status(handle)
        if status.phase is Phase.ENDED:
            self._has_begun.pop(handle, None)
        elif status.phase is Phase.ABSENT and self._has_begun.get(handle, self._was_emptied):
            return Status(phase=Phase.GONE)
        elif status.phase is Phase.RUNNING:
            self._has_begun[handle] = True  # also one that an earlier engine has begun
        return status

    async def _sweep(self, gone: Sequence[str]) -> list[str]:
        """End what is left of these jobs; return those of which it is not known yet that nothing is left."""
        new = {os.path.basename(handle): self._find_cgroup(handle) for handle in gone if handle not in self._sweeps}
        if new:
            task = asyncio.create_task(asyncio.to_thread(sweep_jobs, new))
            self._sweeps.update((handle, task) for handle in gone if handle not in self._sweeps)
        await asyncio.wait({self._sweeps[handle] for handle in gone}, timeout=SWEEP_PATIENCE_S)
        return [handle for handle in gone if handle in self._sweeps and not self._sweeps[handle].done()]

    async def output(self, handle: str, stream: str, offset: int, size: int) -> Piece:
        """See :meth:`Engine.output`."""
        return Piece(*await asyncio.to_thread(read_spool, os.path.join(handle, stream), offset, size))

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
        self._sweeps.pop(handle, None)
        self._has_begun.pop(handle, None)

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """See :meth:`Engine.subscribe`."""
        self._changed = changed

    async def close(self) -> None:
        """See :meth:`Engine.close`. Running jobs go on."""
        asyncio.get_running_loop().remove_reader(self._doorbell)
        self._doorbell.close()
        if self._sweeps:
            await asyncio.wait(set(self._sweeps.values()))
        await self._in_starter(self._warm.close)
        self._starter.shutdown()

    async def _in_starter(self, function: Callable[..., Any], *arguments: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._starter, function, *arguments)

    def _start(self, handle: str, job: EngineJob) -> None:
        """Have a job begun. A folder that is there already is one that an earlier start has not come further with.

        Raises:
            CannotStart, Unavailable: as :meth:`submit`.
        """
        try:
            # Other users' jobs must be able to reach their working folder: the way is open, the files on it are not.
            with contextlib.suppress(FileExistsError):
                os.mkdir(handle, 0o711 if job.user else 0o700)
            if read_claim(handle) is Claim.NONE:
                self._write_plan(handle, job)
                self._warm.start(handle)
        except OSError as exc:
            if _has_begun(handle):
                return  # only the answer was lost: its supervisor is at work
            reason = f"the job could not be started: {exc.strerror or exc}"
            if isinstance(exc, NoAnswer) or exc.errno in TRANSIENT:
                raise Unavailable(reason) from exc
            remove_tree(handle)
            raise CannotStart(reason) from exc

    def _write_plan(self, handle: str, job: EngineJob) -> None:
        work = os.path.join(handle, WORK)
        with contextlib.suppress(FileExistsError):
            os.mkdir(work, 0o700)
        script = job.script
        if script is None:
            script = os.path.join(handle, SCRIPT)
            write_atomically(script, job.source, durable=False, mode=0o400)
        if job.user is not None:
            os.chown(work, job.user.uid, job.user.gid)
            if job.script is None:
                os.chown(script, job.user.uid, job.user.gid)
        write_atomically(
            os.path.join(handle, PLAN), json.dumps(self._build_plan(job, script, work)).encode(), durable=False
        )
        _take_room(os.path.join(handle, RESERVE))

    def _build_plan(self, job: EngineJob, script: str, work: str) -> dict[str, Any]:
        return {
            "job_id": job.job_id,
            "name": job.name,
            "script": script,
            "import_folder": os.path.dirname(script) if job.script else "",
            "arguments": list(job.arguments),
            "environment": {**job.environment, REPORT_FD: "3", JOB_ID: job.job_id},
            "python": job.python,
            "work": work,
            "stdin": job.stdin or os.devnull,
            "user": job.user and {"uid": job.user.uid, "gid": job.user.gid, "groups": job.user.groups},
            "spool_limit": self._max_output,
            "grace_s": job.grace_s,
            "max_runtime_s": job.max_runtime_s,
            "limits": dataclasses.asdict(job.limits),
            "cgroup": self._name_cgroup(job.job_id),
            "descriptors": self._descriptors,
            "doorbell": os.path.join("..", DOORBELL),  # relative: a socket's path has at most 107 bytes
        }

    def _name_cgroup(self, job_id: str) -> str:
        return self._cgroup_base and f"{self._cgroup_base}/{CGROUP_PREFIX}{job_id}"

    def _find_cgroup(self, handle: str) -> str:
        """The control group of a job that is gone: of its plan, or where that was removed, what it would be now."""
        if os.path.exists(os.path.join(handle, PLAN)):
            return _read_cgroup(handle)
        return self._name_cgroup(os.path.basename(handle))

    def _renew_folder(self) -> None:
        """Make the folder and the doorbell anew, if somebody has removed them.

        Raises:
            Unavailable: they cannot be made.
        """
        if os.path.lexists(self._doorbell_path):
            return
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._folder, 0o700)
                os.chmod(self._folder, 0o711 if os.geteuid() == 0 else 0o700)  # as the state folder's own
            doorbell = self._open_doorbell()
        except OSError as exc:
            raise Unavailable(f"the folder {self._folder} was removed: {exc.strerror or exc}") from exc
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._doorbell)
        self._doorbell.close()
        self._doorbell = doorbell
        loop.add_reader(self._doorbell, self._answer_doorbell)

    def _open_doorbell(self) -> socket.socket:
        doorbell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        doorbell.setblocking(False)
        if os.path.lexists(self._doorbell_path):
            os.unlink(self._doorbell_path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # By way of the descriptor, for the same 107 bytes.
            path = f"/proc/self/fd/{folder}/{DOORBELL}" if sys.platform == "linux" else self._doorbell_path
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


def _has_begun(handle: str) -> bool:
    """Whether this job has begun.

    Raises:
        Unavailable: that cannot be known just now.
    """
    try:
        return read_claim(handle) is not Claim.NONE
    except OSError as exc:
        raise Unavailable(f"the job's folder cannot be read: {exc.strerror or exc}") from exc


def _read_status(handle: str) -> Status:
    try:
        # The claim is asked first: a supervisor writes the exit record before it lets go of it.
        claim = read_claim(handle)
        if claim is Claim.NONE:
            return Status(phase=Phase.ABSENT)
        with open(os.path.join(handle, EXIT), "rb") as file:
            record = json.load(file)
    except FileNotFoundError:
        phase = Phase.RUNNING if claim is Claim.HELD else Phase.GONE
        return Status(phase=phase, progress=_read_progress(handle))
    except OSError:
        return Status(phase=Phase.UNKNOWN)
    except ValueError:
        record = {}
    return Status(phase=Phase.ENDED, outcome=_parse_outcome(record), progress=_read_progress(handle))


def _cancel(handle: str, reason: str) -> None:
    """Leave a request in the job's folder, unless it has ended or there is none.

    Raises:
        OSError: it could not be written.
    """
    if not os.path.exists(os.path.join(handle, EXIT)):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            request_cancel(handle, reason)


def _read_cgroup(handle: str) -> str:
    """The path of a lost job's control group; empty if it had none."""
    try:
        with open(os.path.join(handle, PLAN), "rb") as file:
            path = json.load(file)["cgroup"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return path if isinstance(path, str) else ""


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
