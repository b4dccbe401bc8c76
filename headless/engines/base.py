"""The Engine protocol: all that the server knows of where jobs run.

Rules for every engine: success only with the supervisor's exit record, never from absence; ``UNKNOWN`` is not ended;
ended only when the processes are gone; an engine that cannot be reached changes no job's state; a job is started at
most once, however often and by whomever it is submitted. ``tests/integration/test_engines*.py`` hold them to it.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headless.errors import HeadlessError
from headless.job import Outcome

__all__ = ["CannotStart", "Engine", "EngineJob", "Health", "Limits", "OsUser", "Phase", "Piece", "Status"]


class CannotStart(HeadlessError):
    """The engine refuses this job for good: it has not run and will not."""


@dataclass(frozen=True)
class OsUser:
    """The operating system's user that a job runs as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one job may use; 0 is no limit of ours, for niceness none added.

    Attributes:
        memory: bytes of address space of each of its processes; of all of them together where the engine can.
        cpu_s: seconds of processor time of each of its processes.
        open_files: descriptors of each of its processes.
        processes: processes of the OS user that it runs as (not for root); of the job where the engine can.
        nice: added to its niceness, 0 to 19.
    """

    memory: int = 0
    cpu_s: int = 0
    open_files: int = 0
    processes: int = 0
    nice: int = 0


@dataclass(frozen=True, kw_only=True)
class EngineJob:
    """A job as an engine sees it: everything resolved, nothing left to decide.

    Attributes:
        job_id: unique; a second submit of it starts nothing.
        name: for people, and for the process list.
        script: absolute path of the module, or ``None`` if ``source`` is to run.
        source: the script's bytes, if it is none of the server's modules.
        arguments: of the script.
        environment: the whole of it, but for what the engine adds (``HEADLESS_REPORT_FD``).
        stdin: absolute path of the input, or ``None`` for nothing.
        user: who the job runs as; ``None`` for the server's own user.
        python: the interpreter; empty for the engine's own, which may be warm.
        max_runtime_s: seconds after which the supervisor ends it; ``None`` for no limit.
        grace_s: seconds between TERM and KILL, whoever or whatever ends it.
        limits: of what it may use.
    """

    job_id: str
    name: str
    script: str | None
    source: bytes
    arguments: Sequence[str]
    environment: Mapping[str, str]
    stdin: str | None
    user: OsUser | None
    python: str = ""
    max_runtime_s: float | None = None
    grace_s: float = 10.0
    limits: Limits = Limits()


class Phase(enum.StrEnum):
    """Where a job is, as its engine sees it."""

    ABSENT = "absent"  # it was never submitted, or submitted and not begun: it may be submitted again
    QUEUED = "queued"  # the engine has it, and no process of it has been started
    RUNNING = "running"  # a process of it may be alive
    ENDED = "ended"  # its exit record is there, and no process of it is left
    GONE = "gone"  # it had begun, its supervisor is gone and has left no exit record: it is lost
    UNKNOWN = "unknown"  # the engine cannot be asked just now


@dataclass(frozen=True, kw_only=True)
class Status:
    """One job's phase, and what goes with it.

    ``outcome`` is there in the phase ``ENDED`` only. ``progress`` is what the job last told, done and total.
    """

    phase: Phase
    outcome: Outcome | None = None
    progress: tuple[float, float] | None = None


@dataclass(frozen=True)
class Health:
    """What an engine says of itself: one line for people, such as its version and limits."""

    description: str


@dataclass(frozen=True)
class Piece:
    """Bytes of a job's output: ``data`` begins at ``offset``, which lies behind what was asked for if that was cut.

    An empty piece says that there is nothing more just now.
    """

    offset: int
    data: bytes


class Engine(Protocol):
    """Runs jobs somewhere. All methods may be called again after a failure."""

    async def check(self) -> Health:
        """Be ready for jobs, and say what this engine is.

        Raises:
            Unavailable: it cannot be reached; try again.
        """

    async def submit(self, job: EngineJob) -> str:
        """Start a job; the handle that is returned is text that survives the server.

        Once this returns the job has begun, and its status is never ``ABSENT`` again. A second submit of a job that
        has begun starts nothing.

        Raises:
            CannotStart: final: it has not begun and will not.
            Unavailable: it may have begun or not; its status says so, and it may be submitted again.
        """

    async def find(self, job_id: str) -> str:
        """The handle of a job that may have been submitted, after a crash; its status then says what became of it."""

    async def cancel(self, handle: str, reason: str) -> None:
        """Ask for a job's end: TERM, grace, KILL to all of it. Safe to repeat; the end is seen through :meth:`status`.

        Args:
            handle: of the job; one that has ended is left alone.
            reason: one line that becomes the outcome's.
        """

    async def status(self, handles: Sequence[str]) -> dict[str, Status]:
        """Where these jobs are, by handle; one call for all."""

    async def output(self, handle: str, stream: str, offset: int, size: int) -> Piece:
        """At most ``size`` bytes of ``stdout`` or ``stderr`` from ``offset`` on; negative counts from the end.

        Offsets count all bytes that the job has written, also those that were cut since.
        """

    async def result(self, handle: str) -> tuple[bool, Any]:
        """Whether the job handed over a result, and the value."""

    async def release(self, handle: str) -> None:
        """Remove all that is kept of an ended job."""

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call ``changed`` with a job's id soon after there is something new of it. A hint: some may be missed."""

    async def close(self) -> None:
        """Let go of everything that is not a job."""
