"""Process trees of Linux: adopt what a job leaves behind, list it, signal it, reap it.

Only the standard library, and only what a supervisor needs: it runs where nothing else of headless is installed.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

__all__ = ["become_subreaper", "end_descendants", "list_descendants", "name_process"]

PR_SET_NAME = 15  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
LAST_RESORT_S = 30.0  # KILL is not refused; this bounds the wait for a process stuck in the kernel
STEP_S = 0.02


def become_subreaper() -> None:
    """Adopt all descendants whose own parent dies, also those that made a session of their own (prctl(2)).

    Elsewhere than on Linux this does nothing, and only direct children can be found again.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def name_process(name: str) -> None:
    """Set what ``ps -o comm`` and ``top`` show of this process; 15 bytes of it count."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def list_descendants() -> list[int]:
    """The process ids of all living descendants of this process, in no order that counts."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            parents.setdefault(_read_parent(int(entry)), []).append(int(entry))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def end_descendants(linger_s: float, grace_s: float, on_wait: Callable[[float], None]) -> int:
    """End every descendant of this process: wait for ``linger_s``, then TERM, then after ``grace_s`` KILL.

    Reaps what ends. Afterwards no descendant is left (or, after KILL, one that the kernel itself holds on to).

    Args:
        linger_s: seconds in which they may end by themselves.
        grace_s: seconds between TERM and KILL.
        on_wait: called instead of sleeping, with the seconds to wait at most; drains their output.

    Returns:
        How many had to be signalled.
    """
    if _wait_childless(linger_s, on_wait):
        return 0
    signalled = _signal_all(signal.SIGTERM)
    if not _wait_childless(grace_s, on_wait):
        deadline = time.monotonic() + LAST_RESORT_S
        while time.monotonic() < deadline:
            # Again and again: a fork bomb makes new ones between the listing and the signal.
            _signal_all(signal.SIGKILL)
            if _wait_childless(0.1, on_wait):
                break
    return signalled


def _wait_childless(limit_s: float, on_wait: Callable[[float], None]) -> bool:
    deadline = time.monotonic() + limit_s
    while _reap():
        if time.monotonic() >= deadline:
            return False
        on_wait(STEP_S)
    return True


def _reap() -> bool:
    """Reap all children that have ended; tell whether any is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _signal_all(number: signal.Signals) -> int:
    count = 0
    for pid in list_descendants():
        try:
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)  # a stopped process does not see TERM
            count += 1
        except (ProcessLookupError, PermissionError):
            continue
    return count


def _read_parent(pid: int) -> int:
    """The parent's id from ``/proc/PID/stat``, 0 if the process is gone or already dead (proc(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The command's name may hold blanks and parentheses: the fields begin after its last one.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    # A process whose first thread has ended is a zombie, too, and lives as long as its other threads.
    return int(fields[1]) if fields[0] != b"Z" or int(fields[17]) > 1 else 0
