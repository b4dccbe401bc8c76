"""The Engine protocol: all that the server knows of where jobs run.

Rules for every engine: success only with the supervisor's exit record, never from absence; ``UNKNOWN`` is not ended;
ended only when the processes are gone; an engine that cannot be reached changes no job's state.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headless.errors import HeadlessError
from headless.job import Outcome

__all__ = ["CannotStart", "Engine", "EngineJob", "OsUser", "Phase", "Status"]


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


class Phase(enum.StrEnum):
    """Where a submitted job is, as its engine sees it."""

    RUNNING = "running"  # a process of it may be alive
    ENDED = "ended"  # its exit record is there, and no process of it is left
    GONE = "gone"  # no process, no exit record: lost, or never started
    UNKNOWN = "unknown"  # the engine cannot be asked just now


@dataclass(frozen=True, kw_only=True)
class Status:
    """One job's phase, and what goes with it.

    ``outcome`` is there in the phase ``ENDED`` only. ``progress`` is what the job last told, done and total.
    """

    phase: Phase
    outcome: Outcome | None = None
    progress: tuple[float, float] | None = None


class Engine(Protocol):
    """Runs jobs somewhere. All methods may be called again after a failure."""

    async def submit(self, job: EngineJob) -> str:
        """Start a job; the handle that is returned is text that survives the server.

        Raises:
            CannotStart: final.
        """

    async def find(self, job_id: str) -> str:
        """The handle of a job that may have been submitted, after a crash; its status then says what became of it."""

    async def status(self, handles: Sequence[str]) -> dict[str, Status]:
        """Where these jobs are, by handle; one call for all."""

    async def output(self, handle: str, stream: str, offset: int, size: int) -> bytes:
        """At most ``size`` bytes of ``stdout`` or ``stderr`` from ``offset`` on; negative counts from the end."""

    async def result(self, handle: str) -> tuple[bool, Any]:
        """Whether the job handed over a result, and the value."""

    async def release(self, handle: str) -> None:
        """Remove all that is kept of an ended job."""

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call ``changed`` with a job's id soon after there is something new of it. A hint: some may be missed."""

    async def close(self) -> None:
        """Let go of everything that is not a job."""
