"""What is left of jobs whose supervisor was killed: found by their control group or by their mark, and ended."""

import os
import signal
import sys
import time
from collections.abc import Mapping

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

from headless.execution.cgroup import kill_cgroup, remove_cgroup
from headless.execution.processes import JOB_ID, MARK, list_descendants

__all__ = ["sweep_jobs"]

SWEEP_LIMIT_S = 10.0  # KILL is not refused; this bounds the wait for what is stuck in the kernel
STEP_S = 0.01


def sweep_jobs(jobs: Mapping[str, str]) -> bool:
    """KILL what is left of jobs that have no supervisor; False if something still is after ``SWEEP_LIMIT_S``.

    Where a job had a control group all of it is found; else what has the job's id in the environment that it was
    started with, and what descends from that.

    Args:
        jobs: the path of each job's control group, or an empty string, by its id.
    """
    marks = {f"{JOB_ID}={job_id[: len(MARK)]}".encode() for job_id in jobs}
    deadline = time.monotonic() + SWEEP_LIMIT_S
    while True:
        groups = [path for path in jobs.values() if path and not remove_cgroup(path)]
        for path in groups:
            kill_cgroup(path)
        if not _kill_marked(marks) and not groups:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(STEP_S)


def _kill_marked(marks: set[bytes]) -> bool:
    """KILL all processes with one of these marks, and their descendants; tell whether there was any."""
    own = os.getpid()
    found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != own and _is_marked(pid, marks)]
    descendants = list_descendants(*found) if found else []
    for pid in found:
        _kill_if(pid, marks)
    for pid in descendants:
        if pid not in found:
            _kill(pid)
    return bool(found)


def _kill_if(pid: int, marks: set[bytes]) -> None:
    """KILL a process if it is still the one that was found: its id may be another's by now."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _is_marked(pid, marks):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        return  # gone, or somebody else's
    finally:
        os.close(descriptor)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return


def _is_marked(pid: int, marks: set[bytes]) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return not marks.isdisjoint(file.read().split(b"\0"))
    except OSError:
        return False  # gone, or another user's
