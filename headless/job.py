"""What a job is, and what a job can say of itself.

The first half are values that every part shares. The second half is the face that a running job sees::

    from headless import job

    job.progress(3, 10)
    job.result({"deleted": 3})

Run by hand, outside of headless, both calls do nothing: a job's script stays a plain script.
"""

import enum
import json
import math
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "RESULT_DEPTH",
    "RESULT_LIMIT",
    "Ending",
    "JobKind",
    "JobSpec",
    "JobState",
    "Outcome",
    "Overlap",
    "progress",
    "result",
]

RESULT_LIMIT = 1 << 20
"""Most bytes of a job's result as JSON: it travels in one message, beside the outcome."""

RESULT_DEPTH = 30
"""Most levels of lists and objects in a job's result."""

PROGRESS_INTERVAL_S = 0.1
REPORT_FD = "HEADLESS_REPORT_FD"


class JobKind(enum.StrEnum):
    """What the launcher asked to run."""

    MODULE = "module"  # a named script of one of the server's module folders
    SCRIPT = "script"  # a script that the launcher sent
    CODE = "code"  # a line of code that the launcher sent


class JobState(enum.StrEnum):
    """Where a job is; each state is defined by what holds while the job is in it."""

    ACCEPTED = "accepted"  # on disk, about to be handed to its engine; at most its supervisor has been asked for
    WAITING = "waiting"  # on disk, in a line: for another run of its name, or for its turn; nothing of it was started
    RUNNING = "running"  # its engine has taken it
    ENDED = "ended"  # final: status 0, and no process of it is left
    FAILED = "failed"  # final: another status, an exception or a signal, and no process of it is left
    STOPPED = "stopped"  # final: ended by its run-time limit or a cancel, and no process of it is left
    LOST = "lost"  # final: its supervisor is gone and left no outcome

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow this state."""
        return self not in (JobState.ACCEPTED, JobState.WAITING, JobState.RUNNING)


class Overlap(enum.StrEnum):
    """What happens to a start while another run of the same name is waiting or running."""

    ALLOW = "allow"  # both run
    SKIP = "skip"  # it is not accepted: exit code 6
    WAIT = "wait"  # it runs when those before it have ended, first come first served
    REPLACE = "replace"  # those before it are cancelled, and it runs when nothing of them is left


class Ending(enum.StrEnum):
    """How a job's own process came to its end."""

    STATUS = "status"  # it exited; the status is the outcome's code
    EXCEPTION = "exception"  # Python's uncaught exception; the text is the outcome's reason
    SIGNAL = "signal"  # killed by the signal in the outcome's code
    NOT_STARTED = "not_started"  # it could not be started; the outcome's reason says why
    LIMIT = "limit"  # ended by its run-time limit; the code is what its process ended with, if it had one
    CANCELLED = "cancelled"  # ended, or never begun, because somebody said so; the reason says who
    EXPIRED = "expired"  # never begun: its turn did not come in the time that it was given
    LOST = "lost"  # nothing is known but that its supervisor is gone


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended.

    ``code`` is the exit status (0 to 255) or the signal's number; ``None`` where there was neither.
    ``reason`` is one line for people, empty if there is nothing to add. ``duration_s`` is seconds on the
    monotonic clock. ``written`` counts the output bytes of the job per stream, ``dropped``
    those of them that are not kept.
    """

    ending: Ending
    code: int | None = None
    reason: str = ""
    duration_s: float = 0.0
    written: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def state(self) -> JobState:
        """The final state that this outcome puts its job in."""
        if self.ending is Ending.LOST:
            return JobState.LOST
        if self.ending in (Ending.LIMIT, Ending.CANCELLED, Ending.EXPIRED):
            return JobState.STOPPED
        if self.ending is Ending.STATUS and self.code == 0:
            return JobState.ENDED
        return JobState.FAILED


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What was asked to run: made by the launcher, completed and accepted by the server.

    ``job_id`` is 26 characters of Crockford's base 32, sortable by time. ``source`` holds the bytes of a script or of
    code and is empty for a module. ``stdin`` tells that an input of the launcher was uploaded before.
    ``name`` is what overlap and history go by; for a module its id, unless told otherwise.
    ``wait_for_s`` is how long it may wait in a line, ``start_within_s`` how long after the launcher's start it may
    begin at all; ``max_runtime_s`` and ``grace_s`` are its limit and the time between TERM and KILL. For all four -1
    stands for what the module or the server says. ``inputs`` (``LFN=path``) and ``outputs`` (``path=LFN``) are files on
    the grid, fetched before it runs and stored after.
    """

    job_id: str
    kind: JobKind
    name: str
    module: str = ""
    source: bytes = b""
    arguments: Sequence[str] = ()
    stdin: bool = False
    overlap: Overlap = Overlap.ALLOW
    wait_for_s: float = -1.0
    start_within_s: float = -1.0
    max_runtime_s: float = -1.0
    grace_s: float = -1.0
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()


_last_progress = 0.0


def progress(done: float, total: float) -> None:
    """Tell how far the job is; shown by a launcher that was started with ``-v``.

    Call it as often as you like: at most ten a second are sent, and always the last one (``done >= total``), if the
    total is known. What no bar could show, such as NaN, is not sent.

    Args:
        done: how much is done, in the job's own unit.
        total: how much there is to do, in the same unit; 0 if that is unknown.
    """
    global _last_progress
    if not (math.isfinite(done) and math.isfinite(total)):
        return
    now = time.monotonic()
    if (done < total or total <= 0) and now - _last_progress < PROGRESS_INTERVAL_S:
        return
    _last_progress = now
    _report({"progress": [float(done), float(total)]})


def result(value: Any) -> None:
    """Hand a value to the launcher, which writes it to the file of its ``--result``. The last call counts.

    Args:
        value: anything that JSON can say, of at most ``RESULT_LIMIT`` bytes and ``RESULT_DEPTH`` levels.

    Raises:
        ValueError: it is too large or too deep, or JSON cannot say it: NaN, infinity, text that is not Unicode (what
            ``os.fsdecode`` makes of some file names).
        TypeError: it is of a type that JSON does not know.
    """
    if _is_deeper(value, RESULT_DEPTH):
        raise ValueError(f"the result has more than {RESULT_DEPTH} levels of lists and objects: put it into a file")
    line = json.dumps(value, allow_nan=False)
    if "\\ud" in line:
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate stops here
    if len(line) > RESULT_LIMIT:
        raise ValueError(f"the result has {len(line)} bytes as JSON, at most {RESULT_LIMIT} can be handed over")
    _report({"result": value})


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list | tuple):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(child, levels - 1) for child in children)


def _report(message: dict[str, Any]) -> None:
    """Write one line to the supervisor, if there is one.

    The environment is read here, in the job's own process: the settings of headless do not exist in it. A program
    that the job starts inherits the variable but not the pipe, and may have opened a file of its own at that number.
    """
    line = json.dumps(message, allow_nan=False).encode() + b"\n"
    try:
        descriptor = int(os.environ.get(REPORT_FD, ""))
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            while line:
                line = line[os.write(descriptor, line) :]
    except (ValueError, OverflowError, OSError):
        return  # no supervisor: run by hand, or it is gone; a report never fails the job
