"""The record of how a job ended: built from what its supervisor knows, written once. Only the standard library."""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

from headless.execution.files import sync_folder
from headless.execution.spool import Spool

__all__ = ["EXIT", "RESERVE", "End", "build_record", "write_record"]

EXIT = "exit.json"  # the outcome; written once
RESERVE = "reserve"  # room for the outcome on a full disk; made with the plan, becomes the outcome


@dataclass
class End:
    """What is known of a job's end.

    Attributes:
        status: the wait status of its own process; ``None`` if it never had one.
        stopped: the ending and the reason, if it was ended by its limit or by somebody.
        not_started: why the program could not be started, if it could not.
        exception: the uncaught exception in one line, if there was one.
        cpu_s: seconds of processor time that its own process has used.
        oom_kills: how many of its processes were killed for the memory limit of its control group.
        ended_left: how many processes had to be ended that it had left behind.
        survivors: how many could not be ended.
        notes: what else is to be told.
    """

    status: int | None = None
    stopped: tuple[str, str] | None = None
    not_started: str = ""
    exception: str = ""
    cpu_s: float = 0.0
    oom_kills: int = 0
    ended_left: int = 0
    survivors: int = 0
    notes: Sequence[str] = field(default_factory=list)


def build_record(end: End, limits: Mapping[str, int], duration_s: float, spools: Mapping[str, Spool]) -> dict[str, Any]:
    """The record as ``exit.json`` has it.

    Args:
        end: how it ended.
        limits: of the plan, for the reason.
        duration_s: seconds since it began.
        spools: of its outputs, by stream.
    """
    ending, code, reasons = _describe_end(end, limits)
    if end.ended_left:
        reasons.append(f"{_count(end.ended_left)} it left behind had to be ended")
    if end.survivors:
        reasons.append(f"{_count(end.survivors)} of it could not be ended")
    return {
        "ending": ending,
        "code": code,
        "reason": "; ".join([*reasons, *end.notes]),
        "duration_s": round(duration_s, 3),
        "written": {name: spool.size for name, spool in spools.items() if spool.size},
        "dropped": {name: spool.dropped for name, spool in spools.items() if spool.dropped},
    }


def write_record(record: Mapping[str, Any]) -> None:
    """Make the record durable in the current folder, in the room that was kept for it.

    Raises:
        OSError: it is not there; try again.
    """
    data = json.dumps(record).encode()
    descriptor = os.open(RESERVE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.pwrite(descriptor, data, 0) < len(data):
            raise OSError("the record was not written whole")
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(RESERVE, EXIT)
    sync_folder(".")


def _describe_end(end: End, limits: Mapping[str, int]) -> tuple[str, int | None, list[str]]:
    """The ending, the code, and the reasons."""
    code = None if end.status is None else os.waitstatus_to_exitcode(end.status)
    number = None if code is None else abs(code)
    if end.stopped:
        return end.stopped[0], number, [end.stopped[1]]
    if end.not_started or code is None:
        return "not_started", number, [end.not_started]
    if code < 0:
        return "signal", number, _explain_signal(-code, end, limits)
    if code and end.exception:
        return "exception", code, [end.exception]
    return "status", code, []


def _explain_signal(number: int, end: End, limits: Mapping[str, int]) -> list[str]:
    """Which limit has killed the process, where that can be known."""
    cpu_s = limits.get("cpu_s", 0)
    # A program that takes no notice of XCPU is killed when the hard limit is reached.
    if number == signal.SIGXCPU or (number == signal.SIGKILL and 0 < cpu_s < end.cpu_s):
        return [f"its CPU time limit of {cpu_s} s"] if cpu_s else []
    if number == signal.SIGKILL and end.oom_kills:
        return [f"its memory limit of {limits.get('memory', 0)} bytes"]
    return []


def _count(number: int) -> str:
    return f"{number} process{'es' if number > 1 else ''}"
